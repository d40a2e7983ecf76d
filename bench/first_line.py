"""From the request to the guest's first console line: the portal beside `virsh`, step by step."""

from __future__ import annotations

import base64
import re
import statistics
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from bench.cloud import Bench
from bench.figures import emit
from bench.virsh import Virsh
from tests.portal import eventually

ROUNDS = 5
USER_DATA = base64.b64encode(b"#!/bin/sh\ntrue\n").decode()
URI = """
import json
from hypervisors import ssh
from hypervisors.libvirt.connection import ssh_uri
from hypervisors.models import Hypervisor
from hypervisors.uris import ssh_address
host = Hypervisor.objects.get()
print(json.dumps(ssh_uri(host.uri, str(ssh.prepare(ssh_address(host.uri), host.host_keys)))))
"""
RECORDS = """
import json
from operations.models import Operation
print(json.dumps([
    {
        "server": str(each.subject),
        "created_at": each.created_at.timestamp(),
        "steps": [
            [step.step, step.started_at.timestamp(), step.finished_at.timestamp()]
            for step in each.records.filter(direction="do", result="Success")
        ],
    }
    for each in Operation.objects.filter(kind="server.build", state="done")
]))
"""


@dataclass
class Sample:
    """What the portal made for one server, to be made again by hand."""

    server_id: str
    port_id: str
    mac: str
    address: str
    network: str
    domain: str
    filter: str
    root: str
    config: str
    pool: str
    drive: Path

    @property
    def console(self) -> Path:
        """Where the host keeps what the guest prints."""
        log = ET.fromstring(self.domain).find("devices/serial/log")
        assert log is not None
        return Path(log.attrib["file"])


@dataclass
class Timings:
    """Seconds, one a server."""

    total: list[float] = field(default_factory=list)
    steps: dict[str, list[float]] = field(default_factory=dict)

    def add(self, step: str, seconds: float) -> None:
        self.steps.setdefault(step, []).append(seconds)

    def medians(self) -> dict[str, float]:
        return {name: round(statistics.median(found), 3) for name, found in self.steps.items()}


def measure_first_line(bench: Bench) -> None:
    """Let both make five servers by turns, and print what each took."""
    folder = bench.portal.var / "bench"
    folder.mkdir()
    uri = bench.ask(URI)
    asked: list[tuple[str, float, float, float]] = []
    by_hand = Timings()
    with Virsh(uri) as virsh:
        sample = _sample(bench, virsh, folder)
        for _ in range(ROUNDS):
            asked.append(_by_portal(bench, sample))
            bench.compute.delete_all()
            _by_hand(bench, virsh, sample, folder, by_hand)
    _report(_by_step(bench, asked), by_hand)


def _sample(bench: Bench, virsh: Virsh, folder: Path) -> Sample:
    """The first server brings the image to the host; it is looked at and deleted."""
    server = bench.compute.create("sample", config_drive=True, user_data=USER_DATA)
    path = f"/servers/{server['id']}"
    eventually(
        lambda: bench.compute.get(path)["server"]["status"] == "ACTIVE", what="the sample is active"
    )
    connection = bench.portal.connection()
    [port] = connection.network.ports(device_id=server["id"])
    # Its own address, so that no server of the portal gets it meanwhile.
    own = connection.network.create_port(network_id=port.network_id)
    name = f"server-{server['id']}"
    domain = virsh.text_of(f"dumpxml --inactive {name}")
    source = ET.fromstring(domain).find("devices/interface/source")
    disk = ET.fromstring(domain).find("devices/disk[@device='disk']/source")
    assert source is not None
    assert disk is not None
    pool = disk.attrib.get("pool", "cloudportal")
    drive = folder / "drive.iso"
    virsh.run([f"vol-download --pool {pool} {server['id']}-config {drive}"])
    changed = {
        port.id: own.id,
        port.mac_address: own.mac_address,
        port.fixed_ips[0]["ip_address"]: own.fixed_ips[0]["ip_address"],
    }
    sample = Sample(
        server_id=server["id"],
        port_id=own.id,
        mac=own.mac_address,
        address=own.fixed_ips[0]["ip_address"],
        network=source.attrib["network"],
        domain=_replaced(domain, changed),
        filter=_without_uuid(
            _replaced(virsh.text_of(f"nwfilter-dumpxml cp-port-{port.id}"), changed)
        ),
        root=virsh.text_of(f"vol-dumpxml --pool {pool} {server['id']}-root"),
        config=virsh.text_of(f"vol-dumpxml --pool {pool} {server['id']}-config"),
        pool=pool,
        drive=drive,
    )
    bench.compute.delete_all()
    return sample


def _replaced(text: str, changed: dict[str, str]) -> str:
    for old, new in changed.items():
        text = text.replace(old, new)
    return text


def _without_uuid(text: str) -> str:
    return re.sub(r"<uuid>.*?</uuid>", "", text)


def _volume(text: str) -> str:
    """A volume's definition without what only an existing one has."""
    root = ET.fromstring(text)
    for path in ("key", "allocation", "physical"):
        for found in root.findall(path):
            root.remove(found)
    for parent in ("target", "backingStore"):
        element = root.find(parent)
        for tag in ("timestamps", "permissions", *(["path"] if parent == "target" else [])):
            for found in element.findall(tag) if element is not None else ():
                element.remove(found)  # type: ignore[union-attr]  # found in it
    return ET.tostring(root, encoding="unicode")


def _wait_for_line(bench: Bench, console: Path) -> float:
    """When the guest's first line was on the host."""
    path = bench.root / console.relative_to("/")
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if path.exists() and b"\n" in path.read_bytes():
            return time.time()
        time.sleep(0.005)
    raise TimeoutError(f"Nothing in {path}")


def _by_portal(bench: Bench, sample: Sample) -> tuple[str, float, float, float]:
    _rest()
    begin = time.time()
    server = bench.compute.create("first-line", config_drive=True, user_data=USER_DATA)
    answered = time.time()
    console = Path(str(sample.console).replace(sample.server_id, server["id"]))
    line = _wait_for_line(bench, console)
    path = f"/servers/{server['id']}"
    eventually(
        lambda: bench.compute.get(path)["server"]["status"] == "ACTIVE", what="the server is active"
    )
    return server["id"], begin, answered, line


def _rest() -> None:
    """Let the machine come to rest; the last deletion may still be at work."""
    time.sleep(2)


def _by_hand(bench: Bench, virsh: Virsh, sample: Sample, folder: Path, into: Timings) -> None:
    own = str(uuid.uuid4())
    files = {
        "root": _volume(sample.root),
        "config": _volume(sample.config),
        "filter": sample.filter,
        "domain": sample.domain,
        "host": f"<host mac='{sample.mac}' name='by-hand' ip='{sample.address}'/>",
    }
    for name, text in files.items():
        (folder / name).write_text(text.replace(sample.server_id, own))
    steps = {
        "create overlay": f"vol-create {sample.pool} {folder}/root",
        "create config drive": f"vol-create {sample.pool} {folder}/config",
        "upload config drive": f"vol-upload --pool {sample.pool} {own}-config {sample.drive}",
        "define filter": f"nwfilter-define {folder}/filter",
        "add DHCP entry": (
            f"net-update {sample.network} add ip-dhcp-host {folder}/host --live --config"
        ),
        "define": f"define {folder}/domain",
        "start": f"start server-{own}",
    }
    _rest()
    begin = time.time()
    took = virsh.run(list(steps.values()))
    started = time.time()
    line = _wait_for_line(bench, Path(str(sample.console).replace(sample.server_id, own)))
    into.total.append(line - begin)
    for name, seconds in zip(steps, took, strict=True):
        into.add(name, seconds)
    into.add("boot to the first line", line - started)
    virsh.run(
        [
            f"destroy server-{own}",
            f"undefine server-{own}",
            f"vol-delete --pool {sample.pool} {own}-root",
            f"vol-delete --pool {sample.pool} {own}-config",
            f"net-update {sample.network} delete ip-dhcp-host {folder}/host --live --config",
            f"nwfilter-undefine cp-port-{sample.port_id}",
        ]
    )


def _by_step(bench: Bench, asked: list[tuple[str, float, float, float]]) -> Timings:
    """The portal's steps, and the pauses between them."""
    records: dict[str, Any] = {each["server"]: each for each in bench.ask(RECORDS)}
    timings = Timings()
    for server_id, begin, answered, line in asked:
        record = records[server_id]
        timings.total.append(line - begin)
        timings.add("POST", answered - begin)
        last = record["created_at"]
        for name, started_at, finished_at in record["steps"]:
            timings.add(f"before {name}", started_at - last)
            timings.add(name, finished_at - started_at)
            last = finished_at
            if name == "start_guest":
                timings.add("POST to start_guest", started_at - begin)
                timings.add("start_guest to the first line", line - started_at)
            if name == "mark_active":
                timings.add("POST to ACTIVE", finished_at - begin)
    return timings


def _report(portal: Timings, by_hand: Timings) -> None:
    ours, theirs = statistics.median(portal.total), statistics.median(by_hand.total)
    hand = by_hand.medians()
    boot = hand["start"] + hand["boot to the first line"]
    emit("first_line_portal", ours, "s", steps=portal.medians(), all=_rounded(portal.total))
    emit("first_line_virsh", theirs, "s", steps=hand, all=_rounded(by_hand.total))
    emit("first_line_ratio", ours / theirs, "times virsh", goal="<= 1.3")
    emit("qemu_start_and_boot", boot, "s", measured="virsh start until the first line")
    emit("own_share", ours - boot, "s", goal="<= 0.7", of="portal's total less start and boot")
    before = statistics.median(portal.steps["POST to start_guest"])
    emit("own_share_until_start_guest", before, "s", goal="<= 0.7")


def _rounded(values: list[float]) -> list[float]:
    return [round(value, 3) for value in values]
