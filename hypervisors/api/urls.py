"""Routes of the hypervisors API, without their prefix."""

from django.urls import URLPattern, URLResolver, path

from hypervisors.api import aggregates, availability_zones, hosts, hypervisors, services

urlpatterns: list[URLPattern | URLResolver] = [
    path("os-hypervisors", hypervisors.HypervisorsView.as_view()),
    path("os-hypervisors/detail", hypervisors.HypervisorsDetailView.as_view()),
    path("os-hypervisors/statistics", hypervisors.StatisticsView.as_view()),
    path("os-hypervisors/<str:hypervisor_id>", hypervisors.HypervisorView.as_view()),
    path("os-hypervisors/<str:hypervisor_id>/uptime", hypervisors.UptimeView.as_view()),
    path("os-hypervisors/<str:pattern>/search", hypervisors.SearchView.as_view()),
    path("os-hypervisors/<str:pattern>/servers", hypervisors.ServersView.as_view()),
    path("os-services", services.ServicesView.as_view()),
    path("os-services/<str:name>", services.ServiceView.as_view()),
    path("os-hosts", hosts.HostsView.as_view()),
    path("os-hosts/<str:name>", hosts.HostView.as_view()),
    path("os-hosts/<str:name>/startup", hosts.StartUpView.as_view()),
    path("os-hosts/<str:name>/shutdown", hosts.ShutDownView.as_view()),
    path("os-hosts/<str:name>/reboot", hosts.RebootView.as_view()),
    path("os-aggregates", aggregates.AggregatesView.as_view()),
    path("os-aggregates/<str:aggregate_id>", aggregates.AggregateView.as_view()),
    path("os-aggregates/<str:aggregate_id>/action", aggregates.AggregateActionView.as_view()),
    path("os-availability-zone", availability_zones.AvailabilityZonesView.as_view()),
    path("os-availability-zone/detail", availability_zones.AvailabilityZonesDetailView.as_view()),
]
