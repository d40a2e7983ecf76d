"""How the identity API writes its objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.conf import settings

from identity.catalog import Endpoint, Service, services
from identity.holdings import HeldRole
from identity.models import (
    AccessRule,
    ApplicationCredential,
    Domain,
    Group,
    Project,
    Role,
    User,
)
from identity.tokens import ValidToken

Json = dict[str, Any]


def address(*parts: str) -> str:
    """The public address of something in this API."""
    return "/".join([f"{settings.PUBLIC_URL}/identity/v3", *parts])


def instant(value: datetime) -> str:
    """Such as `2026-01-01T00:00:00.000000Z`."""
    return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def listing(name: str, things: Iterable[Json], url: str, following: str | None = None) -> Json:
    """A list, or a page of one; `following` is the address of the next."""
    return {name: list(things), "links": {"self": url, "previous": None, "next": following}}


def domain_form(domain: Domain) -> Json:
    """A domain."""
    return {
        "id": domain.id,
        "name": domain.name,
        "description": domain.description,
        "enabled": domain.enabled,
        "options": domain.options,
        "tags": domain.tags,
        "links": {"self": address("domains", domain.id)},
    }


def project_form(project: Project) -> Json:
    """A project; the projects of a domain form no tree, so the parent is the domain."""
    return {
        "id": project.id,
        "name": project.name,
        "domain_id": project.domain_id,
        "description": project.description,
        "enabled": project.enabled,
        "parent_id": project.domain_id,
        "is_domain": False,
        "tags": project.tags,
        "options": project.options,
        "links": {"self": address("projects", project.id)},
    }


def user_form(user: User) -> Json:
    """A user, without the password; optional fields only when they are set, as clients know it."""
    form: Json = {
        "id": user.id,
        "name": user.name,
        "domain_id": user.domain_id,
        "enabled": user.is_active,
        "password_expires_at": None,
        "options": {},
        "links": {"self": address("users", user.id)},
    }
    if user.default_project_id:
        form["default_project_id"] = user.default_project_id
    if user.description:
        form["description"] = user.description
    if user.email:
        form["email"] = user.email
    return form


def role_form(role: Role) -> Json:
    """A role; one of the whole cloud has no domain."""
    return {
        "id": role.id,
        "name": role.name,
        "domain_id": role.domain_id,
        "description": role.description or None,
        "options": role.options,
        "links": {"self": address("roles", role.id)},
    }


def assignment_form(entry: HeldRole, *, with_names: bool) -> Json:
    """Who has the role where; an effective one links to what it comes from."""
    holding, role = entry.holding, entry.role
    holder, place = holding.holder, holding.place
    prior = entry.by_role or role
    links = {"assignment": _assignment_address(entry, prior)}
    if entry.by_group is not None and isinstance(holder, User):
        links["membership"] = address("groups", entry.by_group.id, "users", holder.id)
    if entry.by_role is not None:
        links["prior_role"] = address("prior_roles", prior.id, "implies", role.id)
    scope: Json = {_kind(place): _named(place, with_names=with_names)}
    if holding.is_inherited or entry.by_domain is not None:
        scope["OS-INHERIT:inherited_to"] = "projects"
    return {
        "role": _role_name(role, with_names=with_names),
        _kind(holder): _named(holder, with_names=with_names),
        "scope": scope,
        "links": links,
    }


def inference_form(prior: Role, implied: Role | Iterable[Role]) -> Json:
    """A role with the one that it implies, or with all."""
    implies: Json | list[Json] = (
        role_form(implied) if isinstance(implied, Role) else [role_form(each) for each in implied]
    )
    return {"prior_role": role_form(prior), "implies": implies}


def _role_name(role: Role, *, with_names: bool) -> Json:
    form: Json = {"id": role.id, **({"name": role.name} if with_names else {})}
    if with_names and role.domain is not None:
        form["domain"] = _domain_name(role.domain)
    return form


def _assignment_address(entry: HeldRole, role: Role) -> str:
    holder = entry.by_group or entry.holding.holder
    place = entry.by_domain or entry.holding.place
    parts = [f"{_kind(place)}s", place.id, f"{_kind(holder)}s", holder.id, "roles", role.id]
    if entry.holding.is_inherited or entry.by_domain is not None:
        return address("OS-INHERIT", *parts, "inherited_to_projects")
    return address(*parts)


def _kind(thing: User | Group | Project | Domain) -> str:
    return type(thing).__name__.lower()


def _named(thing: User | Group | Project | Domain, *, with_names: bool) -> Json:
    if not with_names:
        return {"id": thing.id}
    if isinstance(thing, Domain):
        return _domain_name(thing)
    return {"id": thing.id, "name": thing.name, "domain": _domain_name(thing.domain)}


def _domain_name(domain: Domain) -> Json:
    return {"id": domain.id, "name": domain.name}


def token_form(valid: ValidToken, *, with_catalog: bool = True) -> Json:
    """The body that answers a login or a look at a token."""
    token, user = valid.token, valid.user
    form: Json = {
        "methods": list(token.methods),
        "user": {
            "id": user.id,
            "name": user.name,
            "domain": _domain_name(user.domain),
            "password_expires_at": None,
        },
        "audit_ids": list(token.audit_ids),
        "issued_at": instant(token.issued_at),
        "expires_at": instant(token.expires_at),
    }
    if valid.project is not None:
        project = valid.project
        form["project"] = {
            "id": project.id,
            "name": project.name,
            "domain": _domain_name(project.domain),
        }
        form["is_domain"] = False
    if valid.domain is not None:
        form["domain"] = _domain_name(valid.domain)
    if valid.project is not None or valid.domain is not None:
        roles = Role.objects.of_the_cloud().filter(name__in=valid.roles)
        form["roles"] = [{"id": role.id, "name": role.name} for role in roles]
        if with_catalog:
            form["catalog"] = catalog_form()
    if valid.credential is not None:
        form["application_credential"] = _credential_in_token(valid.credential)
    return {"token": form}


def _credential_in_token(credential: ApplicationCredential) -> Json:
    form: Json = {
        "id": credential.id,
        "name": credential.name,
        "restricted": not credential.is_unrestricted,
    }
    if credential.access_rules is not None:
        form["access_rules"] = credential.access_rules
    return form


def catalog_form() -> list[Json]:
    """The catalogue as a token carries it."""
    return [
        {
            "id": service.id,
            "type": service.type,
            "name": service.name,
            "endpoints": [
                {
                    "id": endpoint.id,
                    "interface": endpoint.interface,
                    "region": endpoint.region,
                    "region_id": endpoint.region,
                    "url": endpoint.url,
                }
                for endpoint in service.endpoints
            ],
        }
        for service in services(settings.PUBLIC_URL)
    ]


def group_form(group: Group) -> Json:
    """A group."""
    return {
        "id": group.id,
        "name": group.name,
        "domain_id": group.domain_id,
        "description": group.description,
        "links": {"self": address("groups", group.id)},
    }


def application_credential_form(
    credential: ApplicationCredential, roles: Mapping[str, Role]
) -> Json:
    """An application credential, without its secret; `roles` are all there are, by id."""
    own = [roles[role_id] for role_id in credential.role_ids if role_id in roles]
    form: Json = {
        "id": credential.id,
        "name": credential.name,
        "description": credential.description or None,
        "project_id": credential.project_id,
        "user_id": credential.user_id,
        "system": None,
        "roles": [{"id": role.id, "name": role.name, "domain_id": None} for role in own],
        "expires_at": instant(credential.expires_at) if credential.expires_at else None,
        "last_used_at": instant(credential.last_used_at) if credential.last_used_at else None,
        "unrestricted": credential.is_unrestricted,
        "links": {
            "self": address(
                *("users", credential.user_id, "application_credentials", credential.id)
            )
        },
    }
    if credential.access_rules is not None:
        form["access_rules"] = credential.access_rules
    return form


def access_rule_form(rule: AccessRule) -> Json:
    """An access rule."""
    return {
        "id": rule.id,
        "service": rule.service,
        "method": rule.method,
        "path": rule.path,
        "links": {"self": address("users", rule.user_id, "access_rules", rule.id)},
    }


def service_form(service: Service) -> Json:
    """A service by itself."""
    return {
        "id": service.id,
        "type": service.type,
        "name": service.name,
        "enabled": True,
        "links": {"self": address("services", service.id)},
    }


def endpoint_form(endpoint: Endpoint) -> Json:
    """An endpoint by itself."""
    return {
        "id": endpoint.id,
        "service_id": endpoint.service_id,
        "interface": endpoint.interface,
        "region": endpoint.region,
        "region_id": endpoint.region,
        "url": endpoint.url,
        "enabled": True,
        "links": {"self": address("endpoints", endpoint.id)},
    }


def region_form(region: str) -> Json:
    """A region."""
    return {
        "id": region,
        "description": "",
        "parent_region_id": None,
        "links": {"self": address("regions", region)},
    }
