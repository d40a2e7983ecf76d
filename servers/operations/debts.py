"""What the debts of servers are about, for administrators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hypervisors.models import Hypervisor
from operations.debts import DebtFacts
from servers.models import Server


def describe_cleanups(params: Sequence[Mapping[str, Any]]) -> list[DebtFacts]:
    """What servers left on which hosts; two queries however many."""
    hosts = Hypervisor.objects.in_bulk([each["hypervisor"] for each in params])
    wanted = [each["server"] for each in params]
    names = {
        str(key): name
        for key, name in Server.objects.filter(pk__in=wanted).values_list("pk", "name")
    }
    return [
        DebtFacts(
            what=f"Take {names.get(each['server'], 'a server')} off the host: "
            "guest, disks, DHCP entries, filters",
            host=hosts[each["hypervisor"]].name if each["hypervisor"] in hosts else "",
            server=each["server"],
        )
        for each in params
    ]
