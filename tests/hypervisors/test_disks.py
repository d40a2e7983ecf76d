import dataclasses
import hashlib
import threading
import time
from contextlib import suppress
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from hypervisors import disks
from hypervisors.disks import (
    BaseImage,
    DiskPlan,
    create_disks,
    delete_disks,
    ensure_base_image,
    is_cached,
    volumes_of,
)
from hypervisors.errors import (
    DiskTooSmall,
    HostCannot,
    HostUnreachable,
    ImageBeingUploaded,
    ImageDamaged,
    NotOnHost,
)
from hypervisors.libvirt import errors as driver
from hypervisors.models import CachedImage
from hypervisors.pools import POOL, default_pool
from tests.hypervisors.fake_host import assert_clean_slate, make_hypervisor

CONTENT = b"QFI\xfb" + bytes(1000)


@pytest.fixture
def image(tmp_path):
    source = tmp_path / "image"
    source.write_bytes(CONTENT)
    return BaseImage(uuid4(), hashlib.sha256(CONTENT).hexdigest(), "qcow2", source)


def _ensure(hypervisor, image, operation_id=None, now=None):
    return ensure_base_image(
        hypervisor=hypervisor,
        pool=default_pool(hypervisor),
        image=image,
        operation_id=operation_id or uuid4(),
        now=now or timezone.now(),
    )


def test_image_is_uploaded_once(hypervisor, host, image):
    names = {_ensure(hypervisor, image) for _ in range(3)}

    assert len(names) == 1
    assert host.calls.count("upload_image") == 1
    assert is_cached(default_pool(hypervisor), image.image_id)


def test_second_build_waits_while_the_first_uploads(hypervisor, host, image):
    seen = []

    def come_second():
        with pytest.raises(ImageBeingUploaded):
            _ensure(hypervisor, image)
        seen.append(is_cached(default_pool(hypervisor), image.image_id))

    host.on_upload = come_second
    _ensure(hypervisor, image)

    assert seen == [False]
    assert host.calls.count("upload_image") == 1


@pytest.mark.django_db(transaction=True)
def test_racing_builds_upload_once_and_all_get_the_image(hosts, image):
    hypervisor, gate, names = make_hypervisor(hosts), threading.Barrier(6), []

    def build():
        operation = uuid4()
        try:
            gate.wait()
            ends_at = time.monotonic() + 30
            while time.monotonic() < ends_at:
                with suppress(ImageBeingUploaded):
                    names.append(_ensure(hypervisor, image, operation))
                    return
        finally:
            connection.close()

    threads = [threading.Thread(target=build) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert names == [image.volume] * 6
    assert hosts[hypervisor.name].calls.count("upload_image") == 1


@pytest.mark.django_db(transaction=True)
def test_long_upload_keeps_its_lease(hosts, image, monkeypatch):
    monkeypatch.setattr(disks, "UPLOAD_LEASE_S", 0.2)
    hypervisor = make_hypervisor(hosts)
    began = timezone.now()

    def wait_for_extension():
        ends_at = time.monotonic() + 30
        late = CachedImage.objects.filter(upload_until__gt=began + timedelta(seconds=1))
        while not late.exists():
            assert time.monotonic() < ends_at, "the lease was not extended"

    hosts[hypervisor.name].on_upload = wait_for_extension
    _ensure(hypervisor, image, now=began)

    assert CachedImage.objects.get().is_ready


def test_dead_uploader_is_taken_over_from_after_its_lease(hypervisor, host, image):
    now = timezone.now()
    CachedImage.objects.create(
        pool=default_pool(hypervisor), image_id=image.image_id, volume=image.volume,
        uploader=uuid4(), upload_until=now + timedelta(seconds=5),
    )  # fmt: skip

    with pytest.raises(ImageBeingUploaded):
        _ensure(hypervisor, image, now=now)
    _ensure(hypervisor, image, now=now + timedelta(seconds=6))

    assert CachedImage.objects.get().is_ready


def test_same_operation_goes_on_with_its_own_upload(hypervisor, host, image):
    operation = uuid4()
    CachedImage.objects.create(
        pool=default_pool(hypervisor), image_id=image.image_id, volume=image.volume,
        uploader=operation, upload_until=timezone.now() + timedelta(seconds=60),
    )  # fmt: skip

    _ensure(hypervisor, image, operation)

    assert CachedImage.objects.get().is_ready


def test_failed_upload_lets_the_next_try_at_once(hypervisor, host, image):
    host.fail_on("upload_image", driver.HostUnreachable("gone"))

    with pytest.raises(HostUnreachable):
        _ensure(hypervisor, image)
    _ensure(hypervisor, image)

    assert CachedImage.objects.get().is_ready


def test_damaged_image_is_never_used(hypervisor, host, image):
    damaged = dataclasses.replace(image, sha256="0" * 64)

    with pytest.raises(ImageDamaged):
        _ensure(hypervisor, damaged)

    assert not is_cached(default_pool(hypervisor), image.image_id)


def test_image_deleted_on_the_host_is_brought_again(hypervisor, host, image):
    name = _ensure(hypervisor, image)
    host.delete_volume(POOL.name, name)

    _ensure(hypervisor, image)

    assert host.pools[POOL.name].volumes[name].content == CONTENT


def test_image_of_a_format_no_server_starts_from_is_refused(hypervisor, image):
    with pytest.raises(HostCannot, match="vmdk"):
        _ensure(hypervisor, dataclasses.replace(image, disk_format="vmdk"))


def test_disks_are_named_by_the_server_and_made_once(hypervisor, host, image):
    server, base = uuid4(), _ensure(hypervisor, image)
    plan = DiskPlan(1, base, ephemeral_gib=(2, 3), swap_mib=64, config_drive=b"iso")

    first = create_disks(hypervisor, POOL.name, server, plan)
    again = create_disks(hypervisor, POOL.name, server, plan)

    assert first == again
    assert [disk.volume for disk in first] == [
        f"{server}-{role}" for role in ("root", "ephemeral0", "ephemeral1", "swap", "config")
    ]
    assert (first[0].boot_order, first[-1].device, first[-1].format) == (1, "cdrom", "raw")
    assert len(volumes_of(hypervisor, POOL.name, server)) == 5


def test_root_without_image_is_blank(hypervisor, host):
    server = uuid4()

    create_disks(hypervisor, POOL.name, server, DiskPlan(2))

    volume = host.pools[POOL.name].volumes[f"{server}-root"]
    assert (volume.backing, volume.capacity) == (None, 2 * 1024**3)


def test_root_smaller_than_its_image_is_refused(hypervisor, host, image):
    base = _ensure(hypervisor, image)
    host.pools[POOL.name].volumes[base].capacity = 2 * 1024**3

    with pytest.raises(DiskTooSmall):
        create_disks(hypervisor, POOL.name, uuid4(), DiskPlan(1, base))


def test_disks_over_a_missing_image_are_refused(hypervisor):
    with pytest.raises(NotOnHost):
        create_disks(hypervisor, POOL.name, uuid4(), DiskPlan(1, "base-gone"))


def test_delete_takes_all_disks_of_the_server_and_no_others(hypervisor, host, image):
    server, other = uuid4(), uuid4()
    base = _ensure(hypervisor, image)
    for each in (server, other):
        create_disks(hypervisor, POOL.name, each, DiskPlan(1, base, (1,), 1, b"iso"))

    delete_disks(hypervisor, server)
    delete_disks(hypervisor, server)

    assert volumes_of(hypervisor, POOL.name, server) == []
    assert len(volumes_of(hypervisor, POOL.name, other)) == 4
    delete_disks(hypervisor, other)
    assert_clean_slate(hypervisor)
