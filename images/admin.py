"""Images in the admin: to look at; data comes by the API, so nothing is added here."""

from django.contrib import admin
from django.http import HttpRequest

from images.models import Image, ImageMember


class MembersInline(admin.TabularInline):  # type: ignore[type-arg]  # no generic at run time
    """The projects that the image is shared with; what they say of it is theirs."""

    model = ImageMember
    fields = readonly_fields = ("member", "status", "created_at", "updated_at")
    extra = 0

    def has_add_permission(self, request: HttpRequest, obj: Image | None = None) -> bool:
        """Its owner shares it."""
        return False


@admin.register(Image)
class ImageAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # no generic at run time
    """The catalogue; what an upload found out is read-only."""

    inlines = (MembersInline,)
    list_display = ("name", "id", "status", "visibility", "disk_format", "size", "owner")
    list_filter = ("status", "visibility", "disk_format", "is_protected")
    search_fields = ("name", "id", "owner")
    readonly_fields = (
        *("id", "owner", "status", "disk_format", "container_format", "size", "virtual_size"),
        *("checksum", "sha256", "sha512", "created_at", "updated_at", "arrived_bytes"),
        "expected_bytes",
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Images are made through the API, which looks into their data."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Image | None = None) -> bool:
        """A row deleted here would leave its file, and free its id for other data."""
        return False
