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
        "get_router": Mark.READER,
        "create_router": Mark.MEMBER,
        "update_router": Mark.MEMBER,
        "delete_router": Mark.MEMBER,
        "add_router_interface": Mark.MEMBER,
        "remove_router_interface": Mark.MEMBER,
        "create_router:project_id": Mark.ADMIN,
        "get_floatingip": Mark.READER,
        "create_floatingip": Mark.MEMBER,
        "create_floatingip:floating_ip_address": Mark.ADMIN,
        "create_floatingip:project_id": Mark.ADMIN,
        "update_floatingip": Mark.MEMBER,
        "delete_floatingip": Mark.MEMBER,
        "get_network_quota": Mark.READER,
    }
)
