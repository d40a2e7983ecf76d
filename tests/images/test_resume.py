"""Data that comes in pieces."""

import os
import threading

import pytest
from django.db import connection
from django.utils import timezone

from cloudportal.errors import Invalid
from images.begin_import import GLANCE_DIRECT, WantedImport, begin_import
from images.delete import delete_image
from images.errors import ImageBusy, ImageNotFound, ImageTooLarge, WrongOffset
from images.models import Image, ImageStatus
from images.quota import BYTES
from images.resume import Piece, append_image_data, staged_so_far
from images.storage import growing_path, stage_path
from images.sweep import FORGOTTEN_AFTER, STALE_AFTER, remove_stray_files
from quotas.consume import usage
from quotas.errors import QuotaExceeded
from quotas.models import QuotaLimit, Reservation
from tests.images.conftest import actor_with

pytestmark = pytest.mark.django_db
DATA = os.urandom(1000)
OCTETS = "application/octet-stream"


def append(image, actor, first, last, total=1000, chunks=None):
    return append_image_data(
        image=image,
        piece=Piece(first, last, total),
        chunks=[DATA[first : last + 1]] if chunks is None else chunks,
        actor=actor,
        now=timezone.now(),
    )


def test_pieces_become_staged_data(queued, member, image_dir):
    image = queued(member)
    assert staged_so_far(image=image, actor=member).offset == 0

    assert append(image, member, 0, 399).offset == 400
    image.refresh_from_db()
    assert (image.status, image.arrived_bytes, image.expected_bytes) == ("uploading", 400, 1000)
    assert staged_so_far(image=image, actor=member).offset == 400
    append(image, member, 400, 400)
    append(image, member, 401, 999)

    assert stage_path(image).read_bytes() == DATA
    assert [path.name for path in image_dir.iterdir()] == [f"{image.pk}.stage"]
    assert staged_so_far(image=image, actor=member).offset == 1000
    wanted = WantedImport(GLANCE_DIRECT)
    begin_import(image_id=image.pk, wanted=wanted, actor=member, now=timezone.now())


def test_what_came_before_a_break_is_kept(queued, member):
    image = queued(member)

    def broken():
        yield DATA[:300]
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        append(image, member, 0, 999, chunks=broken())

    assert staged_so_far(image=Image.objects.get(pk=image.pk), actor=member).offset == 300
    append(image, member, 300, 999)
    assert stage_path(image).read_bytes() == DATA


@pytest.mark.parametrize(
    ("first", "last", "total", "error"),
    [
        (0, 10, 1000, WrongOffset),
        (399, 999, 1000, WrongOffset),
        (401, 999, 1000, WrongOffset),
        (400, 999, 1001, Invalid),
        (400, 1000, 1000, Invalid),
        (500, 499, 1000, Invalid),
        (0, 10**12, 10**12 + 1, ImageTooLarge),
    ],
)
def test_piece_that_is_not_the_next_one_changes_nothing(queued, member, first, last, total, error):
    image = queued(member)
    append(image, member, 0, 399)

    with pytest.raises(error):
        append(image, member, first, last, total)

    assert growing_path(image).read_bytes() == DATA[:400]


def test_first_piece_comes_first(queued, member, image_dir):
    with pytest.raises(WrongOffset, match="begins at 0"):
        append(queued(member), member, 400, 999)

    assert list(image_dir.iterdir()) == []


@pytest.mark.parametrize("chunks", [[b"x"], [b"x" * 401]])
def test_piece_of_another_length_is_refused(queued, member, chunks):
    with pytest.raises(Invalid):
        append(queued(member), member, 0, 399, chunks=chunks)


@pytest.mark.parametrize("status", ["saving", "uploading", "importing", "active"])
def test_image_that_is_not_queued_takes_no_pieces(queued, member, image_dir, status):
    image = queued(member)
    Image.objects.update(status=status)
    image.refresh_from_db()

    with pytest.raises(ImageBusy):
        append(image, member, 0, 399)
    with pytest.raises(ImageBusy):
        staged_so_far(image=image, actor=member)
    assert list(image_dir.iterdir()) == []


def test_all_of_it_counts_from_the_first_piece_on(queued, member, image_dir):
    QuotaLimit.objects.create(project_id="p1", resource=BYTES, limit=2)
    image = queued(member)

    with pytest.raises(QuotaExceeded):
        append(image, member, 0, 399, total=3 * 1024**2)

    image.refresh_from_db()
    assert (image.status, usage("p1")[BYTES]) == (ImageStatus.QUEUED, 0)
    assert list(image_dir.iterdir()) == []
    append(image, member, 0, 399, total=2 * 1024**2)
    assert usage("p1")[BYTES] == 2


def test_deletion_takes_the_pieces_along(queued, member, image_dir):
    image = queued(member)

    def deleted():
        yield DATA[:200]
        delete_image(image=image, actor=member, now=timezone.now())
        yield DATA[200:]

    with pytest.raises(ImageNotFound):
        append(image, member, 0, 999, chunks=deleted())

    assert list(image_dir.iterdir()) == []
    assert not Reservation.objects.filter(subject=image.pk).exists()


@pytest.mark.django_db(transaction=True)
def test_one_piece_comes_at_a_time(queued, member):
    image = queued(member)
    outcomes = []

    def other():
        try:
            append(Image.objects.get(pk=image.pk), member, 0, 999)
        except ImageBusy as error:
            outcomes.append(str(error))
        finally:
            connection.close()

    def chunks():
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        yield DATA

    append(image, member, 0, 999, chunks=chunks())

    assert outcomes == ["Another piece of the data is coming."]
    assert stage_path(image).read_bytes() == DATA


def test_sweep_forgets_pieces_that_nobody_comes_back_to(queued, member, image_dir):
    image = queued(member)
    append(image, member, 0, 399)
    now = timezone.now()
    Image.objects.update(updated_at=now - 2 * FORGOTTEN_AFTER)
    old = (now - 2 * STALE_AFTER).timestamp()
    os.utime(growing_path(image), (old, old))
    assert remove_stray_files(now) == []

    old = (now - 2 * FORGOTTEN_AFTER).timestamp()
    os.utime(growing_path(image), (old, old))
    assert remove_stray_files(now) == [growing_path(image)]

    image.refresh_from_db()
    assert image.status == ImageStatus.QUEUED


# On the wire


def put(client, image, data, content_range):
    return client.generic(
        "PUT",
        f"/image/v2/images/{image.pk}/stage",
        data,
        content_type=OCTETS,
        HTTP_CONTENT_RANGE=content_range,
    )


def test_client_asks_where_to_go_on(client_for, queued, member):
    image, client = queued(member), client_for(member)
    address = f"/image/v2/images/{image.pk}/stage"

    first = put(client, image, DATA[:400], "bytes 0-399/1000")
    again = put(client, image, DATA[:400], "bytes 0-399/1000")
    where = client.get(address)
    last = put(client, image, DATA[400:], "bytes 400-999/1000")

    assert (first.status_code, first["Upload-Offset"]) == (204, "400")
    assert (again.status_code, again.json()["error"]["code"]) == (409, 409)
    assert where.json() == {"offset": 400, "size": 1000}
    assert (where["Upload-Offset"], where["Upload-Length"]) == ("400", "1000")
    assert (last.status_code, last["Upload-Offset"]) == (204, "1000")
    assert stage_path(image).read_bytes() == DATA


@pytest.mark.parametrize(
    "content_range", ["bytes 0-999", "bytes 0-999/*", "bytes */1000", "0-999/1000", "bytes 0-9/10"]
)
def test_range_that_makes_no_sense_is_refused(client_for, queued, member, content_range):
    image = queued(member)

    assert put(client_for(member), image, DATA, content_range).status_code == 400
    image.refresh_from_db()
    assert image.status == ImageStatus.QUEUED


@pytest.mark.parametrize(
    ("actor", "status"),
    [
        (actor_with("reader"), 403),
        (actor_with("admin", "p-admin"), 0),
        (actor_with(""), 403),
        (actor_with("member", "p2"), 404),
    ],
)
def test_who_may_send_pieces(client_for, queued, member, actor, status):
    image, client = queued(member), client_for(actor)

    assert client.get(f"/image/v2/images/{image.pk}/stage").status_code == (status or 200)
    assert put(client, image, DATA, "bytes 0-999/1000").status_code == (status or 204)
