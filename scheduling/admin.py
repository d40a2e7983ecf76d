"""The names by which flavors ask for devices of hosts, and which server has which, in the admin."""

from __future__ import annotations

from uuid import UUID

from django.contrib import admin
from django.http import HttpRequest

from scheduling.models import PciAlias, PciClaim


@admin.register(PciAlias)
class PciAliasAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # no generic at run time
    """What `pci_passthrough:alias` of a flavor may name."""

    list_display = ("name", "vendor_id", "product_id", "addresses")
    search_fields = ("name", "vendor_id", "product_id")


@admin.register(PciClaim)
class PciClaimAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # no generic at run time
    """Which server has which device; to look at."""

    list_display = ("hypervisor", "address", "request", "server")
    list_filter = ("hypervisor",)
    list_select_related = ("hypervisor", "allocation")
    search_fields = ("address",)

    @admin.display(ordering="allocation__server_id")
    def server(self, claim: PciClaim) -> UUID:
        """Whose it is."""
        return claim.allocation.server_id

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Servers get devices when they are placed."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """A guest would not follow."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """A device that is in use would be given to another."""
        return False
