"""Routes of the networks API; a trailing .json is part of its tradition."""

from django.urls import URLPattern, URLResolver, path, re_path
from rest_framework.views import APIView

from networks.api import info, routers, views

_ID = r"(?P<pk>[^/]+?)"
_PROJECT = r"(?P<project_id>[^/]+?)"


def _route(pattern: str, view: type[APIView]) -> URLPattern:
    return re_path(rf"^network/v2\.0/{pattern}(?:\.json)?$", view.as_view())


urlpatterns: list[URLPattern | URLResolver] = [
    path("network", info.Versions.as_view()),
    path("network/v2.0", info.Resources.as_view()),
    _route("extensions", info.Extensions),
    _route(r"extensions/(?P<alias>[^/]+?)", info.Extension),
    _route("networks", views.Networks),
    _route(f"networks/{_ID}", views.OneNetwork),
    _route("subnets", views.Subnets),
    _route(f"subnets/{_ID}", views.OneSubnet),
    _route("ports", views.Ports),
    _route(f"ports/{_ID}", views.OnePort),
    _route("security-groups", views.SecurityGroups),
    _route(f"security-groups/{_ID}", views.OneSecurityGroup),
    _route("security-group-rules", views.SecurityGroupRules),
    _route(f"security-group-rules/{_ID}", views.OneSecurityGroupRule),
    _route("routers", routers.Routers),
    _route(f"routers/{_ID}", routers.OneRouter),
    _route(f"routers/{_ID}/add_router_interface", routers.AddRouterInterface),
    _route(f"routers/{_ID}/remove_router_interface", routers.RemoveRouterInterface),
    _route("floatingips", routers.FloatingIPs),
    _route(f"floatingips/{_ID}", routers.OneFloatingIP),
    _route(f"quotas/{_PROJECT}", info.Quota),
    _route(f"quotas/{_PROJECT}/default", info.QuotaDefault),
    _route(f"quotas/{_PROJECT}/details", info.QuotaDetails),
    _route("availability_zones", info.AvailabilityZones),
    _route(f"auto-allocated-topology/{_PROJECT}", info.AutoAllocatedTopology),
    re_path(r"^network/v2\.0/(?P<resource>.+)$", info.NoSuchResource.as_view()),
]
