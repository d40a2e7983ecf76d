"""What novaclient is asked to do to a server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import novaclient.exceptions as errors

from tests.cloud import blink
from tests.cloud.probes.nova import PROBES, NovaColumn, understood, wait_gone
from tests.cloud.probes.table import Outcome
from tests.portal import eventually


@PROBES.of("start, stop")
def _power(n: NovaColumn) -> None:
    n.nova.servers.stop(n.server)
    n.becomes("SHUTOFF")
    n.nova.servers.start(n.server)
    n.becomes("ACTIVE")


@PROBES.of("reboot")
def _reboot(n: NovaColumn) -> None:
    n.nova.servers.reboot(n.server, "HARD")
    n.becomes("ACTIVE")


@PROBES.of("pause, unpause")
def _pause(n: NovaColumn) -> None:
    n.nova.servers.pause(n.server)
    n.becomes("PAUSED")
    n.nova.servers.unpause(n.server)
    n.becomes("ACTIVE")


@PROBES.of("suspend, resume")
def _suspend(n: NovaColumn) -> None:
    n.nova.servers.suspend(n.server)
    n.becomes("SUSPENDED")
    n.nova.servers.resume(n.server)
    n.becomes("ACTIVE")


@PROBES.of("lock, unlock")
def _lock(n: NovaColumn) -> None:
    n.root.servers.lock(n.server, **({"reason": "probe"} if n.at("2.73") else {}))
    with understood(errors.Conflict):
        n.nova.servers.stop(n.server)
    n.root.servers.unlock(n.server)


@PROBES.of("crash dump", since="2.17")
def _crash_dump(n: NovaColumn) -> None:
    n.nova.servers.trigger_crash_dump(n.server)


@PROBES.of("reset state")
def _reset_state(n: NovaColumn) -> None:
    n.root.servers.reset_state(n.server, "error")
    assert n.nova.servers.get(n.server).status == "ERROR"
    n.root.servers.reset_state(n.server, "active")
    n.becomes("ACTIVE")


@PROBES.of("rescue, unrescue")
def _rescue(n: NovaColumn) -> Outcome | None:
    image = n.demo.image.find_image(blink.NAME).id
    if n.is_brief:
        return paused(n, lambda: n.nova.servers.rescue(n.server, image=image))
    n.nova.servers.rescue(n.server, image=image)
    n.becomes("RESCUE")
    n.nova.servers.unrescue(n.server)
    n.becomes("ACTIVE")
    return None


def paused(n: NovaColumn, ask: Callable[[], Any]) -> Outcome:
    """What a paused server refuses, if it knows it at all."""
    n.nova.servers.pause(n.server)
    n.becomes("PAUSED")
    try:
        with understood(errors.Conflict):
            ask()
    finally:
        n.nova.servers.unpause(n.server)
        n.becomes("ACTIVE")
    return Outcome.UNDERSTOOD


@PROBES.of("resize, confirm, revert")
def _resize(n: NovaColumn) -> Outcome | None:
    other = n.nova.flavors.find(name="probe-other")
    if n.is_brief:
        with understood(errors.Conflict):
            n.nova.servers.confirm_resize(n.server)
        return paused(n, lambda: n.nova.servers.resize(n.server, other))
    n.nova.servers.resize(n.server, other)
    n.becomes("VERIFY_RESIZE")
    n.nova.servers.revert_resize(n.server)
    n.becomes("ACTIVE")
    n.nova.servers.resize(n.server, other)
    n.becomes("VERIFY_RESIZE")
    n.nova.servers.confirm_resize(n.server)
    n.becomes("ACTIVE")
    return None


@PROBES.of("migrate")
def _migrate(n: NovaColumn) -> Outcome | None:
    if n.is_brief:
        return paused(n, lambda: n.root.servers.migrate(n.server))
    n.root.servers.migrate(n.server)
    n.becomes("VERIFY_RESIZE")
    n.nova.servers.confirm_resize(n.server)
    n.becomes("ACTIVE")
    return None


@PROBES.of("live migration")
def _live_migration(n: NovaColumn) -> Outcome | None:
    way: tuple[Any, ...] = (None, "auto") if n.at("2.25") else (None, True, False)
    if n.is_brief:
        n.nova.servers.stop(n.server)
        n.becomes("SHUTOFF")
        try:
            with understood(errors.Conflict):
                n.root.servers.live_migrate(n.server, *way)
        finally:
            n.nova.servers.start(n.server)
            n.becomes("ACTIVE")
        return Outcome.UNDERSTOOD
    before = n.shown()["OS-EXT-SRV-ATTR:host"]
    n.root.servers.live_migrate(n.server, *way)
    eventually(lambda: n.shown()["OS-EXT-SRV-ATTR:host"] != before, what="it is elsewhere")
    n.becomes("ACTIVE")
    return None


@PROBES.of("evacuate")
def _evacuate(n: NovaColumn) -> Outcome:
    more = {} if n.at("2.14") else {"on_shared_storage": False}
    with understood(errors.BadRequest):
        n.root.servers.evacuate(n.server, **more)
    return Outcome.UNDERSTOOD


@PROBES.of("rebuild")
def _rebuild(n: NovaColumn) -> Outcome | None:
    image = n.demo.image.find_image(blink.NAME).id
    if n.is_brief:
        return paused(n, lambda: n.nova.servers.rebuild(n.server, image, meta={"a": "b"}))
    n.nova.servers.rebuild(n.server, image, meta={"a": "b"})
    n.becomes("ACTIVE")
    return None


@PROBES.of("shelve, unshelve")
def _shelve(n: NovaColumn) -> Outcome | None:
    if n.is_brief:
        with understood(errors.Conflict):
            n.nova.servers.unshelve(n.server)
        return Outcome.UNDERSTOOD
    n.nova.servers.shelve(n.server)
    n.becomes("SHELVED_OFFLOADED")
    n.nova.servers.unshelve(n.server)
    n.becomes("ACTIVE")
    return None


@PROBES.of("create image")
def _create_image(n: NovaColumn) -> None:
    image = n.nova.servers.create_image(n.server, f"{n.own}-image")
    finish_image(n, image)


def finish_image(n: NovaColumn, image: str) -> None:
    """Wait until it is there, and take it away."""
    eventually(
        lambda: n.demo.image.get_image(image).status == "active", what=f"{n.name}: the image"
    )
    n.becomes("ACTIVE")
    n.demo.image.delete_image(image)


@PROBES.of("create backup")
def _create_backup(n: NovaColumn) -> None:
    n.nova.servers.backup(n.server, f"{n.own}-backup", "daily", 1)
    n.becomes("ACTIVE")
    image = n.demo.image.find_image(f"{n.own}-backup", ignore_missing=False)
    finish_image(n, image.id)


@PROBES.of("change password")
def _change_password(n: NovaColumn) -> Outcome:
    with understood(errors.Conflict):
        n.nova.servers.change_password(n.server, "new")
    return Outcome.UNDERSTOOD


@PROBES.of("restore")
def _restore(n: NovaColumn) -> Outcome:
    with understood(errors.Conflict):
        n.nova.servers.restore(n.server)
    return Outcome.UNDERSTOOD


@PROBES.of("force delete")
def _force_delete(n: NovaColumn) -> None:
    n.nova.servers.force_delete(n.server)
    wait_gone(n, n.server)
