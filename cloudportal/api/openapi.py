"""The OpenAPI document, made from the declarations that also validate and answer.

A view method says what it takes and gives, beside the range of its microversions:

    FLAVOR = Representation(Field("id", lambda flavor: flavor.flavorid, schema=STRING), …)
    CREATE = Versioned({"2.1": BodySchema({…}), "2.55": BodySchema({…})})
    LIST = Versioned({"2.1": QuerySchema({…}), "2.75": QuerySchema({…}, closed=True)})

    @available("2.1")
    @documented("Create a flavor.", request=CREATE, responses={200: wrapped("flavor", FLAVOR)})
    def post(self, request: ComputeRequest) -> Response: …

    @documented("List flavors.", query=LIST, responses={200: listed("flavors", FLAVOR)})
    def get(self, request: ComputeRequest) -> Response: …

Everything that describes a body is a JSON Schema as a plain dict, a `BodySchema` around one, or
anything with `at(microversion)` that gives one: a `Versioned`, a `Representation`. `None` is an
empty answer. A method without `@documented` appears with the first line of its docstring. The
document is made for one microversion (`/api/schema?microversion=2.79`, absent: the newest), and
methods that do not exist at it are left out. Its dialect is OpenAPI 3.1, whose schemas are JSON
Schema, so the declarations go in as they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema

from cloudportal.api.faults import TITLES, fault_body
from cloudportal.api.microversions import Microversion
from cloudportal.api.query import QuerySchema
from cloudportal.api.validation import BodySchema
from cloudportal.api.views import COMPUTE, ComputeView, WireView

ViewMethod = TypeVar("ViewMethod", bound=Callable[..., Any])
# Every compute route exists a second time below the project; the document needs it once.
_TWIN = "/compute/v2.1/{project_id}/"
_VARIABLE = re.compile(r"{(\w+)}")


class Dated(Protocol):
    """Something that is different at different microversions."""

    def at(self, version: Microversion) -> Any:
        """What it is at one microversion."""


Described = dict[str, Any] | BodySchema | QuerySchema | Dated


@dataclass(frozen=True)
class Documentation:
    """What a view method takes and gives."""

    summary: str
    request: Described | None = None
    query: Described | None = None
    responses: Mapping[int, Described | None] = field(default_factory=dict)


def documented(
    summary: str,
    *,
    request: Described | None = None,
    query: Described | None = None,
    responses: Mapping[int, Described | None] | None = None,
) -> Callable[[ViewMethod], ViewMethod]:
    """Declare what a view method takes and gives; goes under `@available`."""

    def decorate(method: ViewMethod) -> ViewMethod:
        method.documentation = Documentation(  # type: ignore[attr-defined]  # read by the document
            summary, request, query, responses or {}
        )
        return method

    return decorate


@dataclass(frozen=True)
class _Shaped:
    """A description inside another."""

    inner: Described
    shape: Callable[[dict[str, Any]], dict[str, Any]]

    def at(self, version: Microversion) -> dict[str, Any]:
        return self.shape(schema_of(self.inner, version))


def _object(key: str, value: dict[str, Any], **more: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": [key], "properties": {key: value, **more}}


def wrapped(key: str, inner: Described) -> Dated:
    """The body `{key: inner}`."""
    return _Shaped(inner, lambda schema: _object(key, schema))


def listed(key: str, inner: Described) -> Dated:
    """The body `{key: [inner, …]}`, with the link to the next page where there is one."""
    links = {f"{key}_links": {"type": "array", "items": {"type": "object"}}}
    return _Shaped(inner, lambda item: _object(key, {"type": "array", "items": item}, **links))


def schema_of(described: Described, version: Microversion) -> dict[str, Any]:
    """The JSON Schema that a description is at one microversion."""
    if isinstance(described, dict):
        return described
    if isinstance(described, BodySchema | QuerySchema):
        return described.schema
    return schema_of(described.at(version), version)


class WireAutoSchema(AutoSchema):
    """Describes one method of a wire view, from its declaration and its docstring."""

    def get_operation(
        self, path: str, path_regex: str, path_prefix: str, method: str, registry: Any
    ) -> dict[str, Any] | None:
        """The operation object, or None when the method does not exist at the microversion."""
        handler = getattr(self.view, method.lower())
        version = getattr(self.view, "document_version", COMPUTE.maximum)
        if (
            path.startswith(_TWIN)
            or not isinstance(self.view, WireView)
            or not _exists(handler, version)
        ):
            return None
        declared = getattr(handler, "documentation", None)
        if declared is None:
            declared = Documentation(_first_line(handler) or _first_line(self.view))
        operation: dict[str, Any] = {
            "operationId": _operation_id(method, path),
            "summary": declared.summary,
            "tags": [self.view.service],
            "parameters": _parameters(self.view, path, declared, version),
            "responses": _responses(self.view.service, declared, version),
            "security": self.get_auth() if self.view.authentication_classes else [],
        }
        if declared.request is not None:
            schema = schema_of(declared.request, version)
            content = {"application/json": {"schema": schema}}
            operation["requestBody"] = {"required": True, "content": content}
        return operation

    def get_auth(self) -> list[dict[str, list[str]]]:
        """Every call that needs somebody needs a token of the identity service."""
        return [{"token": []}]


class WireSchemaGenerator(SchemaGenerator):
    """Makes the document of one microversion."""

    def __init__(self, microversion: Microversion = COMPUTE.maximum, **options: Any) -> None:
        super().__init__(**options)  # type: ignore[no-untyped-call]  # drf-spectacular's own are untyped
        self.microversion = microversion

    def create_view(self, callback: Any, method: str, request: Any = None) -> Any:
        """A view that knows for which microversion it is described."""
        view = super().create_view(callback, method, request)  # type: ignore[no-untyped-call]  # drf-spectacular's own are untyped
        view.document_version = self.microversion
        return view

    def get_schema(self, request: Any = None, public: bool = False) -> dict[str, Any]:
        """The whole document."""
        document = super().get_schema(request, public)  # type: ignore[no-untyped-call]  # drf-spectacular's own are untyped
        document["info"]["x-compute-microversion"] = str(self.microversion)
        document.setdefault("components", {})["securitySchemes"] = {
            "token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"}
        }
        return dict(_portable(document))


def _portable(value: Any) -> Any:
    """The same with patterns in ECMA's dialect, where the end of the text is `$`, not `\\Z`."""
    if isinstance(value, dict):
        return {
            key: inner.replace(r"\Z", "$")
            if key == "pattern" and isinstance(inner, str)
            else _portable(inner)
            for key, inner in value.items()
        }
    return [_portable(inner) for inner in value] if isinstance(value, list) else value


def _exists(handler: Any, version: Microversion) -> bool:
    first, last = getattr(handler, "available", (COMPUTE.minimum, None))
    return bool(first <= version and (last is None or version <= last))


def _first_line(thing: Any) -> str:
    return (thing.__doc__ or "").strip().split("\n")[0]


def _operation_id(method: str, path: str) -> str:
    return "_".join([method.lower(), *re.findall(r"[A-Za-z0-9]+", path)])


def _parameters(
    view: WireView, path: str, declared: Documentation, version: Microversion
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _VARIABLE.findall(path)
    ]
    if declared.query is not None:
        found.extend(
            {"name": name, "in": "query", "schema": schema.get("items", schema)}
            for name, schema in schema_of(declared.query, version)["properties"].items()
        )
    if isinstance(view, ComputeView) and view.versions is not None:
        found.append(
            {
                "name": "OpenStack-API-Version",
                "in": "header",
                "description": "Without it the oldest microversion is spoken.",
                "schema": {"type": "string", "default": f"compute {version}"},
            }
        )
    return found


def _responses(service: str, declared: Documentation, version: Microversion) -> dict[str, Any]:
    answers: dict[str, Any] = {}
    for status, described in (declared.responses or {200: {}}).items():
        answers[str(status)] = {"description": TITLES.get(status, "Success")}
        if described is not None:
            schema = schema_of(described, version)
            answers[str(status)]["content"] = {"application/json": {"schema": schema}}
    fault = {"type": "object", "examples": [fault_body(service, 400, "What is wrong.")]}
    answers["default"] = {
        "description": "A fault",
        "content": {"application/json": {"schema": fault}},
    }
    return answers
