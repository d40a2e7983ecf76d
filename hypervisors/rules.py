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
        "os_compute_api:os-aggregates:index": Mark.ADMIN,
        "os_compute_api:os-aggregates:show": Mark.ADMIN,
        "os_compute_api:os-availability-zone:list": Mark.ANY,
        "os_compute_api:os-availability-zone:detail": Mark.ADMIN,
    }
)
