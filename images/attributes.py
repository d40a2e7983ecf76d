"""What an image's attributes may be: one place for create and update."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cloudportal.errors import Invalid
from identity import policy
from identity.actors import Actor
from images.errors import AttributeFixed
from images.models import Image, ImageStatus, Visibility

# What hosts can open safely after inspection; other formats are refused rather than stored in vain.
DISK_FORMATS = ("qcow2", "raw", "iso")
CONTAINER_FORMATS = ("bare",)

READ_ONLY = frozenset(
    {
        *("status", "checksum", "os_hash_algo", "os_hash_value", "size", "virtual_size"),
        *("created_at", "updated_at", "self", "file", "schema", "direct_url", "stores"),
    }
)
RESERVED = frozenset({"location", "locations", "deleted", "deleted_at"})
RESERVED_PREFIX = "os_glance"
# The wire's names of what is not a property, and the fields that hold them.
FIELDS = {
    "name": "name",
    "visibility": "visibility",
    "protected": "is_protected",
    "os_hidden": "is_hidden",
    "owner": "owner",
    "tags": "tags",
    "min_ram": "min_ram_mib",
    "min_disk": "min_disk_gib",
    "disk_format": "disk_format",
    "container_format": "container_format",
}

MAX_TEXT = 255
MAX_TAGS = 128
MAX_PROPERTIES = 128
MAX_PROPERTY_TEXT = 65_535
MAX_NUMBER = 2**31 - 1


def refuse_fixed(names: Iterable[str]) -> None:
    """Refuse names that no caller may set.

    Raises:
        AttributeFixed: one of the names is read-only or reserved.
    """
    for name in names:
        if name in READ_ONLY:
            raise AttributeFixed(f"Attribute '{name}' is read-only.")
        if name in RESERVED or name.startswith(RESERVED_PREFIX):
            raise AttributeFixed(f"Attribute '{name}' is reserved.")


def set_attribute(image: Image, name: str, value: Any, actor: Actor) -> None:
    """Set one attribute or property by its wire name.

    Raises:
        AttributeFixed: the attribute may not be set, or not any more.
        Forbidden: the actor may not give it this value.
        Invalid: the value is of the wrong kind.
    """
    refuse_fixed([name])
    if name not in FIELDS:
        _set_property(image, name, value)
        return
    _check_allowed(image, name, value, actor)
    setattr(image, FIELDS[name], _CHECKS[name](name, value))


def _check_allowed(image: Image, name: str, value: Any, actor: Actor) -> None:
    if name == "visibility" and value != image.visibility:
        if value == Visibility.PUBLIC:
            policy.require(actor, "publicize_image", project_id=image.owner)
        if value == Visibility.COMMUNITY:
            policy.require(actor, "communitize_image", project_id=image.owner)
    if name == "owner" and value != image.owner:
        policy.require(actor, "set_image_owner", project_id=image.owner)
    if name in ("disk_format", "container_format") and image.status != ImageStatus.QUEUED:
        raise AttributeFixed(f"Attribute {name} can be only replaced for a queued image.")


def _set_property(image: Image, name: str, value: Any) -> None:
    if not 0 < len(name) <= MAX_TEXT:
        raise Invalid("A property's name has 1 to 255 characters.")
    if not isinstance(value, str) or len(value) > MAX_PROPERTY_TEXT:
        raise Invalid(f"Invalid value for property '{name}': it must be a string.")
    image.properties[name] = value
    if len(image.properties) > MAX_PROPERTIES:
        raise Invalid(f"An image has at most {MAX_PROPERTIES} properties.")


def _refuse(name: str, value: Any, wanted: str) -> Invalid:
    return Invalid(f"Invalid value {str(value)[:200]!r} for '{name}': {wanted}.")


def _name(name: str, value: Any) -> str | None:
    if value is not None and (not isinstance(value, str) or len(value) > MAX_TEXT):
        raise _refuse(name, value, "a string of at most 255 characters or null is needed")
    return value


def _owner(name: str, value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 64:
        raise _refuse(name, value, "a project's id is needed")
    return value


def _boolean(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _refuse(name, value, "true or false is needed")
    return value


def _number(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_NUMBER:
        raise _refuse(name, value, f"an integer from 0 to {MAX_NUMBER} is needed")
    return value


def _visibility(name: str, value: Any) -> str:
    if value not in Visibility.values:
        raise _refuse(name, value, f"one of {', '.join(Visibility.values)} is needed")
    return str(value)


def _disk_format(name: str, value: Any) -> str:
    return _one_of(name, value, DISK_FORMATS)


def _container_format(name: str, value: Any) -> str:
    return _one_of(name, value, CONTAINER_FORMATS)


def _one_of(name: str, value: Any, choices: tuple[str, ...]) -> str:
    if value is not None and value not in choices:
        raise _refuse(name, value, f"this cloud accepts {', '.join(choices)}")
    return value or ""


def check_tag(tag: Any) -> str:
    """The tag, if it is one.

    Raises:
        Invalid: it is no string of 1 to 255 characters.
    """
    if not isinstance(tag, str) or not 0 < len(tag) <= MAX_TEXT or "\0" in tag:
        raise Invalid("A tag is a string of 1 to 255 characters.")
    return tag


def check_tags(name: str, value: Any) -> list[str]:
    """The tags, each once, in order of first mention.

    Raises:
        Invalid: not a list of tags, or too many.
    """
    if not isinstance(value, list):
        raise _refuse(name, value, "a list of strings is needed")
    tags = list(dict.fromkeys(check_tag(tag) for tag in value))
    if len(tags) > MAX_TAGS:
        raise Invalid(f"An image has at most {MAX_TAGS} tags.")
    return tags


_CHECKS: Mapping[str, Any] = {
    "name": _name,
    "visibility": _visibility,
    "protected": _boolean,
    "os_hidden": _boolean,
    "owner": _owner,
    "tags": check_tags,
    "min_ram": _number,
    "min_disk": _number,
    "disk_format": _disk_format,
    "container_format": _container_format,
}
