"""A server's display: bytes between a websocket and the VNC server on its host's loopback."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hypervisors.consoles import LOOPBACK, Display, find_display
from hypervisors.models import Hypervisor
from servers.live.socket import Ending, Socket
from servers.live.threads import in_thread
from servers.models import Server

_PIECE = 64 * 1024
_CONNECT_S = 15.0


class DisplayUnreachable(Exception):
    """Nothing answers where the display should be."""


async def show_display(socket: Socket, server: Server, hypervisor: Hypervisor) -> None:
    """Relay the display until either side ends.

    Raises:
        CloudError: the host does not answer, or the server does not run.
        DisplayUnreachable: its display cannot be reached.
        SocketClosed: the browser left.
    """
    display = await in_thread(find_display, hypervisor, server.pk)
    async with _opened(display) as (reader, writer):
        try:
            greeting = await asyncio.wait_for(reader.read(_PIECE), _CONNECT_S)
        except TimeoutError as error:
            raise DisplayUnreachable from error
        if not greeting:
            raise DisplayUnreachable
        await socket.write(greeting)
        await _relay(socket, reader, writer)
    await socket.close(Ending.OVER, "The server's display was closed.")


async def _relay(
    socket: Socket, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Both ways, each at the pace of whoever takes the bytes."""

    async def out() -> None:
        while data := await reader.read(_PIECE):
            await socket.write(data)

    async def back() -> None:
        while True:
            writer.write(await socket.read())
            await writer.drain()

    tasks = [asyncio.ensure_future(out()), asyncio.ensure_future(back())]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            with contextlib.suppress(ConnectionError):  # the display's end of it
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def _opened(
    display: Display,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    if display.command:
        async with _program(display) as pipes:
            yield pipes
        return
    try:
        opening = asyncio.open_connection(LOOPBACK, display.port)
        reader, writer = await asyncio.wait_for(opening, _CONNECT_S)
    except OSError as error:
        raise DisplayUnreachable from error
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@asynccontextmanager
async def _program(
    display: Display,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    process = await asyncio.create_subprocess_exec(
        *display.command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        # A group of its own: the wrapper is a shell, and what it runs ends with it.
        start_new_session=True,
    )
    if process.stdin is None or process.stdout is None:
        raise DisplayUnreachable
    try:
        yield process.stdout, process.stdin
    finally:
        process.stdin.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        await process.wait()
