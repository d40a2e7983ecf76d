"""Servers that run on fake hosts, to be damaged, found and repaired."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.utils import timezone

from hypervisors.models import Hypervisor
from images.models import Image
from images.quota import BYTES, mebibytes
from integrity.models import Finding
from integrity.request_repairs import request_repairs
from integrity.sweep import look_at_books, look_at_host
from networks.models import GroupChange, Network, Port, Subnet
from operations.models import UNFINISHED, Operation
from quotas.models import Reservation
from servers.models import Server
from tests.hypervisors.fake_host import FakeHost, FakeHosts
from tests.servers.conftest import flavor, image, network, now  # noqa: F401 - fixtures
from tests.servers.operations.conftest import (  # noqa: F401 - fixtures
    create,
    hosts,
    image_file,
    one_host,
    wake,
    work,
)


@dataclass
class World:
    """One host with one server that runs."""

    hosts: FakeHosts
    hypervisor: Hypervisor
    server: Server

    @property
    def host(self) -> FakeHost:
        return self.hosts[self.hypervisor.name]

    def look(self) -> None:
        """A sweep, without its threads."""
        look_at_books()
        for hypervisor in Hypervisor.objects.all():
            look_at_host(hypervisor, refresh=False)

    def kinds(self) -> list[str]:
        """The kinds of what is found now."""
        self.look()
        return sorted(Finding.objects.open().values_list("kind", flat=True))

    def found(self) -> Finding:
        """The one finding there is."""
        self.look()
        return Finding.objects.open().get()

    def repair(self) -> list[str]:
        """Carry out all plans; the kinds of what is left."""
        request_repairs(Finding.objects.open(), now=timezone.now(), at_once=True)
        run_everything()
        return self.kinds()


def run_everything(wake_ups: int = 60) -> None:
    """Run what is unfinished as workers would."""
    for _ in range(wake_ups):
        operation = Operation.objects.filter(state__in=UNFINISHED).first()
        if operation is None:
            return
        wake(operation)


@pytest.fixture
def world(hosts, one_host, create, work, network) -> World:  # noqa: F811 - fixtures
    owner = network.project_id
    for subject, resource in ((network.pk, "networks"), (network.subnets.get().pk, "subnets")):
        Reservation.objects.create(project_id=owner, resource=resource, amount=1, subject=subject)
    picture = Image.objects.get()
    for resource, amount in (("images", 1), (BYTES, mebibytes(picture.size or 0))):
        Reservation.objects.create(
            project_id=picture.owner, resource=resource, amount=amount, subject=picture.pk
        )
    server = create()
    work(server.pk)
    # So long ago that no clock is in doubt about it.
    past = timezone.now() - timedelta(minutes=5)
    Operation.objects.update(finished_at=past)
    Server.objects.update(updated_at=past, created_at=past)
    for rows in (Network, Subnet, Image, Port):
        rows.objects.update(created_at=past)
    # That its group has a member more is known everywhere.
    GroupChange.objects.all().delete()
    server.refresh_from_db()
    return World(hosts, one_host, server)
