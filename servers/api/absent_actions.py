"""The actions that the field knows and this release does not have: checked like all, then 501.

Whoever builds one takes its line away here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework.response import Response

from cloudportal.api.views import WireRequest
from cloudportal.errors import Gone, NotOffered
from servers.api.action import FREE, Action, Schema
from servers.api.gone import GONE
from servers.begin import check_legal
from servers.legal import LEGAL
from servers.models import Server

_PLAIN: Mapping[str, Schema] = {"2.1": FREE}


def _restore(request: WireRequest, server: Server, value: Any) -> Response:
    """Refuse.

    Raises:
        InvalidState: the server is not soft-deleted; none ever is, as deletes are at once.
        NotOffered: always else.
    """
    check_legal(server, "restore", request.actor)
    raise NotOffered("The action 'restore' is not available in this release.")


def _gone(request: WireRequest, server: Server, value: Any) -> Response:
    """Refuse.

    Raises:
        Gone: always.
    """
    raise Gone(GONE)


ABSENT_ACTIONS = {
    "restore": Action(_restore, LEGAL["restore"].policy, _PLAIN),
    "resetNetwork": Action(_gone, LEGAL["resetState"].policy, _PLAIN),
}
