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
anything with `at(microversion)` that gives one: a `Versioned`, a `Representation`; a dict may have
such things inside. `None` is an empty answer. The answers may be `Versioned` as a whole, where the
status changed. The tests hold every answer against its description, so it names every key.

The query is checked by its declaration, and what is known of it is `request.query`. A GET without
one takes no parameters: any is ignored until 2.101 and refused after.

A method without `@documented` appears with the first line of its docstring. There is a document for
each service, and for each microversion of it (`/api/schema?service=compute&microversion=2.79`,
absent: the newest); methods that do not exist at it are left out. Its dialect is OpenAPI 3.1, whose
schemas are JSON Schema, so the declarations go in as they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from http import HTTPStatus
from typing import Any, Protocol, TypeVar

from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema

from cloudportal.api.faults import COMPUTE_NAMES, TITLES
from cloudportal.api.microversions import UNVERSIONED, Microversion, Versioned
from cloudportal.api.query import NO_QUERY, QuerySchema
from cloudportal.api.representation import INTEGER, LINKS, STRING, array, record
from cloudportal.api.validation import BodySchema
from cloudportal.api.views import COMPUTE, VOLUME, WireView

ViewMethod = TypeVar("ViewMethod", bound=Callable[..., Any])
# The services, with their microversions where they have them.
SERVICES = {"compute": COMPUTE, "identity": None, "image": None, "network": None, "volume": VOLUME}
# Some routes exist again below the project or before microversions; once is enough here.
TWINS = ("/compute/v2.1/{project_id}/", "/compute/v2/", "/volume/v3/{project_id}/")
JSON = "application/json"
_VARIABLE = re.compile(r"{(\w+)}")
WRITING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_REFUSALS = "#/components/responses/"
# What the kernel, the token, the policy, the lookup or a database that is away may answer any call.
USUAL_FAULTS = frozenset({400, 401, 403, 404, 406, 503})
WRITING_FAULTS = frozenset({409, 413, 415})


class Dated(Protocol):
    """Something that is different at different microversions."""

    def at(self, version: Microversion) -> Any:
        """What it is at one microversion."""


Described = dict[str, Any] | BodySchema | QuerySchema | Dated
Answers = Mapping[int, Described | None]


@dataclass(frozen=True)
class Documentation:
    """What a view method takes and gives."""

    summary: str
    request: Described | None = None
    query: Described | None = None
    responses: Answers | Versioned[Answers] = field(default_factory=dict)
    faults: frozenset[int] = frozenset()
    media: str = JSON

    @property
    def takes(self) -> str:
        """The media type of the body that is sent."""
        return self.media if self.request is not None else JSON

    @property
    def gives(self) -> str:
        """The media type of the body that answers."""
        return self.media if self.request is None else JSON

    def answers_at(self, version: Microversion) -> Answers:
        """The answers to a request that is fulfilled."""
        found = self.responses
        return (found.at(version) if isinstance(found, Versioned) else found) or {200: {}}

    def faults_of(self, method: str) -> frozenset[int]:
        """The statuses of a request by this method that is refused."""
        usual = USUAL_FAULTS | (WRITING_FAULTS if method.upper() in WRITING else frozenset())
        return usual | self.faults


def documented(
    summary: str,
    *,
    request: Described | None = None,
    query: Described | None = None,
    responses: Answers | Versioned[Answers] | None = None,
    faults: Iterable[int] = (),
    media: str = JSON,
) -> Callable[[ViewMethod], ViewMethod]:
    """Declare what a view method takes and gives; goes under `@available`.

    `faults` are statuses of refusals beside those that any call may get; `media` is the type of the
    body that is sent, or where none is, of the one that answers.
    """

    def decorate(method: ViewMethod) -> ViewMethod:
        is_read = method.__name__ == "get"

        @wraps(method)
        def checked(self: Any, given: Any, *args: Any, **kwargs: Any) -> Any:
            version = getattr(given, "microversion", UNVERSIONED)
            # How strict a single thing is about its query follows from the compute API's versions.
            asked: Any = NO_QUERY if query is None and is_read and is_compute(self) else query
            if asked is not None:
                schema = asked if isinstance(asked, QuerySchema) else asked.at(version)
                given.query = schema.check(given.query_params)
            return method(self, given, *args, **kwargs)

        checked.documentation = Documentation(  # type: ignore[attr-defined]  # read by the document
            summary, request, query, responses or {}, frozenset(faults), media
        )
        return checked  # type: ignore[return-value]  # same signature, wrapped

    return decorate


def is_compute(view: Any) -> bool:
    """Whether a view is asked with microversions of the compute API."""
    return getattr(view, "versions", None) is COMPUTE


@dataclass(frozen=True)
class _Shaped:
    """A description made of others."""

    inner: tuple[Described, ...]
    shape: Callable[..., dict[str, Any]]

    def at(self, version: Microversion) -> dict[str, Any]:
        return self.shape(*(schema_of(each, version) for each in self.inner))


def wrapped(key: str, inner: Described) -> Dated:
    """The body `{key: inner}`."""
    return _Shaped((inner,), lambda schema: record({key: schema}))


def listed(key: str, inner: Described, *, links: str | None = "") -> Dated:
    """The body `{key: [inner, …]}`, with the link to the next page where there is one.

    `links` is the key of that link when it is not `<key>_links`, and None when there are no pages.
    """
    paging = {} if links is None else {links or f"{key}_links": LINKS}
    return _Shaped((inner,), lambda item: record({key: array(item)}, paging))


def merged(*parts: Described) -> Dated:
    """An object with the keys of several."""

    def shape(*schemas: dict[str, Any]) -> dict[str, Any]:
        return {
            **record({}),
            "properties": {
                key: value for each in schemas for key, value in each["properties"].items()
            },
            "required": [key for each in schemas for key in each.get("required", [])],
        }

    return _Shaped(parts, shape)


def either(*parts: Described) -> Dated:
    """One form or another."""
    return _Shaped(parts, lambda *schemas: {"anyOf": list(schemas)})


def schema_of(described: Described, version: Microversion) -> dict[str, Any]:
    """The JSON Schema that a description is at one microversion."""
    return dict(_resolved(described, version))


def _resolved(described: Any, version: Microversion) -> Any:
    if isinstance(described, BodySchema | QuerySchema):
        return described.schema
    if isinstance(described, dict):
        return {key: _resolved(value, version) for key, value in described.items()}
    if isinstance(described, list):
        return [_resolved(value, version) for value in described]
    return _resolved(described.at(version), version) if hasattr(described, "at") else described


def fault_schema(service: str, status: int) -> dict[str, Any]:
    """The form of a refusal; in the compute and volume API one key that follows from the status."""
    if service == "network":
        return record(
            {"NeutronError": record({"type": STRING, "message": STRING, "detail": STRING})}
        )
    fault = {"code": {"const": status}, "message": STRING}
    if service in {"identity", "image"} or status == 401:
        return record({"error": record({**fault, "title": STRING})})
    more = {"retryAfter": INTEGER} if status in {413, 429} else {}
    return record({COMPUTE_NAMES.get(status, "computeFault"): record(fault, more)})


class WireAutoSchema(AutoSchema):
    """Describes one method of a wire view, from its declaration and its docstring."""

    def get_operation(
        self, path: str, path_regex: str, path_prefix: str, method: str, registry: Any
    ) -> dict[str, Any] | None:
        """The operation object, or None when the service has no such method at the microversion."""
        handler = getattr(self.view, method.lower())
        service = getattr(self.view, "document_service", "compute")
        version = getattr(self.view, "document_version", COMPUTE.maximum)
        if (
            path.startswith(TWINS)
            or not isinstance(self.view, WireView)
            or self.view.service != service
            or self.view.is_catch_all
            or not _exists(self.view, handler, version)
        ):
            return None
        declared = getattr(handler, "documentation", None)
        if declared is None:
            declared = Documentation(_first_line(handler) or _first_line(self.view))
        if set(declared.answers_at(version)) == {HTTPStatus.GONE}:
            return None
        operation: dict[str, Any] = {
            "operationId": _operation_id(method, path),
            "summary": declared.summary,
            "tags": [_tag(service, path)],
            "parameters": _parameters(self.view, path, declared, version),
            "responses": _responses(method, declared, version),
            "security": self.get_auth() if self.view.authentication_classes else [],
        }
        if declared.request is not None:
            schema = schema_of(declared.request, version)
            content = {declared.takes: {"schema": schema}}
            operation["requestBody"] = {"required": True, "content": content}
        return operation

    def get_auth(self) -> list[dict[str, list[str]]]:
        """Every call that needs somebody needs a token of the identity service."""
        return [{"token": []}]


class WireSchemaGenerator(SchemaGenerator):
    """Makes the document of one service at one microversion."""

    def __init__(
        self, service: str = "compute", microversion: Microversion | None = None, **options: Any
    ) -> None:
        super().__init__(**options)  # type: ignore[no-untyped-call]  # drf-spectacular's own are untyped
        self.service = service
        versions = SERVICES[service]
        self.microversion = microversion or (versions.maximum if versions else UNVERSIONED)

    def create_view(self, callback: Any, method: str, request: Any = None) -> Any:
        """A view that knows for which document it is described."""
        view = super().create_view(callback, method, request)  # type: ignore[no-untyped-call]  # drf-spectacular's own are untyped
        view.document_service = self.service
        view.document_version = self.microversion
        return view

    def get_schema(self, request: Any = None, public: bool = False) -> dict[str, Any]:
        """The whole document."""
        document = super().get_schema(request, public)  # type: ignore[no-untyped-call]  # drf-spectacular's own are untyped
        # Addresses that are regular expressions escape their dots.
        document["paths"] = {
            path.replace("\\", ""): methods for path, methods in document["paths"].items()
        }
        document["info"]["title"] += f": {self.service}"
        if SERVICES[self.service]:
            document["info"][f"x-{self.service}-microversion"] = str(self.microversion)
        components = document.setdefault("components", {})
        components["securitySchemes"] = {
            "token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"}
        }
        components["responses"] = {str(status): _fault(self.service, status) for status in TITLES}
        return dict(_portable(document))


def _portable(value: Any) -> Any:
    """The same with patterns in ECMA's dialect, where a text begins at `^` and ends at `$`."""
    if isinstance(value, dict):
        return {
            _ecma(key): _ecma(inner)
            if key == "pattern" and isinstance(inner, str)
            else _portable(inner)
            for key, inner in value.items()
        }
    return [_portable(inner) for inner in value] if isinstance(value, list) else value


def _ecma(pattern: str) -> str:
    return pattern.replace(r"\A", "^").replace(r"\Z", "$")


def _exists(view: WireView, handler: Any, version: Microversion) -> bool:
    first, last = getattr(handler, "available", (COMPUTE.minimum, None))
    # Of some views the address itself came later.
    since = getattr(view, "since", "")
    if since:
        first = max(first, Microversion.parse(since))
    return bool(first <= version and (last is None or version <= last))


def _first_line(thing: Any) -> str:
    return (thing.__doc__ or "").strip().split("\n")[0]


def _tag(service: str, path: str) -> str:
    """The service and its resource: the first word behind the service and its version."""
    words = [word for word in path.split("/")[2:] if not re.fullmatch(r"v[\d.]+|{\w+}", word)]
    return " ".join([service, *words[:1]])


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
    if view.versions is not None:
        found.append(
            {
                "name": "OpenStack-API-Version",
                "in": "header",
                "description": "Without it the oldest microversion is spoken.",
                "schema": {"type": "string", "default": f"{view.versions.service} {version}"},
            }
        )
    return found


def _responses(method: str, declared: Documentation, version: Microversion) -> dict[str, Any]:
    answers: dict[str, Any] = {}
    for status, described in declared.answers_at(version).items():
        answers[str(status)] = {"description": TITLES.get(status, "Success")}
        if described is not None:
            schema = schema_of(described, version)
            answers[str(status)]["content"] = {declared.gives: {"schema": schema}}
    faults = sorted(declared.faults_of(method) - set(map(int, answers)))
    return {**answers, **{str(status): {"$ref": f"{_REFUSALS}{status}"} for status in faults}}


def _fault(service: str, status: int) -> dict[str, Any]:
    return {
        "description": TITLES.get(status, "A fault"),
        "content": {JSON: {"schema": fault_schema(service, status)}},
    }
