"""What stands on hosts: told by the apps above, which register here, since this one knows none."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True)
class Occupant:
    """A server on a host; `name` is its guest's name there, the rest what it may use."""

    uuid: UUID
    name: str
    project_id: str
    vcpus: int
    ram_mib: int
    disk_gib: int


# From the keys of hosts to what is on each; a host without anything may be missing.
Provider = Callable[[Collection[int]], Mapping[int, Sequence[Occupant]]]
_providers: list[Provider] = []


def register_occupants(provider: Provider) -> None:
    """Have a provider asked."""
    if provider not in _providers:
        _providers.append(provider)


def occupants_of(hypervisor_keys: Collection[int]) -> dict[int, list[Occupant]]:
    """What is on each of the hosts; every one of them is a key of the answer."""
    found: dict[int, list[Occupant]] = {key: [] for key in hypervisor_keys}
    for provider in _providers:
        for key, occupants in provider(hypervisor_keys).items():
            found[key].extend(occupants)
    return found


# Gives back, of the host with this key, what is held there for servers that are gone.
Releaser = Callable[[int], None]
_releasers: list[Releaser] = []


def register_releaser(releaser: Releaser) -> None:
    """Have this asked when a host that is down is forgotten."""
    if releaser not in _releasers:
        _releasers.append(releaser)


def release_the_gone(hypervisor_key: int) -> None:
    """Give back what a host that will not come back holds for nobody but its debts."""
    for releaser in _releasers:
        releaser(hypervisor_key)
