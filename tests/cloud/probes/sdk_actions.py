"""What openstacksdk is asked to do to a server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from openstack import exceptions as errors

from tests.cloud import blink
from tests.cloud.probes.sdk import PROBES, SdkColumn, understood
from tests.cloud.probes.table import Outcome
from tests.portal import eventually


@PROBES.of("start, stop")
def _power(s: SdkColumn) -> None:
    s.nova.stop_server(s.server)
    s.becomes("SHUTOFF")
    s.nova.start_server(s.server)
    s.becomes("ACTIVE")


@PROBES.of("reboot")
def _reboot(s: SdkColumn) -> None:
    for kind in ("HARD", "SOFT"):
        s.nova.reboot_server(s.server, kind)
        s.becomes("ACTIVE")


@PROBES.of("pause, unpause")
def _pause(s: SdkColumn) -> None:
    s.nova.pause_server(s.server)
    s.becomes("PAUSED")
    s.nova.unpause_server(s.server)
    s.becomes("ACTIVE")


@PROBES.of("suspend, resume")
def _suspend(s: SdkColumn) -> None:
    s.nova.suspend_server(s.server)
    s.becomes("SUSPENDED")
    s.nova.resume_server(s.server)
    s.becomes("ACTIVE")


@PROBES.of("lock, unlock")
def _lock(s: SdkColumn) -> None:
    s.root.lock_server(s.server, locked_reason="probe")
    with understood(errors.ConflictException):
        s.nova.stop_server(s.server)
    s.root.unlock_server(s.server)


@PROBES.of("crash dump")
def _crash_dump(s: SdkColumn) -> None:
    s.nova.trigger_server_crash_dump(s.server)


@PROBES.of("reset state")
def _reset_state(s: SdkColumn) -> None:
    s.root.reset_server_state(s.server, "error")
    s.becomes("ERROR")
    s.root.reset_server_state(s.server, "active")
    s.becomes("ACTIVE")


@PROBES.of("rescue, unrescue")
def _rescue(s: SdkColumn) -> None:
    s.nova.rescue_server(s.server, image=s.demo.image.find_image(blink.NAME).id)
    s.becomes("RESCUE")
    s.nova.unrescue_server(s.server)
    s.becomes("ACTIVE")


@PROBES.of("resize, confirm, revert")
def _resize(s: SdkColumn) -> None:
    other = s.nova.find_flavor("probe-other")
    ends: tuple[Callable[..., Any], ...] = (
        s.nova.revert_server_resize,
        s.nova.confirm_server_resize,
    )
    for end in ends:
        s.nova.resize_server(s.server, other)
        s.becomes("VERIFY_RESIZE")
        end(s.server)
        s.becomes("ACTIVE")


@PROBES.of("migrate")
def _migrate(s: SdkColumn) -> None:
    s.root.migrate_server(s.server)
    s.becomes("VERIFY_RESIZE")
    s.nova.confirm_server_resize(s.server)
    s.becomes("ACTIVE")


@PROBES.of("live migration")
def _live_migration(s: SdkColumn) -> None:
    before = s.shown()["OS-EXT-SRV-ATTR:host"]
    s.root.live_migrate_server(s.server, host=None, block_migration="auto")
    eventually(lambda: s.shown()["OS-EXT-SRV-ATTR:host"] != before, what="it is elsewhere")
    s.becomes("ACTIVE")


@PROBES.of("evacuate")
def _evacuate(s: SdkColumn) -> Outcome:
    with understood(errors.BadRequestException):
        s.root.evacuate_server(s.server)
    return Outcome.UNDERSTOOD


@PROBES.of("rebuild")
def _rebuild(s: SdkColumn) -> None:
    image = s.demo.image.find_image(blink.NAME).id
    s.nova.rebuild_server(s.server, image=image, name=f"{s.own}-one")
    s.becomes("ACTIVE")


@PROBES.of("shelve, unshelve")
def _shelve(s: SdkColumn) -> None:
    s.nova.shelve_server(s.server)
    s.becomes("SHELVED_OFFLOADED")
    s.nova.unshelve_server(s.server)
    s.becomes("ACTIVE")


@PROBES.of("create image")
def _create_image(s: SdkColumn) -> None:
    made = s.nova.create_server_image(s.server, f"{s.own}-image", wait=True)
    s.becomes("ACTIVE")
    s.demo.image.delete_image(made.id)


@PROBES.of("create backup")
def _create_backup(s: SdkColumn) -> None:
    s.nova.backup_server(s.server, f"{s.own}-backup", "daily", 1)
    s.becomes("ACTIVE")
    s.demo.image.delete_image(s.demo.image.find_image(f"{s.own}-backup", ignore_missing=False))


@PROBES.of("change password")
def _change_password(s: SdkColumn) -> Outcome:
    with understood(errors.ConflictException):
        s.nova.change_server_password(s.server, "new")
    return Outcome.UNDERSTOOD


@PROBES.of("restore")
def _restore(s: SdkColumn) -> Outcome:
    with understood(errors.ConflictException):
        s.nova.restore_server(s.server)
    return Outcome.UNDERSTOOD


@PROBES.of("force delete")
def _force_delete(s: SdkColumn) -> None:
    server = s.nova.get_server(s.server)
    s.nova.delete_server(server, force=True)
    s.nova.wait_for_delete(server, interval=1)
