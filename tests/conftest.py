"""What all tests share: a database in a file, where threads and processes meet as in production."""

from pathlib import Path

import pytest
from django.conf import settings

from tests.matrix.report import pytest_terminal_summary  # noqa: F401 - a hook, found by its name

# What asks no database, and what starts databases of its own, of each kind.
ONCE = (
    "chaos",
    "cloudportal/test_backup.py",
    "guest_image",
    "hypervisors/libvirt",
    "lab",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what need not be repeated on another database."""
    here = Path(__file__).parent
    for item in items:
        if item.path.relative_to(here).as_posix().startswith(ONCE):
            item.add_marker(pytest.mark.once)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix, tmp_path_factory
) -> None:
    """Put an SQLite test database into a file: one in memory knows neither WAL nor its locks."""
    database = settings.DATABASES["default"]
    if database["ENGINE"].endswith("sqlite3"):
        path = tmp_path_factory.mktemp("database") / "test.sqlite3"
        database.setdefault("TEST", {})["NAME"] = str(path)


@pytest.fixture(scope="session", autouse=True)
def static_folder() -> None:
    """The folder of collected static files, without which WhiteNoise warns at every client."""
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
