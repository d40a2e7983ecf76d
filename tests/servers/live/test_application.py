"""Who is let in to the live process, and for how long."""

import asyncio
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from identity.models import RoleAssignment
from servers.live import application
from servers.live.application import Live, is_ours
from servers.live.socket import Ending
from servers.live.threads import in_thread
from servers.models import Server
from tests.servers.live.browser import Browser, scope, until
from tests.servers.live.test_terminals import line_of, seats


async def opened(address):
    """A browser whose connection has come to its end by itself."""
    browser = Browser()
    await asyncio.wait_for(Live()(address, browser.receive, browser.send), 20)
    return browser


def refused(text):
    browser = asyncio.run(opened(scope(text)))
    return browser.is_accepted and browser.ending is not None and browser.ending[0]


@pytest.mark.django_db(transaction=True)
def test_nothing_is_opened_without_a_token():
    assert refused("") == Ending.REFUSED
    assert refused("x" * 43) == Ending.REFUSED


def test_an_expired_token_opens_nothing(token):
    text = token(now=timezone.now() - timedelta(seconds=601))

    assert refused(text) == Ending.REFUSED


def test_a_token_opens_one_console_once(token, server, hosts):
    async def play():
        async with seats() as room:
            first = room.sit(text)
            line = await line_of(hosts, server)
            line.on_output(b"here")
            await first.hears(b"here")
            code, _ = await room.sit(text).ends()
            return code

    text = token()
    assert asyncio.run(play()) == Ending.REFUSED


def test_a_token_of_who_lost_the_role_meanwhile_opens_nothing(token, world):
    text = token()
    RoleAssignment.objects.filter(user=world.member).delete()

    assert refused(text) == Ending.REFUSED


def test_a_console_is_closed_when_its_user_loses_the_role(token, world, server, hosts, monkeypatch):
    monkeypatch.setattr(application, "LOOK_S", 0.05)

    async def play():
        async with seats() as room:
            browser = room.sit(text)
            await line_of(hosts, server)
            await in_thread(RoleAssignment.objects.filter(user=world.member).delete)
            return await browser.ends()

    text = token()
    code, reason = asyncio.run(play())
    assert code == Ending.REFUSED
    assert "any more" in reason


def test_a_console_where_nothing_moves_is_closed(token, server, hosts, monkeypatch):
    monkeypatch.setattr(application, "LOOK_S", 0.05)
    monkeypatch.setattr(application, "IDLE_S", 0.2)

    async def play():
        async with seats() as room:
            return await room.sit(text).ends()

    text = token()
    assert asyncio.run(play())[0] == Ending.IDLE


def test_a_database_that_is_away_closes_no_console(token, server, hosts, monkeypatch):
    looks = []

    def look(_):
        looks.append(1)
        raise OperationalError("gone")

    monkeypatch.setattr(application, "LOOK_S", 0.01)
    monkeypatch.setattr(application, "still_holds", look)

    async def play():
        async with seats() as room:
            browser = room.sit(text)
            line = await line_of(hosts, server)
            await until(lambda: len(looks) > 3)
            line.on_output(b"here")
            await browser.hears(b"here")

    text = token()
    asyncio.run(play())


def test_a_database_that_is_away_opens_no_console(monkeypatch):
    def take(*_, **__):
        raise OperationalError("gone")

    monkeypatch.setattr(application, "take_console_token", take)

    assert refused("x") == Ending.BUSY


def test_a_server_without_a_host_has_no_console(token, server):
    text = token()
    Server.objects.filter(pk=server.pk).update(hypervisor=None)

    assert refused(text) == Ending.UNREACHABLE


def test_there_is_an_end_to_how_many_consoles_are_open(token, monkeypatch):
    monkeypatch.setattr(application, "MOST_CONSOLES", 0)

    assert refused(token()) == Ending.BUSY


@pytest.mark.parametrize(
    "address",
    [scope("t", origin="https://elsewhere.example"), scope("t", path="/other")],
)
def test_pages_of_others_and_other_paths_are_refused_before_the_handshake(address):
    browser = asyncio.run(opened(address))

    assert not browser.is_accepted
    assert browser.ending == (1008, "")


@pytest.mark.parametrize(
    ("origin", "is_let_in"),
    [
        ("https://cloud.example", True),
        ("https://portal.example", True),
        ("https://evil.example", False),
        ("http://cloud.example", False),
        ("https://cloud.example:8443", False),
        ("https://cloud.example:x", False),
        ("null", False),
        (None, True),
    ],
)
def test_origins(settings, origin, is_let_in):
    settings.PUBLIC_URL = "https://cloud.example"
    settings.ALLOWED_HOSTS = ["portal.example"]

    assert is_ours(origin) is is_let_in


@pytest.mark.parametrize(("path", "status"), [("/live/healthz", 200), ("/", 404)])
def test_it_says_that_it_lives(path, status):
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(Live()({"type": "http", "path": path}, Browser().receive, send))

    assert sent[0]["status"] == status
