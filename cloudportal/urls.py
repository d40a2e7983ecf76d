"""Every address of the portal, on one origin."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path, re_path

from cloudportal.health import health

_compute = [
    path("", include("flavors.api.urls")),
    path("", include("quotas.api.urls")),
    path("", include("hypervisors.api.urls")),
    path("", include("maintenance.api.urls")),
    path("", include("servers.api.urls")),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", health),
    # Before the identity service's own, which answer for all else below its address.
    path("identity/v3/", include("maintenance.api.project_urls")),
    path("", include("identity.api.urls")),
    path("compute/v2.1/", include(_compute)),
    re_path(r"^compute/v2\.1/(?P<project_id>[0-9a-f-]+)/", include(_compute)),
    # As it was before microversions, for clients that know nothing later.
    path("compute/v2/", include(_compute), {"is_legacy": True}),
    re_path(r"^compute/v2/(?P<project_id>[0-9a-f-]+)/", include(_compute), {"is_legacy": True}),
    path("", include("servers.api.root_urls")),
    path("", include("cloudportal.api.urls")),
    path("", include("images.api.urls")),
    path("", include("networks.api.urls")),
    path("", include("volumes.api.urls")),
    path("admin/", admin.site.urls),
    path("", include("dashboard.urls")),
]

handler403 = "dashboard.errors.forbidden"
handler404 = "dashboard.errors.not_found"
handler500 = "dashboard.errors.broken"
