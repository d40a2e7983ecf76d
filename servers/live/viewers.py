"""Who looks at a terminal: each has its own pace, and none can hold up the guest or the others."""

from __future__ import annotations

import asyncio
import re

# Answers of a browser's terminal to a question of the guest (cursor position, kind of terminal).
_ANSWER = re.compile(rb"(?:\x1b\[\??[\d;]*[Rcn])+")
# The guest's questions themselves: in what is shown again they would be answered again.
_QUESTION = re.compile(rb"\x1b\[[?>=]?[\d;]*[cn]|\x05")


class Viewer:
    """What one browser has still to be sent; the oldest is left out when it is far behind."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.ending: str | None = None
        self._rest = bytearray()
        self._left_out_bytes = 0
        self._news = asyncio.Event()

    def put(self, data: bytes) -> None:
        """Have this sent after the rest."""
        self._rest += data
        surplus = len(self._rest) - self.limit_bytes
        if surplus > 0:
            del self._rest[:surplus]
            self._left_out_bytes += surplus
        self._news.set()

    def end(self, reason: str) -> None:
        """There is no more after the rest."""
        self.ending = self.ending or reason
        self._news.set()

    async def take(self) -> bytes:
        """All that there is, as soon as there is any; nothing at the end."""
        while not self._rest and self.ending is None:
            self._news.clear()
            await self._news.wait()
        data, self._rest = bytes(self._rest), bytearray()
        if self._left_out_bytes:
            words = f"\r\n[{self._left_out_bytes} bytes left out: the connection is too slow]\r\n"
            data, self._left_out_bytes = words.encode() + data, 0
        return data


def without_questions(output: bytes) -> bytes:
    """Output of a guest as it may be shown a second time."""
    return _QUESTION.sub(b"", output)


def is_answer(keys: bytes) -> bool:
    """Whether this was typed by no hand: a guest that asked wants one answer, not one a viewer."""
    return _ANSWER.fullmatch(keys) is not None
