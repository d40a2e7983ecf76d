"""`/servers/{id}/os-volume_attachments`: the volumes of a server."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.utils import timezone
from rest_framework.response import Response

from cloudportal.api.microversions import Microversion, Versioned
from cloudportal.api.openapi import documented, listed, wrapped
from cloudportal.api.query import IGNORED, NON_NEGATIVE_TEXT, QuerySchema
from cloudportal.api.representation import BOOLEAN, STRING, Field, Representation, nullable
from cloudportal.api.validation import BOOLEAN as BOOLEAN_INPUT
from cloudportal.api.validation import BodySchema, closed, is_true
from cloudportal.api.views import ComputeView, WireRequest
from cloudportal.errors import Invalid
from servers.api.schemas import TAG
from servers.attach_volume import (
    attach_volume,
    change_attachment,
    detach_volume,
    find_attachment,
)
from servers.attached_volumes import attachments_of
from servers.errors import InvalidServerRequest, InvalidState
from servers.find import find_server
from servers.models import Server
from servers.states import VmState
from volumes.attachments import NewAttachment
from volumes.models import Attachment
from volumes.states import AttachmentStatus

_RULE = "os_compute_api:os-volumes-attachments"
_ID = {"type": "string", "format": "uuid"}
_DEVICE = {
    "type": ["string", "null"],
    "minLength": 1,
    "maxLength": 255,
    "pattern": r"(^/dev/x{0,1}[a-z]{0,1}d{0,1})([a-z]+)[0-9]*\Z",
}


def _attachment(properties: dict[str, Any]) -> BodySchema:
    return BodySchema(
        closed({"volumeAttachment": closed(properties, ["volumeId"])}, ["volumeAttachment"])
    )


_V2_1: dict[str, Any] = {"volumeId": _ID, "device": _DEVICE}
_V2_49 = {**_V2_1, "tag": TAG}
_V2_79 = {**_V2_49, "delete_on_termination": BOOLEAN_INPUT}
CREATE = Versioned(
    {"2.1": _attachment(_V2_1), "2.49": _attachment(_V2_49), "2.79": _attachment(_V2_79)}
)
_UPDATE_2_85 = {
    "volumeId": _ID,
    "id": _ID,
    "serverId": _ID,
    "device": {**_DEVICE, "type": "string"},
    "tag": TAG,
    "delete_on_termination": BOOLEAN_INPUT,
}
UPDATE = Versioned({"2.1": _attachment({"volumeId": _ID}), "2.85": _attachment(_UPDATE_2_85)})
_PAGE = {"limit": NON_NEGATIVE_TEXT, "offset": NON_NEGATIVE_TEXT}
LIST = Versioned({"2.1": QuerySchema(_PAGE), "2.75": QuerySchema(_PAGE, closed=True)})
_MANY_LIMIT = 1000


def _device(attachment: Attachment) -> str:
    return attachment.device


_COMMON: tuple[Field[Attachment], ...] = (
    Field("volumeId", lambda each: str(each.volume_id), STRING),
    Field("serverId", lambda each: str(each.server_id), STRING),
    Field("device", _device, STRING, optional=True),
    Field("tag", lambda each: each.tag or None, nullable(STRING), since="2.70"),
    Field("delete_on_termination", lambda each: each.delete_on_termination, BOOLEAN, since="2.79"),
)
SHOWN: Representation[Attachment] = Representation(
    Field("id", lambda each: str(each.volume_id), STRING, until="2.88"),
    *_COMMON,
    Field("attachment_id", lambda each: str(each.pk), STRING, since="2.89"),
    Field("bdm_uuid", lambda each: str(each.pk), STRING, since="2.89"),
)
CREATED: Representation[Attachment] = Representation(
    Field("id", lambda each: str(each.volume_id), STRING), *_COMMON
)


class _View(ComputeView):
    """A view of a server's volumes."""

    def server(self, request: WireRequest, server_id: str, verb: str) -> Server:
        """The server, for a caller who passes the rule."""
        return find_server(actor=request.actor, server_id=server_id, rule=f"{_RULE}:{verb}")


class VolumeAttachments(_View):
    """A server's volumes."""

    @documented(
        "List a server's volumes.",
        query=LIST,
        responses={200: listed("volumeAttachments", SHOWN, links=None)},
    )
    def get(self, request: WireRequest, server_id: str) -> Response:
        """A page of them."""
        server = self.server(request, server_id, "index")
        first = int(request.query.get("offset") or 0)
        # As ever with this resource, a limit of 0 is none.
        limit = min(int(request.query.get("limit") or 0) or _MANY_LIMIT, _MANY_LIMIT)
        page = _shown_ones(server)[first : first + limit]
        return Response(
            {"volumeAttachments": [SHOWN.show(each, request.microversion) for each in page]}
        )

    @documented(
        "Attach a volume.",
        request=CREATE,
        responses=Versioned(
            {"2.1": {200: wrapped("volumeAttachment", CREATED)}, "2.101": {202: None}}
        ),
    )
    def post(self, request: WireRequest, server_id: str) -> Response:
        """Begin; from 2.101 on nobody is told more than that."""
        version = request.microversion
        body = CREATE.at(version).check(request.data)["volumeAttachment"]
        server = self.server(request, server_id, "create")
        _check_away(server, version)
        attachment = attach_volume(
            server=server,
            volume_id=UUID(body["volumeId"]),
            wanted=NewAttachment(
                device=body.get("device") or "",
                tag=body.get("tag") or "",
                delete_on_termination=is_true(body.get("delete_on_termination", False)),
            ),
            actor=request.actor,
            now=timezone.now(),
        )
        if version >= Microversion(2, 101):
            return Response(status=202)
        return Response({"volumeAttachment": CREATED.show(attachment, version)})


class OneVolumeAttachment(_View):
    """One of a server's volumes."""

    @documented(
        "Show a server's volume.",
        query=IGNORED,
        responses={200: wrapped("volumeAttachment", SHOWN)},
    )
    def get(self, request: WireRequest, server_id: str, volume_id: str) -> Response:
        """How it is attached."""
        attachment = find_attachment(self.server(request, server_id, "show"), volume_id)
        return Response({"volumeAttachment": SHOWN.show(attachment, request.microversion)})

    @documented("Change how a volume is attached.", request=UPDATE, responses={202: None})
    def put(self, request: WireRequest, server_id: str, volume_id: str) -> Response:
        """Set whether it goes with its server; it is swapped for no other one.

        Raises:
            InvalidServerRequest: a field that cannot change, or another volume.
        """
        version = request.microversion
        body = UPDATE.at(version).check(request.data)["volumeAttachment"]
        server = self.server(request, server_id, "update" if _is_same(body, volume_id) else "swap")
        attachment = find_attachment(server, volume_id)
        if version < Microversion(2, 85) or not _is_same(body, volume_id):
            raise InvalidServerRequest(
                "A volume is not swapped for another one in this cloud: detach it and attach the "
                "other."
            )
        _check_unchanged(body, attachment)
        if "delete_on_termination" in body:
            change_attachment(
                server=server,
                attachment=attachment,
                delete_on_termination=is_true(body["delete_on_termination"]),
                actor=request.actor,
            )
        return Response(status=202)

    @documented("Detach a volume.", responses={202: None})
    def delete(self, request: WireRequest, server_id: str, volume_id: str) -> Response:
        """Begin."""
        server = self.server(request, server_id, "delete")
        find_attachment(server, volume_id)
        _check_away(server, request.microversion)
        detach_volume(server=server, volume_id=volume_id, actor=request.actor, now=timezone.now())
        return Response(status=202)


def _shown_ones(server: Server) -> list[Attachment]:
    return [each for each in attachments_of(server) if each.status != AttachmentStatus.RESERVED]


def _is_same(body: dict[str, Any], volume_id: str) -> bool:
    try:
        return UUID(body["volumeId"]) == UUID(volume_id)
    except ValueError:
        return False


def _check_unchanged(body: dict[str, Any], attachment: Attachment) -> None:
    known = {
        "id": str(attachment.pk),
        "serverId": str(attachment.server_id),
        "device": attachment.device,
        "tag": attachment.tag,
    }
    for key, value in known.items():
        given = body.get(key, value)
        if given != value and not (key == "id" and given == str(attachment.volume_id)):
            raise Invalid(f"The {key} of a volume attachment cannot be changed.")


def _check_away(server: Server, version: Microversion) -> None:
    away = (VmState.SHELVED, VmState.SHELVED_OFFLOADED)
    if server.vm_state in away and version < Microversion(2, 20):
        raise InvalidState(
            f"Cannot change volumes of instance {server.pk} while it is in vm_state "
            f"{server.vm_state}"
        )
