"""Who may do what with drains."""

from identity.policy import Mark, declare

declare(
    {
        "cloudportal:hypervisors:drain:show": Mark.ADMIN,
        "cloudportal:hypervisors:drain:change": Mark.ADMIN,
    }
)
