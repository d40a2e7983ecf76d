"""One `virsh` session on the host, over the same way and with the same key as the portal's."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import time
from types import TracebackType

_TIME = re.compile(rb"\(Time: ([0-9.]+) ms\)")
_PROMPT = b"virsh #"


class VirshFailed(Exception):
    """A command of the session failed."""


class Virsh:
    """Runs lists of commands; connecting, which takes longest, is done once at the start."""

    def __init__(self, uri: str) -> None:
        # A terminal, so that every answer comes at once.
        ours, theirs = pty.openpty()
        self._terminal = ours
        self._process = subprocess.Popen(
            ["virsh", "--timing", "--connect", uri],
            stdin=subprocess.PIPE,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self._read_until(0)
        self.run(["hostname"])

    def __enter__(self) -> Virsh:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.wait(timeout=10)
        os.close(self._terminal)

    def run(self, commands: list[str]) -> list[float]:
        """Run commands one after another; how many seconds each took.

        Raises:
            VirshFailed: one failed.
        """
        assert self._process.stdin is not None
        self._process.stdin.write("".join(f"{each}\n" for each in commands).encode())
        self._process.stdin.flush()
        answer = self._read_until(len(commands))
        if b"error:" in answer:
            raise VirshFailed(answer.decode(errors="replace"))
        return [float(found) / 1000 for found in _TIME.findall(answer)]

    def text_of(self, command: str) -> str:
        """What a command prints."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\n".encode())
        self._process.stdin.flush()
        answer = self._read_until(1)
        if b"error:" in answer:
            raise VirshFailed(answer.decode(errors="replace"))
        text = answer.decode().replace("\r\n", "\n")
        return text[text.index("<") : text.rindex(">") + 1]

    def _read_until(self, count: int) -> bytes:
        """Read until so many commands have said how long they took, and the next prompt."""
        answer, deadline = b"", time.monotonic() + 120
        while time.monotonic() < deadline:
            answer += os.read(self._terminal, 65536)
            done = len(_TIME.findall(answer)) + answer.count(b"error:")
            if done >= count and answer.rstrip().endswith(_PROMPT):
                return answer
        raise VirshFailed(answer.decode(errors="replace"))
