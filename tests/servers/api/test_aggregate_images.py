"""Images are brought to the hosts of an aggregate before servers need them."""

import uuid
from dataclasses import replace

import pytest

from hypervisors.models import Aggregate, CachedImage, Hypervisor
from images.models import Image, ImageStatus
from operations.models import Operation
from tests.authorisation import ADMINS, Endpoint, client_as, matrix
from tests.hypervisors.fake_host import installed
from tests.matrix.world import World

pytestmark = pytest.mark.django_db
URL = "/compute/v2.1/os-aggregates/{}/images"


@pytest.fixture
def world(monkeypatch, settings, tmp_path):
    """Two hosts of one aggregate, and an image that is on neither."""
    settings.IMAGE_DIR = tmp_path / "images"
    return World(installed(monkeypatch))


@pytest.fixture
def aggregate(world):
    made = Aggregate.objects.create(name="fast")
    made.hypervisors.set(Hypervisor.objects.all())
    return made


def ask(aggregate, *images, microversion="2.81"):
    body = {"cache": [{"id": str(image)} for image in images]}
    return client_as("admin", microversion).post(URL.format(aggregate), body)


@pytest.mark.parametrize(
    ("endpoint", "who"),
    matrix(
        [
            Endpoint("POST", URL.format("{number}"), 202, ADMINS, {"cache": [{"id": "IMAGE"}]}),
        ]
    ),
)
def test_who_may_do_what(endpoint, who, world, aggregate):
    endpoint = replace(endpoint, body={"cache": [{"id": str(world.image.pk)}]})

    assert endpoint.status(who, number=aggregate.pk) == endpoint.expected(who)


@pytest.mark.django_db(transaction=True)
def test_every_host_of_the_aggregate_gets_the_image(world, aggregate):
    answer = ask(aggregate.pk, world.image.pk)
    world.settle()

    cached = CachedImage.objects.filter(image_id=world.image.pk, is_ready=True)
    assert (answer.status_code, answer.content) == (202, b"")
    assert {each.pool.hypervisor.name for each in cached} == {"host1", "host2"}


def test_what_is_on_its_way_is_not_asked_for_twice(world, aggregate):
    first, second = ask(aggregate.pk, world.image.pk), ask(aggregate.pk, world.image.pk)

    assert (first.status_code, second.status_code) == (202, 202)
    assert Operation.objects.count() == 2


def test_the_call_exists_since_2_81(world, aggregate):
    assert ask(aggregate.pk, world.image.pk, microversion="2.80").status_code == 404


def test_what_makes_no_sense_is_refused(world, aggregate):
    image = world.image.pk
    queued = Image.objects.create(name="q", status=ImageStatus.QUEUED, disk_format="raw")
    iso = Image.objects.create(name="i", status=ImageStatus.ACTIVE, disk_format="iso")

    assert ask(aggregate.pk, image, image).status_code == 400
    assert ask(aggregate.pk, uuid.uuid4()).status_code == 404
    assert ask(aggregate.pk + 1, image).status_code == 404
    assert ask("fast", image).status_code == 400
    assert ask(aggregate.pk).status_code == 400
    assert ask(aggregate.pk, "no-uuid").status_code == 400
    assert ask(aggregate.pk, image, queued.pk).status_code == 400
    assert ask(aggregate.pk, iso.pk).status_code == 400
    assert not Operation.objects.exists()
