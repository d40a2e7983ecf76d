"""Routes of what the compute API says about itself."""

from django.urls import path

from servers.api import extensions, versions

urlpatterns = [
    path("versions/<str:version_id>", versions.VersionByIdView.as_view()),
    path("extensions", extensions.ExtensionsView.as_view()),
    path("extensions/<str:alias>", extensions.ExtensionView.as_view()),
]
