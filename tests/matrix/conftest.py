"""The matrix's world: fake hosts kept in a file, and a fresh cloud on them."""

import random
from collections import defaultdict
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest

from tests.hypervisors.fake_host import installed
from tests.images.web import site
from tests.matrix import imports
from tests.matrix.seeds import SEED
from tests.matrix.world import World

HERE = Path(__file__).parent
# Of all that may befall a step one is tried each time; of what may befall the jobs of a case two,
# and one that takes too long.
FILES = STEPS, JOBS = "test_steps.py", "test_jobs.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of each kind of trouble the seed chooses some; all others are for later."""
    alike: dict[tuple[str, ...], list[pytest.Item]] = defaultdict(list)
    for item in items:
        call = getattr(item, "callspec", None)
        if item.path.parent != HERE or item.path.name not in FILES or call is None:
            continue
        step = str(call.params.get("step", ""))
        # A job that takes too long does so at any step of its case.
        where = step if item.path.name == STEPS else str(bool(step))
        alike[item.path.name, str(call.params["case"]), where].append(item)
    for group, members in alike.items():
        count = 2 if group[::2] == (JOBS, "False") else 1
        kept = random.Random(f"{SEED} {group}").sample(members, min(count, len(members)))
        for item in members:
            if item not in kept:
                item.add_marker(pytest.mark.long)


@pytest.fixture(scope="session")
def image_uri() -> Iterator[str]:
    """Where the content of imported images is served."""
    with site() as web:
        yield web.serve("/image", imports.CONTENT)


@pytest.fixture
def world(monkeypatch, transactional_db, settings, tmp_path, image_uri) -> World:
    monkeypatch.setattr(imports, "URI", image_uri)
    settings.IMAGE_DIR = tmp_path / "images"
    settings.IMPORT_NETWORKS = (ip_network("127.0.0.1"),)
    hosts = installed(monkeypatch)
    hosts.keep_in(tmp_path)
    return World(hosts)
