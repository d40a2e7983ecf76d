"""The admin shows what a project owns, and asks before it removes that."""

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from images.models import Image
from operations.models import Operation
from tests.maintenance.conftest import run_everything
from tests.maintenance.possessions import furnish, left_of
from tests.maintenance.test_admin import page, said  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db


@pytest.fixture
def doomed():
    return furnish()


def address(doomed, name="change"):
    return reverse(f"admin:maintenance_owningproject_{name}", args=[doomed.project.pk])


def test_the_list_leads_to_what_a_project_owns(page, doomed):  # noqa: F811 - a fixture
    listed = page.get(reverse("admin:maintenance_owningproject_changelist")).content.decode()

    assert address(doomed) in listed


def test_what_it_owns_is_shown_escaped(page, doomed):  # noqa: F811 - a fixture
    Image.objects.filter(name="golden").update(name="<b>golden</b>", is_protected=True)

    shown = page.get(address(doomed)).content.decode()

    assert "&lt;b&gt;golden&lt;/b&gt;" in shown
    assert "protected: unprotect it" in shown
    assert address(doomed, "remove") not in shown


def test_it_asks_before_it_removes(page, doomed):  # noqa: F811 - a fixture
    assert address(doomed, "remove") in page.get(address(doomed)).content.decode()

    asked = page.post(address(doomed, "remove"), {"name": "another"})

    assert "This is not the project&#x27;s name." in asked.content.decode()
    assert not Operation.objects.filter(kind="project.remove").exists()
    answer = page.post(address(doomed, "remove"), {"name": "doomed"})
    assert said(answer) == ["The project doomed is being removed."]
    assert "Its removal is" in page.get(address(doomed)).content.decode()
    assert LogEntry.objects.get().change_message == "removed with all that it owns"
    run_everything()
    assert left_of(doomed.project.id) == []
    assert page.get(address(doomed)).status_code == 404


def test_what_is_in_the_way_is_said(page, doomed):  # noqa: F811 - a fixture
    Image.objects.filter(name="golden").update(is_protected=True)

    answer = page.post(address(doomed, "remove"), {"name": "doomed"})

    assert "1 images (protected: unprotect it): golden" in said(answer)[0]


def test_who_may_only_look_does_not_remove(client, doomed, django_user_model):
    from django.contrib.auth.models import Permission

    viewer = django_user_model.objects.create_user("vera", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_owningproject"))
    client.force_login(viewer)

    assert client.get(address(doomed)).status_code == 200
    assert address(doomed, "remove") not in client.get(address(doomed)).content.decode()
    assert client.post(address(doomed, "remove"), {"name": "doomed"}).status_code == 403
