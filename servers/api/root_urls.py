"""Routes of the compute API outside its versions; included after those inside."""

from django.urls import path, re_path

from servers.api import versions

_LEGACY = {"is_legacy": True}
urlpatterns = [
    path("compute", versions.VersionsView.as_view()),
    path("compute/v2.1", versions.VersionView.as_view()),
    path("compute/v2", versions.VersionView.as_view(), _LEGACY),
    re_path(r"^compute/v2\.1/(?P<rest>.*)$", versions.NoSuchRoute.as_view()),
    re_path(r"^compute/v2/(?P<rest>.*)$", versions.NoSuchRoute.as_view(), _LEGACY),
    re_path(r"^compute/(?P<rest>.*)$", versions.ChoicesView.as_view()),
]
