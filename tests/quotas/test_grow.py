"""What a subject holds grows within the limits, and is set to what it is, whatever they are."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from django.db import transaction

from quotas.consume import consume, grow, hold_exactly
from quotas.errors import QuotaExceeded
from quotas.models import QuotaLimit, Reservation, UserQuotaLimit

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PROJECT, USER = "p" * 32, "u" * 32


@pytest.fixture
def subject():
    found = uuid4()
    with transaction.atomic():
        amounts = {"instances": 1, "cores": 2, "ram": 512}
        consume(project_id=PROJECT, subject=found, amounts=amounts, now=NOW, user_id=USER)
    return found


def change(how, subject, **amounts):
    with transaction.atomic():
        how(project_id=PROJECT, subject=subject, amounts=amounts, now=NOW, user_id=USER)


def held(subject):
    return dict(Reservation.objects.filter(subject=subject).values_list("resource", "amount"))


def test_it_grows_where_it_is_smaller_and_keeps_what_is_larger(subject):
    change(grow, subject, cores=4, ram=256)

    assert held(subject) == {"instances": 1, "cores": 4, "ram": 512}


@pytest.mark.parametrize("limit", [QuotaLimit, UserQuotaLimit])
def test_only_what_comes_on_top_is_checked(subject, limit):
    owner = {"user_id": USER} if limit is UserQuotaLimit else {}
    limit.objects.create(project_id=PROJECT, resource="cores", limit=3, **owner)

    change(grow, subject, cores=3)
    with pytest.raises(QuotaExceeded) as refusal:
        change(grow, subject, cores=4, ram=1024)

    assert str(refusal.value).startswith(
        "Quota exceeded for cores: Requested 1, but already used 3"
    )
    assert held(subject) == {"instances": 1, "cores": 3, "ram": 512}


def test_a_limit_that_is_exceeded_already_hinders_nobody_who_takes_no_more(subject):
    QuotaLimit.objects.create(project_id=PROJECT, resource="cores", limit=0)

    change(grow, subject, cores=1, ram=1024)

    assert held(subject)["ram"] == 1024


def test_it_is_set_beyond_the_limits_too(subject):
    QuotaLimit.objects.create(project_id=PROJECT, resource="cores", limit=0)

    change(hold_exactly, subject, cores=1, ram=0)

    assert held(subject) == {"instances": 1, "cores": 1}
    assert set(Reservation.objects.values_list("user_id", flat=True)) == {USER}
