"""Routes of the compute API outside its versions; included after those inside."""

from django.urls import path, re_path

from servers.api import versions

urlpatterns = [
    path("compute", versions.VersionsView.as_view()),
    path("compute/v2.1", versions.VersionView.as_view()),
    re_path(r"^compute/v2\.1/(?P<rest>.*)$", versions.no_such_route),
    re_path(r"^compute/(?P<rest>.*)$", versions.ChoicesView.as_view()),
]
