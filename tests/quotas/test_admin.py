from datetime import UTC, datetime
from uuid import uuid4

import pytest
from django.db import transaction
from django.urls import reverse

from identity.models import Domain, Project, User
from quotas import admin as quota_admin
from quotas.consume import consume, limits
from quotas.models import PastReservation, QuotaLimit, Reservation

pytestmark = pytest.mark.django_db
LIST = "/admin/quotas/projectquota/"


@pytest.fixture
def project():
    domain = Domain.objects.get_or_create(id="default", defaults={"name": "Default"})[0]
    project = Project.objects.create(name="alpha", domain=domain)
    with transaction.atomic():
        consume(
            project_id=project.id,
            subject=uuid4(),
            amounts={"cores": 3},
            now=datetime(2026, 1, 1, tzinfo=UTC),
        )
    return project


@pytest.fixture
def browser(client, project):
    client.force_login(User.objects.create_superuser("root", None))
    return client


def test_the_list_shows_usage_beside_the_limit(browser, project):
    QuotaLimit.objects.create(project_id=project.id, resource="ram", limit=-1)

    text = browser.get(LIST).content.decode()

    assert "3 of 20" in text
    assert "0 of unlimited" in text


def test_a_limit_is_set_and_emptied(browser, project):
    url = f"{LIST}{project.id}/change/"

    page = browser.get(url).content.decode()
    browser.post(url, {"cores": "2", "ports": "7"})
    after_setting = limits(project.id)
    browser.post(url, {"cores": "", "ports": "7"})

    assert "3 used. Empty: the default, 20." in page
    assert (after_setting["cores"], after_setting["ports"]) == (2, 7)
    assert (limits(project.id)["cores"], limits(project.id)["ports"]) == (20, 7)


def test_a_limit_out_of_range_is_refused(browser, project):
    answer = browser.post(f"{LIST}{project.id}/change/", {"cores": "-2"})

    assert answer.status_code == 200
    assert not QuotaLimit.objects.exists()


@pytest.mark.parametrize("number", [1, 10])
def test_the_list_costs_the_same_however_long(browser, django_assert_max_num_queries, number):
    domain = Domain.objects.get(id="default")
    for index in range(number):
        Project.objects.create(name=f"p{index}", domain=domain)

    with django_assert_max_num_queries(6):
        browser.get(LIST)


@pytest.mark.parametrize("page", ["quotadefault", "reservation", "quotadefault/add"])
def test_pages_open(browser, page):
    assert browser.get(f"/admin/quotas/{page}/").status_code == 200


def test_a_users_limit_is_set_for_what_is_counted_by_user(browser, project):
    form = {"project_id": project.id, "user_id": "u1", "resource": "cores", "limit": "2"}

    saved = browser.post("/admin/quotas/userquotalimit/add/", form)
    refused = browser.post("/admin/quotas/userquotalimit/add/", {**form, "resource": "ports"})

    assert (saved.status_code, refused.status_code) == (302, 200)
    assert limits(project.id, "u1")["cores"] == 2


def test_a_statement_says_what_a_project_used(browser, project):
    subject = uuid4()
    PastReservation.objects.create(
        project_id=project.id,
        user_id="<b>u</b>",
        resource="ram",
        amount=512,
        subject=subject,
        started_at=datetime(2026, 1, 2, tzinfo=UTC),
        ended_at=datetime(2026, 1, 2, 2, tzinfo=UTC),
    )
    url = reverse("admin:quotas_projectquota_statement", args=[project.id])

    linked = browser.get(f"{LIST}{project.id}/change/").content.decode()
    text = browser.get(url, {"start": "2026-01-01", "end": "2026-01-02"}).content.decode()
    ram = browser.get(url, {"resource": "ram", "start": "2026-01-02"}).context["statement"]

    assert url in linked
    assert "<td>cores</td><td>144.00</td>" in text
    assert "<td>ram</td><td>1024.00</td>" in text
    assert "&lt;b&gt;u&lt;/b&gt;" in text
    assert "2026-01-02 02:00:00" in text
    assert [each.subject for each in ram.entries] == [subject]


def test_a_statement_is_paged(browser, project, monkeypatch):
    monkeypatch.setattr(quota_admin, "ENTRIES", 2)
    for _ in range(3):
        Reservation.objects.create(
            project_id=project.id, resource="ports", amount=1, subject=uuid4()
        )
    url = reverse("admin:quotas_projectquota_statement", args=[project.id])

    first = browser.get(url, {"resource": "ports"})
    rest = browser.get(f"{url}?{first.context['next_page']}")

    sizes = [len(each.context["statement"].entries) for each in (first, rest)]
    assert (sizes, rest.context["next_page"]) == ([2, 1], "")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"start": "x"}, "Enter a valid date."),
        ({"start": "2026-02-02", "end": "2026-01-01"}, "ends before it begins"),
        ({"end": "9999-12-31"}, "less than or equal to 9000-01-01"),
        ({"marker": "x"}, "Marker x could not be found."),
    ],
)
def test_what_is_wrong_with_a_statement_is_said(browser, project, query, words):
    url = reverse("admin:quotas_projectquota_statement", args=[project.id])

    assert words in browser.get(url, query).content.decode()


def test_statements_are_for_who_may_see_quotas(client, project):
    client.force_login(User.objects.create_user("vera", is_staff=True))

    url = reverse("admin:quotas_projectquota_statement", args=[project.id])
    assert client.get(url).status_code == 403


def test_what_was_held_is_listed(browser):
    assert browser.get(reverse("admin:quotas_pastreservation_changelist")).status_code == 200
