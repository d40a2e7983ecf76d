"""The repairs, by the names that plans have for them; each does what its plan says and no more."""

from __future__ import annotations

from collections.abc import Callable

from integrity.repairs import allocations, base_images, dhcp, domains, networks, rows, volumes
from integrity.repairs.work import Work

ACTIONS: dict[str, Callable[[Work], None]] = {
    "allocation.make": allocations.make,
    "allocation.release": allocations.release,
    "counters.recount": allocations.recount_host,
    "dhcp.ensure": dhcp.ensure,
    "dhcp.remove": dhcp.remove,
    "domain.define": domains.define,
    "domain.remove": domains.remove,
    "domain.remove_copy": domains.remove_copy,
    "domain.restore": domains.restore,
    "filter.ensure": networks.ensure_filter,
    "filter.remove": networks.remove_filter,
    "image.delete": base_images.delete,
    "image.forget": base_images.forget,
    "image.mark": base_images.mark,
    "image.record": base_images.record,
    "metadata.write": domains.keep_record,
    "network.remake": networks.remake,
    "network.remove": networks.remove,
    "network.restore": networks.restore,
    "ports.bind": rows.bind_ports,
    "ports.release": rows.release_ports,
    "power.follow": domains.follow,
    "quota.count": rows.count_quota,
    "quota.release": rows.release_quota,
    "server.clear_task": rows.clear_task,
    "server.delete": rows.delete_again,
    "server.fail": rows.fail_server,
    "server.restore": domains.take_in,
    "server.settle_host": allocations.settle_host,
    "slot.free": allocations.free_slot,
    "volume.delete": volumes.delete,
    "volume.remake": volumes.remake,
}
