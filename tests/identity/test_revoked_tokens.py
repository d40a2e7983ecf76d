"""Tokens that were taken back are remembered no longer than they would have been valid."""

from datetime import timedelta

import pytest
from django.utils import timezone

from identity.models import RevokedToken
from operations.timers import run_turn, tasks

pytestmark = pytest.mark.django_db


def test_the_keeper_forgets_those_that_have_expired_anyway():
    now = timezone.now()
    for name, hours in (("old", -1), ("new", 1)):
        RevokedToken.objects.create(audit_id=name, expires_at=now + timedelta(hours=hours))
    [task] = [each for each in tasks() if each.name == "identity.revoked_tokens"]

    run_turn(task, now=now)

    assert list(RevokedToken.objects.values_list("audit_id", flat=True)) == ["new"]
