"""What the bodies of creates and updates may hold."""

from __future__ import annotations

from typing import Any

from cloudportal.api.validation import BodySchema, closed
from identity.tags import MAX_TAGS

_ID: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": 64}
_TEXT: dict[str, Any] = {"type": ["string", "null"], "maxLength": 65535}
_NO_OPTIONS: dict[str, Any] = {"type": "object", "maxProperties": 0}
_OPTIONS: dict[str, Any] = closed({"immutable": {"type": ["boolean", "null"]}})
_PASSWORD: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": 4096}


def _name(longest: int) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "maxLength": longest, "pattern": r"\S"}


_DOMAIN_ID = {"domain_id": _ID}
_TAG: dict[str, Any] = {
    "type": "string",
    "minLength": 1,
    "maxLength": 255,
    "pattern": r"^[^,/]*\Z",
}
_TAGS: dict[str, Any] = {
    "type": "array",
    "maxItems": MAX_TAGS,
    "uniqueItems": True,
    "items": _TAG,
}
_DOMAIN = {
    "name": _name(64),
    "description": _TEXT,
    "enabled": {"type": "boolean"},
    "options": _OPTIONS,
    "tags": _TAGS,
}
# Projects form no tree: the parent is the domain, which the view checks, and none is a domain.
_PROJECT = {
    **_DOMAIN,
    **_DOMAIN_ID,
    "parent_id": {"type": ["string", "null"]},
    "is_domain": {"const": False},
}
_USER = {
    "name": _name(255),
    "description": _TEXT,
    "email": {"type": ["string", "null"], "maxLength": 254},
    "enabled": {"type": "boolean"},
    "default_project_id": {"type": ["string", "null"], "maxLength": 64},
    "password": {**_PASSWORD, "type": ["string", "null"]},
    "options": _NO_OPTIONS,
    **_DOMAIN_ID,
}
_ROLE = {
    "name": _name(255),
    "description": _TEXT,
    "domain_id": {**_ID, "type": ["string", "null"]},
    "options": _OPTIONS,
}


_ROLE_NAMED = {
    **closed({"id": _ID, "name": _name(255), "domain_id": {"type": "null"}}),
    "anyOf": [{"required": ["id"]}, {"required": ["name"]}],
}
_ACCESS_RULE = {
    "oneOf": [
        closed({"id": _ID}, ["id"]),
        closed(
            {
                "service": {"type": "string", "minLength": 1, "maxLength": 64},
                "method": {"enum": ["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"]},
                "path": {"type": "string", "maxLength": 128, "pattern": "^/"},
            },
            ["service", "method", "path"],
        ),
    ]
}
_APPLICATION_CREDENTIAL = {
    "name": _name(255),
    "description": _TEXT,
    # The command sends both lists always: without any, all roles of the token and no rules.
    "roles": {"type": "array", "maxItems": 100, "items": _ROLE_NAMED},
    "secret": {"type": ["string", "null"], "minLength": 1, "maxLength": 255},
    "expires_at": {"type": ["string", "null"], "maxLength": 64},
    "unrestricted": {"type": ["boolean", "null"]},
    "access_rules": {"type": "array", "maxItems": 100, "items": _ACCESS_RULE},
    "project_id": _ID,
}


def _envelope(kind: str, properties: dict[str, Any], *required: str) -> BodySchema:
    return BodySchema(closed({kind: closed(properties, required)}, [kind]))


CREATE_DOMAIN = _envelope("domain", _DOMAIN, "name")
UPDATE_DOMAIN = _envelope("domain", _DOMAIN)
CREATE_PROJECT = _envelope("project", _PROJECT, "name")
UPDATE_PROJECT = _envelope("project", _PROJECT)
TAGS = BodySchema(closed({"tags": _TAGS}, ["tags"]))
TAG = BodySchema(_TAG)
CREATE_USER = _envelope("user", _USER, "name")
UPDATE_USER = _envelope("user", _USER)
CREATE_ROLE = _envelope("role", _ROLE, "name")
UPDATE_ROLE = _envelope("role", _ROLE)
_GROUP = {"name": _name(64), "description": _TEXT, **_DOMAIN_ID}
CREATE_GROUP = _envelope("group", _GROUP, "name")
UPDATE_GROUP = _envelope("group", _GROUP)
CREATE_APPLICATION_CREDENTIAL = _envelope("application_credential", _APPLICATION_CREDENTIAL, "name")
CHANGE_PASSWORD = _envelope(
    "user",
    {"original_password": _PASSWORD, "password": _PASSWORD},
    "original_password",
    "password",
)
