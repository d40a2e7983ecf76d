"""What the `openstack` command is asked to do to a server."""

from __future__ import annotations

from tests.cloud import blink
from tests.cloud.probes.command import PROBES, CommandColumn, refused
from tests.cloud.probes.table import Outcome
from tests.portal import eventually


@PROBES.of("start, stop")
def _power(c: CommandColumn) -> None:
    c.run_it("server", "stop", c.server)
    c.becomes("SHUTOFF")
    c.run_it("server", "start", c.server)
    c.becomes("ACTIVE")


@PROBES.of("reboot")
def _reboot(c: CommandColumn) -> None:
    for kind in ("--hard", "--soft"):
        c.run_it("server", "reboot", kind, c.server)
        c.becomes("ACTIVE")


@PROBES.of("pause, unpause")
def _pause(c: CommandColumn) -> None:
    c.run_it("server", "pause", c.server)
    c.becomes("PAUSED")
    c.run_it("server", "unpause", c.server)
    c.becomes("ACTIVE")


@PROBES.of("suspend, resume")
def _suspend(c: CommandColumn) -> None:
    c.run_it("server", "suspend", c.server)
    c.becomes("SUSPENDED")
    c.run_it("server", "resume", c.server)
    c.becomes("ACTIVE")


@PROBES.of("lock, unlock")
def _lock(c: CommandColumn) -> None:
    c.root("server", "lock", c.server)
    refused(c.run_it, "server", "stop", c.server, status=409)
    c.root("server", "unlock", c.server)


@PROBES.of("crash dump", since="2.17")
def _crash_dump(c: CommandColumn) -> None:
    c.run_it("server", "dump", "create", c.server)


@PROBES.of("reset state")
def _reset_state(c: CommandColumn) -> None:
    c.root("server", "set", "--auto-approve", "--state", "error", c.server)
    c.becomes("ERROR")
    c.root("server", "set", "--auto-approve", "--state", "active", c.server)
    c.becomes("ACTIVE")


@PROBES.of("rescue, unrescue")
def _rescue(c: CommandColumn) -> None:
    c.run_it("server", "rescue", "--image", blink.NAME, c.server)
    c.becomes("RESCUE")
    c.run_it("server", "unrescue", c.server)
    c.becomes("ACTIVE")


@PROBES.of("resize, confirm, revert")
def _resize(c: CommandColumn) -> None:
    for end in ("revert", "confirm"):
        c.run_it("server", "resize", "--flavor", "probe-other", c.server)
        c.becomes("VERIFY_RESIZE")
        c.run_it("server", "resize", end, c.server)
        c.becomes("ACTIVE")


@PROBES.of("migrate")
def _migrate(c: CommandColumn) -> None:
    c.root("server", "migrate", c.server)
    c.becomes("VERIFY_RESIZE")
    c.root("server", "migration", "confirm", c.server)
    c.becomes("ACTIVE")


@PROBES.of("live migration")
def _live_migration(c: CommandColumn) -> None:
    before = c.shown()["OS-EXT-SRV-ATTR:host"]
    c.root("server", "migrate", "--live-migration", c.server)
    eventually(lambda: c.shown()["OS-EXT-SRV-ATTR:host"] != before, what="it is elsewhere")
    c.becomes("ACTIVE")


@PROBES.of("evacuate")
def _evacuate(c: CommandColumn) -> Outcome:
    return refused(c.root, "server", "evacuate", c.server, status=400)


@PROBES.of("rebuild")
def _rebuild(c: CommandColumn) -> None:
    c.run_it("server", "rebuild", "--image", blink.NAME, "--wait", c.server)
    c.becomes("ACTIVE")


@PROBES.of("shelve, unshelve")
def _shelve(c: CommandColumn) -> None:
    c.run_it("server", "shelve", c.server)
    c.becomes("SHELVED_OFFLOADED")
    c.run_it("server", "unshelve", c.server)
    c.becomes("ACTIVE")


@PROBES.of("create image")
def _create_image(c: CommandColumn) -> None:
    c.run_it("server", "image", "create", "--wait", "--name", f"{c.own}-image", c.server)
    c.becomes("ACTIVE")
    c.run_it("image", "delete", f"{c.own}-image")


@PROBES.of("create backup")
def _create_backup(c: CommandColumn) -> None:
    words = ("--name", f"{c.own}-backup", "--type", "daily", "--rotate", "1", "--wait")
    c.run_it("server", "backup", "create", *words, c.server)
    c.becomes("ACTIVE")
    c.run_it("image", "delete", f"{c.own}-backup")


@PROBES.of("change password")
def _change_password(c: CommandColumn) -> Outcome:
    return refused(c.run_it, "server", "set", "--password", "new", c.server, status=409)


@PROBES.of("restore")
def _restore(c: CommandColumn) -> Outcome:
    return refused(c.run_it, "server", "restore", c.server, status=409)


@PROBES.of("force delete")
def _force_delete(c: CommandColumn) -> None:
    c.run_it("server", "delete", "--force", "--wait", c.server)
