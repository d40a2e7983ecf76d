"""Tokens of consoles: short, for one use, and no more than their user may."""

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from identity.models import RoleAssignment
from identity.sessions import actor_for
from servers.console_tokens import (
    find_console_token,
    issue_console_token,
    remove_expired_console_tokens,
    still_holds,
    take_console_token,
)
from servers.errors import ConsoleTokenRefused
from servers.models import ConsoleToken, Server
from servers.remote_console import console_url
from servers.states import ConsoleType
from tests.dashboard.world import make_world


@pytest.fixture
def world(db):
    return make_world()


@pytest.fixture
def server(world):
    return world.server()


@pytest.fixture
def issue(world, server, now):
    def make(user=None, project=None, at=now):
        actor = actor_for(user or world.member, (project or world.demo).id)
        kind = ConsoleType.SERIAL
        return issue_console_token(server=server, kind=kind, actor=actor, now=at)

    return make


def test_only_a_hash_is_kept(issue):
    text = issue()

    kept = ConsoleToken.objects.values().get()

    assert len(text) >= 43
    assert text not in str(kept)


def test_it_is_good_for_one_use(issue, now):
    text = issue()
    taken = take_console_token(text, now=now)

    assert taken.type == ConsoleType.SERIAL
    for use in (take_console_token, find_console_token):
        with pytest.raises(ConsoleTokenRefused, match="Token not found"):
            use(text, now=now)


def test_it_is_good_for_its_time(issue, settings, now):
    settings.CONSOLE_LIFETIME_S = 60
    text = issue()

    assert find_console_token(text, now=now + timedelta(seconds=59))
    with pytest.raises(ConsoleTokenRefused):
        take_console_token(text, now=now + timedelta(seconds=60))


def test_expired_ones_are_swept_used_or_not(issue, now):
    old = [issue(at=now - timedelta(hours=1)) for _ in range(2)]
    take_console_token(old[0], now=now - timedelta(hours=1))
    issue()

    assert remove_expired_console_tokens(now) == 2
    assert ConsoleToken.objects.count() == 1


def test_who_comes_at_the_same_moment_is_too_late(issue, now, monkeypatch):
    text = issue()
    found = find_console_token(text, now=now)
    monkeypatch.setattr("servers.console_tokens.find_console_token", lambda *_, **__: found)

    take_console_token(text, now=now)

    with pytest.raises(ConsoleTokenRefused):
        take_console_token(text, now=now)


def lose_role(world, server):
    RoleAssignment.objects.filter(user=world.member).delete()


def be_disabled(world, server):
    world.member.is_active = False
    world.member.save()


def lose_domain(world, server):
    type(world.demo.domain).objects.update(enabled=False)


def lose_server(world, server):
    Server.objects.filter(pk=server.pk).update(deleted_at=server.created_at)


def lose_user(world, server):
    ConsoleToken.objects.update(user_id="nobody")


@pytest.mark.parametrize("lose", [lose_role, be_disabled, lose_domain, lose_server, lose_user])
def test_it_holds_no_longer_than_its_user_may(issue, world, server, now, lose):
    text = issue()
    token = find_console_token(text, now=now)
    assert still_holds(token)
    lose(world, server)
    token.refresh_from_db()

    assert not still_holds(token)
    with pytest.raises(ConsoleTokenRefused):
        take_console_token(text, now=now)


def test_an_administrator_of_another_project_may(issue, world, now):
    text = issue(user=world.admin, project=world.other)

    assert take_console_token(text, now=now)


def test_a_stranger_may_not(issue, world, now):
    text = issue(user=world.outsider, project=world.other)

    with pytest.raises(ConsoleTokenRefused):
        take_console_token(text, now=now)


@pytest.mark.parametrize(
    ("protocol", "kind", "path"),
    [("vnc", "novnc", "/console/vnc"), ("serial", "serial", "/console/serial")],
)
def test_an_address_is_one_of_the_portal(world, server, settings, now, protocol, kind, path):
    settings.PUBLIC_URL = "https://cloud.example"
    actor = actor_for(world.member, world.demo.id)

    url = urlsplit(console_url(server=server, protocol=protocol, kind=kind, actor=actor, now=now))

    assert (url.scheme, url.netloc, url.path) == ("https", "cloud.example", path)
    [token] = parse_qs(url.query)["token"]
    assert find_console_token(token, now=now).server == server
