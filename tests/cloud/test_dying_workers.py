"""A worker that is killed at any point costs seconds, never a server."""

from __future__ import annotations

from functools import partial

import pytest

from tests.portal import eventually

pytestmark = [pytest.mark.lab, pytest.mark.wire]


def is_active(connection, server_id: str) -> bool:
    return connection.compute.get_server(server_id).status == "ACTIVE"


def test_builds_survive_the_death_of_all_workers(empty_cloud):
    portal = empty_cloud.portal
    demo = portal.connection()
    image = demo.image.find_image("tiny")
    flavor = demo.compute.find_flavor("m1.tiny")

    servers = [
        demo.compute.create_server(
            name=f"survivor-{number}", image_id=image.id, flavor_id=flavor.id, networks="auto"
        )
        for number in range(3)
    ]
    eventually(
        lambda: any(s.task_state != "scheduling" for s in demo.compute.servers()),
        what="a build is under way",
    )
    portal.kill("worker")
    portal.start("worker")

    for server in servers:
        eventually(
            partial(is_active, demo, server.id),
            within_s=180,
            what="the server is active",
        )
