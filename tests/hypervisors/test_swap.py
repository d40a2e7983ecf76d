import subprocess
from uuid import UUID

import pytest

from hypervisors.swap import swap_disk

SERVER = UUID("0f3a3f0e-5f4c-4f0e-8d5a-0d7a3c1e9b11")


@pytest.mark.parametrize("size_mib", [1, 64, 4096, 70000])
def test_swap_disk_is_a_sound_qcow2_image(tmp_path, size_mib):
    path = tmp_path / "swap.qcow2"
    path.write_bytes(swap_disk(size_mib * 1024**2, SERVER))

    checked = subprocess.run(["qemu-img", "check", path], capture_output=True, text=True)
    told = subprocess.run(["qemu-img", "info", path], capture_output=True, text=True).stdout

    assert checked.returncode == 0, checked.stdout
    assert f"({size_mib * 1024**2} bytes)" in told


def test_guest_finds_a_formatted_swap_area(tmp_path):
    source, raw = tmp_path / "swap.qcow2", tmp_path / "swap.raw"
    source.write_bytes(swap_disk(64 * 1024**2, SERVER))

    subprocess.run(["qemu-img", "convert", "-O", "raw", source, raw], check=True)

    told = subprocess.run(["/usr/sbin/blkid", "-p", raw], capture_output=True, text=True).stdout
    assert 'TYPE="swap"' in told
    assert str(SERVER) in told
