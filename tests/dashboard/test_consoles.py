"""Pages of consoles: who gets one, and what it may reach."""

import pytest
from django.urls import reverse
from django.utils import timezone

from hypervisors.errors import HostUnreachable
from servers.console_tokens import find_console_token
from servers.models import ConsoleToken
from servers.states import TaskState


def page_of(server, kind="vnc"):
    return reverse("dashboard:console", args=[server.pk, kind])


def picture_of(server):
    return reverse("dashboard:console-picture", args=[server.pk])


@pytest.mark.parametrize("kind", ["vnc", "serial"])
def test_a_page_asks_for_a_token_of_its_own(member, world, kind):
    server = world.server("web")

    page = member.get(page_of(server, kind))
    answer = member.post(page_of(server, kind))

    assert f'data-ask="{page_of(server, kind)}"' in page.content.decode()
    assert "web" in page.content.decode()
    token = find_console_token(answer.json()["token"], now=timezone.now())
    assert (token.server, token.user_id) == (server, world.member.id)
    assert token.type == {"vnc": "novnc", "serial": "serial"}[kind]
    assert answer["Cache-Control"] == page["Cache-Control"] == "no-store"


def test_a_form_token_is_needed_to_ask(browse, world):
    client = browse(world.member, csrf=True)

    assert client.post(page_of(world.server())).status_code == 403
    assert not ConsoleToken.objects.exists()


@pytest.mark.parametrize("kind", ["vnc", "serial"])
def test_the_page_of_a_token_needs_no_login_and_tells_nothing(client, world, settings, kind):
    settings.LIVE_URL = "wss://live.example"

    page = client.get(f"/console/{kind}?token=secret-token")

    assert page.status_code == 200
    text = page.content.decode()
    assert 'data-ask=""' in text
    assert 'data-socket="wss://live.example/live/console"' in text
    assert "secret-token" not in text
    assert page["Referrer-Policy"] == "no-referrer"
    policy = page["Content-Security-Policy"]
    assert "connect-src 'self' wss://live.example;" in policy
    assert "script-src 'self';" in policy
    assert ("style-src 'self' 'unsafe-inline'" in policy) is (kind == "serial")


def test_other_kinds_are_no_page(client, member, world):
    assert client.get("/console/spice?token=x").status_code == 404
    assert member.get(f"/servers/{world.server().pk}/console/spice/").status_code == 404


def test_readers_and_strangers_get_no_console(reader, outsider, world):
    server = world.server()

    assert [reader.get(page_of(server)).status_code, reader.post(page_of(server)).status_code] == [
        403,
        403,
    ]
    assert outsider.get(page_of(server)).status_code == 404
    assert outsider.post(page_of(server)).status_code == 404
    assert reader.get(picture_of(server)).status_code == 403
    assert outsider.get(picture_of(server)).status_code == 404
    assert (
        "Open the display"
        not in reader.get(reverse("dashboard:server-console", args=[server.pk])).content.decode()
    )


def test_why_there_is_no_token_is_said(member, world):
    server = world.server(task_state=TaskState.MIGRATING)

    answer = member.post(page_of(server))

    assert answer.status_code == 409
    assert "migrating" in answer.json()["message"]


def test_the_tab_offers_both_and_asks_for_a_picture_of_what_runs(member, world):
    running, off = world.server("on"), world.server("off", vm_state="stopped")
    tabs = [
        member.get(reverse("dashboard:server-console", args=[server.pk])).content.decode()
        for server in (running, off)
    ]

    assert [picture_of(running) in tabs[0], picture_of(off) in tabs[1]] == [True, False]
    for server, tab in ((running, tabs[0]), (off, tabs[1])):
        assert page_of(server, "vnc") in tab
        assert page_of(server, "serial") in tab


def test_the_picture_comes_from_the_host_or_not_at_all(member, world, monkeypatch):
    server = world.server()
    monkeypatch.setattr("servers.picture.guests.screenshot", lambda *_: b"\x89PNG")
    seen = member.get(picture_of(server))

    def fail(*_):
        raise HostUnreachable("The server's host does not answer.")

    monkeypatch.setattr("servers.picture.guests.screenshot", fail)
    unseen = member.get(picture_of(server))

    assert (seen.content, seen["Content-Type"]) == (b"\x89PNG", "image/png")
    assert "private" in seen["Cache-Control"]
    assert (unseen.status_code, unseen.content) == (204, b"")
    assert member.get(picture_of(world.server("new", hypervisor=None))).status_code == 204
