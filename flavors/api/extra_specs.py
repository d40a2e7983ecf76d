"""`/flavors/{id}/os-extra_specs`: what a flavor asks of hosts and guests beyond its size."""

from __future__ import annotations

from typing import Any

from rest_framework.response import Response

from cloudportal.api.microversions import Versioned
from cloudportal.api.openapi import documented, wrapped
from cloudportal.api.representation import STRING, mapping
from cloudportal.api.validation import BodySchema, closed
from cloudportal.api.views import ComputeView, WireRequest
from cloudportal.errors import Invalid
from flavors.extra_specs import (
    add_extra_specs,
    delete_extra_spec,
    read_extra_spec,
    read_extra_specs,
    set_extra_spec,
)
from flavors.find import find_flavor

_SPECS: dict[str, Any] = {
    "type": "object",
    "patternProperties": {
        r"^[a-zA-Z0-9_:. -]{1,255}\Z": {
            "anyOf": [{"type": "string", "maxLength": 255}, {"type": "number"}]
        }
    },
    "additionalProperties": False,
}
_ANSWER = mapping(STRING)
ADD = BodySchema(closed({"extra_specs": _SPECS}, ["extra_specs"]))
SET = BodySchema({**_SPECS, "minProperties": 1, "maxProperties": 1})
CHECKS_KNOWN = Versioned({"2.1": False, "2.86": True})


def _as_text(specs: dict[str, Any]) -> dict[str, str]:
    return {key: str(value) for key, value in specs.items()}


class ExtraSpecsView(ComputeView):
    """All extra specs of a flavor."""

    @documented(
        "List a flavor's extra specs.",
        responses={200: wrapped("extra_specs", _ANSWER)},
    )
    def get(self, request: WireRequest, flavor_id: str) -> Response:
        """Answer with all of them."""
        flavor = find_flavor(flavorid=flavor_id, actor=request.actor)
        return Response({"extra_specs": read_extra_specs(flavor=flavor, actor=request.actor)})

    @documented(
        "Add extra specs to a flavor.",
        request=ADD,
        responses={200: wrapped("extra_specs", _ANSWER)},
    )
    def post(self, request: WireRequest, flavor_id: str) -> Response:
        """Merge them in and answer with the ones sent."""
        specs = _as_text(ADD.check(request.data)["extra_specs"])
        add_extra_specs(
            flavor=find_flavor(flavorid=flavor_id, actor=request.actor),
            specs=specs,
            actor=request.actor,
            check_known=CHECKS_KNOWN.at(request.microversion),
        )
        return Response({"extra_specs": specs})


class ExtraSpecView(ComputeView):
    """One extra spec of a flavor."""

    @documented("Show an extra spec of a flavor.", responses={200: _ANSWER})
    def get(self, request: WireRequest, flavor_id: str, key: str) -> Response:
        """Answer with the one pair."""
        flavor = find_flavor(flavorid=flavor_id, actor=request.actor)
        return Response({key: read_extra_spec(flavor=flavor, key=key, actor=request.actor)})

    @documented("Set an extra spec of a flavor.", request=SET, responses={200: _ANSWER})
    def put(self, request: WireRequest, flavor_id: str, key: str) -> Response:
        """Set it and answer with the pair."""
        specs = _as_text(SET.check(request.data))
        if key not in specs:
            raise Invalid("Request body and URI mismatch")
        set_extra_spec(
            flavor=find_flavor(flavorid=flavor_id, actor=request.actor),
            key=key,
            value=specs[key],
            actor=request.actor,
            check_known=CHECKS_KNOWN.at(request.microversion),
        )
        return Response(specs)

    @documented("Remove an extra spec of a flavor.", responses={200: None})
    def delete(self, request: WireRequest, flavor_id: str, key: str) -> Response:
        """Remove it."""
        flavor = find_flavor(flavorid=flavor_id, actor=request.actor)
        delete_extra_spec(flavor=flavor, key=key, actor=request.actor)
        return Response(status=200)
