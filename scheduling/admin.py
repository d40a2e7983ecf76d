"""The names by which flavors ask for devices of hosts, in the admin."""

from __future__ import annotations

from django.contrib import admin

from scheduling.models import PciAlias


@admin.register(PciAlias)
class PciAliasAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # no generic at run time
    """What `pci_passthrough:alias` of a flavor may name."""

    list_display = ("name", "vendor_id", "product_id", "addresses")
    search_fields = ("name", "vendor_id", "product_id")
