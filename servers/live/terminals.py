"""Servers' serial lines: one open line a server, shared by all who look at it here."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from uuid import UUID

from cloudportal.errors import CloudError
from hypervisors.consoles import open_terminal, send_keys
from hypervisors.guests import read_console
from hypervisors.host_consoles import OpenTerminal
from hypervisors.models import Hypervisor
from servers.live.socket import Ending, Socket, SocketClosed
from servers.live.threads import in_thread
from servers.live.viewers import Viewer, is_answer, without_questions
from servers.models import Server

logger = logging.getLogger(__name__)

LOOK_S = 5.0
SHOWN_AGAIN_BYTES = 16 * 1024
BEHIND_BYTES = 1024 * 1024
_WAITING_KEYS = 64
_CLOSED = "The server's serial line was closed."


class Line:
    """The open serial line of one server, and who looks at it."""

    def __init__(self, server_id: UUID, hypervisor: Hypervisor) -> None:
        self._server_id = server_id
        self._hypervisor = hypervisor
        self._viewers: list[Viewer] = []
        self._recent = b""
        self._keys: asyncio.Queue[bytes] = asyncio.Queue(_WAITING_KEYS)
        self._terminal: OpenTerminal | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.has_ended = False

    async def open(self) -> None:
        """Open it, after what the guest wrote before.

        Raises:
            CloudError: the host does not answer, or the server does not run.
        """
        loop = asyncio.get_running_loop()

        def on_output(data: bytes) -> None:
            loop.call_soon_threadsafe(self._on_output, data)

        def on_end() -> None:
            loop.call_soon_threadsafe(self.end, _CLOSED)

        host, server_id = self._hypervisor, self._server_id
        with contextlib.suppress(CloudError):  # without a log it begins empty
            size = SHOWN_AGAIN_BYTES
            text = await in_thread(read_console, host, server_id, max_bytes=size)
            self._recent = without_questions(text.encode())
        self._terminal = await in_thread(open_terminal, host, server_id, on_output, on_end)
        self._tasks = [asyncio.create_task(self._type()), asyncio.create_task(self._watch())]

    def join(self) -> Viewer:
        """One more looks at it; begins with the newest output."""
        viewer = Viewer(BEHIND_BYTES)
        viewer.put(self._recent)
        self._viewers.append(viewer)
        return viewer

    async def leave(self, viewer: Viewer) -> None:
        """One less; behind the last one the line is closed."""
        self._viewers.remove(viewer)
        if not self._viewers:
            await self.close()

    async def type(self, viewer: Viewer, keys: bytes) -> None:
        """Give the guest what a viewer typed; waits while the guest takes nothing."""
        if self._viewers and viewer is not self._viewers[0] and is_answer(keys):
            return
        await self._keys.put(keys)

    def end(self, reason: str) -> None:
        """Let all viewers go."""
        self.has_ended = True
        for viewer in self._viewers:
            viewer.end(reason)

    async def close(self) -> None:
        """Give the line back."""
        self.end(_CLOSED)
        for task in self._tasks:
            task.cancel()
        terminal, self._terminal = self._terminal, None
        if terminal is not None:
            await in_thread(terminal.close)

    def _on_output(self, data: bytes) -> None:
        self._recent = (self._recent + without_questions(data))[-SHOWN_AGAIN_BYTES:]
        for viewer in self._viewers:
            viewer.put(data)

    async def _type(self) -> None:
        while self._terminal is not None:
            keys = await self._keys.get()
            while not self._keys.empty():
                keys += self._keys.get_nowait()
            try:
                await in_thread(send_keys, self._hypervisor, self._terminal, keys)
            except CloudError as error:
                self.end(error.message)
                return

    async def _watch(self) -> None:
        """A connection that dies takes the line along without a word."""
        while self._terminal is not None and self._terminal.is_alive():
            await asyncio.sleep(LOOK_S)
        self.end("The connection to the server's host was lost.")


class Terminals:
    """The lines that are open in this process."""

    def __init__(self) -> None:
        self._lines: dict[UUID, Line] = {}
        self._locks: dict[UUID, asyncio.Lock] = {}

    async def show(self, socket: Socket, server: Server, hypervisor: Hypervisor) -> None:
        """Let a websocket see and type, until either side ends.

        Raises:
            CloudError: the host does not answer, or the server does not run.
            SocketClosed: the browser left.
        """
        line, viewer = await self._joined(server.pk, hypervisor)
        reading = asyncio.create_task(_read(socket, line, viewer))
        writing = asyncio.create_task(_write(socket, viewer))
        try:
            await asyncio.wait([reading, writing], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (reading, writing):
                task.cancel()
            await asyncio.gather(reading, writing, return_exceptions=True)
            async with self._lock(server.pk):
                await line.leave(viewer)
        await socket.close(Ending.OVER, viewer.ending or _CLOSED)

    async def _joined(self, server_id: UUID, hypervisor: Hypervisor) -> tuple[Line, Viewer]:
        async with self._lock(server_id):
            line = self._lines.get(server_id)
            if line is None or line.has_ended:
                line = Line(server_id, hypervisor)
                await line.open()
                self._lines[server_id] = line
            return line, line.join()

    def _lock(self, server_id: UUID) -> asyncio.Lock:
        # Of servers whose line has ended and that nobody waits for, nothing is kept.
        for known, line in list(self._lines.items()):
            lock = self._locks.get(known)
            if line.has_ended and (lock is None or not lock.locked()):
                del self._lines[known]
                self._locks.pop(known, None)
        return self._locks.setdefault(server_id, asyncio.Lock())


async def _read(socket: Socket, line: Line, viewer: Viewer) -> None:
    with contextlib.suppress(SocketClosed):
        while True:
            await line.type(viewer, await socket.read())


async def _write(socket: Socket, viewer: Viewer) -> None:
    with contextlib.suppress(SocketClosed):
        while data := await viewer.take():
            await socket.write(data)
