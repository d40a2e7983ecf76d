"""Administrators name devices of hosts in the admin."""

from __future__ import annotations

import uuid

import pytest
from django.urls import reverse

from identity.models import Domain, User
from scheduling.models import Allocation, PciAlias, PciClaim
from tests.scheduling.hosts import make_host

ALIAS = {"name": "gpu", "vendor_id": "10de", "product_id": "1eb8", "addresses": "0000:81:*"}


@pytest.fixture
def admin(client, db):
    """A client logged in to the admin."""
    Domain.objects.get_or_create(id="default", defaults={"name": "Default"})
    client.force_login(User.objects.create_superuser("root"))
    return client


def test_an_alias_is_made_and_listed(admin):
    answer = admin.post(reverse("admin:scheduling_pcialias_add"), ALIAS)

    assert answer.status_code == 302, answer.content.decode()
    assert PciAlias.objects.values(*ALIAS).get() == ALIAS
    listed = admin.get(reverse("admin:scheduling_pcialias_changelist")).content.decode()
    assert "0000:81:*" in listed


def test_what_no_device_has_is_refused(admin):
    answer = admin.post(reverse("admin:scheduling_pcialias_add"), {**ALIAS, "vendor_id": "nvidia"})

    assert answer.status_code == 200
    assert not PciAlias.objects.exists()


def test_who_has_a_device_is_shown_and_changed_by_nobody(admin):
    host, server = make_host(), uuid.uuid4()
    held = Allocation.objects.create(
        server_id=server, hypervisor=host, vcpus=1, ram_mib=64, disk_gib=1
    )
    claim = PciClaim.objects.create(
        allocation=held, hypervisor=host, address="0000:81:00.0", request="gpu:1"
    )

    listed = admin.get(reverse("admin:scheduling_pciclaim_changelist")).content.decode()

    assert str(server) in listed
    assert host.name in listed
    for verb in ("change", "delete"):
        page = reverse(f"admin:scheduling_pciclaim_{verb}", args=[claim.pk])
        assert admin.post(page, {"post": "yes"}).status_code == 403
