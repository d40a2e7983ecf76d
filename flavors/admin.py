"""Flavors in the admin, with their extra specs and the projects they are shared with."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from flavors.errors import InvalidExtraSpec
from flavors.known_specs import check_known_specs
from flavors.models import Flavor, FlavorAccess
from identity.models import Project


class FlavorForm(forms.ModelForm):  # type: ignore[type-arg]  # no subscript at run time
    """A flavor; its extra specs are checked as the API checks them."""

    class Meta:
        model = Flavor
        fields = (
            *("name", "flavorid", "description", "vcpus", "ram_mib", "disk_gib"),
            *("ephemeral_gib", "swap_mib", "rxtx_factor", "is_public", "is_disabled"),
            "extra_specs",
        )

    def clean_extra_specs(self) -> dict[str, str]:
        """Names and values are texts, and known ones mean something."""
        specs = self.cleaned_data["extra_specs"] or {}
        if not isinstance(specs, dict):
            raise ValidationError("Extra specs are a JSON object of names and values.")
        texts = {str(key): str(value) for key, value in specs.items()}
        try:
            check_known_specs(texts)
        except InvalidExtraSpec as error:
            raise ValidationError(error.message) from error
        return texts

    def clean_description(self) -> str | None:
        """An empty description is none."""
        return self.cleaned_data["description"] or None


class AccessForm(forms.ModelForm):  # type: ignore[type-arg]  # no subscript at run time
    """A project that may use the flavor, chosen by name."""

    project_id = forms.ModelChoiceField(queryset=Project.objects.all(), label="project")

    class Meta:
        model = FlavorAccess
        fields = ("project_id",)

    def clean_project_id(self) -> str:
        """The row keeps the id."""
        return str(self.cleaned_data["project_id"].pk)


class AccessInline(admin.TabularInline):  # type: ignore[type-arg]  # no subscript at run time
    """The projects a private flavor is shared with."""

    model = FlavorAccess
    form = AccessForm
    extra = 0


@admin.register(Flavor)
class FlavorAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # no subscript at run time
    """Flavors; the size of one never changes, since servers are accounted by it."""

    form = FlavorForm
    list_display = ("name", "flavorid", "vcpus", "ram_mib", "disk_gib", "is_public", "is_disabled")
    list_filter = ("is_public", "is_disabled")
    search_fields = ("name", "flavorid")
    inlines = (AccessInline,)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """What may not change once the flavor exists, as in the API."""
        if obj is None:
            return ()
        return (
            *("name", "flavorid", "vcpus", "ram_mib", "disk_gib"),
            *("ephemeral_gib", "swap_mib", "rxtx_factor", "is_public"),
        )
