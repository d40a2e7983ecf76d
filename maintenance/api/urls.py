"""Routes of the drains' API, without their prefix."""

from django.urls import URLPattern, URLResolver, path

from maintenance.api.drains import DrainServers, HostDrain

_DRAIN = "os-hypervisors/<str:hypervisor_id>/cloudportal:drain"
urlpatterns: list[URLPattern | URLResolver] = [
    path(_DRAIN, HostDrain.as_view()),
    path(f"{_DRAIN}/servers", DrainServers.as_view()),
]
