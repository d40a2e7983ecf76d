"""The bytes of images against a project's quota."""

import pytest
from django.utils import timezone

from images import quota
from images.delete import delete_image
from images.models import Image, ImageStatus
from images.quota import BYTES, MIB, mebibytes
from images.stage import stage_image_data
from images.update import Change, update_image
from images.upload import store_image_data
from quotas.consume import usage
from quotas.errors import QuotaExceeded
from quotas.models import QuotaLimit

pytestmark = pytest.mark.django_db


def store(image, actor, sizes, announced=None):
    return store_image_data(
        image=image,
        chunks=(b"x" * size for size in sizes),
        actor=actor,
        now=timezone.now(),
        announced=announced,
    )


@pytest.fixture
def limit():
    def make(mebibytes, project="p1"):
        QuotaLimit.objects.create(project_id=project, resource=BYTES, limit=mebibytes)

    return make


def used(project="p1"):
    return usage(project)[BYTES]


def test_begun_mebibytes_count():
    assert [mebibytes(size) for size in (0, 1, MIB, MIB + 1)] == [0, 1, 1, 2]


@pytest.mark.parametrize("announced", [None, 3 * MIB])
def test_what_just_fits_is_stored_and_counted(queued, member, limit, announced):
    limit(3)

    image = store(queued(member), member, [MIB, MIB, MIB], announced)

    assert (image.status, used()) == (ImageStatus.ACTIVE, 3)
    delete_image(image=image, actor=member, now=timezone.now())
    assert used() == 0


@pytest.mark.parametrize("announced", [None, 3 * MIB + 1])
@pytest.mark.parametrize("way", ["upload", "stage"])
def test_what_does_not_fit_is_refused_and_not_counted(
    queued, member, limit, image_dir, announced, way
):
    limit(3)
    image = queued(member)
    take_in = store_image_data if way == "upload" else stage_image_data
    taken = []

    def chunks():
        for size in (MIB, MIB, MIB, 1):
            taken.append(size)
            yield b"x" * size

    with pytest.raises(QuotaExceeded):
        take_in(image=image, chunks=chunks(), actor=member, now=timezone.now(), announced=announced)

    image.refresh_from_db()
    assert (image.status, used(), list(image_dir.iterdir())) == (ImageStatus.QUEUED, 0, [])
    # What is announced is refused before any of it comes.
    assert bool(taken) is (announced is None)


def test_room_is_reserved_ahead_and_given_back(queued, member, limit, monkeypatch):
    monkeypatch.setattr(quota, "STEP_MIB", 8)
    limit(100)
    image = queued(member)
    seen = []

    def chunks():
        for _ in range(20):
            seen.append(used())
            yield b"x" * MIB

    store_image_data(image=image, chunks=chunks(), actor=member, now=timezone.now())

    assert (max(seen), used()) == (27, 20)


def test_image_deleted_during_its_upload_counts_for_nothing(queued, member):
    image = queued(member)

    def chunks():
        yield b"x" * MIB
        delete_image(image=image, actor=member, now=timezone.now())
        yield b"x" * 100 * MIB

    with pytest.raises(Exception, match="deleted"):
        store_image_data(image=image, chunks=chunks(), actor=member, now=timezone.now())

    assert used() == 0


def test_image_counts_with_its_new_owner(queued, member, admin):
    image = store(queued(member), member, [MIB])

    changes = [Change("replace", ("owner",), "p2")]
    update_image(image_id=image.pk, changes=changes, actor=admin, now=timezone.now())

    assert (used(), usage("p1")["images"]) == (0, 0)
    assert (used("p2"), usage("p2")["images"]) == (1, 1)
    assert Image.objects.get(pk=image.pk).owner == "p2"
