"""A guest of one sector: it says on its console that it is up, hears the power button, and rests.

It is up in a second and takes no processor, so that a test of hosts and states may have as many as
it likes. What a server does inside, a test asks of `tiny`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

NAME = "blink"
UP = "blink: up"
_SECTOR = 512
_ORIGIN = 0x7C00
# The registers of power management lie at 0x600 on both machine types.
_CODE = bytes.fromhex(
    "fb"  # sti: the timer wakes it 18 times a second
    "31c0 8ed8"  # ds = 0
    "be {text}"  # si = text
    "ac 84c0 7412 88c4"  # next: al = [si++]; until 0; ah = al
    "bafd03 ec a820 74fb"  # wait until COM1 takes a byte
    "88e0 baf803 ee ebe9"  # send it; next
    "ba0206 b80001 ef"  # the power button counts
    "f4 ba0006 ed f6c401 74f6"  # rest: hlt; until it was pressed
    "ba0406 b80020 ef ebed".format(text="0000")  # off; rest
)
_TEXT_AT = _CODE.index(b"\xbe") + 1


def boot_sector() -> bytes:
    """The whole guest."""
    code = bytearray(_CODE)
    code[_TEXT_AT : _TEXT_AT + 2] = (_ORIGIN + len(code)).to_bytes(2, "little")
    text = f"{UP}\r\n".encode() + b"\0"
    return bytes(code + text).ljust(_SECTOR - 2, b"\0") + b"\x55\xaa"


def add_blink(connection: Any, folder: Path) -> None:
    """Upload it for everybody; `connection` is an administrator's."""
    file = folder / "blink.raw"
    file.write_bytes(boot_sector().ljust(1024**2, b"\0"))
    connection.image.create_image(
        NAME, filename=str(file), disk_format="raw", container_format="bare",
        visibility="public", wait=True, validate_checksum=False,
    )  # fmt: skip
