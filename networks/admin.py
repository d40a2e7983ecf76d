"""Networks in the admin: to look at and to name; what hosts rely on changes through the API."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from networks.models import (
    FixedIP,
    FloatingIP,
    FloatingPlace,
    Network,
    NetworkPlace,
    NetworkShare,
    Port,
    Router,
    SecurityGroup,
    SecurityGroupRule,
    Subnet,
)


class _ReadMostly(admin.ModelAdmin):  # type: ignore[type-arg]  # no generic at run time
    """Rows come and go by the use cases, which check addresses and quota."""

    editable: tuple[str, ...] = ("name", "description")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nothing is added past the checks."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nothing is deleted past the checks."""
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """All that hosts or other rows rely on."""
        fields = self.opts.get_fields()
        names = [each.name for each in fields if each.concrete]
        return [name for name in names if name not in self.editable]


class _SubnetInline(admin.TabularInline):  # type: ignore[type-arg]  # as above
    model = Subnet
    fields = readonly_fields = ("id", "name", "cidr", "gateway_ip", "has_dhcp", "ipv6_mode")
    extra = 0
    can_delete = False
    max_num = 0


class _ShareInline(admin.TabularInline):  # type: ignore[type-arg]  # as above
    model = NetworkShare
    fields = readonly_fields = ("target_project_id", "created_at")
    extra = 0
    can_delete = False
    max_num = 0


class _FixedIPInline(admin.TabularInline):  # type: ignore[type-arg]  # as above
    model = FixedIP
    fields = readonly_fields = ("subnet", "address")
    extra = 0
    can_delete = False
    max_num = 0


class _RuleInline(admin.TabularInline):  # type: ignore[type-arg]  # as above
    model = SecurityGroupRule
    fk_name = "group"
    fields = readonly_fields = (
        "direction", "ethertype", "protocol", "port_range_min", "port_range_max",
        "remote_ip_prefix", "remote_group",
    )  # fmt: skip
    extra = 0
    can_delete = False
    max_num = 0


@admin.register(Network)
class NetworkAdmin(_ReadMostly):
    """Networks with their subnets."""

    list_display = (
        *("name", "id", "project_id", "type", "physical_network", "segment", "is_shared"),
        *("is_external", "mtu", "created_at"),
    )
    list_filter = ("type", "is_shared", "is_external")
    search_fields = ("name", "id", "project_id")
    inlines = (_SubnetInline, _ShareInline)


@admin.register(Subnet)
class SubnetAdmin(_ReadMostly):
    """Subnets."""

    list_display = ("name", "cidr", "network", "gateway_ip", "has_dhcp", "project_id")
    list_select_related = ("network",)
    search_fields = ("name", "id", "cidr", "project_id")


@admin.register(Port)
class PortAdmin(_ReadMostly):
    """Ports with their addresses."""

    list_display = ("id", "name", "network", "mac_address", "status", "host", "device_id")
    list_select_related = ("network",)
    list_filter = ("status", "host")
    search_fields = ("name", "id", "mac_address", "device_id", "fixed_ips__address")
    inlines = (_FixedIPInline,)


@admin.register(SecurityGroup)
class SecurityGroupAdmin(_ReadMostly):
    """Security groups with their rules."""

    editable = ("description",)
    list_display = ("name", "id", "project_id", "created_at")
    search_fields = ("name", "id", "project_id")
    inlines = (_RuleInline,)


@admin.register(Router)
class RouterAdmin(_ReadMostly):
    """Routers, and by which external network they go out."""

    list_display = ("name", "id", "external_network", "project_id", "created_at")
    list_select_related = ("external_network",)
    search_fields = ("name", "id", "project_id")


@admin.register(FloatingIP)
class FloatingIPAdmin(_ReadMostly):
    """Floating IPs, and where they lead."""

    editable = ("description",)
    list_display = ("address", "network", "fixed_address", "port", "project_id", "created_at")
    list_select_related = ("network", "port")
    search_fields = ("id", "address", "fixed_address", "project_id", "port__device_id")


@admin.register(FloatingPlace)
class FloatingPlaceAdmin(_ReadMostly):
    """Which hosts have which floating IPs, or are to be rid of them."""

    editable = ()
    list_display = ("address", "fixed_address", "host", "is_leaving", "wanted", "applied")
    list_filter = ("host", "is_leaving")
    search_fields = ("address", "fixed_address", "host")


@admin.register(NetworkPlace)
class NetworkPlaceAdmin(_ReadMostly):
    """Which hosts have which of the networks that lie on several."""

    editable = ()
    list_display = ("network_id", "hypervisor", "is_leaving", "wanted", "applied")
    list_select_related = ("hypervisor",)
    list_filter = ("hypervisor", "is_leaving")
    search_fields = ("network_id", "hypervisor__name")
