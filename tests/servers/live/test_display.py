"""A display behind a websocket: a VNC server on loopback, or behind a program."""

import asyncio
import contextlib
import os
from pathlib import Path

import pytest

from hypervisors.consoles import Display
from servers.live.application import Live
from servers.live.socket import Ending
from tests.servers.live.browser import Browser, scope, until

GREETING = b"RFB 003.008\n"
# Greets, then gives back what it is given; leaves its number behind.
PROGRAM = "echo $$ > {pid}; printf 'RFB 003.008\\n'; exec cat"
MIB = 1024 * 1024


@contextlib.asynccontextmanager
async def vnc_server(serve):
    """A TCP server on loopback; its port."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@contextlib.asynccontextmanager
async def browsing(token):
    """A browser with a console; it leaves at the end."""
    browser = Browser()
    task = asyncio.create_task(Live()(scope(token), browser.receive, browser.send))
    try:
        yield browser
    finally:
        browser.leave()
        browser.go_on()
        await asyncio.wait_for(task, 20)


async def echo(reader, writer):
    writer.write(GREETING)
    while data := await reader.read(1000):
        writer.write(b"<" + data + b">")
    writer.close()


def test_bytes_go_both_ways(token, display_at):
    async def play():
        async with vnc_server(echo) as port:
            display_at(Display(port))
            async with browsing(text) as browser:
                await browser.hears(GREETING)
                browser.type(b"ClientInit")
                await browser.hears(b"<ClientInit>")

    text = token("vnc", "novnc")
    asyncio.run(play())


def test_a_display_that_ends_closes_the_websocket(token, display_at):
    async def serve(reader, writer):
        writer.write(GREETING)
        await writer.drain()
        writer.close()

    async def play():
        async with vnc_server(serve) as port:
            display_at(Display(port))
            async with browsing(text) as browser:
                return await browser.ends()

    text = token("vnc", "novnc")
    assert asyncio.run(play()) == (Ending.OVER, "The server's display was closed.")


def test_a_browser_that_leaves_closes_the_connection_to_the_display(token, display_at):
    gone = asyncio.Event()

    async def serve(reader, writer):
        writer.write(GREETING)
        await reader.read()
        gone.set()
        writer.close()

    async def play():
        async with vnc_server(serve) as port:
            display_at(Display(port))
            async with browsing(text) as browser:
                await browser.hears(GREETING)
            await asyncio.wait_for(gone.wait(), 20)

    text = token("vnc", "novnc")
    asyncio.run(play())


def test_a_slow_browser_holds_the_display_back(token, display_at):
    sent = 0

    async def serve(reader, writer):
        nonlocal sent
        writer.write(GREETING)
        with contextlib.suppress(ConnectionError):
            while sent < 256 * MIB:
                writer.write(bytes(MIB))
                await writer.drain()
                sent += MIB

    async def play():
        async with vnc_server(serve) as port:
            display_at(Display(port))
            async with browsing(text) as browser:
                await browser.hears(GREETING)
                browser.stall()
                before = -1
                while before != sent:  # until nothing more is taken off the display
                    before = sent
                    await asyncio.sleep(0.3)
                return sent

    text = token("vnc", "novnc")
    assert asyncio.run(play()) < 64 * MIB


@pytest.mark.parametrize("is_silent", [True, False])
def test_what_is_no_display_is_said_to_be_none(token, display_at, monkeypatch, is_silent):
    monkeypatch.setattr("servers.live.display._CONNECT_S", 0.3)

    async def serve(reader, writer):
        if is_silent:
            await reader.read()
        writer.close()

    async def play():
        async with vnc_server(serve) as port:
            display_at(Display(port))
            async with browsing(text) as browser:
                return await browser.ends()

    text = token("vnc", "novnc")
    assert asyncio.run(play()) == (Ending.UNREACHABLE, "The server's display does not answer.")


def test_nothing_listens(token, display_at):
    async def play():
        async with vnc_server(echo) as port:
            pass
        display_at(Display(port))
        async with browsing(text) as browser:
            return await browser.ends()

    text = token("vnc", "novnc")
    assert asyncio.run(play())[0] == Ending.UNREACHABLE


def test_a_program_is_ended_with_its_group_when_the_browser_leaves(token, display_at, tmp_path):
    pid_file = tmp_path / "pid"

    async def play():
        display_at(Display(5900, ("sh", "-c", PROGRAM.format(pid=pid_file))))
        async with browsing(text) as browser:
            await browser.hears(GREETING)
            browser.type(b"keys")
            await browser.hears(b"keys")
        pid = int(pid_file.read_text())
        await until(lambda: not Path(f"/proc/{pid}").exists())

    text = token("vnc", "novnc")
    asyncio.run(play())


def test_a_program_that_is_killed_closes_the_websocket(token, display_at, tmp_path):
    pid_file = tmp_path / "pid"

    async def play():
        display_at(Display(5900, ("sh", "-c", PROGRAM.format(pid=pid_file))))
        async with browsing(text) as browser:
            await browser.hears(GREETING)
            os.kill(int(pid_file.read_text()), 9)
            return await browser.ends()

    text = token("vnc", "novnc")
    assert asyncio.run(play())[0] == Ending.OVER


def test_a_server_that_is_off_has_no_display(token, server, hosts):
    hosts["host1"].destroy_guest(server.pk)

    async def play():
        async with browsing(text) as browser:
            return await browser.ends()

    text = token("vnc", "novnc")
    assert asyncio.run(play()) == (Ending.UNREACHABLE, "The server does not run.")
