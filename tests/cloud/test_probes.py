"""Every group of endpoints is asked by every client; `docs/compatibility.md` is what came of it."""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.cloud.conftest import Cloud, delete_all
from tests.cloud.probes import (
    command,
    command_actions,
    command_cloud,
    nova,
    nova_actions,
    nova_cloud,
    sdk,
    sdk_actions,
    sdk_cloud,
)
from tests.cloud.probes.command import CommandColumn
from tests.cloud.probes.nova import NovaColumn
from tests.cloud.probes.page import cells_of, page
from tests.cloud.probes.sdk import SdkColumn
from tests.cloud.probes.table import Column, Probes
from tests.portal import BIN, ROOT

# The first test waits for the whole table.
pytestmark = [pytest.mark.lab, pytest.mark.wire, pytest.mark.timeout(1200)]
PAGE = ROOT / "docs/compatibility.md"
# What novaclient's users set: the oldest, the last with ids of images, tags, and the newest.
VERSIONS = ("2.1", "2.37", "2.60", "2.79", "2.96")
AT_ONCE = 5
# Of these columns nothing is waited for that takes long.
QUICK = ("novaclient 2.1", "novaclient 2.79")
# They join their probes to those of their client when they are imported.
REST = (command_actions, command_cloud, nova_actions, nova_cloud, sdk_actions, sdk_cloud)


def columns_of(cloud: Cloud, names: Collection[str]) -> list[tuple[Column, Probes]]:
    """Those of the table's columns, all if none is named."""
    portal = cloud.portal
    found: list[tuple[Column, Probes]] = [
        *(
            (NovaColumn(f"novaclient {each}", portal, each, each != VERSIONS[-1]), nova.PROBES)
            for each in VERSIONS
        ),
        (SdkColumn("openstacksdk", portal), sdk.PROBES),
        (CommandColumn("openstack", portal), command.PROBES),
        (CommandColumn("openstack 2.100", portal, "2.100"), command.PROBES),
    ]
    return [each for each in found if not names or each[0].name in names]


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(QUICK, id="two columns"),
        pytest.param((), id="all columns", marks=pytest.mark.long),
    ],
)
def columns(cloud: Cloud, request: pytest.FixtureRequest) -> Iterator[list[Column]]:
    """The table, filled, or some columns of it; each column has a server of its own."""
    admin: Any = cloud.portal.connection("cloudportal-admin")
    demo = admin.identity.find_project("demo")
    flavor = admin.compute.create_flavor(name="probe-other", ram=192, vcpus=1, disk=1)
    admin.compute.update_quota_set(demo.id, instances=50, cores=50, ram=-1)
    found = columns_of(cloud, request.param)
    try:
        # Those that take longest begin first.
        with ThreadPoolExecutor(AT_ONCE) as side_by_side:
            list(side_by_side.map(lambda each: each[0].run(each[1]), reversed(found)))
        yield [column for column, _ in found]
    finally:
        delete_all(cloud)
        admin.compute.revert_quota_set(demo.id)
        admin.compute.delete_flavor(flavor)


def test_every_probe_passes(columns: list[Column]) -> None:
    failed = [
        f"== {column.name}: {group}\n{text}"
        for column in columns
        for group, text in column.failures.items()
    ]

    assert not failed, "\n".join(failed)


def test_the_page_is_what_the_run_found(columns: list[Column], rewrite: bool) -> None:
    found = page(columns)
    is_whole = len(columns) > len(QUICK)

    if rewrite and is_whole:
        PAGE.write_text(found)
    written = PAGE.read_text()
    if is_whole:
        assert written == found
    else:
        said = cells_of(written)
        assert {column.name: said[column.name] for column in columns} == cells_of(found)


def test_nothing_is_left_of_the_probes(columns: list[Column], empty_cloud: Cloud) -> None:
    assert columns
    empty_cloud.slate.assert_clean()


def test_the_command_is_the_program_that_is_installed(cloud: Cloud) -> None:
    """Elsewhere it is loaded once and forked; here it is started as a user does."""
    done = subprocess.run(
        [BIN / "openstack", "--os-cloud", "cloudportal", "flavor", "list", "-f", "json"],
        env=cloud.portal.environment,
        capture_output=True,
        text=True,
        check=True,
    )

    assert "m1.tiny" in done.stdout
