"""What the debts of servers are about, for administrators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hypervisors.models import Hypervisor
from operations.debts import DebtFacts
from servers.models import Server


def describe_cleanups(params: Sequence[Mapping[str, Any]]) -> list[DebtFacts]:
    """What servers left on which hosts; two queries however many."""
    return _describe(params, "Take {name} off the host: guest, disks, DHCP entries, filters")


def describe_unplugs(params: Sequence[Mapping[str, Any]]) -> list[DebtFacts]:
    """Which servers' hosts still have interfaces that are theirs no more; two queries."""
    return _describe(
        params, "Take the interface {mac} out of {name}, with its DHCP entry and filter"
    )


def describe_unmarks(params: Sequence[Mapping[str, Any]]) -> list[DebtFacts]:
    """Which released servers' guests still say that they are the portal's; two queries."""
    return _describe(params, "Take the portal's mark off the guest of {name}, which was released")


def describe_copies(params: Sequence[Mapping[str, Any]]) -> list[DebtFacts]:
    """Of which servers' disks hosts still have copies; two queries."""
    return _describe(params, "Delete the copy of a disk of {name} that an image was made of")


def describe_releases(params: Sequence[Mapping[str, Any]]) -> list[DebtFacts]:
    """Which volumes of servers that are gone are still with their hosts; one query."""
    keys = {key for each in params for key in each["hypervisors"]}
    hosts = Hypervisor.objects.in_bulk(keys)
    return [
        DebtFacts(
            what="Let go of a volume of a deleted server, once its guest is seen to be gone",
            host=", ".join(hosts[key].name for key in each["hypervisors"] if key in hosts),
            server=each["server"],
        )
        for each in params
    ]


def describe_fences(params: Sequence[Mapping[str, Any]]) -> list[DebtFacts]:
    """Which hosts are to be switched off for certain; one query however many."""
    hosts = Hypervisor.objects.in_bulk([each["hypervisor"] for each in params])
    return [
        DebtFacts(
            what="Fence the host, so that its servers may run elsewhere",
            host=hosts[each["hypervisor"]].name if each["hypervisor"] in hosts else "",
        )
        for each in params
    ]


def _describe(params: Sequence[Mapping[str, Any]], words: str) -> list[DebtFacts]:
    hosts = Hypervisor.objects.in_bulk([each["hypervisor"] for each in params])
    wanted = [each["server"] for each in params]
    names = {
        str(key): name
        for key, name in Server.objects.filter(pk__in=wanted).values_list("pk", "name")
    }
    return [
        DebtFacts(
            what=words.format(name=names.get(each["server"], "a server"), mac=each.get("mac", "")),
            host=hosts[each["hypervisor"]].name if each["hypervisor"] in hosts else "",
            server=each["server"],
        )
        for each in params
    ]
