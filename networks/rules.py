"""Who may do what with networks; the names are the network service's own."""

from identity.policy import Mark, declare

declare(
    {
        "get_network": Mark.READER,
        "create_network": Mark.ADMIN,
        "update_network": Mark.ADMIN,
        "delete_network": Mark.ADMIN,
        "get_subnet": Mark.READER,
        "create_subnet": Mark.ADMIN,
        "update_subnet": Mark.ADMIN,
        "delete_subnet": Mark.ADMIN,
        "get_port": Mark.READER,
        "create_port": Mark.MEMBER,
        "create_port:project_id": Mark.ADMIN,
        "update_port": Mark.MEMBER,
        "delete_port": Mark.MEMBER,
        "get_security_group": Mark.READER,
        "create_security_group": Mark.MEMBER,
        "update_security_group": Mark.MEMBER,
        "delete_security_group": Mark.MEMBER,
        "create_security_group_rule": Mark.MEMBER,
        "delete_security_group_rule": Mark.MEMBER,
        "get_network_quota": Mark.READER,
    }
)
