"""Who asks: the one argument about the caller that use cases take."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

# Every role includes those behind it. Source: the identity service's default role implications.
IMPLIED_ROLES = {
    "admin": ("manager", "member", "reader"),
    "manager": ("member", "reader"),
    "member": ("reader",),
}


def with_implied(roles: Iterable[str]) -> frozenset[str]:
    """The roles and all that they include."""
    found = set(roles)
    for role in list(found):
        found.update(IMPLIED_ROLES.get(role, ()))
    return frozenset(found)


@dataclass(frozen=True)
class Actor:
    """A user acting in a project (or in none, with an unscoped token), with effective roles."""

    user_id: str
    user_name: str
    project_id: str | None = None
    project_name: str = ""
    roles: frozenset[str] = field(default_factory=frozenset)
    request_id: str = ""
    is_authenticated: bool = True
    # Here by an application credential that may not make others of its kind.
    is_restricted: bool = False
    # The domain of a token that is scoped to one.
    domain_id: str | None = None

    @property
    def is_admin(self) -> bool:
        """Whether the actor administers the cloud: has the admin role, in whatever project."""
        return "admin" in self.roles


def system_actor(request_id: str = "") -> Actor:
    """The portal itself, for work that no user asked for."""
    return Actor("", "cloudportal", None, "", with_implied(["admin"]), request_id)
