"""The admin shows servers with their history, and acts through the use cases."""

import pytest
from django.urls import reverse

from identity.models import Domain, User
from operations.models import Operation
from servers.models import KeyPair, Server, ServerFault, ServerGroup
from servers.states import TaskState

pytestmark = pytest.mark.django_db


@pytest.fixture
def site(client):
    Domain.objects.get_or_create(id="default", defaults={"name": "Default"})
    client.force_login(User.objects.create_superuser("root", "a password 1"))
    return client


def test_server_is_shown_without_its_secrets(site, active):
    server = active(user_data="c2VjcmV0LWRhdGE=")
    ServerFault.objects.create(server=server, message="<b>No host</b>")

    page = site.get(reverse("admin:servers_server_change", args=[server.pk]))

    assert page.status_code == 200
    text = page.content.decode()
    assert "&lt;b&gt;No host&lt;/b&gt;" in text
    assert server.sealed_admin_password not in text
    assert "c2VjcmV0LWRhdGE=" not in text


def test_lists_are_shown(site, active):
    active("listed")
    KeyPair.objects.create(user_id="u", name="key", public_key="ssh-ed25519 A", fingerprint="f")

    assert b"listed" in site.get(reverse("admin:servers_server_changelist")).content
    assert b"key" in site.get(reverse("admin:servers_keypair_changelist")).content


@pytest.mark.parametrize(
    ("action", "kind", "task"),
    [
        ("stop", "server.stop", TaskState.POWERING_OFF),
        ("reboot_hard", "server.reboot_hard", TaskState.REBOOTING_HARD),
        ("delete_servers", "server.delete", TaskState.DELETING),
    ],
)
def test_action_enqueues_the_operation(site, active, action, kind, task):
    server = active()

    site.post(
        reverse("admin:servers_server_changelist"),
        {"action": action, "_selected_action": [str(server.pk)]},
    )

    assert Operation.objects.get().kind == kind
    assert Server.objects.get().task_state == task


def test_refusal_is_shown(site, active):
    server = active()

    page = site.post(
        reverse("admin:servers_server_changelist"),
        {"action": "start", "_selected_action": [str(server.pk)]},
        follow=True,
    )

    assert b"while it is in vm_state active" in page.content.replace(b"&#x27;", b"'")
    assert not Operation.objects.exists()


def test_a_group_is_shown_with_its_members_and_deleted_without_them(site, active):
    group = ServerGroup.objects.create(name="apart", policy="anti-affinity", project_id="p")
    member = active("member", group=group)

    page = site.get(reverse("admin:servers_servergroup_change", args=[group.pk]))
    site.post(
        reverse("admin:servers_servergroup_changelist"),
        {"action": "delete_groups", "_selected_action": [str(group.pk)]},
    )

    assert str(member.pk) in page.content.decode()
    assert not ServerGroup.objects.exists()
    member.refresh_from_db()
    assert (member.group, member.deleted_at) == (None, None)
