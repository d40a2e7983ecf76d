"""What the debts of networks are about, for administrators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hypervisors.models import Hypervisor
from operations.debts import DebtFacts


def describe_removals(params: Sequence[Mapping[str, Any]]) -> list[DebtFacts]:
    """Which deleted networks are still on which hosts; one query however many."""
    hosts = Hypervisor.objects.in_bulk([each["hypervisor"] for each in params])
    return [
        DebtFacts(
            what=f"Take the deleted network {each['network']} off the host",
            host=hosts[each["hypervisor"]].name if each["hypervisor"] in hosts else "",
        )
        for each in params
    ]


def describe_filters(params: Sequence[Mapping[str, Any]]) -> list[DebtFacts]:
    """Which hosts have filters that are not up to date; one query however many."""
    hosts = Hypervisor.objects.in_bulk([each["hypervisor"] for each in params])
    return [
        DebtFacts(
            what="Bring changed rules of security groups to the host",
            host=hosts[each["hypervisor"]].name if each["hypervisor"] in hosts else "",
        )
        for each in params
    ]


def describe_spreads(params: Sequence[Mapping[str, Any]]) -> list[DebtFacts]:
    """That changes of security groups are being spread; no query."""
    return [DebtFacts(what="Find the hosts that changes of security groups concern")] * len(params)


def describe_floating_ips(params: Sequence[Mapping[str, Any]]) -> list[DebtFacts]:
    """Which hosts have floating IPs that are not theirs any more, or lack some; one query."""
    hosts = Hypervisor.objects.in_bulk([each["hypervisor"] for each in params])
    return [
        DebtFacts(
            what="Bring changed floating IPs to the host",
            host=hosts[each["hypervisor"]].name if each["hypervisor"] in hosts else "",
        )
        for each in params
    ]


def describe_networks(params: Sequence[Mapping[str, Any]]) -> list[DebtFacts]:
    """Which hosts have networks that are not joined to the others' as they should be; one query."""
    hosts = Hypervisor.objects.in_bulk([each["hypervisor"] for each in params])
    return [
        DebtFacts(
            what="Join networks of several hosts, or take them off the host",
            host=hosts[each["hypervisor"]].name if each["hypervisor"] in hosts else "",
        )
        for each in params
    ]


def describe_places(params: Sequence[Mapping[str, Any]]) -> list[DebtFacts]:
    """That it is being looked where floating IPs belong; no query."""
    return [DebtFacts(what="Find the hosts that floating IPs belong to")] * len(params)
