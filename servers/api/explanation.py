"""Why a server is where it is: an extension of this cloud, for administrators."""

from __future__ import annotations

from rest_framework.response import Response

from cloudportal.api.openapi import documented, wrapped
from cloudportal.api.representation import INTEGER, OBJECT, STRING, array, nullable, record
from cloudportal.api.views import ComputeView, WireRequest
from servers.api.readings import instant
from servers.explain import newest_decision
from servers.find import find_server
from servers.high_availability import fate_of

EXPLANATION = record(
    {
        "id": STRING,
        "server_id": STRING,
        "request_id": STRING,
        "created": STRING,
        "candidates": INTEGER,
        "filters": array(OBJECT),
        "weights": array(OBJECT),
        "chosen": nullable(STRING),
        "alternates": {"type": "array"},
        "summary": STRING,
        "enable_ha": nullable(STRING),
    }
)


class Explanation(ComputeView):
    """The newest scheduling decision about a server."""

    @documented("Explain a placement.", responses={200: wrapped("explanation", EXPLANATION)})
    def get(self, request: WireRequest, server_id: str) -> Response:
        """Candidates, what each filter removed, the weights, the choice, and what is to follow."""
        server = find_server(
            actor=request.actor,
            server_id=server_id,
            rule="cloudportal:servers:explanation",
            deleted=True,
        )
        decision = newest_decision(server=server, actor=request.actor)
        explanation = {
            "id": str(decision.pk),
            "server_id": str(server.pk),
            "request_id": decision.request_id,
            "created": instant(decision.created_at),
            "candidates": decision.candidates,
            "filters": decision.filters,
            "weights": decision.weights,
            "chosen": decision.chosen or None,
            "alternates": decision.alternates,
            "summary": decision.summary,
            "enable_ha": fate_of(server) or None,
        }
        return Response({"explanation": explanation})
