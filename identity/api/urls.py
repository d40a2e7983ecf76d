"""Routes of the identity API, without their prefix."""

from __future__ import annotations

from typing import Any

from django.urls import URLPattern, URLResolver, include, path, re_path

from identity.api import (
    application_credentials,
    domains,
    groups,
    inferences,
    limits,
    projects,
    roles,
    services,
    tags,
    tokens,
    users,
    versions,
)
from identity.api.views import NoSuchAddress


def _grant_paths(
    places: str, holders: str, *, before: str = "", after: str = ""
) -> list[URLPattern | URLResolver]:
    words: dict[str, Any] = {
        "places": places,
        "holders": holders,
        "is_inherited": bool(after),
    }
    base = f"{before}/{places}/<str:scope_id>/{holders}/<str:holder_id>/roles"
    return [
        path(f"{base}{after}", roles.Grants.as_view(**words)),
        path(f"{base}/<str:role_id>{after}", roles.Grant.as_view(**words)),
    ]


_inherited = {"before": "/OS-INHERIT", "after": "/inherited_to_projects"}
# What all projects of a domain inherit comes first: its list looks like a role of that name.
_grants: list[URLPattern | URLResolver] = [
    *_grant_paths("domains", "users", **_inherited),
    *_grant_paths("domains", "groups", **_inherited),
    *_grant_paths("projects", "users"),
    *_grant_paths("projects", "groups"),
    *_grant_paths("domains", "users"),
    *_grant_paths("domains", "groups"),
]

_v3: list[URLPattern | URLResolver] = [
    path("", versions.Version.as_view()),
    path("/auth/tokens", tokens.Tokens.as_view()),
    path("/auth/catalog", tokens.Catalog.as_view()),
    path("/auth/projects", tokens.Projects.as_view()),
    path("/auth/domains", tokens.Domains.as_view()),
    path("/auth/system", tokens.System.as_view()),
    path("/domains", domains.Domains.as_view()),
    path("/domains/<str:domain_id>", domains.DomainView.as_view()),
    path("/projects", projects.Projects.as_view()),
    path("/projects/<str:scope_id>", projects.ProjectView.as_view()),
    path("/projects/<str:scope_id>/tags", tags.Tags.as_view()),
    path("/projects/<str:scope_id>/tags/<str:tag>", tags.Tag.as_view()),
    path("/users", users.Users.as_view()),
    path("/users/<str:user_id>", users.UserView.as_view()),
    path("/users/<str:user_id>/password", users.Password.as_view()),
    path("/users/<str:user_id>/projects", projects.UserProjects.as_view()),
    path("/users/<str:user_id>/groups", groups.UserGroups.as_view()),
    path(
        "/users/<str:user_id>/application_credentials",
        application_credentials.ApplicationCredentials.as_view(),
    ),
    path(
        "/users/<str:user_id>/application_credentials/<str:credential_id>",
        application_credentials.ApplicationCredentialView.as_view(),
    ),
    path("/users/<str:user_id>/access_rules", application_credentials.AccessRules.as_view()),
    path(
        "/users/<str:user_id>/access_rules/<str:rule_id>",
        application_credentials.AccessRuleView.as_view(),
    ),
    path("/groups", groups.Groups.as_view()),
    path("/groups/<str:group_id>", groups.GroupView.as_view()),
    path("/groups/<str:group_id>/users", groups.Members.as_view()),
    path("/groups/<str:group_id>/users/<str:user_id>", groups.Member.as_view()),
    path("/roles", roles.Roles.as_view()),
    path("/roles/<str:role_id>", roles.RoleView.as_view()),
    path("/roles/<str:prior_id>/implies", inferences.ImpliedRoles.as_view()),
    path("/roles/<str:prior_id>/implies/<str:implied_id>", inferences.ImpliedRoleView.as_view()),
    path("/role_inferences", inferences.Inferences.as_view()),
    *_grants,
    path("/role_assignments", roles.Assignments.as_view()),
    path("/services", services.Services.as_view()),
    path("/services/<str:service_id>", services.ServiceView.as_view()),
    path("/endpoints", services.Endpoints.as_view()),
    path("/endpoints/<str:endpoint_id>", services.EndpointView.as_view()),
    path("/regions", services.Regions.as_view()),
    path("/regions/<str:region_id>", services.RegionView.as_view()),
    path("/limits", limits.LimitsView.as_view()),
    path("/limits/model", limits.Model.as_view()),
    path("/limits/<str:limit_id>", limits.LimitView.as_view()),
    path("/registered_limits", limits.LimitsView.as_view(key="registered_limits")),
    path("/registered_limits/<str:limit_id>", limits.LimitView.as_view(kind="registered_limit")),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("identity", versions.Versions.as_view()),
    path("identity/v3", include(_v3)),
    re_path(r"^identity(/.*)?$", NoSuchAddress.as_view()),
]
