"""Who may do what with flavors."""

from identity.policy import Mark, declare

declare(
    {
        "os_compute_api:os-flavor-manage:create": Mark.ADMIN,
        "os_compute_api:os-flavor-manage:update": Mark.ADMIN,
        "os_compute_api:os-flavor-manage:delete": Mark.ADMIN,
        "os_compute_api:os-flavor-access": Mark.ADMIN,
        "os_compute_api:os-flavor-access:add_tenant_access": Mark.ADMIN,
        "os_compute_api:os-flavor-access:remove_tenant_access": Mark.ADMIN,
        "os_compute_api:os-flavor-extra-specs:index": Mark.READER,
        "os_compute_api:os-flavor-extra-specs:show": Mark.READER,
        "os_compute_api:os-flavor-extra-specs:create": Mark.ADMIN,
        "os_compute_api:os-flavor-extra-specs:update": Mark.ADMIN,
        "os_compute_api:os-flavor-extra-specs:delete": Mark.ADMIN,
    }
)
