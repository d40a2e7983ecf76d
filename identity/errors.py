"""What can go wrong in identity, in the words its clients know."""

from __future__ import annotations

from cloudportal.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated

LOGIN_NEEDED = "The request you have made requires authentication."


class LoginRefused(Unauthenticated):
    """Wrong credentials, or a scope the user may not have; which of them only the log knows."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(LOGIN_NEEDED, detail=detail)


class MethodNotSupported(Unauthenticated):
    """A way to log in that this cloud does not offer."""


class TokenRefused(LoginRefused):
    """A token that is forged, expired or revoked, or whose user may not have the scope."""


class NoSuchThing(NotFound):
    """An identifier that names nothing, in the service's own words."""

    def __init__(self, kind: str, identifier: str) -> None:
        super().__init__(f"Could not find {kind}: {identifier}.")


class TokenNotFound(NoSuchThing):
    """The token asked about is none."""

    def __init__(self) -> None:
        super().__init__("token", "the one in X-Subject-Token")


class NameTaken(Conflict):
    """The name is in use in that domain."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(
            f"Conflict occurred attempting to store {kind} - "
            f"it is not permitted to have two with the same name: {name}."
        )


class StillInUse(Conflict):
    """Something else depends on it."""


class Immutable(Forbidden):
    """A thing whose option says that it stays as it is."""

    def __init__(self, kind: str, identifier: str, verb: str) -> None:
        super().__init__(
            f"Unable to {verb} immutable {kind} resource: {identifier}. "
            'Set resource option "immutable" to false first.'
        )


class KeptElsewhere(Forbidden):
    """Something that clients may read here and that is made in another way."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}: this API does not change them.")


class ParentIsFixed(Forbidden):
    """A project stays below its domain."""

    def __init__(self) -> None:
        super().__init__("Update of `parent_id` is not allowed.")


class DomainInUse(StillInUse):
    """A domain with projects that hold something."""

    def __init__(self, name: str, kept: list[str]) -> None:
        super().__init__(
            f"The domain {name} still has projects that cannot be deleted: {'; '.join(kept)}."
        )


class StillEnabled(Forbidden):
    """Only a disabled domain can be deleted."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"Cannot delete the domain {name}: it is enabled, please disable it first."
        )


class DefaultDomain(Forbidden):
    """The domain that the first users are in, without which nobody could log in."""

    def __init__(self, what: str) -> None:
        super().__init__(f"The default domain cannot be {what}.")


class NotYours(Forbidden):
    """The caller is known and may not see or do this."""

    def __init__(self, rule: str) -> None:
        super().__init__(f"You are not authorized to perform the requested action: {rule}.")


class BuiltIn(Forbidden):
    """One of the roles that the policy stands on."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The role {name} is built in: it keeps its name and cannot be deleted.")


class BuiltInImplication(Forbidden):
    """That one of the built-in roles implies another."""

    def __init__(self, prior: str, implied: str) -> None:
        super().__init__(f"That the role {prior} implies {implied} is built in.")


class CannotBeImplied(Forbidden):
    """A role that the prior role may not imply."""

    def __init__(self, role_id: str, reason: str) -> None:
        super().__init__(f"{role_id} cannot be an implied role: {reason}.")


class NotImplied(NotFound):
    """A role does not imply another."""

    def __init__(self, prior_id: str, implied_id: str) -> None:
        super().__init__(f"{prior_id} does not imply {implied_id}.")


class RoleElsewhere(Forbidden):
    """A role of one domain would be given in another."""

    def __init__(self, role_id: str, place_id: str) -> None:
        super().__init__(
            f"Project or domain {place_id} must be in the same domain as the role {role_id} being "
            "assigned."
        )


class BadApplicationCredential(Invalid):
    """An application credential that cannot be made so."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"Invalid application credential: {reason}")


class RestrictedCredential(Forbidden):
    """An application credential that is not unrestricted was used to manage credentials."""

    def __init__(self) -> None:
        super().__init__(
            "Using method 'application_credential' is not allowed for managing additional "
            "application credentials."
        )


class RuleInUse(Forbidden):
    """An application credential still has the access rule."""

    def __init__(self, rule_id: str) -> None:
        super().__init__(
            f"Unable to delete access rule {rule_id}: it is in use by an application credential."
        )


class DomainIsFixed(Invalid):
    """A project or user stays in its domain."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"Cannot change the domain of a {kind}.")


class UnknownReference(Invalid):
    """A field of the request names something that is not there."""

    def __init__(self, kind: str, identifier: str) -> None:
        super().__init__(f"There is no {kind} {identifier}.")


class WeakPassword(Invalid):
    """A new password that does not meet the rules."""

    def __init__(self, reasons: str) -> None:
        super().__init__(f"The password does not match the requirements: {reasons}")
