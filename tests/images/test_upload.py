"""How data gets into images."""

import hashlib
import os
import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from cloudportal.errors import Forbidden
from images.delete import delete_image
from images.errors import (
    FormatsMissing,
    ImageBusy,
    ImageNotFound,
    ImageProtected,
    ImageTooLarge,
    WrongContent,
)
from images.models import Image, ImageStatus
from images.register import register_image
from images.storage import image_path
from images.sweep import STALE_AFTER, remove_stray_files
from images.upload import store_image_data
from tests.images.conftest import actor_with, qcow2_bytes

pytestmark = pytest.mark.django_db


def store(image, actor, chunks):
    return store_image_data(image=image, chunks=chunks, actor=actor, now=timezone.now())


def test_data_is_kept_hashed_and_measured(queued, member):
    data = os.urandom(3_000_000)

    image = store(queued(member), member, [data[:1_000_000], data[1_000_000:]])

    assert image.status == ImageStatus.ACTIVE
    assert image.size == image.virtual_size == 3_000_000
    assert image.checksum == hashlib.md5(data).hexdigest()
    assert image.sha256 == hashlib.sha256(data).hexdigest()
    assert image.sha512 == hashlib.sha512(data).hexdigest()
    assert image_path(image).read_bytes() == data


@pytest.mark.parametrize(
    ("chunks", "limit", "error"),
    [
        ([b"x" * 600, b"x" * 600], 1000, ImageTooLarge),
        ([qcow2_bytes()], 10**9, WrongContent),
        ([], 10**9, WrongContent),
    ],
)
def test_failed_upload_leaves_a_queued_image_and_no_file(
    queued, member, settings, image_dir, chunks, limit, error
):
    settings.MAX_IMAGE_BYTES = limit
    image = queued(member)

    with pytest.raises(error):
        store(image, member, chunks)

    image.refresh_from_db()
    assert (image.status, image.size) == (ImageStatus.QUEUED, None)
    assert list(image_dir.iterdir()) == []


def test_upload_that_breaks_off_can_be_tried_again(queued, member):
    image = queued(member)

    def broken():
        yield b"x" * 100
        raise SystemExit

    with pytest.raises(SystemExit):
        store(image, member, broken())

    assert store(image, member, [b"y" * 512]).size == 512


def test_upload_needs_both_formats(queued, member):
    image = queued(member, disk_format=None)

    with pytest.raises(FormatsMissing, match="disk_format, container_format must be set"):
        store(image, member, [b"x"])


def test_active_image_takes_no_more_data(queued, member):
    image = store(queued(member), member, [b"x" * 512])

    with pytest.raises(ImageBusy):
        store(image, member, [b"y" * 512])

    assert image_path(image).read_bytes() == b"x" * 512


def test_image_deleted_during_the_upload_stays_deleted_and_leaves_no_file(
    queued, member, image_dir
):
    image = queued(member)

    def chunks():
        yield b"x" * 512
        delete_image(image=image, actor=member, now=timezone.now())
        yield b"x" * 512

    with pytest.raises(ImageNotFound):
        store(image, member, chunks())

    image.refresh_from_db()
    assert image.status == ImageStatus.DELETED
    assert list(image_dir.iterdir()) == []


@pytest.mark.parametrize("actor", [actor_with("reader"), actor_with("member", "p2")])
def test_upload_by_others_is_refused(queued, member, actor):
    with pytest.raises(Forbidden):
        store(queued(member), actor, [b"x"])


@pytest.mark.django_db(transaction=True)
def test_of_uploads_that_race_exactly_one_wins(queued, member):
    image = queued(member)
    barrier = threading.Barrier(4)
    outcomes = []

    def upload(letter):
        def chunks():
            yield letter * 512
            yield letter * 512

        barrier.wait()
        try:
            store(Image.objects.get(pk=image.pk), member, chunks())
            outcomes.append(letter)
        except ImageBusy:
            outcomes.append(None)
        finally:
            connection.close()

    threads = [
        threading.Thread(target=upload, args=(letter,)) for letter in (b"a", b"b", b"c", b"d")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    winners = [letter for letter in outcomes if letter]
    assert len(outcomes) == 4
    assert len(winners) == 1
    assert image_path(image).read_bytes() == winners[0] * 1024


def test_local_file_is_registered_active(admin, tmp_path, db):
    path = tmp_path / "tiny.qcow2"
    path.write_bytes(qcow2_bytes())

    image = register_image(
        name="tiny",
        path=path,
        attributes={"visibility": "public", "hw_disk_bus": "virtio"},
        actor=admin,
        now=timezone.now(),
    )

    assert (image.status, image.visibility, image.virtual_size) == ("active", "public", 1024**2)
    assert image.properties == {"hw_disk_bus": "virtio"}


def test_local_file_that_is_refused_leaves_no_image(admin, tmp_path, image_dir):
    path = tmp_path / "bad.qcow2"
    path.write_bytes(qcow2_bytes(crypt=1))

    with pytest.raises(WrongContent):
        register_image(name="bad", path=path, attributes={}, actor=admin, now=timezone.now())

    assert not Image.objects.exclude(status=ImageStatus.DELETED).exists()
    assert list(image_dir.iterdir()) == []


def test_deleting_removes_the_file_but_never_a_protected_image(queued, member):
    protected = store(queued(member, protected=True), member, [b"x" * 512])
    plain = store(queued(member), member, [b"x" * 512])

    delete_image(image=plain, actor=member, now=timezone.now())
    with pytest.raises(ImageProtected):
        delete_image(image=protected, actor=member, now=timezone.now())

    assert not image_path(plain).exists()
    assert image_path(protected).exists()


def test_sweep_removes_what_dead_uploads_left_and_nothing_else(queued, member, image_dir):
    active = store(queued(member), member, [b"x" * 512])
    dead, alive = queued(member), queued(member)
    now = timezone.now()
    Image.objects.filter(pk__in=[dead.pk, alive.pk]).update(
        status=ImageStatus.SAVING, updated_at=now - 2 * STALE_AFTER
    )
    stale = [image_dir / f"{dead.pk}.0.part", image_dir / "00000000-0000-0000-0000-000000000000"]
    fresh = image_dir / f"{alive.pk}.0.part"
    foreign = image_dir / "README"
    for path in (*stale, fresh, foreign):
        path.write_bytes(b"x")
    old = (now - 2 * STALE_AFTER).timestamp()
    for path in (*stale, foreign, image_path(active)):
        os.utime(path, (old, old))

    removed = remove_stray_files(now)

    assert sorted(removed) == sorted(stale)
    assert sorted(image_dir.iterdir()) == sorted([foreign, fresh, image_path(active)])
    dead.refresh_from_db()
    alive.refresh_from_db()
    assert (dead.status, alive.status) == (ImageStatus.QUEUED, ImageStatus.SAVING)
    assert remove_stray_files(now + timedelta(seconds=1)) == []
