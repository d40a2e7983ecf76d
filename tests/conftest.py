"""What all tests share: a database in a file, where threads and processes meet as in production."""

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from django.conf import settings
from django.db import connection
from django.test import TransactionTestCase

from cloudportal.api.views import WireView
from hypervisors.libvirt.errors import HostUnreachable
from hypervisors.models import Hypervisor
from hypervisors.platforms import forget_neighbours
from tests.authorisation import Endpoint
from tests.conformance import checking
from tests.emptying import empty_tables

pytest_plugins = ["tests.chromium", "tests.matrix.report"]

# A suite keeps what it has loaded: to look through it again and again took a sixth of the time.
gc.set_threshold(100000, 50, 50)

# What asks no database, what starts databases of its own, and what is the same on each of them: the
# forms of requests and answers, who may call what, pages, names, files. Jobs and drains are on
# PostgreSQL with kills; all that may befall them is there in make test-long.
ONCE = (
    "chaos",
    "cloudportal/api",
    "cloudportal/test_backup.py",
    "cloudportal/test_free_range.py",
    "cloudportal/test_processes.py",
    "cloudportal/test_settings.py",
    "dashboard/test_create.py",
    "dashboard/test_pages.py",
    "dashboard/test_session.py",
    "flavors/api/test_extra_specs.py",
    "guest_image",
    "hypervisors/libvirt",
    "hypervisors/test_admin.py",
    "hypervisors/test_adopt_contract.py",
    "hypervisors/test_command.py",
    "hypervisors/test_connections.py",
    "hypervisors/test_guests.py",
    "hypervisors/test_host_contract.py",
    "hypervisors/test_links.py",
    "hypervisors/test_look.py",
    "hypervisors/test_platforms.py",
    "hypervisors/test_ssh.py",
    "hypervisors/test_uris.py",
    "identity/api/test_versions.py",
    "identity/test_passwords.py",
    "images/test_inspect.py",
    "integrity/test_admin.py",
    "integrity/test_moved.py",
    "integrity/test_repairs.py",
    "lab",
    "maintenance/test_carry.py",
    "maintenance/test_forecast.py",
    "matrix/test_jobs.py",
    "matrix/test_steps.py",
    "networks/api/test_fuzz.py",
    "operations/test_admin.py",
    "operations/test_cluster.py",
    "policy",
    "queries",
    "samples",
    "scheduling/test_extra_specs.py",
    "scheduling/test_numa_fit.py",
    "servers/api/proxies",
    "servers/api/test_create_fuzz.py",
    "servers/api/test_external_events.py",
    "servers/api/test_gone.py",
    "servers/api/test_hints.py",
    "servers/api/test_legacy.py",
    "servers/api/test_server_facts.py",
    "servers/api/test_versions.py",
    # What these do to hosts, make test-long does on PostgreSQL as well.
    "servers/operations/test_adopt.py",
    "servers/operations/test_host_away.py",
    "servers/operations/test_images_of_servers.py",
    "servers/operations/test_interfaces.py",
    "servers/operations/test_live_migration.py",
    "servers/operations/test_logical_pools.py",
    "servers/operations/test_numa.py",
    "servers/operations/test_pci.py",
    "servers/operations/test_platforms.py",
    "servers/operations/test_power.py",
    "servers/operations/test_rebuild.py",
    "servers/operations/test_record_sync.py",
    "servers/operations/test_reimage.py",
    "servers/operations/test_resize.py",
    "servers/operations/test_restore.py",
    "servers/operations/test_shared_pools.py",
    "servers/operations/test_suspend.py",
    "servers/test_config_drive.py",
    "servers/test_host_needs.py",
    "servers/test_legal.py",
    "servers/test_names.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what need not be repeated on another database."""
    here = Path(__file__).parent
    for item in items:
        is_once = item.path.relative_to(here).as_posix().startswith(ONCE)
        if is_once or _asks_who_may(item):
            item.add_marker(pytest.mark.once)


def pytest_collection_finish() -> None:
    """What is loaded by now stays to the end: no later collection looks through it."""
    gc.collect()
    gc.freeze()


def _asks_who_may(item: pytest.Item) -> bool:
    """Whether it is a cell of a table of `tests.authorisation.matrix`."""
    call = getattr(item, "callspec", None)
    return call is not None and isinstance(call.params.get("endpoint"), Endpoint)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix, tmp_path_factory
) -> None:
    """Put an SQLite test database into a file: one in memory knows neither WAL nor its locks."""
    database = settings.DATABASES["default"]
    if database["ENGINE"].endswith("sqlite3"):
        path = tmp_path_factory.mktemp("database") / "test.sqlite3"
        database.setdefault("TEST", {})["NAME"] = str(path)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker) -> Iterator[None]:
    """At the end, PostgreSQL drops no database that a thread of some test still has open."""
    yield
    with django_db_blocker.unblock():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )


@pytest.fixture(scope="session", autouse=True)
def static_folder() -> None:
    """The folder of collected static files, without which WhiteNoise warns at every client."""
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)


@pytest.fixture(scope="session", autouse=True)
def quick_emptying() -> Iterator[None]:
    """After a test that committed, only what it wrote is taken away."""
    patch = pytest.MonkeyPatch()
    patch.setattr(TransactionTestCase, "_fixture_teardown", empty_tables)
    yield
    patch.undo()


@pytest.fixture(scope="session", autouse=True)
def nobody_waits_for_operations() -> Iterator[None]:
    """There are no workers here: a request that would wait for an operation's end does not."""
    patch = pytest.MonkeyPatch()
    patch.setattr("operations.outcome.PATIENCE_S", 0.0)
    yield
    patch.undo()


@pytest.fixture(autouse=True)
def hosts_seen_anew() -> None:
    """What the hosts of another test had is not remembered."""
    forget_neighbours()


@pytest.fixture(scope="session", autouse=True)
def answers_as_documented() -> Iterator[None]:
    """Whatever a test asks of the compute API is answered as its document says, or it fails."""
    patch = pytest.MonkeyPatch()
    patch.setattr(WireView, "finalize_response", checking(WireView.finalize_response))
    yield
    patch.undo()


def pytest_addoption(parser: pytest.Parser) -> None:
    """What the tests keep in files can be written anew."""
    parser.addoption(
        "--rewrite",
        action="store_true",
        help="write the samples of the API and the counts of queries as they are now",
    )


@pytest.fixture
def rewrite(request: pytest.FixtureRequest) -> bool:
    """Whether kept files are to be written anew."""
    return bool(request.config.getoption("--rewrite"))


@pytest.fixture
def silent_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    """No host answers, and none is waited for."""

    def refuse(hypervisor: Hypervisor) -> NoReturn:
        raise HostUnreachable(f"{hypervisor.name} is not there")

    monkeypatch.setattr("hypervisors.connections.open_host", refuse)
