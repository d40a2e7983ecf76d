from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier
from uuid import uuid4

import pytest
from django.db import connection, transaction

from quotas.consume import consume, consume_many, hand_over, limits, release, usage
from quotas.errors import QuotaExceeded
from quotas.models import QuotaDefault, QuotaLimit, Reservation, UserQuotaLimit

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PROJECT = "p" * 32
USER = "u" * 32


def reserve(amounts, *, project_id=PROJECT):
    subject = uuid4()
    with transaction.atomic():
        consume(project_id=project_id, subject=subject, amounts=amounts, now=NOW)
    return subject


@pytest.mark.django_db
def test_usage_is_the_sum_of_what_subjects_hold():
    reserve({"instances": 1, "cores": 2, "ram": 1024})
    reserve({"instances": 1, "cores": 1, "ram": 512})

    used = usage(PROJECT)

    assert (used["instances"], used["cores"], used["ram"], used["ports"]) == (2, 3, 1536, 0)


@pytest.mark.django_db
def test_refusal_says_what_was_asked_used_and_allowed():
    reserve({"instances": 1, "cores": 18, "ram": 40960})

    with pytest.raises(QuotaExceeded) as refusal:
        reserve({"instances": 1, "cores": 4, "ram": 16384})

    assert str(refusal.value) == (
        "Quota exceeded for cores, ram: Requested 4, 16384, "
        "but already used 18, 40960 of 20, 51200 cores, ram"
    )
    assert refusal.value.exceeded == ("cores", "ram")
    assert usage(PROJECT)["instances"] == 1


@pytest.mark.django_db
def test_several_fit_up_to_the_limit():
    reserve({"instances": 8})
    wanted = [(uuid4(), {"instances": 1, "cores": 1}) for _ in range(4)]

    with transaction.atomic():
        count = consume_many(project_id=PROJECT, wanted=wanted, minimum=1, now=NOW)

    assert count == 2
    assert usage(PROJECT)["instances"] == 10
    assert Reservation.objects.filter(subject=wanted[2][0]).count() == 0


@pytest.mark.django_db
def test_fewer_than_the_minimum_is_refused_with_the_span():
    reserve({"instances": 10, "cores": 10})
    wanted = [(uuid4(), {"instances": 1, "cores": 1}) for _ in range(3)]

    with pytest.raises(QuotaExceeded) as refusal, transaction.atomic():
        consume_many(project_id=PROJECT, wanted=wanted, minimum=1, now=NOW)

    assert str(refusal.value) == (
        "Quota exceeded for instances: Requested 1-3, but already used 10 of 10 instances"
    )
    assert usage(PROJECT)["instances"] == 10


@pytest.mark.django_db
def test_unlimited_never_refuses():
    QuotaLimit.objects.create(project_id=PROJECT, resource="cores", limit=-1)

    reserve({"cores": 10**6})

    assert usage(PROJECT)["cores"] == 10**6


@pytest.mark.django_db
def test_a_limit_of_nothing_refuses_the_first():
    QuotaLimit.objects.create(project_id=PROJECT, resource="ports", limit=0)

    with pytest.raises(QuotaExceeded):
        reserve({"ports": 1})


@pytest.mark.django_db
def test_nothing_of_a_resource_passes_even_over_its_limit():
    reserve({"cores": 20})
    QuotaLimit.objects.create(project_id=PROJECT, resource="cores", limit=1)

    subject = reserve({"instances": 1, "cores": 0})

    assert list(Reservation.objects.filter(subject=subject).values_list("resource", flat=True)) == [
        "instances"
    ]


@pytest.mark.django_db
def test_release_gives_back_and_may_be_repeated():
    subject = reserve({"instances": 1, "cores": 2})

    release(subject=subject, resources=["cores"])
    after_cores = usage(PROJECT)
    release(subject=subject)
    release(subject=subject)

    assert (after_cores["instances"], after_cores["cores"]) == (1, 0)
    assert usage(PROJECT)["instances"] == 0


@pytest.mark.django_db
def test_own_limit_beats_the_stored_default_which_beats_the_built_in():
    QuotaDefault.objects.create(resource="cores", limit=30)
    QuotaDefault.objects.create(resource="ram", limit=100)
    QuotaDefault.objects.create(class_name="other", resource="instances", limit=1)
    QuotaLimit.objects.create(project_id=PROJECT, resource="cores", limit=40)

    allowed = limits(PROJECT)

    assert (allowed["cores"], allowed["ram"], allowed["instances"]) == (40, 100, 10)


@pytest.mark.django_db
def test_projects_do_not_share_usage():
    reserve({"instances": 10}, project_id="other")

    reserve({"instances": 10})

    assert usage(PROJECT)["instances"] == 10


@pytest.mark.django_db
@pytest.mark.parametrize("resource", ["unheard_of", "metadata_items"])
def test_what_is_not_counted_is_a_programming_error(resource):
    with pytest.raises(LookupError, match=resource):
        reserve({resource: 1})


@pytest.mark.django_db(transaction=True)
def test_consuming_outside_a_transaction_is_a_programming_error():
    with pytest.raises(RuntimeError, match="transaction"):
        consume(project_id=PROJECT, subject=uuid4(), amounts={"cores": 1}, now=NOW)


@pytest.mark.django_db(transaction=True)
def test_of_200_at_once_exactly_as_many_as_the_limit_pass():
    QuotaLimit.objects.create(project_id=PROJECT, resource="instances", limit=50)
    QuotaLimit.objects.create(project_id=PROJECT, resource="cores", limit=-1)
    threads = 40
    start = Barrier(threads)

    def ask(_):
        start.wait(timeout=60)
        passed = 0
        try:
            for _ in range(200 // threads):
                try:
                    reserve({"instances": 1, "cores": 1})
                    passed += 1
                except QuotaExceeded:
                    continue
        finally:
            connection.close()
        return passed

    with ThreadPoolExecutor(threads) as pool:
        passed = sum(pool.map(ask, range(threads)))

    assert passed == 50
    assert usage(PROJECT)["instances"] == 50
    assert usage(PROJECT)["cores"] == 50


def take(amounts, *, user_id=USER):
    with transaction.atomic():
        consume(project_id=PROJECT, subject=uuid4(), amounts=amounts, now=NOW, user_id=user_id)


def allow(**limit):
    for resource, value in limit.items():
        UserQuotaLimit.objects.create(
            project_id=PROJECT, user_id=USER, resource=resource, limit=value
        )


@pytest.mark.django_db
def test_a_users_limit_holds_beside_the_projects():
    allow(instances=2)
    take({"instances": 1, "cores": 1})
    take({"instances": 1}, user_id="other")
    take({"instances": 1})

    with pytest.raises(QuotaExceeded) as refusal:
        take({"instances": 1, "cores": 1})
    take({"instances": 1}, user_id="other")

    assert str(refusal.value) == (
        "Quota exceeded for instances: Requested 1, but already used 2 of 2 instances"
    )
    assert (usage(PROJECT)["instances"], usage(PROJECT, USER)["instances"]) == (4, 2)


@pytest.mark.django_db
def test_a_users_limit_does_not_widen_the_projects():
    QuotaLimit.objects.create(project_id=PROJECT, resource="cores", limit=3)
    allow(cores=-1, instances=5)
    take({"cores": 3}, user_id="other")

    with pytest.raises(QuotaExceeded) as refusal:
        take({"instances": 1, "cores": 1})

    assert refusal.value.exceeded == ("cores",)


@pytest.mark.django_db
def test_of_several_as_many_are_taken_as_the_user_may():
    allow(instances=3)
    wanted = [(uuid4(), {"instances": 1}) for _ in range(5)]

    with transaction.atomic():
        count = consume_many(project_id=PROJECT, wanted=wanted, minimum=1, now=NOW, user_id=USER)

    assert count == 3


OTHER = "q" * 32


def give(subjects, *, source=PROJECT, target=OTHER):
    with transaction.atomic():
        hand_over(subjects=subjects, source=source, target=target, now=NOW)


@pytest.mark.django_db
def test_what_subjects_hold_is_handed_over_as_a_whole():
    kept = reserve({"volumes": 1, "gigabytes": 3})
    given = [reserve({"volumes": 1, "gigabytes": 2}), reserve({"snapshots": 1, "gigabytes": 2})]

    give(given)

    held, left = usage(OTHER), usage(PROJECT)
    assert (held["volumes"], held["snapshots"], held["gigabytes"]) == (1, 1, 4)
    assert (left["volumes"], left["snapshots"], left["gigabytes"]) == (1, 0, 3)
    release(subject=kept)
    assert usage(PROJECT)["gigabytes"] == 0


@pytest.mark.django_db
def test_what_does_not_fit_into_the_other_project_stays():
    QuotaLimit.objects.create(project_id=OTHER, resource="gigabytes", limit=3)
    given = [reserve({"volumes": 1, "gigabytes": 2}), reserve({"snapshots": 1, "gigabytes": 2})]

    with pytest.raises(QuotaExceeded) as refusal:
        give(given)

    assert refusal.value.exceeded == ("gigabytes",)
    assert usage(PROJECT)["gigabytes"] == 4
    assert usage(OTHER)["volumes"] == 0


@pytest.mark.django_db
def test_a_full_project_may_hand_over_to_itself():
    QuotaLimit.objects.create(project_id=PROJECT, resource="volumes", limit=1)
    given = [reserve({"volumes": 1})]

    give(given, target=PROJECT)

    assert usage(PROJECT)["volumes"] == 1


@pytest.mark.django_db(transaction=True)
def test_two_who_hand_over_to_each_other_do_not_wait_for_each_other():
    there = reserve({"volumes": 1, "gigabytes": 2})
    back = reserve({"volumes": 1, "gigabytes": 5}, project_id=OTHER)
    together = Barrier(2)

    def run(subject, source, target):
        together.wait()
        try:
            give([subject], source=source, target=target)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        jobs = [
            pool.submit(run, there, PROJECT, OTHER),
            pool.submit(run, back, OTHER, PROJECT),
        ]
        for job in jobs:
            job.result()

    assert (usage(PROJECT)["gigabytes"], usage(OTHER)["gigabytes"]) == (5, 2)
