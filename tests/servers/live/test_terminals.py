"""A serial line behind websockets: one line a server, for all who look at it."""

import asyncio
import contextlib

from hypervisors.errors import HostUnreachable
from servers.live import terminals
from servers.live.application import Live
from servers.live.socket import Ending
from tests.servers.live.browser import Browser, scope, until


class Seats:
    """Browsers at one live process."""

    def __init__(self):
        self.live = Live()
        self.tasks = {}

    def sit(self, token):
        browser = Browser()
        task = asyncio.create_task(self.live(scope(token), browser.receive, browser.send))
        self.tasks[browser] = task
        return browser

    async def leave(self, browser):
        browser.leave()
        browser.go_on()
        await asyncio.wait_for(self.tasks.pop(browser), 20)


@contextlib.asynccontextmanager
async def seats():
    found = Seats()
    yield found
    for browser in list(found.tasks):
        await found.leave(browser)


async def line_of(hosts, server, count=1):
    """The guest's end of the line, once it was opened so often."""
    host = hosts["host1"]
    await until(lambda: host.calls.count("open_terminal") == count)
    return host.terminals[server.pk]


def test_what_the_guest_says_is_seen_and_what_is_typed_reaches_it(token, server, hosts):
    async def play():
        async with seats() as room:
            browser = room.sit(text)
            line = await line_of(hosts, server)
            line.on_output(b"login: ")
            await browser.hears(b"login: ")
            browser.type(b"root\r")
            await until(lambda: line.typed == b"root\r")
            assert line.is_open
        assert not line.is_open

    text = token()
    asyncio.run(play())


def test_all_viewers_share_one_line_and_the_newest_output(token, server, hosts):
    async def play():
        async with seats() as room:
            first = room.sit(texts[0])
            line = await line_of(hosts, server)
            line.on_output(b"boot\r\n$ \x1b[6n")
            await first.hears(b"\x1b[6n")
            second = room.sit(texts[1])
            await second.hears(b"boot\r\n$ ")
            assert b"\x1b[6n" not in second.heard  # the guest asks nobody twice
            line.on_output(b"ls")
            await first.hears(b"ls")
            await second.hears(b"ls")
            second.type(b"\x1b[24;80R")  # an answer is one viewer's
            first.type(b"\x1b[24;80R")
            second.type(b"x")
            await until(lambda: b"x" in line.typed)
            assert line.typed.count(b"\x1b[24;80R") == 1
            await room.leave(first)
            assert line.is_open
        assert not line.is_open

    texts = [token(), token()]
    asyncio.run(play())
    assert hosts["host1"].calls.count("open_terminal") == 1


def test_a_slow_viewer_holds_up_neither_the_guest_nor_the_others(token, server, hosts, monkeypatch):
    monkeypatch.setattr(terminals, "BEHIND_BYTES", 1000)

    async def play():
        async with seats() as room:
            slow, quick = room.sit(texts[0]), room.sit(texts[1])
            line = await line_of(hosts, server)
            line.on_output(b"begin ")
            await slow.hears(b"begin")
            slow.stall()
            for _ in range(50):
                line.on_output(b"." * 100)
                await asyncio.sleep(0)
            line.on_output(b" end")
            await quick.hears(b" end")
            slow.go_on()
            await slow.hears(b" end")
            assert b"left out" in slow.heard

    texts = [token(), token()]
    asyncio.run(play())


def test_the_log_is_shown_first(token, server, hosts):
    hosts["host1"].console_text[server.pk] = b"kernel is up\r\nlogin: \x1b[6n"

    async def play():
        async with seats() as room:
            browser = room.sit(text)
            await browser.hears(b"kernel is up")
            assert b"\x1b[6n" not in browser.heard

    text = token()
    asyncio.run(play())


def test_a_line_that_ends_lets_all_go_and_is_opened_anew(token, server, hosts):
    async def play():
        async with seats() as room:
            browsers = [room.sit(texts[0]), room.sit(texts[1])]
            line = await line_of(hosts, server)
            for browser in browsers:
                line.on_output(b"here")
                await browser.hears(b"here")
            line.on_end()
            for browser in browsers:
                assert await browser.ends() == (Ending.OVER, "The server's serial line was closed.")
            again = room.sit(texts[2])
            other = await line_of(hosts, server, count=2)
            other.on_output(b"afresh")
            await again.hears(b"afresh")

    texts = [token(), token(), token()]
    asyncio.run(play())


def test_a_connection_that_dies_ends_the_line(token, server, hosts, monkeypatch):
    monkeypatch.setattr(terminals, "LOOK_S", 0.05)

    async def play():
        async with seats() as room:
            browser = room.sit(text)
            line = await line_of(hosts, server)
            line.is_open = False
            return await browser.ends()

    text = token()
    assert asyncio.run(play()) == (
        Ending.OVER,
        "The connection to the server's host was lost.",
    )


def test_a_guest_that_takes_no_input_ends_the_line(token, server, hosts, monkeypatch):
    def refuse(*_):
        raise HostUnreachable("The server's host does not answer.")

    monkeypatch.setattr(terminals, "send_keys", refuse)

    async def play():
        async with seats() as room:
            browser = room.sit(text)
            await line_of(hosts, server)
            browser.type(b"x")
            return await browser.ends()

    text = token()
    assert asyncio.run(play()) == (Ending.OVER, "The server's host does not answer.")


def test_a_server_that_is_off_has_no_line(token, server, hosts):
    hosts["host1"].destroy_guest(server.pk)

    async def play():
        async with seats() as room:
            return await room.sit(text).ends()

    text = token()
    assert asyncio.run(play())[0] == Ending.UNREACHABLE
