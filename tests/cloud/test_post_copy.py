"""A guest that changes its memory faster than it is sent runs at its destination before all of it.

From the switch on its memory is on two hosts. Whatever dies or is cut off then, the guest's count
goes on, and what it had in memory before is what it reads afterwards.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cloud import hosts
from tests.cloud.conftest import Cloud
from tests.cloud.test_live_migration import (
    is_whole_after,
    migrate,
    newest_migration,
    openstack,
    settles,
    slow_down,
    ticks,
)
from tests.portal import eventually

pytestmark = [pytest.mark.lab, pytest.mark.wire, pytest.mark.long]
# One kernel for all simulated hosts.
PAGE_FAULTS = Path("/proc/sys/vm/unprivileged_userfaultfd")
WORKERS = ("worker", "transfer")
SLOW_MIB_S = 4
# It keeps something that it never changes, and changes something else all the time.
BUSY = """#!/bin/sh
mkdir -p /memory
mount -t tmpfs -o size=120m tmpfs /memory
dd if=/dev/urandom of=/memory/kept bs=1M count=24
sum=$(md5sum < /memory/kept)
(while :; do dd if=/memory/kept of=/memory/changed bs=1M count=16; done) >/dev/null 2>&1 &
i=0
while [ $i -lt 900 ]; do
  i=$((i+1))
  echo tick $i
  if [ $((i % 15)) = 0 ]; then
    [ "$(md5sum < /memory/kept)" = "$sum" ] && echo whole $i || echo torn $i
  fi
  sleep 1
done
"""


@pytest.fixture
def cloud_with_post_copy(empty_cloud: Cloud) -> Iterator[Cloud]:
    """Workers that switch guests after five seconds, and hosts on which they can."""
    before = PAGE_FAULTS.read_text()
    PAGE_FAULTS.write_text("1")
    with_workers(
        empty_cloud,
        CLOUDPORTAL_LIVE_MIGRATION_POSTCOPY="on",
        CLOUDPORTAL_LIVE_MIGRATION_POSTCOPY_S="5",
    )
    yield empty_cloud
    PAGE_FAULTS.write_text(before)
    with_workers(empty_cloud)


def with_workers(cloud: Cloud, **settings: str) -> None:
    """Start the workers anew with these settings."""
    for name in WORKERS:
        cloud.portal.kill(name)
    environment = dict(cloud.portal.environment)
    cloud.portal.environment.update(settings)
    for name in WORKERS:
        cloud.portal.start(name)
    cloud.portal.environment = environment


def test_a_guest_that_never_comes_to_its_end_is_switched_and_counts_on(cloud_with_post_copy):
    cloud = cloud_with_post_copy
    first, second, third = (host["name"] for host in cloud.hosts)
    server = busy_server(cloud, first)

    PAGE_FAULTS.write_text("0")
    migrate(cloud, server, "--host", second)
    eventually(lambda: hosts.show(cloud, server).task_state is None, within_s=60, what="refused")
    found = hosts.admin_of(cloud).compute.get(f"/servers/{server}").json()["server"]
    assert found["OS-EXT-SRV-ATTR:host"] == first
    assert newest_migration(cloud, server)["Status"] == "error"
    faults = hosts.ask(cloud, FAULTS.format(server=server))
    assert "vm.unprivileged_userfaultfd to 1" in faults[0]
    PAGE_FAULTS.write_text("1")

    begin_switched(cloud, server, first, second)
    under_way = newest_of(cloud, server)
    refused = openstack(
        cloud, "server", "migration", "abort", server, str(under_way["id"]), check=False
    )
    assert "runs at its destination already" in refused, refused
    assert "409" in refused
    settles(cloud, server, on=second)
    assert newest_migration(cloud, server)["Status"] == "completed"
    is_still_whole(cloud, server)

    # Forced to its end long before it would be switched by itself.
    with_workers(
        cloud,
        CLOUDPORTAL_LIVE_MIGRATION_POSTCOPY="on",
        CLOUDPORTAL_LIVE_MIGRATION_POSTCOPY_S="3000",
    )
    slow_down(cloud, second, server, SLOW_MIB_S)
    migrate(cloud, server, "--host", third)
    eventually(lambda: newest_of(cloud, server)["memory_processed_bytes"], what="it sends")
    number = str(newest_of(cloud, server)["id"])
    openstack(cloud, "server", "migration", "force", "complete", server, number)
    settles(cloud, server, on=third)
    is_still_whole(cloud, server)


def test_a_worker_that_dies_after_the_switch_costs_nothing(cloud_with_post_copy):
    cloud = cloud_with_post_copy
    first, second, _ = (host["name"] for host in cloud.hosts)
    server = busy_server(cloud, first)
    begin_switched(cloud, server, first, second)

    cloud.portal.kill("transfer")
    cloud.portal.start("transfer")

    settles(cloud, server, on=second)
    assert newest_migration(cloud, server)["Status"] == "completed"
    is_still_whole(cloud, server)
    eventually(lambda: not domains(cloud, first), what="nothing is on the source")


def test_a_link_that_is_cut_for_half_a_minute_after_the_switch_costs_nothing(cloud_with_post_copy):
    cloud = cloud_with_post_copy
    first, second, _ = (host["name"] for host in cloud.hosts)
    server = busy_server(cloud, first)
    begin_switched(cloud, server, first, second)

    cloud.lab.run("cut-link", first)
    try:
        eventually(
            lambda: "post-copy failed" in domain_state(cloud, first, server),
            within_s=90,
            what="nobody drives the migration any more",
        )
        half = domain_state(cloud, first, server)
    finally:
        cloud.lab.run("join-link", first)

    assert half.startswith("paused")
    settles(cloud, server, on=second)
    assert newest_migration(cloud, server)["Status"] == "completed"
    is_still_whole(cloud, server)
    eventually(lambda: not domains(cloud, first), what="nothing is on the source")


FAULTS = """
import json
from servers.models import Server
print(json.dumps([each.message for each in Server.objects.get(pk="{server}").faults.all()]))
"""


def busy_server(cloud: Cloud, host: str) -> str:
    """A server whose guest changes memory all the time, and counts the seconds."""
    with hosts.only(cloud, host):
        demo: Any = cloud.portal.connection()
        made = demo.compute.create_server(
            name="busy",
            image_id=demo.image.find_image("tiny").id,
            flavor_id=demo.compute.find_flavor("m1.tiny").id,
            networks="auto",
            user_data=base64.b64encode(BUSY.encode()).decode(),
            config_drive=True,
        )
        hosts.wait_for_status(cloud, made.id, "ACTIVE")
    eventually(lambda: ticks(cloud, made.id)[3:], within_s=180, what="the guest counts")
    return str(made.id)


def begin_switched(cloud: Cloud, server: str, source: str, to: str) -> None:
    """Begin a migration, and come back when the guest has been switched."""
    slow_down(cloud, source, server, SLOW_MIB_S)
    migrate(cloud, server, "--host", to)
    eventually(
        lambda: newest_of(cloud, server)["memory_processed_bytes"], within_s=90, what="it sends"
    )
    words = ("virsh", "migrate-setspeed", "--postcopy", f"server-{server}", "1")
    cloud.lab.run("exec", source, "--", *words)
    eventually(
        lambda: "post-copy" in domain_state(cloud, source, server),
        within_s=120,
        what="the guest is switched",
    )
    assert newest_of(cloud, server)["status"] == "post-migrating"
    assert domain_state(cloud, to, server).startswith("running")


def newest_of(cloud: Cloud, server: str) -> dict[str, Any]:
    """The server's migration that is under way; empty bytes before it is."""
    answer = hosts.admin_of(cloud).compute.get(f"/servers/{server}/migrations", microversion="2.80")
    found: list[dict[str, Any]] = answer.json()["migrations"]
    return found[0] if found else {"memory_processed_bytes": 0, "status": ""}


def domain_state(cloud: Cloud, host: str, server: str) -> str:
    """How the domain is there and why, in libvirt's words."""
    return cloud.lab.run(
        "exec", host, "--", "virsh", "-q", "domstate", "--reason", f"server-{server}"
    ).strip()


def domains(cloud: Cloud, host: str) -> str:
    return cloud.lab.run("exec", host, "--", "virsh", "-q", "list", "--all", "--name").strip()


def is_still_whole(cloud: Cloud, server: str) -> None:
    """It counts on, and what it kept in memory is as it was."""
    is_whole_after(cloud, server)
    last = ticks(cloud, server)[-1]

    def has_looked() -> bool:
        log = cloud.portal.connection().compute.get_server_console_output(server)["output"]
        assert "torn" not in log
        return any(int(each) > last for each in re.findall(r"whole (\d+)", log))

    eventually(has_looked, within_s=90, what="the guest reads what it kept")
