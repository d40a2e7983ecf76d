"""What the identity API answers: each body once, every key named, closed."""

from __future__ import annotations

from typing import Any

from cloudportal.api.query import ANY, QuerySchema
from cloudportal.api.representation import (
    BOOLEAN,
    NULL,
    STRING,
    array,
    mapping,
    nullable,
    record,
)

Shape = dict[str, Any]

_LINK = {"links": record({"self": STRING})}
_TEXT = nullable(STRING)
_ID_AND_NAME = {"id": STRING, "name": STRING}
_NAMED = record(_ID_AND_NAME)
_OPTIONS = record({}, {"immutable": BOOLEAN})
PAGES = record({"self": STRING, "previous": NULL, "next": _TEXT})


def many(key: str, shape: Shape) -> Shape:
    """A list, or a page of one."""
    return record({key: array(shape), "links": PAGES})


def one(key: str, shape: Shape) -> Shape:
    """A thing by itself."""
    return record({key: shape})


def asked(*keys: str) -> QuerySchema:
    """The query of a list: what narrows it, and the page; any other key is ignored."""
    return QuerySchema(dict.fromkeys((*keys, "limit", "marker"), ANY))


def refusal(status: int) -> Shape:
    """The answer of a call that is always refused."""
    fault = record({"code": {"const": status}, "message": STRING, "title": STRING})
    return record({"error": fault})


PROJECTS = asked(
    *("name", "domain_id", "parent_id", "enabled", "is_domain"),
    *("tags", "tags-any", "not-tags", "not-tags-any"),
)
KIN = QuerySchema(
    dict.fromkeys(("parents_as_ids", "parents_as_list", "subtree_as_ids", "subtree_as_list"), ANY)
)
ASSIGNMENTS = asked(
    *("user.id", "group.id", "role.id", "scope.project.id", "scope.domain.id", "scope.system"),
    *("scope.OS-INHERIT:inherited_to", "effective", "include_names", "include_subtree"),
)
WITHOUT_CATALOG = QuerySchema({"nocatalog": ANY})
DOMAIN = record(
    {
        **_ID_AND_NAME,
        "description": STRING,
        "enabled": BOOLEAN,
        "options": _OPTIONS,
        "tags": array(STRING),
        **_LINK,
    }
)
_PROJECT = {
    **_ID_AND_NAME,
    "domain_id": STRING,
    "description": STRING,
    "enabled": BOOLEAN,
    "parent_id": STRING,
    "is_domain": {"const": False},
    "tags": array(STRING),
    "options": _OPTIONS,
    **_LINK,
}
PROJECT = record(_PROJECT)
_NOBODY = {"type": "array", "maxItems": 0}
# With what the query asked of the projects above and below.
PROJECT_IN_TREE = record(
    _PROJECT,
    {
        "parents": {"anyOf": [mapping(NULL), _NOBODY]},
        "subtree": {"anyOf": [NULL, _NOBODY]},
    },
)
TAGS_OF_PROJECT = record({"tags": array(STRING), "links": PAGES})
USER = record(
    {
        **_ID_AND_NAME,
        "domain_id": STRING,
        "enabled": BOOLEAN,
        "password_expires_at": NULL,
        "options": record({}),
        **_LINK,
    },
    {"default_project_id": STRING, "description": STRING, "email": STRING},
)
GROUP = record({**_ID_AND_NAME, "domain_id": STRING, "description": STRING, **_LINK})
ROLE = record(
    {
        **_ID_AND_NAME,
        "domain_id": _TEXT,
        "description": _TEXT,
        "options": _OPTIONS,
        **_LINK,
    }
)
INFERENCE = record({"role_inference": record({"prior_role": ROLE, "implies": ROLE}), **_LINK})
INFERENCES_OF_ROLE = record({"prior_role": ROLE, "implies": array(ROLE)})
INFERENCES = record({"role_inference": INFERENCES_OF_ROLE, **_LINK})
_OF_DOMAIN = record({"id": STRING}, {"name": STRING, "domain": _NAMED})
_SCOPE = record(
    {},
    {
        "project": _OF_DOMAIN,
        "domain": record({"id": STRING}, {"name": STRING}),
        "OS-INHERIT:inherited_to": {"const": "projects"},
    },
)
ASSIGNMENT = record(
    {
        "role": _OF_DOMAIN,
        "scope": _SCOPE,
        "links": record({"assignment": STRING}, {"membership": STRING, "prior_role": STRING}),
    },
    {"user": _OF_DOMAIN, "group": _OF_DOMAIN},
)
_ADDRESS = {
    "id": STRING,
    "interface": {"enum": ["public", "internal", "admin"]},
    "region": STRING,
    "region_id": STRING,
    "url": STRING,
}
_CATALOG = array(record({**_ID_AND_NAME, "type": STRING, "endpoints": array(record(_ADDRESS))}))
CATALOG = record({"catalog": _CATALOG, **_LINK})
_RULE = {"id": STRING, "service": STRING, "method": STRING, "path": STRING}
_IN_DOMAIN = record({**_ID_AND_NAME, "domain": _NAMED})
TOKEN = one(
    "token",
    record(
        {
            "methods": array(STRING),
            "user": record({**_ID_AND_NAME, "domain": _NAMED, "password_expires_at": NULL}),
            "audit_ids": array(STRING),
            "issued_at": STRING,
            "expires_at": STRING,
        },
        {
            "project": _IN_DOMAIN,
            "is_domain": {"const": False},
            "domain": _NAMED,
            "roles": array(_NAMED),
            "catalog": _CATALOG,
            "application_credential": record(
                {**_ID_AND_NAME, "restricted": BOOLEAN}, {"access_rules": array(record(_RULE))}
            ),
        },
    ),
)
SYSTEM = record({"system": _NOBODY, **_LINK})
_APPLICATION_CREDENTIAL = {
    **_ID_AND_NAME,
    "description": _TEXT,
    "project_id": STRING,
    "user_id": STRING,
    "system": NULL,
    "roles": array(record({**_ID_AND_NAME, "domain_id": NULL})),
    "expires_at": _TEXT,
    "last_used_at": _TEXT,
    "unrestricted": BOOLEAN,
    **_LINK,
}
_LIMITED = {"access_rules": array(record(_RULE))}
APPLICATION_CREDENTIAL = record(_APPLICATION_CREDENTIAL, _LIMITED)
NEW_APPLICATION_CREDENTIAL = record({**_APPLICATION_CREDENTIAL, "secret": STRING}, _LIMITED)
ACCESS_RULE = record({**_RULE, **_LINK})
SERVICE = record({**_ID_AND_NAME, "type": STRING, "enabled": BOOLEAN, **_LINK})
ENDPOINT = record({**_ADDRESS, "service_id": STRING, "enabled": BOOLEAN, **_LINK})
REGION_SHAPE = record({"id": STRING, "description": STRING, "parent_region_id": NULL, **_LINK})
LIMITS = record({"links": PAGES}, {"limits": _NOBODY, "registered_limits": _NOBODY})
LIMIT_MODEL = one("model", record({"name": STRING, "description": STRING}))
_VERSION = record(
    {
        "id": STRING,
        "status": STRING,
        "updated": STRING,
        "links": array(record({"rel": STRING, "href": STRING})),
        "media-types": array(record({"base": STRING, "type": STRING})),
    }
)
VERSION = one("version", _VERSION)
VERSIONS = one("versions", record({"values": array(_VERSION)}))
