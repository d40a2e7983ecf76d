"""Application credentials on the pages: one's own alone, and a secret that is shown once."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from dashboard.views import credentials as views
from identity.application_credentials import is_right_secret
from identity.models import ApplicationCredential, Role

LIST = reverse("dashboard:credentials")
CREATE = reverse("dashboard:create-credential")
ASKED = {"name": "robot", "roles": ["reader"], "lifetime": "30"}


def make(user, project, **fields):
    roles = [Role.objects.get(name="member").pk]
    return ApplicationCredential.objects.create(
        **{"user": user, "project": project, "name": "robot", "role_ids": roles, **fields}
    )


def delete_of(credential):
    return reverse("dashboard:delete-credential", args=[credential.pk])


def file_of(credential):
    return reverse("dashboard:credential-file", args=[credential.pk])


@pytest.mark.once
def test_the_list_shows_what_each_may_and_for_how_long(member, world):
    now = timezone.now()
    make(world.member, world.demo, name="<i>ci</i>", expires_at=now + timedelta(days=3))
    make(world.member, world.other, name="old", expires_at=now - timedelta(days=3), role_ids=[])
    make(world.member, world.demo, name="zoo", is_unrestricted=True, access_rules=[{}, {}])
    make(world.outsider, world.demo, name="theirs", last_used_at=now)

    page = member.get(LIST).content.decode()

    assert "&lt;i&gt;ci&lt;/i&gt;" in page
    for words in ("has ended", "none left", "May manage credentials", "2 access rules"):
        assert words in page
    assert "theirs" not in page


@pytest.mark.once
def test_the_list_is_paged_with_as_many_queries(member, world, monkeypatch):
    monkeypatch.setattr(views, "ON_A_PAGE", 2)
    for number in range(5):
        make(world.member, world.demo, name=f"robot {number}")

    first = member.get(LIST)
    second = member.get(LIST, {"after": first.context["more"]})
    last = member.get(LIST, {"after": second.context["more"]})

    pages = [[row.credential.name[-1] for row in each.context["rows"]] for each in (first, second)]
    assert pages == [["0", "1"], ["2", "3"]]
    assert [row.credential.name for row in last.context["rows"]] == ["robot 4"]
    assert last.context["more"] == ""


def test_one_is_made_and_its_secret_shown_once(member, world):
    page = member.post(CREATE, {**ASKED, "description": "builds"})

    made = ApplicationCredential.objects.get()
    assert page.status_code == 201
    assert page["Cache-Control"] == "no-store"
    secret = page.context["secret"]
    assert is_right_secret(made, secret)
    assert secret in page.content.decode()
    assert (made.user, made.project, made.description) == (world.member, world.demo, "builds")
    assert made.role_ids == [Role.objects.get(name="reader").pk]
    assert made.expires_at is not None
    assert timedelta(days=29) < made.expires_at - timezone.now() < timedelta(days=31)
    assert not made.is_unrestricted
    assert secret not in member.get(LIST).content.decode()


def test_its_file_is_for_who_knows_the_secret(member, outsider):
    secret = member.post(CREATE, ASKED).context["secret"]
    made = ApplicationCredential.objects.get()

    answer = member.post(file_of(made), {"secret": secret})

    assert answer["Content-Disposition"] == 'attachment; filename="clouds.yaml"'
    assert answer["Cache-Control"] == "no-store"
    text = answer.content.decode()
    assert "auth_type: v3applicationcredential" in text
    assert f'application_credential_id: "{made.pk}"' in text
    assert f'application_credential_secret: "{secret}"' in text
    assert member.get(file_of(made)).status_code == 405
    assert member.post(file_of(made), {"secret": "x"}).status_code != 200
    assert outsider.post(file_of(made), {"secret": secret}).status_code != 200


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"roles": []},
        {"roles": ["admin"]},
        {"lifetime": "1000000"},
        {"name": "x" * 256},
    ],
)
@pytest.mark.once
def test_what_is_wrong_is_shown_in_the_form(member, changes):
    answer = member.post(CREATE, {**ASKED, **changes})

    assert answer.status_code == 422
    assert answer.context["form"].errors
    assert not ApplicationCredential.objects.exists()


@pytest.mark.once
def test_a_second_one_of_a_name_is_refused(member):
    member.post(CREATE, ASKED)

    assert member.post(CREATE, ASKED).status_code == 422
    assert ApplicationCredential.objects.count() == 1


@pytest.mark.once
def test_one_that_never_ends_and_may_manage_others(admin):
    admin.post(CREATE, {**ASKED, "lifetime": "", "may_manage": "on", "roles": ["admin"]})

    made = ApplicationCredential.objects.get()
    assert (made.expires_at, made.is_unrestricted) == (None, True)


@pytest.mark.once
def test_a_reader_gives_what_a_reader_has(reader):
    page = reader.get(CREATE)

    assert page.context["form"].fields["roles"].choices == [("reader", "reader")]
    assert page.context["form"]["roles"].initial == ["reader"]
    assert reader.post(CREATE, {**ASKED, "roles": ["member"]}).status_code == 422


def test_one_is_deleted_after_a_question(member, world):
    made = make(world.member, world.demo)

    question = member.get(delete_of(made)).content.decode()
    answer = member.post(delete_of(made))

    assert "Delete robot?" in question
    assert answer.url == LIST
    assert not ApplicationCredential.objects.exists()


@pytest.mark.once
def test_those_of_others_are_nobody_elses_business(member, admin, world):
    theirs = make(world.outsider, world.demo)

    for browser in (member, admin):
        assert browser.get(delete_of(theirs)).status_code == 404
        browser.post(delete_of(theirs))
        browser.post(file_of(theirs), {"secret": "x"})
    assert ApplicationCredential.objects.exists()


@pytest.mark.once
def test_who_is_not_logged_in_is_asked_to(client, world):
    for address in (LIST, CREATE):
        assert client.get(address).url.startswith("/login/")
