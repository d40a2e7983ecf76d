"""Who may do what with quotas."""

from identity.policy import Mark, declare

declare(
    {
        "os_compute_api:limits": Mark.ANY,
        "os_compute_api:limits:other_project": Mark.ADMIN,
        "os_compute_api:os-quota-sets:show": Mark.READER,
        "os_compute_api:os-quota-sets:detail": Mark.READER,
        "os_compute_api:os-quota-sets:defaults": Mark.ANY,
        "os_compute_api:os-quota-sets:update": Mark.ADMIN,
        "os_compute_api:os-quota-sets:delete": Mark.ADMIN,
        "cloudportal:quota-sets:statement": Mark.READER,
        "os_compute_api:os-quota-class-sets:show": Mark.ADMIN,
        "os_compute_api:os-quota-class-sets:update": Mark.ADMIN,
    }
)
