"""Who may do what with hosts."""

from identity.policy import Mark, declare

declare(
    {
        "os_compute_api:os-hypervisors:list": Mark.ADMIN,
        "os_compute_api:os-hypervisors:list-detail": Mark.ADMIN,
        "os_compute_api:os-hypervisors:show": Mark.ADMIN,
        "os_compute_api:os-hypervisors:uptime": Mark.ADMIN,
        "os_compute_api:os-hypervisors:statistics": Mark.ADMIN,
        "os_compute_api:os-hypervisors:search": Mark.ADMIN,
        "os_compute_api:os-hypervisors:servers": Mark.ADMIN,
        "os_compute_api:os-services:list": Mark.ADMIN,
        "os_compute_api:os-services:update": Mark.ADMIN,
        "os_compute_api:os-services:delete": Mark.ADMIN,
        "os_compute_api:os-aggregates:index": Mark.ADMIN,
        "os_compute_api:os-aggregates:show": Mark.ADMIN,
        "os_compute_api:os-aggregates:create": Mark.ADMIN,
        "os_compute_api:os-aggregates:update": Mark.ADMIN,
        "os_compute_api:os-aggregates:delete": Mark.ADMIN,
        "os_compute_api:os-aggregates:add_host": Mark.ADMIN,
        "os_compute_api:os-aggregates:remove_host": Mark.ADMIN,
        "os_compute_api:os-aggregates:set_metadata": Mark.ADMIN,
        "compute:aggregates:images": Mark.ADMIN,
        "os_compute_api:os-hosts:list": Mark.ADMIN,
        "os_compute_api:os-hosts:show": Mark.ADMIN,
        "os_compute_api:os-hosts:update": Mark.ADMIN,
        "os_compute_api:os-hosts:start": Mark.ADMIN,
        "os_compute_api:os-hosts:shutdown": Mark.ADMIN,
        "os_compute_api:os-hosts:reboot": Mark.ADMIN,
        "os_compute_api:os-availability-zone:list": Mark.ANY,
        "os_compute_api:os-availability-zone:detail": Mark.ADMIN,
    }
)
