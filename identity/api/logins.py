"""Reads a login's body: what is shown, and the scope that is wanted."""

from __future__ import annotations

from typing import Any

from cloudportal.api.validation import BodySchema, closed
from cloudportal.errors import Invalid
from identity.errors import LoginRefused, MethodNotSupported
from identity.login import (
    Credentials,
    DefaultScope,
    DomainScope,
    PasswordCredentials,
    Reference,
    Scope,
    SecretCredentials,
    Unscoped,
)

_TEXT: dict[str, Any] = {"type": "string"}
_DOMAIN = {
    **closed({"id": _TEXT, "name": _TEXT}),
    "anyOf": [{"required": ["id"]}, {"required": ["name"]}],
}
_NAMED: dict[str, Any] = {"anyOf": [{"required": ["id"]}, {"required": ["name", "domain"]}]}
_USER = closed({"id": _TEXT, "name": _TEXT, "domain": _DOMAIN, "password": _TEXT}, ["password"])
_PROJECT = closed({"id": _TEXT, "name": _TEXT, "domain": _DOMAIN})
_OWNER = {**closed({"id": _TEXT, "name": _TEXT, "domain": _DOMAIN}), **_NAMED}
_APPLICATION_CREDENTIAL = {
    **closed({"id": _TEXT, "name": _TEXT, "secret": _TEXT, "user": _OWNER}, ["secret"]),
    "anyOf": [{"required": ["id"]}, {"required": ["name", "user"]}],
}
_METHODS = {"password", "token", "application_credential"}
# Bodies of login methods that are not offered, and what a client says beside the known members,
# are no fault of the body; the methods decide.
LOGIN = BodySchema(
    {
        "type": "object",
        "required": ["auth"],
        "properties": {
            "auth": {
                "type": "object",
                "required": ["identity"],
                "properties": {
                    "identity": {
                        "type": "object",
                        "required": ["methods"],
                        "properties": {
                            "methods": {"type": "array", "items": _TEXT},
                            "password": closed({"user": {**_USER, **_NAMED}}, ["user"]),
                            "token": closed({"id": _TEXT}, ["id"]),
                            "application_credential": _APPLICATION_CREDENTIAL,
                        },
                    },
                    "scope": {
                        "oneOf": [
                            {"const": "unscoped"},
                            closed({"unscoped": {"type": "object"}}, ["unscoped"]),
                            closed({"project": {**_PROJECT, **_NAMED}}, ["project"]),
                            closed({"domain": _DOMAIN}, ["domain"]),
                            closed(
                                {"system": closed({"all": {"const": True}}, ["all"])}, ["system"]
                            ),
                            closed({"OS-TRUST:trust": closed({"id": _TEXT}, ["id"])}),
                        ]
                    },
                },
            }
        },
    }
)


def parse_login(body: Any) -> tuple[Credentials, Scope]:
    """Credentials and scope of a login.

    Raises:
        Invalid: the body is malformed, names neither id nor name, or two scopes.
        LoginRefused: a scope or method that this cloud does not offer.
    """
    auth = _checked(body)["auth"]
    credentials = _credentials(auth["identity"])
    if credentials.application_credential is not None and "scope" in auth:
        raise LoginRefused("an application credential has its own scope")
    return credentials, _scope(auth.get("scope"))


def _checked(body: Any) -> Any:
    try:
        return LOGIN.check(body)
    except Invalid as error:
        # The schema's own words quote the value that is wrong, which may hold the password.
        raise Invalid(
            "Expecting to find a valid login in the request: auth.identity.methods, the body of "
            "each method (a user by id, or by name and domain) and at most one scope."
        ) from error.with_traceback(None)


def _credentials(identity: dict[str, Any]) -> Credentials:
    methods = set(identity["methods"])
    if methods - _METHODS or not methods:
        raise MethodNotSupported(
            "Attempted to authenticate with an unsupported method.",
            detail=f"methods {sorted(methods)}",
        )
    for method in methods:
        if method not in identity:
            raise Invalid(f"Expecting to find {method} in identity.")
    password = None
    if "password" in methods:
        user = identity["password"]["user"]
        password = PasswordCredentials(_reference(user), user["password"])
    token = identity["token"]["id"] if "token" in methods else None
    secret = None
    if "application_credential" in methods:
        secret = _secret(identity["application_credential"])
    return Credentials(password, token, secret)


def _secret(shown: dict[str, Any]) -> SecretCredentials:
    return SecretCredentials(
        secret=shown["secret"],
        id=shown.get("id", ""),
        name=shown.get("name", ""),
        user=_reference(shown["user"]) if "user" in shown else None,
    )


def _scope(scope: Any) -> Scope:
    if scope is None:
        return DefaultScope()
    if scope == "unscoped" or "unscoped" in scope:
        return Unscoped()
    if "project" in scope:
        return _reference(scope["project"])
    if "domain" in scope:
        return DomainScope(**scope["domain"])
    raise LoginRefused(f"scope {next(iter(scope), 'nothing')} is not offered")


def _reference(named: dict[str, Any]) -> Reference:
    domain = named.get("domain", {})
    return Reference(
        id=named.get("id", ""),
        name=named.get("name", ""),
        domain_id=domain.get("id", ""),
        domain_name=domain.get("name", ""),
    )
