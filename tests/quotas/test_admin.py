from datetime import UTC, datetime
from uuid import uuid4

import pytest
from django.db import transaction

from identity.models import Domain, Project, User
from quotas.consume import consume, limits
from quotas.models import QuotaLimit

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
