"""The image API's data: as a client sends it and gets it."""

import hashlib
import io

import pytest

from images.api.data import body_chunks
from images.errors import ImageDataMissing, IncompleteUpload
from images.storage import data_of, image_path

pytestmark = pytest.mark.django_db
OCTETS = "application/octet-stream"
DATA = bytes(range(256)) * 40


def put(client, image, data=DATA, content_type=OCTETS, **extra):
    address = f"/image/v2/images/{image.pk}/file"
    return client.generic("PUT", address, data, content_type=content_type, **extra)


@pytest.fixture
def active(client_for, queued, member):
    image = queued(member)
    assert put(client_for(member), image).status_code == 204
    return image


def test_data_comes_back_as_it_went_in_with_its_checksum(client_for, member, active):
    response = client_for(member).get(f"/image/v2/images/{active.pk}/file")

    assert b"".join(response.streaming_content) == DATA
    assert response["Content-MD5"] == hashlib.md5(DATA).hexdigest()
    assert response["Content-Length"] == str(len(DATA))
    assert response["Content-Type"] == OCTETS


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=100-", 100, 10240),
        ("bytes=-10", 10230, 10240),
        ("bytes=5-99999", 5, 10240),
    ],
)
def test_range_of_the_data_is_sent(client_for, member, active, asked, start, end):
    response = client_for(member).get(f"/image/v2/images/{active.pk}/file", HTTP_RANGE=asked)

    assert response.status_code == 206
    assert b"".join(response.streaming_content) == DATA[start:end]
    assert response["Content-Range"] == f"bytes {start}-{end - 1}/{len(DATA)}"


def test_data_that_this_machine_does_not_see_is_not_available_now(client_for, member, active):
    image_path(active).unlink()

    response = client_for(member).get(f"/image/v2/images/{active.pk}/file")

    assert response.status_code == 503
    assert response.json()["error"]["code"] == 503
    # The path is for the administrator's log alone.
    assert str(image_path(active)) not in response.content.decode()


def test_a_build_that_needs_missing_data_is_to_be_tried_again(active):
    image_path(active).unlink()

    with pytest.raises(ImageDataMissing) as caught:
        data_of(active)

    assert caught.value.retryable
    assert "CLOUDPORTAL_IMAGES" in caught.value.detail


@pytest.mark.parametrize("asked", ["bytes=10240-", "bytes=5-4", "bytes=-", "bytes=0-1,3-4", "x"])
def test_range_that_makes_no_sense_is_416(client_for, member, active, asked):
    response = client_for(member).get(f"/image/v2/images/{active.pk}/file", HTTP_RANGE=asked)

    assert response.status_code == 416
    assert response["Content-Range"] == f"bytes */{len(DATA)}"


def test_image_without_data_has_none_to_send(client_for, queued, member):
    response = client_for(member).get(f"/image/v2/images/{queued(member).pk}/file")

    assert (response.status_code, response.content) == (204, b"")


@pytest.mark.parametrize(
    ("content_type", "data", "status"),
    [
        ("application/json", DATA, 415),
        (OCTETS, b"QFI\xfb" + DATA, 415),
        (OCTETS, b"", 415),
    ],
)
def test_bad_upload_is_refused_and_leaves_the_image_queued(
    client_for, queued, member, image_dir, content_type, data, status
):
    image = queued(member)

    response = put(client_for(member), image, data, content_type)

    image.refresh_from_db()
    assert response.status_code == status
    assert image.status == "queued"
    assert not image_dir.exists() or not list(image_dir.iterdir())


def test_announced_length_beyond_the_limit_is_refused_unread(client_for, queued, member, settings):
    settings.MAX_IMAGE_BYTES = 1000
    image = queued(member)

    assert put(client_for(member), image).status_code == 413
    assert not image_path(image).exists()


def test_second_upload_is_a_conflict(client_for, member, active):
    assert put(client_for(member), active).status_code == 409


def test_body_shorter_than_announced_is_no_image():
    environ = {"CONTENT_LENGTH": "10", "wsgi.input": io.BytesIO(b"short")}

    with pytest.raises(IncompleteUpload):
        list(body_chunks(environ))


def test_chunked_body_is_read_to_its_end():
    environ = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": io.BytesIO(b"x" * 3_000_000)}

    assert sum(map(len, body_chunks(environ))) == 3_000_000


def test_connection_that_breaks_is_no_end():
    class Broken:
        def read(self, size):
            raise OSError("gone")

    environ = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": Broken()}

    with pytest.raises(IncompleteUpload):
        list(body_chunks(environ))


@pytest.mark.parametrize("accept", ["", "application/octet-stream", "*/*", "text/html"])
def test_answer_comes_whatever_form_the_client_accepts(client_for, queued, member, accept):
    image = queued(member)
    client = client_for(member)

    assert put(client, image, HTTP_ACCEPT=accept).status_code == 204
    assert client.get(f"/image/v2/images/{image.pk}", HTTP_ACCEPT=accept).status_code == 200
