"""The repairs, by the names that plans have for them; each does what its plan says and no more."""

from __future__ import annotations

from collections.abc import Callable

from integrity.repairs import allocations, dhcp
from integrity.repairs.work import Work

ACTIONS: dict[str, Callable[[Work], None]] = {
    "counters.recount": allocations.recount_host,
    "dhcp.ensure": dhcp.ensure,
    "dhcp.remove": dhcp.remove,
}
