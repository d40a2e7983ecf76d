"""What is given back is kept as past, and statements add up what was held when."""

import random
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from uuid import uuid4

import pytest
from django.db import connection, transaction

from cloudportal.errors import Forbidden, Invalid
from identity.models import Domain, Project
from quotas.close import forget_account
from quotas.consume import consume, grow, hold_exactly, release
from quotas.errors import UnknownProject
from quotas.models import PastReservation, Reservation
from quotas.past import forget_past
from quotas.statements import Wish, read_statement
from tests.authorisation import FOREIGN_PROJECT, OWN_PROJECT, OWNER, actor_named

pytestmark = pytest.mark.django_db
START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def project():
    domain = Domain.objects.get_or_create(id="default", defaults={"name": "Default"})[0]
    return Project.objects.create(id=OWN_PROJECT, name="own", domain=domain)


def at(hours):
    return START + hours * HOUR


def take(hours, *, subject=None, how=consume, user_id=OWNER, **amounts):
    subject = subject or uuid4()
    with transaction.atomic():
        how(
            project_id=OWN_PROJECT,
            subject=subject,
            amounts=amounts,
            now=at(hours),
            user_id=user_id,
        )
    return subject


def statement(start=0, end=24, *, limit=1000, marker="", who="reader", **wish):
    return read_statement(
        wish=Wish(OWN_PROJECT, at(start), at(end), **wish),
        limit=limit,
        marker=marker,
        actor=actor_named(who),
        now=at(24),
    )


def test_what_is_given_back_is_kept_with_its_time():
    server = take(1, cores=2, ram=512)

    release(subject=server, now=at(4))
    release(subject=server, now=at(5))

    assert not Reservation.objects.exists()
    rows = PastReservation.objects.order_by("resource").values_list(
        "project_id", "user_id", "resource", "amount", "subject", "started_at", "ended_at"
    )
    assert list(rows) == [
        (OWN_PROJECT, OWNER, "cores", 2, server, at(1), at(4)),
        (OWN_PROJECT, OWNER, "ram", 512, server, at(1), at(4)),
    ]


def test_what_becomes_more_or_less_is_two_entries():
    server = take(0, cores=2)
    take(2, subject=server, how=grow, cores=4)
    take(3, subject=server, how=hold_exactly, cores=4)
    take(5, subject=server, how=hold_exactly, cores=1)

    found = statement(0, 8)

    amounts = [(each.amount, each.started_at, each.ended_at) for each in found.entries]
    assert amounts == [(2, at(0), at(2)), (4, at(2), at(5)), (1, at(5), None)]
    assert found.unit_hours == {"cores": pytest.approx(2 * 2 + 3 * 4 + 3)}


def test_nothing_given_back_is_nothing_kept():
    subject = take(0, cores=2)

    release(subject=subject, resources=[])
    release(subject=uuid4())

    assert not PastReservation.objects.exists()
    assert Reservation.objects.count() == 1


def test_only_what_is_in_the_period_counts():
    server = take(-10, cores=3)
    release(subject=server, now=at(2))
    take(22, cores=1)
    take(24, cores=9)
    release(subject=take(-5, cores=7), now=at(0))

    found = statement(0, 24)

    assert [each.amount for each in found.entries] == [3, 1]
    assert found.unit_hours == {"cores": pytest.approx(3 * 2 + 2)}


def test_what_is_held_counts_until_now_and_not_beyond():
    take(20, cores=1)
    take(30, cores=5)

    assert statement(0, 240).unit_hours == {"cores": pytest.approx(4)}


def test_users_and_resources_can_be_asked_for():
    take(0, cores=1, ram=64)
    release(subject=take(0, user_id="b" * 32, cores=5), now=at(1))

    assert statement(user_id=OWNER).unit_hours == {
        "cores": pytest.approx(24),
        "ram": pytest.approx(24 * 64),
    }
    assert statement(resource="cores").unit_hours == {"cores": pytest.approx(24 + 5)}


def test_the_database_adds_up_as_one_would_by_hand():
    chance = random.Random(7)
    wanted = defaultdict(float)
    for _ in range(120):
        begun, lasted = chance.uniform(-30, 30), chance.uniform(0, 20)
        name, amount = chance.choice(["cores", "ram", "ports"]), chance.randint(1, 5)
        is_past = chance.random() < 0.7
        fields = {
            "project_id": OWN_PROJECT, "resource": name, "amount": amount, "subject": uuid4(),
        }  # fmt: skip
        if is_past:
            PastReservation.objects.create(
                **fields, started_at=at(begun), ended_at=at(begun + lasted)
            )
        else:
            Reservation.objects.create(**fields, created_at=at(begun))
        end = min(begun + lasted, 24) if is_past else 24
        wanted[name] += amount * max(end - max(begun, 0), 0)

    assert statement().unit_hours == pytest.approx(dict(wanted))


def test_very_much_for_very_long_is_a_number_too():
    for _ in range(20):
        PastReservation.objects.create(
            project_id=OWN_PROJECT,
            resource="ram",
            amount=2**33,
            subject=uuid4(),
            started_at=at(-24 * 500),
            ended_at=at(0),
        )

    found = statement(-24 * 400, 24)

    assert found.unit_hours == {"ram": pytest.approx(20 * 2**33 * 24 * 400)}


@pytest.mark.parametrize("limit", [1, 2, 7])
def test_pages_hold_every_entry_once_in_order(limit):
    for number in range(10):
        subject = take(number // 3, cores=1)
        if number % 2:
            release(subject=subject, now=at(20))
    whole = [each.subject for each in statement().entries]

    found, marker = [], ""
    while page := statement(limit=limit, marker=marker).entries:
        found += [each.subject for each in page]
        marker = page[-1].marker

    assert found == whole
    assert len(set(found)) == 10


@pytest.mark.parametrize("marker", ["x", "a.held.1", "2026-03-01T00:00:00.past.x", "..", "1.1.1"])
def test_a_marker_of_nothing_is_refused(marker):
    with pytest.raises(Invalid, match="Marker"):
        statement(marker=marker)


def test_it_takes_as_many_queries_for_much_as_for_little(django_assert_num_queries):
    for number in range(30):
        subject = take(number % 7, ports=1)
        if number % 2:
            release(subject=subject, now=at(9))

    with django_assert_num_queries(5):
        assert len(statement().entries) == 30


def test_a_period_that_ends_before_it_begins_is_refused():
    with pytest.raises(Invalid, match="ends before"):
        statement(5, 5)


def test_of_a_deleted_project_it_is_known_while_it_is_kept(project, settings):
    settings.STATEMENT_DAYS = 2
    take(0, cores=2)
    forget_account(OWN_PROJECT, at(3))
    project.delete()

    assert statement(who="foreign admin").unit_hours == {"cores": pytest.approx(6)}
    assert forget_past(at(40)) == 0
    assert forget_past(at(60)) == 1
    with pytest.raises(UnknownProject):
        statement(who="foreign admin")


def test_others_do_not_see_it():
    for who in ("foreign manager", "without role", "unscoped"):
        with pytest.raises(Forbidden):
            statement(who=who)
    with pytest.raises(Forbidden):
        read_statement(
            wish=Wish(FOREIGN_PROJECT, at(0), at(1)),
            limit=1,
            actor=actor_named("manager"),
            now=at(2),
        )


@pytest.mark.django_db(transaction=True)
def test_given_back_by_two_at_once_it_is_one_entry():
    subjects = [take(0, cores=1) for _ in range(5)]
    barrier = Barrier(2)

    def give_back() -> None:
        try:
            for subject in subjects:
                barrier.wait(10)
                release(subject=subject, now=at(1))
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        for each in [pool.submit(give_back) for _ in range(2)]:
            each.result()

    assert PastReservation.objects.count() == 5
