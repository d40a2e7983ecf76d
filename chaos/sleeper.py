"""An image that boots in an instant, sleeps, and stops when its power button is pressed.

Guests run in software here, and an operating system in each would leave no processor to the
portal. The program fits into a boot sector: it lets the power button be noted in the ACPI event
register, sleeps from clock tick to clock tick, and once the bit is set asks for the state S5.
Source: ACPI specification, PM1 event and control registers; QEMU's q35 has them at 0x600.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

SECTOR = 512
PROGRAM = bytes.fromhex(
    "fb"  # sti
    "ba0206"  # mov dx, 0x602: which events are noted
    "b80001"  # mov ax, 0x100: the power button
    "ef"  # out dx, ax
    "f4"  # hlt: until the next tick
    "ba0006"  # mov dx, 0x600: events so far
    "ed"  # in ax, dx
    "f6c401"  # test ah, 1
    "74f6"  # jz to hlt
    "ba0406"  # mov dx, 0x604: control
    "b80020"  # mov ax, 0x2000: enter S5
    "ef"  # out dx, ax
    "f4ebfd"  # hlt, for ever
)


def write_image(path: Path, *, mib: int, seed: int) -> None:
    """Write a raw image of this size: the boot sector, and bytes that differ from seed to seed."""
    sector = PROGRAM.ljust(SECTOR - 2, b"\0") + b"\x55\xaa"
    with path.open("wb") as file:
        file.write(sector)
        block = sector
        while file.tell() < mib * 1024**2:
            block = hashlib.sha512(block + seed.to_bytes(8, "big")).digest() * (SECTOR // 64)
            file.write(block)
