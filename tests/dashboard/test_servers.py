"""The list of servers and the pages of one."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from dashboard.rows import PAGE_SIZE
from operations.models import Operation
from servers.models import Server, ServerAction
from servers.states import TaskState, VmState
from tests.dashboard.world import fill

LIST = reverse("dashboard:servers")
PARTIAL = {"HX-Request": "true", "HX-Current-URL": f"http://testserver{LIST}"}


def page_of(server, tab="server"):
    return reverse(f"dashboard:{tab}", args=[server.pk])


def power(server, action):
    return reverse("dashboard:server-power", args=[server.pk, action])


def test_list_shows_what_there_is_to_know(member, world):
    fill(world)

    page = member.get(LIST).content.decode()

    for text in (
        "web-1", "Running", "m1.small", "debian-12-generic", "10.20.0.10", "12\N{NO-BREAK SPACE}d",
        "Create disks", "Rebooting", "Stopped", "No valid host was found.",
    ):  # fmt: skip
        assert text in page


def test_list_costs_the_same_for_one_server_and_for_many(member, world):
    world.server("first", vm_state=VmState.ERROR)
    member.get(LIST)
    with CaptureQueriesContext(
        connection,
    ) as few:
        member.get(LIST)
    for number in range(30):
        world.server(f"server-{number}", vm_state=VmState.ERROR)

    with CaptureQueriesContext(connection) as many:
        member.get(LIST)

    assert len(many) == len(few) <= 12


def test_pages_of_the_list_meet_without_gap_or_overlap(member, world):
    now = timezone.now()
    for number in range(PAGE_SIZE + 5):
        # Several in one instant, as one request for many servers makes them.
        world.server(f"s-{number:03}", created_at=now - timedelta(seconds=number // 7))

    first = member.get(LIST)
    second = member.get(first.context["more_address"])

    names = [row.server.name for page in (first, second) for row in page.context["page"].rows]
    assert len(names) == len(set(names)) == PAGE_SIZE + 5
    assert second.context["page"].more_after == ""


def test_page_that_looks_again_keeps_its_end_when_a_server_is_created(member, world):
    now = timezone.now()
    for number in range(PAGE_SIZE + 5):
        world.server(f"s-{number:03}", created_at=now - timedelta(seconds=number))
    first = member.get(LIST)
    last = first.context["page"].rows[-1].server.name
    world.server("newest")

    again = member.get(first.context["page_address"], headers=PARTIAL)

    names = [row.server.name for row in again.context["page"].rows]
    assert (names[0], names[-1], len(names)) == ("newest", last, PAGE_SIZE + 1)


def test_search_finds_part_of_a_name(member, world):
    world.server("web-1")
    world.server("Database")

    page = member.get(LIST, {"q": "data"}, headers=PARTIAL).content.decode()

    assert "Database" in page
    assert "web-1" not in page
    assert "<html" not in page


@pytest.mark.parametrize("key", ["x", "2026-01-01T00:00:00+00:00_x", "2026-01-01_" + "0" * 32])
def test_wrong_key_is_told_not_a_crash(member, key):
    assert member.get(LIST, {"after": key}).status_code == 409


def test_page_looks_again_soon_only_while_something_changes(member, world):
    server = world.server()

    assert 'data-poll="12000"' in member.get(LIST).content.decode()
    Server.objects.change(server.pk, task_state=TaskState.POWERING_OFF)
    assert 'data-poll="1500"' in member.get(LIST).content.decode()


def test_foreign_server_is_not_there(outsider, world):
    server = world.server("secret-name")
    paths = [
        *(page_of(server, tab) for tab in ("server", "server-console", "server-activity")),
        page_of(server, "server-console-text"),
        power(server, "delete"),
    ]

    answers = [outsider.get(path) for path in paths]
    deletion = outsider.post(power(server, "delete"))

    assert [answer.status_code for answer in answers] == [404] * len(paths)
    assert deletion.status_code == 404
    assert not Operation.objects.exists()
    assert "secret-name" not in outsider.get(LIST).content.decode()
    assert not any("secret-name" in answer.content.decode() for answer in answers)


def test_page_of_a_server_shows_what_it_is(member, world):
    server = fill(world)["web-1"]

    page = member.get(page_of(server)).content.decode()

    for text in ("web-1", str(server.pk), "10.20.0.10", "laptop", "frontend", "production"):
        assert text in page
    assert "alpha" not in page


def test_administrators_see_the_host_and_why_it_was_chosen(admin, member, world):
    server = fill(world)["web-1"]
    placement = page_of(server, "server-placement")

    assert "alpha" in admin.get(page_of(server)).content.decode()
    assert "Are enough vCPUs" in admin.get(placement).content.decode()
    assert "<div>gamma</div>" in admin.get(placement).content.decode()
    assert "Restarted elsewhere" not in admin.get(placement).content.decode()
    assert member.get(placement).status_code == 403


def test_administrators_see_what_becomes_of_a_marked_server_when_its_host_dies(admin, world):
    server = fill(world)["web-1"]
    Server.objects.filter(pk=server.pk).update(options={"enable_ha": True})

    page = admin.get(page_of(server, "server-placement")).content.decode()

    assert "Restarted elsewhere" in page
    assert "alpha has no fence command" in page


def test_a_reason_in_the_history_is_no_error(member, world):
    server = fill(world)["web-1"]
    action = ServerAction.objects.filter(server_id=server.pk).latest("pk")
    ServerAction.objects.filter(pk=action.pk).update(message="Host alpha has booted.")
    page = page_of(server, "server-activity")

    shown = member.get(page).content.decode()

    assert '<span class="row-note">Host alpha has booted.</span>' in shown
    ServerAction.objects.filter(pk=action.pk).update(message="Error")
    assert '<span class="row-note is-error">Error</span>' in member.get(page).content.decode()


def test_running_step_and_those_to_come_are_shown(member, world):
    server = fill(world)["build-agent-with-a-rather-long-name-7"]

    work = member.get(page_of(server)).context["work"]

    states = [step.state for step in work.steps]
    assert states[:3] == ["Success", "Success", "running"]
    assert set(states[3:]) == {"waiting"}


def test_fault_is_told_in_words_with_the_request_behind_it(member, admin, world):
    server = fill(world)["too-large"]

    page = member.get(page_of(server))

    text = page.content.decode()
    assert "No valid host was found. The resources filter removed all 3 hosts." in text
    assert page.context["fault_request_id"] in text
    assert "15872 free" not in text
    assert "15872 free" in admin.get(page_of(server)).content.decode()


def test_activity_says_who_did_what_and_how_long_it_took(member, world):
    server = fill(world)["web-1"]

    answer = member.get(page_of(server, "server-activity"))

    text = answer.content.decode()
    assert "Create" in text
    assert "demo," in text
    assert answer.context["lines"][0].action.request_id in text
    assert "1.2\N{NO-BREAK SPACE}s" in text


def test_everything_a_guest_or_a_user_wrote_is_escaped(member, world, monkeypatch):
    evil = "<script>alert(1)</script>"
    server = world.server(evil, metadata={evil: evil}, tags=[evil], vm_state=VmState.ERROR)
    server.faults.create(message=evil)
    monkeypatch.setattr("dashboard.views.servers.console_output", lambda **_: f"login: {evil}\n")

    pages = [
        member.get(path).content.decode()
        for path in (
            LIST, page_of(server), page_of(server, "server-console-text"), power(server, "delete")
        )
    ]  # fmt: skip

    assert all("&lt;script&gt;alert(1)" in page for page in pages)
    assert not any("<script>alert" in page for page in pages)


def test_console_says_why_there_is_nothing(member, world):
    server = world.server(vm_state=VmState.BUILDING, hypervisor=None)

    page = member.get(page_of(server, "server-console-text"))

    assert page.status_code == 200
    assert "is not ready" in page.content.decode()


def test_page_of_a_deleted_server_goes_back_to_the_list(member, world):
    server = world.server(deleted_at=timezone.now())

    part = member.get(page_of(server), headers=PARTIAL)

    assert member.get(page_of(server)).status_code == 404
    assert part["HX-Redirect"] == LIST


def test_delete_is_asked_about_and_then_done(member, world):
    server = world.server("web")

    question = member.get(power(server, "delete")).content.decode()
    answer = member.post(power(server, "delete"), {"next": page_of(server)})

    assert "Delete web?" in question
    assert answer.url == LIST
    assert "web is being deleted." in member.get(LIST).content.decode()
    server.refresh_from_db()
    assert server.task_state == TaskState.DELETING
    assert Operation.objects.get().kind == "server.delete"


@pytest.mark.parametrize(
    ("action", "choice", "vm_state", "kind"),
    [
        ("start", "", VmState.STOPPED, "server.start"),
        ("stop", "", VmState.ACTIVE, "server.stop"),
        ("reboot", "SOFT", VmState.ACTIVE, "server.reboot"),
        ("reboot", "HARD", VmState.ACTIVE, "server.reboot_hard"),
    ],
)
def test_press_asks_the_use_case(member, world, action, choice, vm_state, kind):
    server = world.server(vm_state=vm_state)

    answer = member.post(power(server, action), {"choice": choice, "next": LIST})

    assert answer.url == LIST
    operation = Operation.objects.get()
    assert (operation.kind, operation.params) == (kind, {})


def test_delete_of_an_adopted_server_is_not_offered_and_refused_in_words(member, world):
    server = world.server("web", adopted_name="legacy")

    assert power(server, "delete") not in member.get(page_of(server)).content.decode()
    answer = member.post(power(server, "delete"), follow=True)
    assert "release it instead" in answer.content.decode()
    assert not Operation.objects.exists()


def test_press_from_the_list_answers_with_a_note_and_a_call_to_look_again(member, world):
    server = world.server("web")

    answer = member.post(power(server, "stop"), {"next": LIST}, headers=PARTIAL)

    assert "changed" in answer["HX-Trigger"]
    assert "web is being stopped." in answer.content.decode()
    assert 'hx-swap-oob="true"' in answer.content.decode()


def test_press_in_the_wrong_state_is_refused_in_words(member, world):
    server = world.server(vm_state=VmState.STOPPED)

    answer = member.post(power(server, "stop"), follow=True)

    assert "while it is in vm_state stopped" in answer.content.decode()
    assert not Operation.objects.exists()


def test_soft_reboot_is_not_offered_to_a_server_that_is_off(member, world):
    server = world.server(vm_state=VmState.STOPPED)

    choices = member.get(power(server, "reboot")).context["choices"]

    assert [choice[0] for choice in choices] == ["HARD"]


def test_reader_sees_and_touches_nothing(reader, world):
    server = world.server()

    page = reader.get(page_of(server)).content.decode()
    refused = reader.post(power(server, "delete"), follow=True)

    assert "Delete" not in page
    assert reader.get(LIST).context["may_create"] is False
    assert "Policy doesn&#x27;t allow" in refused.content.decode()
    assert not Operation.objects.exists()


def test_press_needs_the_token_of_the_form(browse, world):
    server = world.server()

    answer = browse(world.member, csrf=True).post(power(server, "delete"))

    assert answer.status_code == 403
    assert not Operation.objects.exists()


def test_press_never_leads_to_another_site(member, world):
    server = world.server()

    answer = member.post(power(server, "stop"), {"next": "https://evil.example/"})

    assert answer.url == page_of(server)


@pytest.mark.parametrize("method", ["get", "post"])
def test_unknown_action_is_not_there(member, world, method):
    path = power(world.server(), "explode")

    assert getattr(member, method)(path).status_code == 404


def test_looking_changes_nothing(member, world):
    server = world.server(vm_state=VmState.STOPPED)

    member.get(power(server, "start"))
    member.get(power(server, "delete"))

    assert not Operation.objects.exists()


def test_unknown_address_shows_the_request_id(db):
    answer = Client().get("/nothing/here")

    assert answer.status_code == 404
    assert answer["X-OpenStack-Request-ID"] in answer.content.decode()


def test_fault_of_ours_shows_the_request_id_and_no_detail(browse, world, monkeypatch):
    def fail(*_, **__):
        raise ZeroDivisionError("a secret detail")

    monkeypatch.setattr("dashboard.views.servers.page_of", fail)
    client = browse(world.member)
    client.raise_request_exception = False

    answer = client.get(LIST)

    assert answer.status_code == 500
    assert answer["X-OpenStack-Request-ID"] in answer.content.decode()
    assert "secret detail" not in answer.content.decode()
