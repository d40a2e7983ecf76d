"""Transfers of volumes from project to project, under their old path and the one since 3.55."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from cloudportal.api.microversions import Versioned
from cloudportal.api.openapi import documented
from cloudportal.api.validation import BOOLEAN, is_true
from cloudportal.api.views import WireRequest
from volumes.api import shapes
from volumes.api.filters import Filters
from volumes.api.views import NAME, Listing, VolumeView, actor_of, inner, instant, is_at, wants_all
from volumes.find import as_uuid, find_transfer, find_volume, visible_transfers
from volumes.models import Transfer
from volumes.transfers import accept_transfer, offer_volume, withdraw_transfer

_OFFER: dict[str, Any] = {"volume_id": {"type": "string", "format": "uuid"}, "name": NAME}
CREATE = Versioned(
    {
        "3.0": inner("transfer", _OFFER, ("volume_id",)),
        "3.55": inner("transfer", {**_OFFER, "no_snapshots": BOOLEAN}, ("volume_id",)),
    }
)
ACCEPT = inner(
    "accept", {"auth_key": {"type": "string", "minLength": 1, "maxLength": 255}}, ("auth_key",)
)
FILTERS = Filters(
    texts={"name": "name", "display_name": "name"}, ids={"id": "id", "volume_id": "volume_id"}
)
LISTING = Listing(
    "transfers",
    {"id": "id", "name": "name", "display_name": "name", "created_at": "created_at",
     "volume_id": "volume_id"},
)  # fmt: skip
_QUERY = shapes.asked("all_tenants", "all_projects", *FILTERS.names)


def short_transfer(view: VolumeView, transfer: Transfer) -> dict[str, Any]:
    """As lists without details have it."""
    return {
        "id": str(transfer.pk),
        "volume_id": str(transfer.volume_id),
        "name": transfer.name,
        "links": view.links("os-volume-transfer", str(transfer.pk)),
    }


def transfer_body(view: VolumeView, request: Request, transfer: Transfer) -> dict[str, Any]:
    """A transfer in full; its key is in no answer but the first."""
    body = {**short_transfer(view, transfer), "created_at": instant(transfer.created_at)}
    if is_at(request, "3.55"):
        body["no_snapshots"] = transfer.no_snapshots
    if is_at(request, "3.57"):
        body["source_project_id"] = transfer.source_project_id
        # One that has been accepted is there no more.
        body["destination_project_id"] = None
        body["accepted"] = False
    return body


def _wanted(request: Request) -> QuerySet[Transfer]:
    everything = wants_all(request.query_params)
    rows = visible_transfers(actor_of(request), all_projects=everything)
    return FILTERS.applied(rows, request)


class Transfers(VolumeView):
    """What a project offers."""

    @documented(
        "List transfers.",
        query=_QUERY,
        responses={200: shapes.page("transfers", shapes.SHORT_TRANSFER)},
    )
    def get(self, request: Request) -> Response:
        """A page of it."""
        rows = _wanted(request)
        return Response(LISTING.body(self, request, rows, lambda row: short_transfer(self, row)))

    @documented(
        "Offer a volume to another project.",
        request=CREATE,
        responses={202: shapes.one("transfer", shapes.NEW_TRANSFER)},
    )
    def post(self, request: WireRequest) -> Response:
        """Offer a volume; the answer has the key, which is shown this once."""
        body = CREATE.at(request.microversion).check(request.data)["transfer"]
        volume = find_volume(actor=actor_of(request), volume_id=body["volume_id"])
        transfer, key = offer_volume(
            volume=volume,
            name=body.get("name") or "",
            no_snapshots=is_true(body.get("no_snapshots", False)),
            actor=actor_of(request),
            now=timezone.now(),
        )
        shown = {**transfer_body(self, request, transfer), "auth_key": key}
        return Response({"transfer": shown}, status=202)


class TransfersDetail(VolumeView):
    """The same with all that is known of each."""

    @documented(
        "List transfers with details.",
        query=_QUERY,
        responses={200: shapes.page("transfers", shapes.TRANSFER)},
    )
    def get(self, request: Request) -> Response:
        """A page of it."""
        rows = _wanted(request)
        return Response(
            LISTING.body(self, request, rows, lambda row: transfer_body(self, request, row))
        )


class OneTransfer(VolumeView):
    """One transfer."""

    @documented("Show a transfer.", responses={200: shapes.one("transfer", shapes.TRANSFER)})
    def get(self, request: Request, transfer_id: str) -> Response:
        """All that is known of it."""
        transfer = find_transfer(actor=actor_of(request), transfer_id=transfer_id)
        return Response({"transfer": transfer_body(self, request, transfer)})

    @documented("Withdraw a transfer.", responses={202: None})
    def delete(self, request: Request, transfer_id: str) -> Response:
        """Withdraw it."""
        actor = actor_of(request)
        rule = "volume:delete_transfer"
        transfer = find_transfer(actor=actor, transfer_id=transfer_id, rule=rule)
        withdraw_transfer(transfer=transfer, actor=actor)
        return Response(status=202)


class TransferAcceptance(VolumeView):
    """What somebody who was told the key does."""

    @documented(
        "Accept a transfer.",
        request=ACCEPT,
        responses={202: shapes.one("transfer", shapes.SHORT_TRANSFER)},
    )
    def post(self, request: Request, transfer_id: str) -> Response:
        """Take the volume over into the caller's project."""
        body = ACCEPT.check(request.data)["accept"]
        transfer = accept_transfer(
            transfer_id=as_uuid(transfer_id),
            key=body["auth_key"],
            actor=actor_of(request),
            now=timezone.now(),
        )
        return Response({"transfer": short_transfer(self, transfer)}, status=202)
