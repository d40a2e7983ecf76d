"""Routes of the networks API; a trailing .json is part of its tradition."""

from django.urls import URLPattern, URLResolver, path, re_path
from rest_framework.views import APIView

from networks.api import info, quotas, routers, sharing, views
from networks.api.base import ItemView

_ID = r"(?P<pk>[^/]+?)"
_PROJECT = r"(?P<project_id>[^/]+?)"


def _route(pattern: str, view: type[APIView], **fields: object) -> URLPattern:
    return re_path(rf"^network/v2\.0/{pattern}(?:\.json)?$", view.as_view(**fields))


def _tag_routes() -> list[URLPattern]:
    """The same two addresses below each kind of thing that has tags."""
    found = []
    for name, view in _TAGGED.items():
        found.append(_route(f"{name}/{_ID}/tags", sharing.Tags, **_of(view)))
        found.append(_route(rf"{name}/{_ID}/tags/(?P<word>[^/]+?)", sharing.OneTag, **_of(view)))
    return found


def _of(view: type[ItemView]) -> dict[str, object]:
    names = ("resource", "not_found", "label")
    return {"of": view, **{name: getattr(view, name) for name in names}}


_TAGGED: dict[str, type[ItemView]] = {
    "networks": views.OneNetwork,
    "subnets": views.OneSubnet,
    "ports": views.OnePort,
    "security-groups": views.OneSecurityGroup,
    "security-group-rules": views.OneSecurityGroupRule,
    "routers": routers.OneRouter,
    "floatingips": routers.OneFloatingIP,
}
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
    _route("quotas", quotas.Quotas),
    _route(f"quotas/{_PROJECT}", quotas.Quota),
    _route(f"quotas/{_PROJECT}/default", quotas.QuotaDefault),
    _route(f"quotas/{_PROJECT}/details", quotas.QuotaDetails),
    _route("availability_zones", info.AvailabilityZones),
    _route("agents", info.Agents),
    _route(f"agents/{_ID}", info.OneAgent),
    _route("rbac-policies", sharing.Shares),
    _route(f"rbac-policies/{_ID}", sharing.OneShare),
    *_tag_routes(),
    _route(f"auto-allocated-topology/{_PROJECT}", info.AutoAllocatedTopology),
    re_path(r"^network/v2\.0/(?P<resource>.+)$", info.NoSuchResource.as_view()),
]
