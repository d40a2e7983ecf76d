"""One websocket, as the rooms behind it see it: bytes in, bytes out, and an end that says why."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from enum import IntEnum
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# A close frame has room for 123 bytes of reason.
_REASON_BYTES = 120


class Ending(IntEnum):
    """Why a console was closed; 4000 and above are ours to give meaning. Source: RFC 6455, 7.4."""

    OVER = 1000
    LEAVING = 1001
    BUSY = 1013
    REFUSED = 4403
    UNREACHABLE = 4503
    IDLE = 4408


class SocketClosed(Exception):
    """The browser is gone."""


class Socket:
    """An accepted websocket. `heard_at` is when bytes last went either way."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self.is_open = True
        self.heard_at = time.monotonic()

    async def accept(self) -> None:
        """Take the websocket on.

        Raises:
            SocketClosed: the browser left before.
        """
        if (await self._receive())["type"] != "websocket.connect":
            raise SocketClosed
        await self._send({"type": "websocket.accept"})

    async def read(self) -> bytes:
        """The next message.

        Raises:
            SocketClosed: there is no further one.
        """
        message = await self._receive()
        if message["type"] != "websocket.receive":
            self.is_open = False
            raise SocketClosed
        self.heard_at = time.monotonic()
        return message.get("bytes") or (message.get("text") or "").encode()

    async def write(self, data: bytes) -> None:
        """Send bytes; returns when the browser has taken most of what was sent before.

        Raises:
            SocketClosed: it is gone.
        """
        if not self.is_open:
            raise SocketClosed
        try:
            await self._send({"type": "websocket.send", "bytes": data})
        except OSError as error:  # uvicorn's word for it is one of these
            self.is_open = False
            raise SocketClosed from error
        self.heard_at = time.monotonic()

    async def close(self, code: Ending, reason: str) -> None:
        """End it and say why; one that is closed already stays so."""
        if not self.is_open:
            return
        self.is_open = False
        cut = reason.encode()[:_REASON_BYTES].decode(errors="ignore")
        try:
            await self._send({"type": "websocket.close", "code": int(code), "reason": cut})
        except OSError:
            return  # it left at the same moment
