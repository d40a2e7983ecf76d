"""Who may do what with drains, and with all that a project owns."""

from identity.policy import Mark, declare

declare(
    {
        "cloudportal:hypervisors:drain:show": Mark.ADMIN,
        "cloudportal:hypervisors:drain:change": Mark.ADMIN,
        "cloudportal:projects:contents:show": Mark.ADMIN,
        "cloudportal:projects:contents:remove": Mark.ADMIN,
    }
)
