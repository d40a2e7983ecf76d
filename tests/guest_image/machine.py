"""A guest booted by QEMU directly, with a config drive, as a host would boot it."""

import io
import json
import socket
import subprocess
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pycdlib

PATIENCE_S = 240


def write_config_drive(path: Path, files: dict[str, bytes]) -> None:
    """Make an ISO labelled config-2 with these files below openstack/."""
    image = pycdlib.PyCdlib()
    image.new(interchange_level=3, rock_ridge="1.09", vol_ident="config-2")
    image.add_directory("/OPENSTAC", rr_name="openstack")
    image.add_directory("/OPENSTAC/LATEST", rr_name="latest")
    image.add_directory("/OPENSTAC/CONTENT", rr_name="content")
    for number, (name, content) in enumerate(files.items()):
        folder, _, leaf = name.partition("/")
        short = f"/OPENSTAC/{folder.upper()}/F{number}.;1"
        image.add_fp(io.BytesIO(content), len(content), short, rr_name=leaf)
    image.write(str(path))
    image.close()


def drive_files(
    meta: dict[str, Any], *, network: dict[str, Any] | None = None, user_data: bytes = b""
) -> dict[str, bytes]:
    files = {"latest/meta_data.json": json.dumps(meta).encode()}
    if network is not None:
        files["latest/network_data.json"] = json.dumps(network).encode()
    if user_data:
        files["latest/user_data"] = user_data
    return files


def make_disk(image: Path, disk: Path, *, size: str = "1G") -> Path:
    backing = ["-b", str(image), "-F", "qcow2"]
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", *backing, str(disk), size], check=True
    )
    return disk


class Machine:
    """A running QEMU; ends with its `with` block."""

    def __init__(
        self, folder: Path, disk: Path, *, drive: Path | None = None, mac: str, machine: str = "q35"
    ) -> None:
        folder.mkdir()
        self.log = folder / "console.log"
        self.ssh_port = _free_port()
        self._monitor_path = folder / "qmp"
        self._console_path = folder / "console"
        console = (
            f"socket,id=console,path={self._console_path},server=on,wait=off,logfile={self.log}"
        )
        nic = f"user,id=net,hostfwd=tcp:127.0.0.1:{self.ssh_port}-:22"
        self._command = [
            *("qemu-system-x86_64", "-accel", "tcg", "-machine", machine, "-m", "256"),
            *("-display", "none", "-nodefaults", "-vga", "std"),
            *("-chardev", console, "-serial", "chardev:console"),
            *("-qmp", f"unix:{self._monitor_path},server=on,wait=off"),
            *("-drive", f"file={disk},if=virtio,format=qcow2"),
            *("-netdev", nic, "-device", f"virtio-net-pci,netdev=net,mac={mac}"),
        ]
        if drive is not None:
            self._command += ["-drive", f"file={drive},if=virtio,format=raw,readonly=on"]
        self._stack = ExitStack()
        self._console: socket.socket | None = None

    def __enter__(self) -> "Machine":
        self._process = self._stack.enter_context(subprocess.Popen(self._command))
        self._stack.callback(self._process.kill)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def wait_for(self, words: str, *, times: int = 1) -> str:
        """Wait until the console has shown these words so often; return all it showed."""
        self._wait(lambda: self.text.count(words) >= times, f"{words!r} on the console")
        return self.text

    def power_off_by_button(self) -> None:
        """Press the button until the machine is off, as one does when nothing seems to happen."""
        pressed_at = 0.0

        def is_off() -> bool:
            nonlocal pressed_at
            if self._process.poll() is not None:
                return True
            if time.monotonic() - pressed_at > 10:
                pressed_at = time.monotonic()
                # It may switch itself off at just this moment.
                with suppress(OSError):
                    self._qmp("system_powerdown")
            return False

        self._wait(is_off, "power off")

    def type(self, line: str) -> None:
        # The connection stays: what the guest has not read yet is lost when it closes.
        if self._console is None:
            self._console = self._stack.enter_context(socket.socket(socket.AF_UNIX))
            self._console.connect(str(self._console_path))
        self._console.sendall(line.encode() + b"\n")

    def _drain(self) -> None:
        """Read what the console sends, for QEMU waits for a reader; the log has it all."""
        if self._console is not None:
            with suppress(BlockingIOError):
                self._console.recv(65536, socket.MSG_DONTWAIT)

    def type_until(self, line: str, words: str) -> None:
        """Type a line until the console shows these words: login drops what comes too early."""
        typed_at = 0.0

        def answered() -> bool:
            nonlocal typed_at
            if words in self.text:
                return True
            if time.monotonic() - typed_at > 5:
                typed_at = time.monotonic()
                self.type(line)
            return False

        self._wait(answered, f"{words!r} after typing")

    def _qmp(self, command: str) -> None:
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.connect(str(self._monitor_path))
            with monitor.makefile("rw") as talk:
                talk.readline()
                for name in ("qmp_capabilities", command):
                    talk.write(json.dumps({"execute": name}) + "\n")
                    talk.flush()
                    talk.readline()

    def _wait(self, condition, what: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {PATIENCE_S} s for {what}; console:\n{self.text}")
            self._drain()
            time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
