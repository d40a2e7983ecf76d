"""Every group of the other services is asked by every client; a page says what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.cloud.conftest import Cloud
from tests.cloud.probes.services import (
    ansible,
    command_identity,
    command_image,
    command_network,
    command_volume,
    glance,
    sdk_identity,
    sdk_image,
    sdk_network,
    sdk_volume,
)
from tests.cloud.probes.services.groups import GROUPS, ServiceColumn, ServiceCommandColumn
from tests.cloud.probes.services.page import cells_of, page
from tests.cloud.probes.table import Probes
from tests.portal import ROOT

pytestmark = [pytest.mark.lab, pytest.mark.wire, pytest.mark.timeout(1800)]
PAGE = ROOT / "docs/compatibility-services.md"
AT_ONCE = 3
SDK, COMMAND, GLANCE, ANSIBLE = "openstacksdk", "openstack", "glanceclient", "Ansible"
KINDS: dict[str, type[ServiceColumn]] = {
    SDK: ServiceColumn,
    COMMAND: ServiceCommandColumn,
    GLANCE: glance.GlanceColumn,
    ANSIBLE: ansible.AnsibleColumn,
}
ASKED: list[tuple[str, str, Probes]] = [
    ("identity", COMMAND, command_identity.PROBES),
    ("identity", SDK, sdk_identity.PROBES),
    ("identity", ANSIBLE, ansible.ON_IDENTITY),
    ("image", COMMAND, command_image.PROBES),
    ("image", SDK, sdk_image.PROBES),
    ("image", GLANCE, glance.PROBES),
    ("image", ANSIBLE, ansible.ON_IMAGE),
    ("network", COMMAND, command_network.PROBES),
    ("network", SDK, sdk_network.PROBES),
    ("network", ANSIBLE, ansible.ON_NETWORK),
    ("volume", COMMAND, command_volume.PROBES),
    ("volume", SDK, sdk_volume.PROBES),
    ("volume", ANSIBLE, ansible.ON_VOLUME),
    ("compute", ANSIBLE, ansible.ON_COMPUTE),
]


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((SDK, GLANCE), id="libraries"),
        pytest.param(tuple(KINDS), id="all clients", marks=pytest.mark.long),
    ],
)
def columns(cloud: Cloud, request: pytest.FixtureRequest) -> Iterator[list[ServiceColumn]]:
    """The tables, filled, or some columns of them."""
    found = [
        (KINDS[client](client, cloud.portal, service=service), probes)
        for service, client, probes in ASKED
        if client in request.param
    ]
    admin: Any = cloud.portal.connection("cloudportal-admin")
    demo = admin.identity.find_project("demo")
    admin.block_storage.update_quota_set(demo.id, volumes=50, snapshots=50, gigabytes=200)

    def ask(service: str) -> None:
        # One client after the other: which network is chosen depends on which there are.
        for column, probes in found:
            if column.service == service:
                column.run(probes)

    with ThreadPoolExecutor(AT_ONCE) as side_by_side:
        list(side_by_side.map(ask, reversed(GROUPS)))
    yield [column for column, _ in found]
    admin.block_storage.revert_quota_set(demo)


def test_every_probe_passes(columns: list[ServiceColumn]) -> None:
    failed = [
        f"== {column.service}, {column.name}: {group}\n{text}"
        for column in columns
        for group, text in column.failures.items()
    ]

    assert not failed, "\n".join(failed)


def test_the_page_is_what_the_run_found(columns: list[ServiceColumn], rewrite: bool) -> None:
    is_whole = {column.name for column in columns} == set(KINDS)
    if is_whole:
        if rewrite:
            PAGE.write_text(page(columns))
        assert PAGE.read_text() == page(columns)
        return

    said = cells_of(PAGE.read_text())
    for column in columns:
        for group, cell in column.cells.items():
            assert said[column.service, column.name, group] == cell


def test_nothing_is_left_of_the_probes(columns: list[ServiceColumn], empty_cloud: Cloud) -> None:
    assert columns
    empty_cloud.slate.assert_clean()
