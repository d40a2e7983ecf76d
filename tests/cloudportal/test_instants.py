"""Instants are the same from every database: aware, in UTC, to the microsecond."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from servers.models import ServerGroup

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "instant",
    [
        datetime(2026, 5, 4, 12, 30, 15, 123456, UTC),
        datetime(2026, 5, 4, 12, 30, 15, tzinfo=UTC),
        datetime(2026, 10, 25, 2, 30, tzinfo=timezone(timedelta(hours=-9, minutes=-30))),
        datetime(1, 1, 2, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999999, UTC),
    ],
)
def test_an_instant_is_read_as_it_was_written(instant):
    ServerGroup.objects.create(
        project_id="p", user_id="u", name="g", policy="affinity", created_at=instant
    )

    read = ServerGroup.objects.get().created_at

    assert read == instant
    assert read.tzinfo is UTC
