"""Routes of what the compute API says about itself, of what it was once, and of older names."""

from django.urls import URLPattern, URLResolver, path

from servers.api import boot_from_volume, extensions, gone, versions

urlpatterns: list[URLPattern | URLResolver] = [
    path("versions/<str:version_id>", versions.VersionByIdView.as_view()),
    path("extensions", extensions.ExtensionsView.as_view()),
    path("extensions/<str:alias>", extensions.ExtensionView.as_view()),
    *gone.routes(),
    *boot_from_volume.routes(),
]
