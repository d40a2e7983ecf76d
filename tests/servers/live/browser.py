"""The browser's end of a websocket, without a network: what comes to it, and what it sends."""

from __future__ import annotations

import asyncio

from servers.live.socket import Message

PATIENCE_S = 20


class Browser:
    """An ASGI client. `heard` is all it was sent."""

    def __init__(self) -> None:
        self._sends: asyncio.Queue[Message] = asyncio.Queue()
        self._sends.put_nowait({"type": "websocket.connect"})
        self._change = asyncio.Condition()
        self._takes = asyncio.Event()
        self._takes.set()
        self.is_accepted = False
        self.heard = b""
        self.ending: tuple[int, str] | None = None

    async def receive(self) -> Message:
        return await self._sends.get()

    async def send(self, message: Message) -> None:
        await self._takes.wait()
        async with self._change:
            if message["type"] == "websocket.accept":
                self.is_accepted = True
            elif message["type"] == "websocket.send":
                self.heard += message["bytes"]
            elif message["type"] == "websocket.close":
                self.ending = (message["code"], message.get("reason", ""))
            self._change.notify_all()

    def stall(self) -> None:
        self._takes.clear()

    def go_on(self) -> None:
        self._takes.set()

    def type(self, keys: bytes) -> None:
        self._sends.put_nowait({"type": "websocket.receive", "bytes": keys})

    def leave(self) -> None:
        self._sends.put_nowait({"type": "websocket.disconnect", "code": 1001})

    async def hears(self, text: bytes) -> None:
        await self._until(lambda: text in self.heard)

    async def ends(self) -> tuple[int, str]:
        await self._until(lambda: self.ending is not None)
        assert self.ending is not None
        return self.ending

    async def _until(self, is_so) -> None:
        async with self._change:
            await asyncio.wait_for(self._change.wait_for(is_so), PATIENCE_S)


def scope(token: str = "", *, path: str = "/live/console", origin: str | None = None):
    """A websocket's address and headers."""
    return {
        "type": "websocket",
        "path": path,
        "query_string": f"token={token}".encode(),
        "headers": [(b"host", b"x")] + ([(b"origin", origin.encode())] if origin else []),
    }


async def until(is_so) -> None:
    """Let the loop go on until it is so."""
    ends_at = asyncio.get_running_loop().time() + PATIENCE_S
    while not is_so():
        assert asyncio.get_running_loop().time() < ends_at
        await asyncio.sleep(0.01)
