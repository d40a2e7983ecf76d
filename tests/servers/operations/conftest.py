"""Servers on fake hosts, and a worker that runs their operations until nothing is due."""

from __future__ import annotations

import dataclasses
import hashlib
from datetime import timedelta

import pytest
from django.utils import timezone

from hypervisors.models import Hypervisor
from identity.bootstrap import ensure_domain_and_roles
from identity.models import Project, User
from images.inspect import Inspection
from images.models import Image
from images.storage import image_path
from networks.models import FixedIP, Port
from operations import engine
from operations.models import UNFINISHED, Operation
from quotas.models import Reservation
from scheduling.models import Allocation
from servers.create import create_servers
from servers.models import Server
from servers.wanted import CreateServers
from tests.authorisation import FOREIGN_PROJECT, OWN_PROJECT, STRANGER, actor_named
from tests.hypervisors.fake_host import FakeHosts, assert_clean_slate, installed, make_hypervisor


@pytest.fixture
def hosts(monkeypatch, transactional_db) -> FakeHosts:
    return installed(monkeypatch)


@pytest.fixture
def one_host(hosts) -> Hypervisor:
    make_hypervisor(hosts, "host1")
    return Hypervisor.objects.get(name="host1")


@pytest.fixture
def image_file(image: Image, settings, tmp_path) -> Image:
    """The image has bytes; what they are is not looked at here."""
    settings.IMAGE_DIR = tmp_path
    path = image_path(image)
    path.write_bytes(b"an image")
    image.sha256 = hashlib.sha256(b"an image").hexdigest()
    image.save()
    return image


@pytest.fixture
def create(hosts, flavor, image_file, network):
    """Ask for servers as a member; keywords change what is wanted."""

    def make(**changes) -> Server:
        wanted = CreateServers(
            **{"name": "web", "flavor_id": "1", "image_id": image_file.pk, **changes}
        )
        return create_servers(wanted=wanted, actor=actor_named("member"), now=timezone.now())[0]

    return make


@pytest.fixture
def work():
    """Run a subject's operations as workers and the keeper would, without their pauses."""

    def run(subject, wake_ups: int = 60) -> Operation:
        for _ in range(wake_ups):
            operation = Operation.objects.filter(subject=subject, state__in=UNFINISHED).first()
            if operation is None:
                break
            wake(operation)
        return Operation.objects.filter(subject=subject).latest("created_at")

    return run


@pytest.fixture
def work_off(work):
    """Run what is asked of a server, and then all that is owed."""

    def run(server: Server) -> Operation:
        ended: Operation = work(server.pk)
        for subject in Operation.objects.filter(state__in=UNFINISHED).values_list("subject"):
            work(subject[0])
        server.refresh_from_db()
        return ended

    return run


@pytest.fixture
def ask(server, work_off):
    """Ask for a change of the server as an administrator, and work it off."""
    admin = dataclasses.replace(actor_named("admin"), request_id="req-asked")

    def change(use_case, **options) -> Operation:
        server.refresh_from_db()
        use_case(server=server, actor=admin, now=timezone.now(), **options)
        return work_off(server)

    return change


@pytest.fixture
def owners(db, monkeypatch) -> None:
    """The project and user that servers belong to, with names; and an image that can be read."""
    ensure_domain_and_roles()
    Project.objects.create(id=OWN_PROJECT, name="ours")
    Project.objects.create(id=FOREIGN_PROJECT, name="network people")
    User.objects.create_user("ann", "a password", id=STRANGER)
    fine = Inspection("qcow2", 2**29)
    monkeypatch.setattr("servers.restore_image.inspect_file", lambda path, format: fine)


def wake(operation: Operation) -> None:
    """One wake-up, on the queue that the operation waits for, after its pause or lease."""
    past = timezone.now() - timedelta(seconds=1)
    Operation.objects.filter(pk=operation.pk).update(wake_at=past)
    Operation.objects.filter(pk=operation.pk).exclude(lease_until=None).update(lease_until=past)
    engine.run(operation.pk, queue=operation.queue)


def assert_nothing_left(hosts: FakeHosts) -> None:
    """Neither in the database nor on any host; the servers' own rows do not count."""
    assert not Port.objects.exists()
    assert not FixedIP.objects.exists()
    assert not Allocation.objects.exists()
    assert not Reservation.objects.exists()
    assert not Operation.objects.filter(state__in=UNFINISHED).exists()
    assert_hosts_clean(hosts)


def assert_hosts_clean(hosts: FakeHosts) -> None:
    """No claim, slot, guest, volume, DHCP entry or filter on any host."""
    for hypervisor in Hypervisor.objects.all():
        assert (hypervisor.vcpus_used, hypervisor.ram_mib_used, hypervisor.disk_gib_used) == (
            0,
            0,
            0,
        )
        assert not hypervisor.build_slots.exists()
        assert_clean_slate(hypervisor)


@pytest.fixture
def server(one_host, create, work) -> Server:
    """A server that runs."""
    made = create()
    work(made.pk)
    return Server.objects.get(pk=made.pk)
