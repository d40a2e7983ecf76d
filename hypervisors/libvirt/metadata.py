"""Our element in a domain's XML: everything the portal knows of the server, there and back.

Free text lies in attributes with a small escape of its own: XML cannot hold control characters at
all, parsers fold line ends, and libvirt's printer drops text nodes that are only white space.
"""

import dataclasses
import re
import types
import typing
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from xml.etree import ElementTree as ET

from hypervisors.libvirt.errors import DriverError
from hypervisors.libvirt.records import GuestMetadata

NAMESPACE = "urn:cloudportal:server:1"
PREFIX = "cloudportal"
ET.register_namespace(PREFIX, NAMESPACE)

_UNSAFE = re.compile(r"[\\\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u2028\u2029]")
_ESCAPED = re.compile(r"\\([0-9a-f]+);")


def metadata_element(metadata: GuestMetadata) -> ET.Element:
    """The element that goes below `<metadata>` of the domain."""
    return _write("server", metadata)


def parse_metadata(xml: str) -> GuestMetadata:
    """Read our element back.

    Raises:
        DriverError: it is not ours, or not complete.
    """
    try:
        root = ET.fromstring(xml)  # noqa: S314 - from our own host; libvirt has parsed it already
        # Asked for one element of the metadata, libvirt takes the namespace off it.
        for element in root.iter():
            element.tag = element.tag.removeprefix(f"{{{NAMESPACE}}}")
        if root.tag != "server":
            raise DriverError(f"Not a server's metadata: {root.tag}")
        metadata = _read(root, GuestMetadata)
    except (ET.ParseError, LookupError, TypeError, ValueError) as error:
        raise DriverError(f"The metadata of the guest is damaged: {error!r}") from error
    if not isinstance(metadata, GuestMetadata):
        raise DriverError("The metadata of the guest is of another kind.")
    return metadata


def _tag(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"


def _escape(text: str) -> str:
    return _UNSAFE.sub(lambda found: f"\\{ord(found[0]):x};", text)


def _unescape(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


def _write(name: str, record: Any) -> ET.Element:
    element = ET.Element(_tag(name))
    for item in dataclasses.fields(record):
        value = getattr(record, item.name)
        if isinstance(value, Mapping):
            for key, entry in value.items():
                attributes = {"key": _escape(key), "value": _escape(entry)}
                ET.SubElement(element, _tag(item.name), attributes)
        elif isinstance(value, tuple):
            element.extend(_write_entry(item.name, entry) for entry in value)
        elif dataclasses.is_dataclass(value):
            element.append(_write(item.name, value))
        elif value is not None:
            element.set(item.name, _scalar_text(value))
    return element


def _write_entry(name: str, entry: Any) -> ET.Element:
    if dataclasses.is_dataclass(entry):
        return _write(name, entry)
    return ET.Element(_tag(name), {"value": _escape(entry)})


def _scalar_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat()
    return _escape(value) if isinstance(value, str) else repr(value)


def _read(element: ET.Element, kind: type[Any]) -> Any:
    hints = typing.get_type_hints(kind)
    values: dict[str, Any] = {}
    for item in dataclasses.fields(kind):
        hint = hints[item.name]
        origin = typing.get_origin(hint)
        children = element.findall(item.name)
        record = _record_of(hint)
        if record is not None:
            if children or not _may_be_absent(item):
                values[item.name] = _read(children[0], record)
        elif origin is tuple:
            values[item.name] = _read_tuple(children, typing.get_args(hint)[0])
        elif origin is not None and origin is not types.UnionType:
            values[item.name] = {
                _unescape(child.attrib["key"]): _unescape(child.attrib["value"])
                for child in children
            }
        elif item.name in element.attrib:
            values[item.name] = _scalar(element.attrib[item.name], hint)
    return kind(**values)


def _record_of(hint: Any) -> type[Any] | None:
    """The record that a field holds, alone or as "this or None"."""
    kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    records = (kind for kind in kinds if isinstance(kind, type) and dataclasses.is_dataclass(kind))
    return next(records, None)


def _may_be_absent(item: dataclasses.Field[Any]) -> bool:
    return item.default is not dataclasses.MISSING


def _read_tuple(children: list[ET.Element], kind: type[Any]) -> tuple[Any, ...]:
    if dataclasses.is_dataclass(kind):
        return tuple(_read(child, kind) for child in children)
    return tuple(_unescape(child.attrib["value"]) for child in children)


def _scalar(text: str, hint: Any) -> Any:
    wanted = next((arg for arg in typing.get_args(hint) if arg is not types.NoneType), hint)
    if wanted is bool:
        return text == "true"
    if wanted is datetime:
        return datetime.fromisoformat(text)
    return _unescape(text) if wanted is str else wanted(text)
