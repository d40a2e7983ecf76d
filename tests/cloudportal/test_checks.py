"""What the portal's processes look at before they start."""

import copy
import logging
import socket
import time

import pytest
from django.core.checks import Error, run_checks
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from cloudportal import checks
from hypervisors.models import Hypervisor, SshIdentity
from hypervisors.ssh import public_key
from images.models import Image, ImageStatus
from images.storage import image_path


def found(tag=checks.WORK):
    return {item.id: item for item in run_checks(tags=[tag], include_deployment_checks=True)}


@pytest.fixture(autouse=True)
def _key(settings, tmp_path):
    settings.SSH_DIR = tmp_path / "ssh"
    settings.IMAGE_DIR = tmp_path / "images"
    settings.IMAGE_DIR.mkdir()
    settings.SECRET_KEY_FILE.chmod(0o600)


@pytest.mark.django_db
def test_a_portal_in_order_has_nothing_to_complain_of():
    public_key()

    assert found() == {}


@pytest.mark.django_db
def test_another_machines_signing_key_is_told_from_ours(settings):
    public_key()
    assert SshIdentity.objects.count() == 1

    settings.SECRET_KEY = "another-machine's-own-key-" + "y" * 40

    assert "must be the same on all machines" in found()["cloudportal.E010"].hint


@pytest.mark.django_db
def test_another_machines_own_libvirt_is_not_taken_for_ours():
    here = socket.gethostname()
    host = Hypervisor.objects.create(name="kvm1", uri="qemu:///system", hostname=f"{here}.example")
    Hypervisor.objects.create(name="kvm2", uri="qemu+ssh://kvm2/system", hostname="kvm2")
    assert found() == {}

    host.hostname = "the-first-machine"
    host.save()

    assert "the-first-machine" in found()["cloudportal.E011"].msg


@pytest.mark.django_db
@pytest.mark.parametrize("after_s", [0.0, -5.0, 1e9])
def test_guests_are_switched_after_a_time_that_comes(settings, after_s):
    settings.LIVE_MIGRATION_POSTCOPY_AFTER_S = after_s

    assert "CLOUDPORTAL_LIVE_MIGRATION_POSTCOPY_S is" in found()["cloudportal.E012"].msg


@pytest.mark.django_db(transaction=True)
def test_an_image_folder_without_the_images_is_noted_and_refuses_nothing(caplog):
    image = Image.objects.create(
        name="there", owner="p", status=ImageStatus.ACTIVE, disk_format="raw"
    )
    image_path(image).write_bytes(b"x")
    assert found() == {}

    image_path(image).unlink()

    assert str(image.pk) in found()["cloudportal.W002"].msg
    with caplog.at_level(logging.WARNING):
        checks.wait_until_ready()
    assert "CLOUDPORTAL_IMAGES" in caplog.text


@pytest.mark.django_db
@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="SQLite has no clock of its own")
@pytest.mark.parametrize(
    ("ahead_s", "expected"), [(0.5, None), (3, "cloudportal.W001"), (-9, "cloudportal.E009")]
)
def test_a_clock_that_is_wrong_is_noted_and_a_very_wrong_one_refused(
    monkeypatch, ahead_s, expected
):
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() + ahead_s)

    assert set(found()) == ({expected} if expected else set())


@pytest.mark.parametrize(
    ("queue", "change", "words"),
    [
        (None, {"retry": 900}, "within its timeout"),
        (None, {"timeout": None}, "for ever"),
        (None, {"ack_failures": False}, "that failed"),
        (None, {"max_attempts": 0}, "counts attempts"),
        (None, {"broker_class": None}, "another broker"),
        ("transfer", {"retry": 60}, "The queue transfer retries after 60 s"),
    ],
)
def test_redelivery_that_would_double_or_lose_jobs_is_refused(settings, queue, change, words):
    changed = copy.deepcopy(settings.Q_CLUSTER)
    (changed["ALT_CLUSTERS"][queue] if queue else changed).update(change)
    settings.Q_CLUSTER = changed

    errors = checks.check_queues(None)

    assert errors
    assert words in " ".join(error.msg for error in errors)
    assert {error.id for error in errors} == {"cloudportal.E004"}


def test_a_background_process_waits_for_the_database_and_then_looks(monkeypatch):
    answers = iter([False, False, True])
    monkeypatch.setattr(checks, "_answers", lambda: next(answers))
    monkeypatch.setattr(checks, "AWAY_PAUSE_S", 0.01)
    monkeypatch.setattr(checks, "run_checks", lambda **_: [Error("wrong", hint="mend", id="x")])

    with pytest.raises(ImproperlyConfigured, match="wrong mend"):
        checks.wait_until_ready()

    assert next(answers, "asked until it answered") == "asked until it answered"


def test_the_web_process_serves_while_the_database_is_away(monkeypatch, caplog):
    monkeypatch.setattr(checks, "_answers", lambda: False)

    checks.refuse_unready()

    assert "whether the portal is ready is not known" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_the_connection_for_the_checks_is_not_left_open_for_a_fork():
    checks.wait_until_ready()

    assert connection.connection is None
