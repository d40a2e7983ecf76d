"""Live migration: the portal beside plain `virsh migrate`, and what the guest notices of it."""

from __future__ import annotations

import base64
import json
import re
import shutil
import statistics
import subprocess
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from bench.cloud import Bench, bench_cloud, root_of
from bench.figures import emit, emit_machine
from tests.portal import eventually

ROUNDS = 5
TICKING = "#!/bin/sh\ni=0\nwhile [ $i -lt 3000 ]; do i=$((i+1)); echo tick $i; sleep 1; done\n"
ADMIN = "cloudportal-admin"
URI = """
import json
from hypervisors import ssh
from hypervisors.libvirt.connection import ssh_uri
from hypervisors.models import Hypervisor
from hypervisors.uris import ssh_address
print(json.dumps({
    host.name: ssh_uri(host.uri, str(ssh.prepare(ssh_address(host.uri), host.host_keys)))
    for host in Hypervisor.objects.all()
}))
"""


@dataclass
class Moves:
    """Seconds of each move, and how many of the guest's seconds are missing on its console."""

    seconds: list[float]
    missing: int


def measure_migration(bench: Bench) -> None:
    """Let the portal send a server to and fro, and then `virsh` the same guest without it."""
    uris = bench.ask(URI)
    server = bench.compute.create(
        "ticking", config_drive=True, user_data=base64.b64encode(TICKING.encode()).decode()
    )["id"]
    path = f"/servers/{server}"
    eventually(lambda: bench.compute.get(path)["server"]["status"] == "ACTIVE", what="it is active")
    eventually(lambda: _ticks(_console(bench, server)), within_s=180, what="the guest counts")
    _by_portal(bench, server, 2)  # each host gets the image once
    ours = _by_portal(bench, server, ROUNDS)
    twin = _twin(bench, server, uris)
    theirs = _by_hand(bench, twin, uris)
    _report(ours, theirs)


def _console(bench: Bench, server: str) -> str:
    log: Any = bench.portal.connection().compute.get_server_console_output(server)
    return str(log["output"])


def _ticks(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"^tick (\d+)\s*$", text, re.MULTILINE)]


def _missing(ticks: list[int]) -> int:
    return ticks[-1] - ticks[0] + 1 - len(set(ticks))


def _by_portal(bench: Bench, server: str, rounds: int) -> Moves:
    compute: Any = bench.portal.connection(ADMIN).compute
    path = f"/servers/{server}"
    seconds = []
    for _ in range(rounds):
        before = compute.get_server(server).compute_host
        asked = compute.post(
            f"{path}/action",
            json={"os-migrateLive": {"host": None, "block_migration": "auto"}},
            microversion="2.30",
        )
        assert asked.status_code == 202, asked.text

        def has_moved(before: str = before) -> bool:
            found = compute.get_server(server)
            return found.status == "ACTIVE" and found.compute_host != before

        eventually(has_moved, within_s=120, what="the server is on the other host")
        line = f"{path}/os-instance-actions/{_newest(compute, path)}/cloudportal:timeline"
        timeline = compute.get(line).json()["timeline"]
        assert timeline["finish_time"], timeline
        seconds.append(timeline["duration"])
        _rest()
    return Moves(seconds, _missing(_ticks(_console(bench, server))))


def _newest(compute: Any, path: str) -> str:
    actions = compute.get(f"{path}/os-instance-actions").json()["instanceActions"]
    return str(next(each for each in actions if each["action"] == "live-migration")["request_id"])


def _rest() -> None:
    """Let the machine come to rest, and what is left on the source go."""
    time.sleep(3)


@dataclass
class Twin:
    """A guest like the server's that nobody but `virsh` knows, on one of the hosts.

    `files` are those that a host needs before the guest can come: its overlay of the base image,
    its config drive, its console log. It has the server's own card, filter and network.
    """

    name: str
    definition: Path
    network: str
    filter: str
    overlay: Path
    base: Path
    drive: Path
    log: Path
    host: dict[str, Any]


def _twin(bench: Bench, server: str, uris: dict[str, str]) -> Twin:
    """Stop the server, and start a guest of another name of the same image and drive."""
    compute: Any = bench.portal.connection(ADMIN).compute
    name = compute.get_server(server).compute_host
    host = next(each for each in bench.hosts if each["name"] == name)
    running = ET.fromstring(_virsh(uris[name], "dumpxml", f"server-{server}"))
    compute.stop_server(server)
    eventually(lambda: compute.get_server(server).status == "SHUTOFF", what="the server is off")
    bench.stop_workers()
    overlay, drive = (_path(_disk(running, is_drive=is_drive)) for is_drive in (False, True))
    base = _disk(running, is_drive=False).find("backingStore/source")
    assert base is not None
    folder = overlay.parent
    twin = Twin(
        name="plain",
        definition=bench.portal.var / "plain.xml",
        network=_card(running, "source", "network"),
        filter=_card(running, "filterref", "filter"),
        overlay=folder / "plain-root",
        base=Path(base.attrib["file"]),
        drive=folder / "plain-config",
        log=folder / "plain.log",
        host=host,
    )
    root = root_of(host)
    # A new one, or the guest would know that it has run its user data.
    _make_overlay(twin, size_from=_below(root, overlay), at=_below(root, twin.overlay))
    shutil.copyfile(_below(root, drive), _below(root, twin.drive))
    _below(root, twin.log).touch()
    twin.definition.write_text(_definition(running, twin))
    _virsh(uris[name], "create", str(twin.definition))
    eventually(
        lambda: _ticks(_below(root, twin.log).read_text(errors="replace")),
        within_s=180,
        what="the twin counts",
    )
    return twin


def _below(root: Path, path: Path) -> Path:
    return root / path.relative_to("/")


def _disk(domain: ET.Element, *, is_drive: bool) -> ET.Element:
    """The one disk that the guest writes to, or the one it only reads."""
    [found] = [each for each in domain.findall("devices/disk") if _is_drive(each) == is_drive]
    return found


def _card(domain: ET.Element, tag: str, key: str) -> str:
    found = domain.find(f"devices/interface/{tag}")
    assert found is not None
    return found.attrib[key]


def _is_drive(disk: ET.Element) -> bool:
    return disk.get("device") == "cdrom" or disk.find("readonly") is not None


def _path(disk: ET.Element) -> Path:
    source = disk.find("source")
    assert source is not None
    return Path(source.attrib["file"])


def _definition(running: ET.Element, twin: Twin) -> str:
    """The server's definition under another name, over the twin's files."""
    own = {"name": twin.name, "uuid": str(uuid.uuid4())}
    for tag, text in own.items():
        found = running.find(tag)
        assert found is not None
        found.text = text
    for entry in running.findall("sysinfo/system/entry[@name='uuid']"):
        entry.text = own["uuid"]
    running.attrib.pop("id", None)
    devices = running.find("devices")
    assert devices is not None
    for target in devices.findall("interface/target"):
        target.attrib.pop("dev", None)
    for disk in devices.findall("disk"):
        path = twin.drive if _is_drive(disk) else twin.overlay
        disk.set("type", "file")
        for known in disk.findall("backingStore"):
            disk.remove(known)
        source = disk.find("source")
        assert source is not None
        source.attrib.clear()
        source.set("file", str(path))
    for log in devices.findall("*/log"):
        log.set("file", str(twin.log))
    for label in running.findall("seclabel"):
        running.remove(label)
    return ET.tostring(running, encoding="unicode")


def _by_hand(bench: Bench, twin: Twin, uris: dict[str, str]) -> Moves:
    """`virsh migrate` with what the portal asks libvirt for; it finds the files it needs there."""
    seconds, printed = [], ""
    here = twin.host
    for _ in range(ROUNDS):
        [there] = [each for each in bench.hosts if each["name"] != here["name"]]
        _prepare(twin, here, there)
        _lend(bench, twin, uris[here["name"]], uris[there["name"]])
        begin = time.perf_counter()
        _virsh(
            uris[here["name"]],
            *("migrate", "--live", "--auto-converge", "--copy-storage-inc"),
            *("--migrateuri", f"tcp://{there['address']}"),
            *("--domain", twin.name, "--desturi", uris[there["name"]]),
        )
        seconds.append(time.perf_counter() - begin)
        _rest()
        printed += _below(root_of(here), twin.log).read_text(errors="replace")
        here = there
    printed += _below(root_of(here), twin.log).read_text(errors="replace")
    _virsh(uris[here["name"]], "destroy", twin.name)
    return Moves(seconds, _missing(_ticks(printed)))


def _prepare(twin: Twin, here: dict[str, Any], there: dict[str, Any]) -> None:
    source, target = root_of(here), root_of(there)
    _make_overlay(twin, size_from=_below(source, twin.overlay), at=_below(target, twin.overlay))
    shutil.copyfile(_below(source, twin.drive), _below(target, twin.drive))
    _below(target, twin.log).write_text("")


def _lend(bench: Bench, twin: Twin, here: str, there: str) -> None:
    """Let the host have the network and the filter of the guest's card."""
    file = bench.portal.var / "lent.xml"
    for kind, name in (("net", twin.network), ("nwfilter", twin.filter)):
        if name in _virsh(there, f"{kind}-list", *(["--name"] if kind == "net" else [])):
            continue
        file.write_text(_virsh(here, f"{kind}-dumpxml", name))
        _virsh(there, f"{kind}-define", str(file))
        if kind == "net":
            _virsh(there, "net-start", name)


def _make_overlay(twin: Twin, *, size_from: Path, at: Path) -> None:
    at.unlink(missing_ok=True)
    told = _run(("qemu-img", "info", "-U", "--output", "json", str(size_from)))
    _run(
        (
            *("qemu-img", "create", "-q", "-u", "-f", "qcow2", "-F", "qcow2"),
            *("-b", str(twin.base), str(at), str(json.loads(told)["virtual-size"])),
        )
    )


def _virsh(uri: str, *words: str) -> str:
    return _run(("virsh", "--quiet", "--connect", uri, *words))


def _run(words: tuple[str, ...]) -> str:
    done = subprocess.run(
        words,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
    return done.stdout


def _report(ours: Moves, theirs: Moves) -> None:
    portal, hand = statistics.median(ours.seconds), statistics.median(theirs.seconds)
    emit("live_migration_portal", portal, "s", all=_rounded(ours.seconds))
    emit("live_migration_virsh", hand, "s", all=_rounded(theirs.seconds))
    emit("live_migration_ratio", portal / hand, "times virsh", goal="<= 1.3")
    emit("live_migration_missing", ours.missing, "ticks", goal=f"<= {2 * ROUNDS}", moves=ROUNDS)
    emit("live_migration_missing_virsh", theirs.missing, "ticks", moves=ROUNDS)


def _rounded(values: list[float]) -> list[float]:
    return [round(value, 3) for value in values]


if __name__ == "__main__":
    emit_machine()
    with bench_cloud(2) as bench:
        measure_migration(bench)
