"""Administrators name devices of hosts in the admin."""

from __future__ import annotations

import pytest
from django.urls import reverse

from identity.models import Domain, User
from scheduling.models import PciAlias

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
