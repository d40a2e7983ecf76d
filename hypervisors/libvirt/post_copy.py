"""A guest that runs at its destination already while its memory is still coming there.

The switch halts the guest on the source for good and lets it run at the destination, which fetches
each page that it touches before its turn. From then on neither half is whole: what is not yet sent
is on the source alone, and what the guest wrote since is at the destination alone. A broken stream
can be mended (libvirt 8.5, QEMU 2.12), and nothing else may happen to either half meanwhile.

QEMU carries on by itself when the client that drives the migration is gone; libvirt then calls it
failed, as nobody watches it, and ends it on both hosts when the last page has arrived.
Source: libvirt, virDomainMigrateStartPostCopy and VIR_MIGRATE_POSTCOPY_RESUME.
"""

import re
from typing import Any
from uuid import UUID

import libvirt

from hypervisors.libvirt.connection import Connection, on_host
from hypervisors.libvirt.errors import (
    Busy,
    NotThere,
    Unsupported,
    WrongState,
    translated,
)
from hypervisors.libvirt.kernel import unprivileged_page_faults
from hypervisors.libvirt.migrate import (
    LONGEST_S,
    SWITCHED,
    MoveRequest,
    own_connection,
    transport_uri,
)
from hypervisors.libvirt.shell import run_on_host
from hypervisors.libvirt.spec import GuestInfo

_ARRIVING = (libvirt.VIR_DOMAIN_RUNNING_POSTCOPY, libvirt.VIR_DOMAIN_RUNNING_POSTCOPY_FAILED)
_FLAGS = (
    libvirt.VIR_MIGRATE_LIVE
    | libvirt.VIR_MIGRATE_PERSIST_DEST
    | libvirt.VIR_MIGRATE_POSTCOPY
    | libvirt.VIR_MIGRATE_POSTCOPY_RESUME
)
# libvirt's words while there is nothing to resume: the code is that of any state.
_STILL_AT_IT = ("is still running", "being actively monitored", "is not being migrated")
# QEMU's, which libvirt hands on when the destination cannot do it.
UNSUPPORTED = "Postcopy is not supported"
LACKS_PAGE_FAULTS = (
    "lets QEMU not fetch memory after the switch: its administrator has to set the sysctl "
    "vm.unprivileged_userfaultfd to 1"
)
_PID_FILES = "/run/libvirt/qemu"
# What is queued, and both ends.
_STREAM = re.compile(r"\d+\s+\d+\s+\S+:(?P<port>\d+)\s+(?P<peer>\S+):(?P<from>\d+)\s")
_MAPPED = "[::ffff:"
_LOOPBACK = ("127.", "[::1]", "[::ffff:127.")


def has_left(guest: GuestInfo) -> bool:
    """Whether this half is what a switched guest left behind: halted, with memory still to send."""
    return guest.power_state == "paused" and guest.reason in SWITCHED


def is_arriving(guest: GuestInfo) -> bool:
    """Whether the guest runs, or stands still, with memory that has not come yet."""
    if guest.power_state == "running":
        return guest.reason in _ARRIVING
    return guest.power_state == "paused" and guest.reason in SWITCHED


def was_handed_over(guest: GuestInfo) -> bool:
    """Whether it is off because all of it has gone to another host."""
    is_off = guest.power_state == "shutdown"
    return is_off and guest.reason == libvirt.VIR_DOMAIN_SHUTOFF_MIGRATED


@on_host()
def start_post_copy(raw: Any, uuid: UUID) -> None:
    """Let the guest run at its destination at once. Again, too late or too early is fine.

    It needs a migration that was begun with `MoveRequest.may_post_copy` and sends memory.
    """
    try:
        with translated():
            domain = raw.lookupByUUID(uuid.bytes)
            if domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING:
                domain.migrateStartPostCopy()
    except (NotThere, WrongState):
        return  # it has arrived in between, or nothing is sent yet


def post_copy_obstacle(connection: Connection) -> str:
    """Why guests cannot come to this host so; "" is nothing that is known.

    QEMU is no privileged process there, so the kernel has to let any process handle its page
    faults. A kernel before 5.2 has no such switch and lets them.
    """
    return LACKS_PAGE_FAULTS if unprivileged_page_faults(connection) is False else ""


def resume_post_copy(
    source: Connection, destination: Connection, uuid: UUID, request: MoveRequest
) -> None:
    """Mend the stream of a guest that was switched; returns when all of it is at the destination.

    Raises:
        Busy: there is nothing to mend: its memory is being sent, or has been by now.
        HostUnreachable: one of the hosts fell silent.
        DriverError: the hosts cannot reach each other, or it broke again.
    """

    def resume(raw: Any, target: Any) -> None:
        parameters = {libvirt.VIR_MIGRATE_PARAM_URI: transport_uri(request)}
        raw.lookupByUUID(uuid.bytes).migrate3(target, parameters, _FLAGS)

    try:
        with own_connection(source) as here, own_connection(destination) as there:
            here.call(
                lambda raw: there.call(lambda target: resume(raw, target), deadline_s=LONGEST_S),
                deadline_s=LONGEST_S,
            )
    except WrongState as error:
        if any(words in error.text for words in _STILL_AT_IT):
            raise Busy(error.text, code=error.code) from error
        raise


def has_stream(connection: Connection, uuid: UUID) -> bool:
    """Whether the guest's QEMU has a connection to another machine; also when nobody can tell."""
    try:
        return bool(_streams(connection, uuid))
    except Unsupported:
        return True


def end_dead_stream(destination: Connection, uuid: UUID) -> bool:
    """End the guest's half of a stream whose other end is gone; whether there was one.

    QEMU does not notice by itself while the guest touches nothing that is missing, and is not to
    be resumed before. It is done by `ss -K` on the host, of the guest's own connections alone.
    """
    try:
        streams = _streams(destination, uuid)
        for port, peer, peer_port in streams:
            words = ("ss", "-K", "-tn", "sport", "=", f":{port}")
            run_on_host(destination, (*words, "dst", peer, "dport", "=", f":{peer_port}"))
    except Unsupported:
        return False
    return bool(streams)


def _streams(connection: Connection, uuid: UUID) -> list[tuple[int, str, int]]:
    said = run_on_host(connection, ("cat", f"{_PID_FILES}/server-{uuid}.pid"))
    pid = said.output.strip()
    if said.status or not pid.isdigit():
        return []
    listed = run_on_host(connection, ("ss", "-Htnp", "state", "established"))
    if listed.status:
        raise Unsupported(f"ss: {listed.errors}")
    return parse_streams(listed.output, int(pid))


def parse_streams(listed: str, pid: int) -> list[tuple[int, str, int]]:
    """A process's TCP connections to other machines: own port, peer, peer's port.

    `listed` is what `ss -Htnp state established` says, which then has no column for the state.
    """
    found = []
    for line in listed.splitlines():
        match = _STREAM.match(line.strip())
        if match is None or f"pid={pid}," not in line:
            continue
        if match["peer"].startswith(_LOOPBACK):
            continue  # somebody looks at its display
        peer = match["peer"]
        if peer.startswith(_MAPPED):
            peer = peer.removeprefix(_MAPPED).rstrip("]")
        found.append((int(match["port"]), peer, int(match["from"])))
    return found
