"""The admin plans drains, shows them with their servers, and acts through the use cases."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.messages import get_messages
from django.urls import reverse

from hypervisors.models import Hypervisor
from identity.models import Domain, User
from maintenance.drain import DrainWish, plan_drain, start_drain
from maintenance.models import Drain
from maintenance.states import DrainState
from tests.maintenance.conftest import ADMIN
from tests.servers.conftest import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(client):
    """A client logged in to the admin."""
    Domain.objects.get_or_create(id="default", defaults={"name": "Default"})
    client.force_login(User.objects.create_superuser("root"))
    return client


@pytest.fixture
def planned(host, active) -> Drain:
    active("<b>web</b>", locked_by="owner")
    return plan_drain(hypervisor=host, wish=DrainWish(), actor=ADMIN, now=NOW)


def said(answer) -> list[str]:
    return [str(each) for each in get_messages(answer.wsgi_request)]


def test_adding_one_works_the_plan_out_and_shows_it(page, host, active):
    active("web")

    made = page.post(
        reverse("admin:maintenance_drain_add"),
        {"hypervisor": host.pk, "max_at_once": "2", "moves_stopped": "on"},
        follow=True,
    )

    drain = Drain.objects.get()
    assert made.redirect_chain[-1][0] == reverse("admin:maintenance_drain_change", args=[drain.pk])
    assert (drain.state, drain.max_at_once, drain.user_name) == (DrainState.PLANNED, 2, "root")
    assert "No valid host was found." in made.content.decode()
    assert LogEntry.objects.get().object_id == str(drain.pk)


def test_planning_a_host_that_is_being_drained_is_refused(page, planned):
    start_drain(hypervisor=planned.hypervisor, actor=ADMIN, now=NOW)

    answer = page.post(
        reverse("admin:maintenance_drain_add"),
        {"hypervisor": planned.hypervisor_id, "max_at_once": "1"},
    )

    assert said(answer) == [
        f"The plan {planned.pk} to drain alpha is running and cannot be planned."
    ]
    assert Drain.objects.count() == 1


def test_its_page_escapes_names_and_has_the_buttons_of_its_state(page, planned):
    url = reverse("admin:maintenance_drain_change", args=[planned.pk])

    text = page.get(url).content.decode()

    assert "&lt;b&gt;web&lt;/b&gt;" in text
    assert reverse("admin:maintenance_drain_do", args=[planned.pk, "start"]) in text
    assert reverse("admin:maintenance_drain_do", args=[planned.pk, "pause"]) not in text


def test_the_list_is_shown(page, planned):
    assert b"0 of 1" in page.get(reverse("admin:maintenance_drain_changelist")).content


def test_buttons_go_through_the_use_cases_and_are_in_the_history(page, planned):
    for verb, state in (
        ("start", "running"),
        ("pause", "paused"),
        ("resume", "running"),
        ("cancel", "cancelled"),
    ):
        answer = page.post(reverse("admin:maintenance_drain_do", args=[planned.pk, verb]))

        assert said(answer)[-1] == f"The drain {planned.pk} of alpha is {state}."
        planned.refresh_from_db()
        assert planned.state == state
        assert LogEntry.objects.latest("pk").change_message == f"{verb}: {state}"
    assert [each["user"] for each in planned.log[1:]] == ["root"] * 4
    assert Hypervisor.objects.get().is_enabled


@pytest.mark.parametrize("verb", ["start", "pause", "resume", "cancel"])
def test_actions_of_the_list_say_what_they_cannot_do(page, planned, verb):
    Drain.objects.update(state=DrainState.DONE)

    answer = page.post(
        reverse("admin:maintenance_drain_changelist"),
        {"action": verb, "_selected_action": [planned.pk]},
    )

    assert said(answer) == [f"The plan {planned.pk} is done."]


def test_a_plan_in_another_state_is_refused_in_words(page, planned):
    answer = page.post(reverse("admin:maintenance_drain_do", args=[planned.pk, "pause"]))

    assert said(answer) == [
        f"The plan {planned.pk} to drain alpha is planned and cannot be paused."
    ]


def test_buttons_are_no_links_and_only_for_who_may(page, client, planned):
    url = reverse("admin:maintenance_drain_do", args=[planned.pk, "start"])
    assert page.get(url).status_code == 403
    assert page.post(url.replace("start", "explode")).status_code == 404
    client.force_login(User.objects.create_user("looker", is_staff=True))

    assert client.post(url).status_code == 403
    planned.refresh_from_db()
    assert planned.state == DrainState.PLANNED
