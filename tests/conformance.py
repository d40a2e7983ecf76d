"""Every answer of the described APIs in the tests is held against the document of its microversion.

A status that is not documented, a key that is not there or is not known, and a value of the wrong
type fail the test that made the request, whatever the test itself looks at.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response

from cloudportal.api.microversions import UNVERSIONED, Microversion
from cloudportal.api.openapi import JSON, Documentation, fault_schema, schema_of
from cloudportal.api.views import WireView

# The services all of whose views are described.
DESCRIBED = frozenset({"compute", "identity", "image", "network", "volume"})
_NO_BODY = object()
_NO_JSON = object()
_MISSING = object()


class NotAsDocumented(AssertionError):
    """An answer that its document does not tell of."""


def checking(finalize: Any) -> Any:
    """`WireView.finalize_response`, then the check."""

    def finalize_response(
        view: WireView, request: Any, response: Any, *args: Any, **kwargs: Any
    ) -> Response:
        answer: Response = finalize(view, request, response, *args, **kwargs)
        is_described = view.service in DESCRIBED and not view.is_catch_all
        if is_described and request.method != "HEAD":
            check_answer(view, request, answer)
        return answer

    return finalize_response


def check_answer(view: WireView, request: Any, answer: Response) -> None:
    """Compare an answer with its document.

    Raises:
        NotAsDocumented: they differ.
    """
    version = getattr(request, "microversion", None)
    if version is None:
        version = view.versions.minimum if view.versions else UNVERSIONED
    call = f"{request.method} {request.path} at {version}"
    kind: Any = type(view)
    expected = _expected(kind, request.method, version, answer.status_code)
    if expected is _MISSING:
        raise NotAsDocumented(
            f"{call}: the status {answer.status_code} is not documented: {answer.data}"
        )
    if expected is _NO_JSON:
        return
    if expected is _NO_BODY:
        if answer.data is not None:
            raise NotAsDocumented(f"{call}: documented without a body, answered {answer.data}")
        return
    body = json.loads(JSONRenderer().render(answer.data) or "null")
    error = best_match(expected.iter_errors(body))
    if error is not None:
        place = "/".join(map(str, error.absolute_path)) or "the body"
        raise NotAsDocumented(
            f"{call}: {answer.status_code}, {place}: {error.message[:600]}\n"
            f"answered: {json.dumps(body)[:2000]}"
        )


@cache
def _expected(view: Any, method: str, version: Microversion, status: int) -> Any:
    is_routed = method.lower() in view.http_method_names
    handler = getattr(view, method.lower(), None) if is_routed else None
    declared: Documentation | None = getattr(handler, "documentation", None)
    if declared is None:
        # No such route; or it was never described, and then only its refusals are right.
        return (
            Draft202012Validator(fault_schema(view.service, status)) if status >= 400 else _MISSING
        )
    answers = declared.answers_at(version)
    if status in answers:
        described = answers[status]
        if described is None:
            return _NO_BODY
        if declared.gives != JSON:
            return _NO_JSON
        return Draft202012Validator(schema_of(described, version))
    if status in declared.faults_of(method):
        return Draft202012Validator(fault_schema(view.service, status))
    return _MISSING
