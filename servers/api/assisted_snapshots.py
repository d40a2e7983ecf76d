"""`/os-assisted-volume-snapshots`: a volume service's wish for a snapshot of a file in use.

No server here has a volume that is such a file, so every volume named is one without a server.
"""

from __future__ import annotations

import json
from typing import Any

from rest_framework.response import Response

from cloudportal.api.microversions import Versioned
from cloudportal.api.openapi import documented, wrapped
from cloudportal.api.query import ANY, QuerySchema
from cloudportal.api.representation import STRING, record
from cloudportal.api.validation import BodySchema, closed
from cloudportal.api.views import ComputeView, WireRequest
from cloudportal.errors import Invalid
from identity import policy
from servers import rules as rules

_RULE = "os_compute_api:os-assisted-volume-snapshots"
_ID = {"type": "string", "minLength": 1, "maxLength": 255}
_DELETE_INFO = {"delete_info": ANY}
QUERY = Versioned(
    {"2.1": QuerySchema(_DELETE_INFO), "2.75": QuerySchema(_DELETE_INFO, closed=True)}
)
BODY = BodySchema(
    closed(
        {
            "snapshot": closed(
                {
                    "volume_id": _ID,
                    "create_info": closed(
                        {
                            "snapshot_id": _ID,
                            "type": {"enum": ["qcow2"]},
                            "new_file": _ID,
                            "id": _ID,
                        },
                        ["snapshot_id", "type", "new_file"],
                    ),
                },
                ["volume_id", "create_info"],
            )
        },
        ["snapshot"],
    )
)


def _no_server(volume_id: str) -> Invalid:
    return Invalid(f"No volume Block Device Mapping with id {volume_id}.")


class AssistedSnapshots(ComputeView):
    """Snapshots of files that servers have open."""

    @documented(
        "Make a snapshot of a volume in use.",
        request=BODY,
        responses={200: wrapped("snapshot", record({"id": STRING, "volumeId": STRING}))},
    )
    def post(self, request: WireRequest) -> Response:
        """Refuse.

        Raises:
            Invalid: no server has the volume.
        """
        body = BODY.check(request.data)
        policy.require(request.actor, f"{_RULE}:create")
        raise _no_server(body["snapshot"]["volume_id"])


class AssistedSnapshot(ComputeView):
    """One of them."""

    @documented("Delete a snapshot of a volume in use.", query=QUERY, responses={204: None})
    def delete(self, request: WireRequest, snapshot_id: str) -> Response:
        """Refuse.

        Raises:
            Invalid: what is to be deleted is not said, or no server has the volume.
        """
        policy.require(request.actor, f"{_RULE}:delete")
        try:
            info: Any = json.loads(request.query.get("delete_info") or "")
            volume_id = str(info["volume_id"])
        except (ValueError, TypeError, KeyError, RecursionError):
            raise Invalid("Cannot parse delete_info, or it names no volume_id.") from None
        raise _no_server(volume_id)
