"""Add hosts to the portal, accept their SSH keys, and remove them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import ProtectedError, Q

from hypervisors import connections, ssh
from hypervisors.check import HostCheck, examine, is_fit, record
from hypervisors.errors import (
    HostKeyUnknown,
    HypervisorExists,
    HypervisorInUse,
    HypervisorNotReady,
)
from hypervisors.look import look_at_host
from hypervisors.models import (
    Aggregate,
    BuildSlot,
    HostState,
    Hypervisor,
    VirtType,
)
from hypervisors.occupants import release_the_gone
from hypervisors.pools import hand_on_images
from hypervisors.ssh import HostKey
from hypervisors.uris import ssh_address


@dataclass(frozen=True)
class Registration:
    """A host that was added, and what its checks said."""

    hypervisor: Hypervisor
    checks: list[HostCheck]


def offered_host_keys(uri: str) -> list[HostKey]:
    """The SSH keys a host shows, best first; none for this machine's own libvirt.

    Raises:
        InvalidHypervisorUri: the URI is none the portal connects to.
        HostUnreachable: no SSH server answers.
    """
    address = ssh_address(uri)
    return [] if address is None else ssh.scan_host_keys(address)


def accepted_lines(uri: str, fingerprint: str | None) -> str:
    """The known_hosts lines of the key that has this fingerprint; "" for this machine.

    Raises:
        InvalidHypervisorUri: the URI is none the portal connects to.
        HostUnreachable: no SSH server answers.
        HostKeyUnknown: the host shows no key of that fingerprint; its own are in the error.
    """
    address = ssh_address(uri)
    if address is None:
        return ""
    shown = ssh.scan_host_keys(address)
    chosen = [key for key in shown if key.fingerprint == fingerprint]
    if not chosen:
        raise HostKeyUnknown(
            "The host's key has not been accepted."
            if fingerprint is None
            else "The host shows another key than the accepted one.",
            fingerprints=[f"{key.kind} {key.fingerprint}" for key in shown],
        )
    return ssh.known_hosts_lines(address, chosen)


def add_hypervisor(
    *,
    name: str,
    uri: str,
    virt_type: str = VirtType.AUTO,
    zone: str = "",
    accepted_fingerprint: str | None = None,
    now: datetime,
) -> Registration:
    """Check a host, make the portal's storage pool there, and give it servers from now on.

    Args:
        name: by which the host is known here.
        uri: qemu+ssh://user@host/system, or qemu:///system.
        virt_type: auto, kvm or qemu.
        zone: its availability zone; none is the default zone.
        accepted_fingerprint: of the SSH key an administrator has accepted, SHA256:…
        now: this instant.

    Raises:
        InvalidHypervisorUri: the URI is none the portal connects to.
        HypervisorExists: name or URI are taken.
        HostUnreachable: no SSH server answers.
        HostKeyUnknown: the host's key is not the accepted one, or none is accepted.
        HypervisorNotReady: something is missing; its checks say what. Nothing was written.
    """
    taken = Hypervisor.objects.filter(Q(name=name) | Q(uri=uri)).first()
    if taken is not None:
        raise HypervisorExists(f"The hypervisor {taken.name} has that name or URI.")
    hypervisor = Hypervisor(name=name, uri=uri, virt_type=virt_type, created_at=now)
    hypervisor.host_keys = accepted_lines(uri, accepted_fingerprint)
    found = examine(hypervisor)
    if not is_fit(found.checks):
        raise HypervisorNotReady("The host is not ready to run servers.", checks=found.checks)
    try:
        with transaction.atomic():
            hypervisor.save()
            record(hypervisor, found)
            if zone:
                _join_zone(hypervisor, zone)
    except IntegrityError as error:
        raise HypervisorExists(f"A hypervisor {name} exists.", detail=str(error)) from error
    look_at_host(hypervisor, now)
    return Registration(hypervisor, found.checks)


def accept_host_key(*, hypervisor: Hypervisor, fingerprint: str) -> None:
    """Trust the key with this fingerprint, and no other, from now on.

    Raises:
        HostUnreachable: no SSH server answers.
        HostKeyUnknown: the host shows no such key.
    """
    hypervisor.host_keys = accepted_lines(hypervisor.uri, fingerprint)
    hypervisor.save(update_fields=["host_keys"])
    connections.forget(hypervisor)


def remove_hypervisor(*, hypervisor: Hypervisor) -> None:
    """Forget the host; what lies on it stays there.

    Of one that is down only the servers count that still are: what deleted ones left there would
    keep it for ever.

    Raises:
        HypervisorInUse: servers are there, being built, or being taken off.
    """
    try:
        with transaction.atomic():
            if BuildSlot.objects.filter(hypervisor=hypervisor).exists():
                raise HypervisorInUse(f"Servers are being built on {hypervisor.name}.")
            lost = Q(state=HostState.DOWN) | Q(is_forced_down=True)
            if Hypervisor.objects.filter(lost, pk=hypervisor.pk).exists():
                release_the_gone(hypervisor.pk)
            hand_on_images(hypervisor)
            hypervisor.delete()
    except ProtectedError as error:
        raise HypervisorInUse(
            f"Servers or volumes are on {hypervisor.name}, or deleted servers are still to be "
            "taken off."
        ) from error
    hypervisor.host_keys = ""
    connections.forget(hypervisor)


def _join_zone(hypervisor: Hypervisor, zone: str) -> None:
    aggregate = Aggregate.objects.filter(availability_zone=zone).order_by("pk").first()
    if aggregate is None:
        aggregate = Aggregate.objects.create(name=zone, availability_zone=zone)
    aggregate.hypervisors.add(hypervisor)
