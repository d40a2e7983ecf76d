"""The image boots by itself and does what its config drive says."""

import os
import subprocess
from pathlib import Path

import pytest

from guest_image.build import build
from tests.guest_image.machine import Machine, drive_files, make_disk, write_config_drive

pytestmark = pytest.mark.lab

MAC = "fa:16:3e:00:00:05"
STATIC = {
    "links": [{"id": "tap1", "type": "bridge", "ethernet_mac_address": MAC, "mtu": 1400}],
    "networks": [
        {
            "id": "network0",
            "type": "ipv4",
            "link": "tap1",
            "ip_address": "10.0.2.15",
            "netmask": "255.255.255.0",
            "routes": [{"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "10.0.2.2"}],
        },
        {
            "id": "network1",
            "type": "ipv6",
            "link": "tap1",
            "ip_address": "fd00:77::5",
            "netmask": "ffff:ffff:ffff:ffff::",
            "routes": [{"network": "::", "netmask": "::", "gateway": "fd00:77::1"}],
        },
    ],
    "services": [{"type": "dns", "address": "10.0.2.3"}],
}
SCRIPT = b"""#!/bin/sh
echo "hello from $(hostname)"
echo "mtu $(cat /sys/class/net/eth0/mtu)"
echo "root $(df -m / | awk 'NR == 2 {print ($2 > 1900 ? "has grown" : "is small")}')"
echo "route $(ip route | grep default)"
echo "dns $(cat /etc/resolv.conf)"
echo "file $(cat '/etc/my file')"
echo run >>/root/runs
echo "runs: $(wc -l </root/runs)"
exit 3
"""


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = Path(__file__).resolve().parents[2]
    cache = Path(os.environ.get("CLOUDPORTAL_VAR", root / "var")) / "cache"
    output = tmp_path_factory.mktemp("image") / "tiny.qcow2"
    assert build(output, cache=cache)
    assert not build(output, cache=cache), "a second build has nothing to do"
    assert output.stat().st_size < 60_000_000
    return output


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


def meta(key: Path | None = None, **more) -> dict[str, object]:
    keys = {"k": key.with_suffix(".pub").read_text()} if key else {}
    return {"uuid": "1", "hostname": "one.example", "name": "one", "public_keys": keys, **more}


def ssh(machine: Machine, key: Path, command: str) -> str:
    options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "ConnectTimeout=60"]
    words = [word for option in options for word in ("-o", option)]
    where = ["-p", str(machine.ssh_port), "-i", str(key), "root@127.0.0.1"]
    done = subprocess.run(["ssh", *words, *where, command], capture_output=True, check=True)
    return done.stdout.decode()


@pytest.mark.parametrize("machine_type", ["q35", pytest.param("pc", marks=pytest.mark.long)])
def test_a_first_boot_does_what_the_config_drive_says(image, tmp_path, key, machine_type):
    drive = tmp_path / "drive.iso"
    wanted = meta(
        key,
        admin_pass="s3cret'x",
        files=[{"content_path": "/content/0000", "path": "/etc/my file"}],
    )
    files = drive_files(wanted, network=STATIC, user_data=SCRIPT)
    write_config_drive(drive, {**files, "content/0000": b"injected"})
    disk = make_disk(image, tmp_path / "disk.qcow2", size="2G")

    with Machine(tmp_path / "m", disk, drive=drive, mac=MAC, machine=machine_type) as machine:
        console = machine.wait_for("user_data: exit 3")
        machine.wait_for("ssh host key SHA256:")
        inside = ssh(machine, key, "hostname; cat /proc/mounts")
        machine.wait_for("one login:")
        machine.type_until("root", "Password:")
        machine.type_until("s3cret'x", "root@one:")
        machine.power_off_by_button()

    assert "cloudportal-tiny: hostname one" in console
    assert "cloudportal-tiny: address eth0 10.0.2.15/24" in console
    assert "cloudportal-tiny: address eth0 fd00:77::5/64" in console
    assert "hello from one" in console
    assert "mtu 1400" in console
    assert "root has grown" in console
    assert "route default via 10.0.2.2 dev eth0" in console
    assert "dns nameserver 10.0.2.3" in console
    assert "file injected" in console
    assert inside.startswith("one\n")


@pytest.mark.long
def test_a_reboot_keeps_the_disk_and_runs_the_script_once_a_rebuild_again(image, tmp_path, key):
    drive = tmp_path / "drive.iso"
    write_config_drive(drive, drive_files(meta(key), network=STATIC, user_data=SCRIPT))
    disk = make_disk(image, tmp_path / "disk.qcow2")
    with Machine(tmp_path / "first", disk, drive=drive, mac=MAC) as machine:
        machine.wait_for("user_data: exit 3")
        machine.wait_for("ssh host key SHA256:")
        ssh(machine, key, "echo kept >/root/mine; sync; reboot")
        machine.wait_for("ssh host key SHA256:", times=2)
        after_reboot = ssh(machine, key, "cat /root/mine /root/runs")
        console = machine.text
    rebuilt = make_disk(image, tmp_path / "rebuilt.qcow2")

    with Machine(tmp_path / "second", rebuilt, drive=drive, mac=MAC) as machine:
        after_rebuild = machine.wait_for("user_data: exit 3")

    assert after_reboot == "kept\nrun\n"
    assert console.count("user_data: start") == 1
    assert len({part.split()[0] for part in console.split("ssh host key ")[1:]}) == 1
    assert "runs: 1" in after_rebuild


def test_without_a_config_drive_the_guest_asks_by_dhcp(image, tmp_path):
    disk = make_disk(image, tmp_path / "disk.qcow2")

    with Machine(tmp_path / "m", disk, mac=MAC) as machine:
        console = machine.wait_for("login:")

    assert "cloudportal-tiny: no config drive" in console
    assert "cloudportal-tiny: address eth0 10.0.2.15/24" in console


@pytest.mark.long
def test_user_data_that_is_no_script_is_left_alone(image, tmp_path):
    drive = tmp_path / "drive.iso"
    write_config_drive(drive, drive_files(meta(), user_data=b"#cloud-config\n{}\n"))
    disk = make_disk(image, tmp_path / "disk.qcow2")

    with Machine(tmp_path / "m", disk, drive=drive, mac=MAC) as machine:
        console = machine.wait_for("user_data: not a script")

    assert "cloudportal-tiny: address eth0 10.0.2.15/24" in console
    assert "user_data: start" not in console
