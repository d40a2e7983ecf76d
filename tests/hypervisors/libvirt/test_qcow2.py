"""The header of a qcow2 file that is to lie over another path."""

import pytest

from hypervisors.libvirt.errors import DriverError
from hypervisors.libvirt.qcow2 import MAGIC, rebased

CLUSTER = 512
AT = 104


def head(path: bytes, *, after: bytes = b"") -> bytes:
    """The first cluster of a file over `path`, with something else behind the name."""
    fields = bytearray(CLUSTER)
    fields[:4] = MAGIC
    fields[8:16] = (AT if path else 0).to_bytes(8, "big")
    fields[16:20] = len(path).to_bytes(4, "big")
    fields[20:24] = (9).to_bytes(4, "big")
    fields[AT : AT + len(path)] = path
    fields[AT + len(path) + 4 : AT + len(path) + 4 + len(after)] = after
    return bytes(fields)


def name_in(found: bytes) -> bytes:
    length = int.from_bytes(found[16:20], "big")
    return found[AT : AT + length]


@pytest.mark.parametrize("path", ["/pool/base", "/b", "/a/much/longer/pool/than/before/base"])
def test_the_path_is_replaced_and_nothing_else(path):
    before = head(b"/old/pool/base")

    found = rebased(before, path)

    assert name_in(found) == path.encode()
    assert found[:16] == before[:16]
    assert found[20:AT] == before[20:AT]
    assert not any(found[AT + len(path) :])
    assert len(found) == len(before)


def test_a_file_over_nothing_stays_as_it_is():
    assert rebased(head(b""), "") == head(b"")


@pytest.mark.parametrize(
    ("found", "path"),
    [
        (b"no image", ""),
        (b"\0" * CLUSTER, ""),
        (head(b""), "/base"),
        (head(b"/base"), ""),
        (head(b"/base"), "/" + "x" * CLUSTER),
        (head(b"/base", after=b"table"), "/a/longer/base"),
    ],
    ids=["short", "no magic", "over nothing", "over something", "too long", "taken"],
)
def test_what_would_damage_the_file_is_refused(found, path):
    with pytest.raises(DriverError):
        rebased(found, path)
