"""`/os-keypairs`: a user's public keys."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import QueryDict
from django.utils import timezone
from rest_framework.response import Response

from cloudportal.api import paging
from cloudportal.api.microversions import Versioned
from cloudportal.api.openapi import Answers, documented, listed, merged, wrapped
from cloudportal.api.query import ANY, NON_NEGATIVE_TEXT, QuerySchema
from cloudportal.api.representation import (
    BOOLEAN,
    INTEGER,
    NULL,
    STRING,
    Field,
    Representation,
    record,
)
from cloudportal.api.validation import BodySchema, closed
from cloudportal.api.views import ComputeView, WireRequest
from cloudportal.errors import Invalid
from servers.key_pairs import (
    MadeKeyPair,
    WantedKeyPair,
    create_key_pair,
    delete_key_pair,
    find_key_pair,
    key_pairs_of,
)
from servers.models import KeyPair

_NAME = {
    "type": "string",
    "minLength": 1,
    "maxLength": 255,
    "pattern": r"^(?! )[a-zA-Z0-9_\- ]+(?<! )\Z",
}
_NAME_2_92 = {**_NAME, "pattern": r"^(?! )[a-zA-Z0-9_\-@. ]+(?<! )\Z"}
_PUBLIC_KEY = {"type": "string", "minLength": 1, "maxLength": 16384}
_USER_ID = {"type": "string", "minLength": 1, "maxLength": 64, "pattern": r"^[a-zA-Z0-9-]*\Z"}
_2_1 = {"name": _NAME, "public_key": _PUBLIC_KEY}
_2_2 = {**_2_1, "type": {"type": "string", "enum": ["ssh", "x509"]}}
_2_10 = {**_2_2, "user_id": _USER_ID}
_2_92 = {**_2_10, "name": _NAME_2_92}


def _body(fields: dict[str, Any], *required: str) -> BodySchema:
    return BodySchema(closed({"keypair": closed(fields, required)}, ["keypair"]))


CREATE = Versioned(
    {
        "2.1": _body(_2_1, "name"),
        "2.2": _body(_2_2, "name"),
        "2.10": _body(_2_10, "name"),
        "2.92": _body(_2_92, "name", "public_key"),
    }
)
_USER = {"user_id": ANY}
_PAGE = {**_USER, "limit": NON_NEGATIVE_TEXT, "marker": ANY}
LIST = Versioned(
    {
        "2.1": QuerySchema({}),
        "2.10": QuerySchema(_USER),
        "2.35": QuerySchema(_PAGE),
        "2.75": QuerySchema(_PAGE, closed=True),
    }
)
ONE = Versioned(
    {
        "2.1": QuerySchema({}),
        "2.10": QuerySchema(_USER),
        "2.75": QuerySchema(_USER, closed=True),
    }
)
PAGED = Versioned({"2.1": False, "2.35": True})
CREATED_STATUS = Versioned({"2.1": 200, "2.2": 201})
DELETED: Versioned[Answers] = Versioned({"2.1": {202: None}, "2.2": {204: None}})
DELETED_STATUS = Versioned({"2.1": 202, "2.2": 204})

_COMMON: list[Field[KeyPair]] = [
    Field("name", lambda pair: pair.name, STRING),
    Field("public_key", lambda pair: pair.public_key, STRING),
    Field("fingerprint", lambda pair: pair.fingerprint, STRING),
    Field("type", lambda pair: pair.type, STRING, since="2.2"),
]
_OWNED: list[Field[KeyPair]] = [*_COMMON, Field("user_id", lambda pair: pair.user_id, STRING)]
LISTED: Representation[KeyPair] = Representation(*_COMMON)
MADE: Representation[KeyPair] = Representation(*_OWNED)
# A private key is shown only by the call that made it.
MADE_FORM = wrapped("keypair", merged(MADE, record({}, {"private_key": STRING})))
WHOLE: Representation[KeyPair] = Representation(
    *_OWNED,
    Field("id", lambda pair: pair.pk, INTEGER),
    # Naive UTC with microseconds, as this one resource has always written it.
    Field("created_at", lambda pair: f"{pair.created_at:%Y-%m-%dT%H:%M:%S.%f}", STRING),
    Field("updated_at", lambda pair: None, NULL),
    Field("deleted", lambda pair: False, BOOLEAN),
    Field("deleted_at", lambda pair: None, NULL),
)


class KeyPairsView(ComputeView):
    """All key pairs of a user; and making one."""

    @documented(
        "List key pairs.",
        query=LIST,
        responses={200: listed("keypairs", wrapped("keypair", LISTED))},
    )
    def get(self, request: WireRequest) -> Response:
        """Answer with the list, from 2.35 on with a page of it."""
        version = request.microversion
        query = request.query
        user_id = query.get("user_id") or request.actor.user_id
        pairs = key_pairs_of(user_id=user_id, actor=request.actor)
        page = self._page(pairs, query) if PAGED.at(version) else list(pairs)
        body: dict[str, Any] = {
            "keypairs": [{"keypair": LISTED.show(pair, version)} for pair in page]
        }
        if PAGED.at(version) and page and len(page) == paging.parse_limit(query):
            href = paging.next_link(self.link("os-keypairs"), request.query_params, page[-1].name)
            body["keypairs_links"] = [{"rel": "next", "href": href}]
        return Response(body)

    @documented(
        "Import a public key; before 2.92 also: make a key pair.",
        request=CREATE,
        responses=Versioned({"2.1": {200: MADE_FORM}, "2.2": {201: MADE_FORM}}),
    )
    def post(self, request: WireRequest) -> Response:
        """Keep or make it, and answer with it; a private key is shown this once."""
        body = CREATE.at(request.microversion).check(request.data)["keypair"]
        wanted = WantedKeyPair(
            name=body["name"], type=body.get("type", "ssh"), public_key=body.get("public_key")
        )
        made = create_key_pair(
            wanted=wanted,
            user_id=body.get("user_id", request.actor.user_id),
            actor=request.actor,
            now=timezone.now(),
        )
        shown = self._shown(made, request)
        return Response({"keypair": shown}, status=CREATED_STATUS.at(request.microversion))

    @staticmethod
    def _page(pairs: QuerySet[KeyPair], query: QueryDict) -> list[KeyPair]:
        marker = None
        if query.get("marker"):
            marker = pairs.filter(name=query["marker"]).first()
            if marker is None:
                raise Invalid(f"Marker {query['marker']} could not be found.")
        return paging.after(pairs, [paging.SortKey("name")], marker, paging.parse_limit(query))

    @staticmethod
    def _shown(made: MadeKeyPair, request: WireRequest) -> dict[str, Any]:
        shown = MADE.show(made.key_pair, request.microversion)
        if made.private_key is not None:
            shown["private_key"] = made.private_key
        return shown


class KeyPairView(ComputeView):
    """One key pair, by its name."""

    def _user_id(self, request: WireRequest) -> str:
        query = request.query
        return query.get("user_id") or request.actor.user_id

    @documented("Show a key pair.", query=ONE, responses={200: wrapped("keypair", WHOLE)})
    def get(self, request: WireRequest, name: str) -> Response:
        """Answer with the key pair."""
        user_id = self._user_id(request)
        pair = find_key_pair(user_id=user_id, name=name, actor=request.actor)
        return Response({"keypair": WHOLE.show(pair, request.microversion)})

    @documented("Delete a key pair.", query=ONE, responses=DELETED)
    def delete(self, request: WireRequest, name: str) -> Response:
        """Forget the key pair."""
        delete_key_pair(user_id=self._user_id(request), name=name, actor=request.actor)
        return Response(status=DELETED_STATUS.at(request.microversion))
