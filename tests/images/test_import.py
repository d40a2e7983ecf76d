"""Imports, from the question to the active image or back to the queue."""

import ipaddress
import os
import time
from datetime import timedelta

import pytest
from django.utils import timezone

from images.begin_import import GLANCE_DIRECT, WEB_DOWNLOAD, WantedImport, begin_import
from images.change_status import deactivate_image
from images.delete import delete_image
from images.models import Image, ImageStatus
from images.quota import BYTES
from images.stage import stage_image_data
from images.storage import image_path, stage_path
from images.sweep import STALE_AFTER, remove_stray_files
from operations.models import Operation, OperationState
from quotas.models import Reservation
from tests.images.conftest import actor_with, qcow2_bytes
from tests.images.web import site
from tests.matrix.world import wake

pytestmark = pytest.mark.django_db
DATA = bytes(range(256)) * 40


@pytest.fixture
def web(settings):
    settings.IMPORT_NETWORKS = (ipaddress.ip_network("127.0.0.1"),)
    with site() as found:
        yield found


def download(image, uri, actor):
    wanted = WantedImport(WEB_DOWNLOAD, uri)
    return begin_import(image_id=image.pk, wanted=wanted, actor=actor, now=timezone.now())


def stage(image, actor, chunks=(DATA,)):
    stage_image_data(image=image, chunks=chunks, actor=actor, now=timezone.now())
    image.refresh_from_db()


def import_staged(image, actor):
    wanted = WantedImport(GLANCE_DIRECT)
    return begin_import(image_id=image.pk, wanted=wanted, actor=actor, now=timezone.now())


def work(operation, wake_ups=20):
    for _ in range(wake_ups):
        wake(operation)
        operation.refresh_from_db()
        if operation.finished_at:
            break
    return operation


def held(image):
    rows = Reservation.objects.filter(subject=image.pk, resource=BYTES)
    return rows.values_list("amount", flat=True).first()


def assert_waits(image, image_dir):
    image.refresh_from_db()
    assert (image.status, image.size, image.arrived_bytes) == (ImageStatus.QUEUED, None, 0)
    assert held(image) is None
    assert list(image_dir.iterdir()) == []


def test_staged_data_becomes_the_image(queued, member, image_dir):
    image = queued(member)
    stage(image, member)
    assert (image.status, image.size, image.arrived_bytes) == ("uploading", None, len(DATA))

    operation = import_staged(image, member)
    image.refresh_from_db()
    assert image.status == ImageStatus.IMPORTING
    work(operation)

    image.refresh_from_db()
    assert operation.state == OperationState.DONE, operation.error
    assert (image.status, image.size, held(image)) == (ImageStatus.ACTIVE, len(DATA), 1)
    assert [path.read_bytes() for path in image_dir.iterdir()] == [DATA]


def test_downloaded_data_becomes_the_image(queued, member, web, image_dir):
    image = queued(member, disk_format="qcow2")

    operation = work(download(image, web.serve("/x", qcow2_bytes()), member))

    image.refresh_from_db()
    assert operation.state == OperationState.DONE, operation.error
    assert (image.status, image.virtual_size) == (ImageStatus.ACTIVE, 1024**2)
    assert (image.arrived_bytes, image.expected_bytes) == (image.size, image.size)
    assert list(image_dir.iterdir()) == [image_path(image)]


def test_image_that_is_out_of_use_before_its_import_has_ended_keeps_its_data(queued, member):
    image = queued(member)
    stage(image, member)
    operation = import_staged(image, member)
    last = work(operation).cursor - 1
    deactivate_image(image_id=image.pk, actor=member, now=timezone.now())

    # As after a worker that died before it could say that the last step was done.
    Operation.objects.update(state=OperationState.RUNNING, cursor=last, finished_at=None)
    operation.refresh_from_db()

    assert work(operation).state == OperationState.DONE
    assert image_path(image).read_bytes() == DATA


def test_source_that_fails_for_a_while_is_asked_again(queued, member, web):
    image = queued(member)
    uri = web.serve("/x", b"", status=503)
    operation = download(image, uri, member)
    work(operation, wake_ups=3)
    assert operation.state == OperationState.RUNNING

    web.serve("/x", DATA)

    assert work(operation).state == OperationState.DONE
    assert len(web.asked) > 1


@pytest.mark.parametrize(
    ("data", "status", "says"),
    [
        (b"QFI\xfb" + DATA, 200, "does not match its disk_format"),
        (b"", 200, "no data"),
        (DATA, 404, "answers 404"),
        (DATA, 503, "answers 503"),
    ],
)
def test_import_that_fails_leaves_a_queued_image_and_no_file(
    queued, member, web, image_dir, data, status, says
):
    image = queued(member)
    image_dir.mkdir(exist_ok=True)

    operation = work(download(image, web.serve("/x", data, status=status), member))

    assert operation.state == OperationState.FAILED
    assert says in operation.error["message"]
    assert_waits(image, image_dir)
    # And the way is free for another one.
    assert work(download(image, web.serve("/y", DATA), member)).state == OperationState.DONE


def test_staged_data_that_is_refused_is_gone(queued, member, image_dir):
    image = queued(member, disk_format="qcow2")
    stage(image, member)

    assert work(import_staged(image, member)).state == OperationState.FAILED

    assert_waits(image, image_dir)


def test_a_name_that_leads_inside_is_refused_by_the_worker(queued, member, image_dir):
    image = queued(member)
    image_dir.mkdir()

    operation = work(download(image, "http://localhost/x", member))

    assert operation.state == OperationState.FAILED
    assert "may not be fetched" in operation.error["message"]
    assert "127.0.0.1" not in operation.error["message"]
    assert_waits(image, image_dir)


def test_image_deleted_during_its_import_stays_deleted(queued, member, web, image_dir):
    image = queued(member)
    operation = download(image, web.serve("/x", DATA), member)

    delete_image(image=image, actor=member, now=timezone.now())
    work(operation)

    image.refresh_from_db()
    assert (operation.state, image.status) == (OperationState.FAILED, ImageStatus.DELETED)
    assert not Reservation.objects.filter(subject=image.pk).exists()
    assert not image_dir.exists() or list(image_dir.iterdir()) == []


def test_deletion_takes_staged_data_along(queued, member, image_dir):
    image = queued(member)
    stage(image, member)

    delete_image(image=image, actor=member, now=timezone.now())

    assert list(image_dir.iterdir()) == []
    assert not Reservation.objects.filter(subject=image.pk).exists()


def test_staging_that_breaks_off_leaves_a_queued_image(queued, member, image_dir):
    image = queued(member)

    def broken():
        yield DATA
        raise SystemExit

    with pytest.raises(SystemExit):
        stage(image, member, broken())

    assert_waits(image, image_dir)
    stage(image, member)
    assert stage_path(image).read_bytes() == DATA


def test_sweep_keeps_what_waits_for_its_import_and_frees_what_nobody_brings(
    queued, member, image_dir
):
    staged, abandoned, at_work = queued(member), queued(member), queued(member)
    stage(staged, member)
    stage(at_work, member)
    import_staged(at_work, member)
    stray = image_dir / f"{queued(member).pk}.stage"
    stray.write_bytes(DATA)
    now = timezone.now()
    old = (now - 2 * STALE_AFTER).timestamp()
    for path in image_dir.iterdir():
        os.utime(path, (old, old))
    Image.objects.filter(pk=abandoned.pk).update(status=ImageStatus.UPLOADING)
    Image.objects.update(updated_at=now - 2 * STALE_AFTER)

    assert remove_stray_files(now) == [stray]

    found = dict(Image.objects.values_list("pk", "status"))
    assert found[staged.pk] == ImageStatus.UPLOADING
    assert found[abandoned.pk] == ImageStatus.QUEUED
    assert found[at_work.pk] == ImageStatus.IMPORTING
    assert work(Operation.objects.get(subject=at_work.pk)).state == OperationState.DONE


def test_downloads_of_one_project_take_turns(queued, member, web):
    uri = web.serve("/x", DATA)
    other = actor_with("member", "p2")
    first, second, third = (download(queued(member), uri, member) for _ in range(3))
    foreign = download(queued(other), uri, other)
    Operation.objects.filter(pk__in=[first.pk, second.pk]).update(
        state=OperationState.RUNNING, lease_until=timezone.now() + timedelta(minutes=1)
    )

    assert work(third, wake_ups=2).state == OperationState.RUNNING
    assert work(foreign).state == OperationState.DONE
    assert work(first).state == OperationState.DONE
    assert work(third).state == OperationState.DONE


def test_all_downloads_leave_room_for_others(queued, member, web, monkeypatch):
    monkeypatch.setattr("images.operations.import_data.DOWNLOADS", 1)
    uri = web.serve("/x", DATA)
    other = actor_with("member", "p2")
    first, second = download(queued(member), uri, member), download(queued(other), uri, other)
    mine = Operation.objects.filter(pk=first.pk)
    mine.update(state=OperationState.RUNNING, lease_until=timezone.now() + timedelta(minutes=1))

    assert work(second, wake_ups=2).state == OperationState.RUNNING
    mine.update(lease_until=None)

    assert work(second).state == OperationState.DONE


def test_progress_is_written_down(queued, member, web, monkeypatch):
    image = queued(member)
    monkeypatch.setattr("images.operations.import_data._NOTE_EVERY_S", 0)
    seen = []

    def answer(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(2 * len(DATA)))
        handler.end_headers()
        handler.wfile.write(DATA)
        time.sleep(0.2)
        handler.wfile.write(DATA)

    web.answers["/x"] = answer
    update = Image.objects.all().__class__.update

    def noted(rows, **fields):
        seen.append(fields.get("arrived_bytes"))
        return update(rows, **fields)

    monkeypatch.setattr("images.models.ImageQuerySet.update", noted)

    assert work(download(image, web.url("/x"), member)).state == OperationState.DONE

    assert 0 in seen
    assert len(DATA) in seen
