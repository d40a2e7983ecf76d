"""The libvirt that the tests of the driver ask, and a guest that needs no system."""

import os
import time

URI = os.environ.get("CLOUDPORTAL_TEST_URI", "qemu:///system")
MIB = 1024**2
# mov dx,0x3f8; mov al,'A'; out dx,al; then halt: one letter on the serial console.
BOOT_SECTOR = bytes.fromhex("baf803b041eef4ebfd").ljust(510, b"\0") + b"\x55\xaa"


def wait_until(condition, timeout_s=60.0):
    ends_at = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < ends_at, "it did not come about in time"
        time.sleep(0.05)
