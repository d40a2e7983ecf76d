"""What the image API takes and answers: each body once, every key named.

All are closed but an image, whose properties are keys beside its attributes.
"""

from __future__ import annotations

from typing import Any

from cloudportal.api.query import ANY, QuerySchema
from cloudportal.api.representation import (
    BOOLEAN,
    INTEGER,
    NULL,
    OBJECT,
    STRING,
    array,
    mapping,
    nullable,
    record,
)
from images.attributes import CONTAINER_FORMATS, DISK_FORMATS
from images.begin_import import METHODS
from images.models import ImageStatus, MemberStatus, Visibility

Shape = dict[str, Any]

_TEXT = nullable(STRING)
_NUMBER = nullable(INTEGER)
_COUNT = {"type": "integer", "minimum": 0}
_VISIBILITY = {"enum": Visibility.values}
_DISK_FORMAT = {"enum": [None, *DISK_FORMATS]}
_CONTAINER_FORMAT = {"enum": [None, *CONTAINER_FORMATS]}
DATA: Shape = {"type": "string", "format": "binary"}


def _with_properties(shape: Shape) -> Shape:
    return {**shape, "additionalProperties": STRING}


IMAGE = _with_properties(
    record(
        {
            "id": STRING,
            "name": _TEXT,
            "status": {"enum": ImageStatus.values},
            "visibility": _VISIBILITY,
            "protected": BOOLEAN,
            "os_hidden": BOOLEAN,
            "owner": STRING,
            "disk_format": _TEXT,
            "container_format": _TEXT,
            "min_disk": _COUNT,
            "min_ram": _COUNT,
            "size": _NUMBER,
            "virtual_size": _NUMBER,
            "checksum": _TEXT,
            "os_hash_algo": {"enum": ["sha512", None]},
            "os_hash_value": _TEXT,
            "tags": array(STRING),
            "created_at": STRING,
            "updated_at": STRING,
            "self": STRING,
            "file": STRING,
            "schema": {"const": "/v2/schemas/image"},
        }
    )
)
IMAGES = record(
    {"images": array(IMAGE), "first": STRING, "schema": {"const": "/v2/schemas/images"}},
    {"next": STRING},
)
CREATE_IMAGE = _with_properties(
    record(
        {},
        {
            "id": {"type": "string", "format": "uuid"},
            "name": nullable({"type": "string", "maxLength": 255}),
            "visibility": _VISIBILITY,
            "protected": BOOLEAN,
            "os_hidden": BOOLEAN,
            "owner": {"type": "string", "maxLength": 64},
            "disk_format": _DISK_FORMAT,
            "container_format": _CONTAINER_FORMAT,
            "min_disk": _COUNT,
            "min_ram": _COUNT,
            "tags": array({"type": "string", "minLength": 1, "maxLength": 255}),
        },
    )
)
CHANGE_IMAGE = array(
    record(
        {
            "op": {"enum": ["add", "replace", "remove"]},
            "path": {"type": "string", "pattern": "^/([^~]|~[01])*[^/~]$"},
        },
        {"value": {}},
    )
)
# Any other key asks for the images with that property.
LIST_IMAGES = QuerySchema(
    dict.fromkeys(
        (
            *("limit", "marker", "sort", "sort_key", "sort_dir", "visibility", "os_hidden"),
            *("member_status", "name", "status", "id", "disk_format", "container_format", "owner"),
            *("checksum", "os_hash_value", "min_disk", "min_ram", "size", "size_min", "size_max"),
            *("tag", "protected", "created_at", "updated_at"),
        ),
        ANY,
    )
)
MEMBER = record(
    {
        "member_id": STRING,
        "image_id": STRING,
        "status": {"enum": MemberStatus.values},
        "created_at": STRING,
        "updated_at": STRING,
        "schema": {"const": "/v2/schemas/member"},
    }
)
MEMBERS = record({"members": array(MEMBER), "schema": {"const": "/v2/schemas/members"}})
ADD_MEMBER = record({"member": {"type": "string", "minLength": 1, "maxLength": 255}})
ANSWER_SHARE = record({"status": {"enum": MemberStatus.values}})
IMPORT = record(
    {"method": record({"name": {"enum": list(METHODS)}}, {"uri": STRING})},
    {
        "stores": {"type": "array", "maxItems": 0},
        "all_stores": BOOLEAN,
        "all_stores_must_succeed": BOOLEAN,
    },
)
IMPORT_INFO = record(
    {
        "import-methods": record(
            {"description": STRING, "type": {"const": "array"}, "value": array(STRING)}
        )
    }
)
_TASK = record(
    {
        "id": STRING,
        "type": {"const": "api_image_import"},
        "status": {"enum": ["pending", "processing", "success", "failure"]},
        "owner": STRING,
        "image_id": STRING,
        "request_id": STRING,
        "user_id": STRING,
        "input": record(
            {"import_req": record({"method": record({"name": STRING}, {"uri": STRING})})}
        ),
        "result": nullable(record({"image_id": STRING})),
        "message": STRING,
        "created_at": STRING,
        "updated_at": STRING,
        "expires_at": NULL,
        "schema": {"const": "/v2/schemas/task"},
    }
)
TASKS = record({"tasks": array(_TASK)})
STAGED = record({"offset": _COUNT, "size": _NUMBER})
USAGE = record({"usage": mapping(record({"limit": INTEGER, "usage": INTEGER}))})
_LINKS = {"links": array(record({"rel": STRING, "href": STRING}))}
VERSIONS = record({"versions": array(record({"id": STRING, "status": STRING, **_LINKS}))})
# The schemas that clients read are schemas themselves.
_SCHEMA = {"name": STRING, "properties": mapping(OBJECT)}
SCHEMA_OF_IMAGE = record({**_SCHEMA, **_LINKS, "additionalProperties": record({"type": STRING})})
SCHEMA_OF_LIST = record({**_SCHEMA, **_LINKS})
SCHEMA_OF_MEMBER = record(_SCHEMA)
