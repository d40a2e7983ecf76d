"""What the image is made of, as far as it shows without booting it."""

import struct

import pytest

from guest_image import disk, kernel
from guest_image.commands import BuildError


def test_the_partition_table_names_a_bootable_and_a_last_partition():
    sector = disk.partition_table()

    entries = [struct.unpack_from("<B3xB3xII", sector, 446 + 16 * n) for n in range(4)]
    assert len(sector) == 512
    assert sector[510:] == b"\x55\xaa"
    assert entries[0] == (0x80, 0x0E, 2048, disk.BOOT_SIZE // 512)
    assert entries[1][:2] == (0, 0x83)
    assert (entries[1][2] + entries[1][3]) * 512 == disk.DISK_SIZE
    assert entries[2:] == [(0, 0, 0, 0)] * 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ID=debian\n", "debian"),
        ("ID=ubuntu\nID_LIKE=debian\n", "ubuntu"),
        ('ID=linuxmint\nID_LIKE="ubuntu debian"\n', "ubuntu"),
    ],
)
def test_the_distribution_is_told_by_its_own_file(text, expected):
    assert kernel.distribution(text) == expected


def test_another_distribution_is_refused_in_words():
    with pytest.raises(BuildError, match="Debian's or Ubuntu's"):
        kernel.distribution("ID=fedora\n")
