"""The metadata and the tags of a server."""

from __future__ import annotations

from urllib.parse import quote

from django.utils import timezone
from rest_framework.response import Response

from cloudportal.api.microversions import available
from cloudportal.api.openapi import documented, wrapped
from cloudportal.api.query import IGNORED
from cloudportal.api.representation import STRING, array, mapping
from cloudportal.api.views import ComputeView, WireRequest
from cloudportal.errors import Invalid
from servers.api.schemas import METADATA_BODY, METADATA_ITEM, TAG_TEXT, TAGS_BODY
from servers.errors import LabelNotFound
from servers.find import find_server
from servers.labels import add_tag, delete_metadata, remove_tag, set_metadata, set_tags
from servers.models import Server

METADATA_FORM = wrapped("metadata", mapping(STRING))
META_FORM = wrapped("meta", mapping(STRING))
TAGS_FORM = wrapped("tags", array(STRING))


class _LabelView(ComputeView):
    """A view below one server."""

    def server(self, server_id: str, rule: str) -> Server:
        """The server, for a caller who passes the rule."""
        actor = self.request.actor  # type: ignore[attr-defined]  # the kernel's addition
        return find_server(actor=actor, server_id=server_id, rule=f"os_compute_api:{rule}")


class ServerMetadata(_LabelView):
    """All metadata of a server."""

    @documented("Show metadata.", responses={200: METADATA_FORM})
    def get(self, request: WireRequest, server_id: str) -> Response:
        """All keys and values."""
        server = self.server(server_id, "server-metadata:index")
        return Response({"metadata": server.metadata})

    @documented("Add metadata.", request=METADATA_BODY, responses={200: METADATA_FORM})
    def post(self, request: WireRequest, server_id: str) -> Response:
        """Merge into what is there."""
        return self._set(request, server_id, "create", merge=True)

    @documented("Replace metadata.", request=METADATA_BODY, responses={200: METADATA_FORM})
    def put(self, request: WireRequest, server_id: str) -> Response:
        """Replace everything."""
        return self._set(request, server_id, "update_all", merge=False)

    def _set(self, request: WireRequest, server_id: str, verb: str, *, merge: bool) -> Response:
        body = METADATA_BODY.check(request.data)
        found = set_metadata(
            server=self.server(server_id, f"server-metadata:{verb}"),
            metadata=body["metadata"],
            merge=merge,
            actor=request.actor,
            now=timezone.now(),
        )
        return Response({"metadata": found})


class ServerMetadataItem(_LabelView):
    """One metadata key of a server."""

    @documented("Show one metadata value.", responses={200: META_FORM})
    def get(self, request: WireRequest, server_id: str, key: str) -> Response:
        """The key with its value."""
        server = self.server(server_id, "server-metadata:show")
        if key not in server.metadata:
            raise LabelNotFound("Metadata item was not found")
        return Response({"meta": {key: server.metadata[key]}})

    @documented("Set one metadata value.", request=METADATA_ITEM, responses={200: META_FORM})
    def put(self, request: WireRequest, server_id: str, key: str) -> Response:
        """Add the key or change its value."""
        body = METADATA_ITEM.check(request.data)
        if key not in body["meta"]:
            raise Invalid("Request body and URI mismatch")
        set_metadata(
            server=self.server(server_id, "server-metadata:update"),
            metadata=body["meta"],
            merge=True,
            actor=request.actor,
            now=timezone.now(),
        )
        return Response({"meta": body["meta"]})

    @documented("Delete a metadata key.", responses={204: None})
    def delete(self, request: WireRequest, server_id: str, key: str) -> Response:
        """Take the key away."""
        server = self.server(server_id, "server-metadata:delete")
        delete_metadata(server=server, key=key, actor=request.actor, now=timezone.now())
        return Response(status=204)


class ServerTags(_LabelView):
    """All tags of a server."""

    @available("2.26")
    @documented("List tags.", query=IGNORED, responses={200: TAGS_FORM})
    def get(self, request: WireRequest, server_id: str) -> Response:
        """All tags."""
        return Response({"tags": self.server(server_id, "os-server-tags:index").tags})

    @available("2.26")
    @documented("Replace tags.", request=TAGS_BODY, responses={200: TAGS_FORM})
    def put(self, request: WireRequest, server_id: str) -> Response:
        """Replace all tags."""
        body = TAGS_BODY.check(request.data)
        server = self.server(server_id, "os-server-tags:update_all")
        tags = set_tags(server=server, tags=body["tags"], actor=request.actor, now=timezone.now())
        return Response({"tags": tags})

    @available("2.26")
    @documented("Delete all tags.", responses={204: None})
    def delete(self, request: WireRequest, server_id: str) -> Response:
        """Take all tags away."""
        server = self.server(server_id, "os-server-tags:delete_all")
        set_tags(server=server, tags=[], actor=request.actor, now=timezone.now())
        return Response(status=204)


class ServerTag(_LabelView):
    """One tag of a server."""

    @available("2.26")
    @documented("Ask whether a server has a tag.", query=IGNORED, responses={204: None})
    def get(self, request: WireRequest, server_id: str, tag: str) -> Response:
        """An empty answer when it does."""
        server = self.server(server_id, "os-server-tags:show")
        if tag not in server.tags:
            raise LabelNotFound(f"Server {server.pk} has no tag '{tag}'")
        return Response(status=204)

    @available("2.26")
    @documented("Add a tag.", responses={201: None, 204: None})
    def put(self, request: WireRequest, server_id: str, tag: str) -> Response:
        """Add it; there already is no error."""
        if request.data:
            raise Invalid("The body must be empty.")
        text = TAG_TEXT.check(tag)
        server = self.server(server_id, "os-server-tags:update")
        if not add_tag(server=server, tag=text, actor=request.actor, now=timezone.now()):
            return Response(status=204)
        location = self.link("servers", str(server.pk), "tags", quote(text, safe=""))
        return Response(status=201, headers={"Location": location})

    @available("2.26")
    @documented("Remove a tag.", responses={204: None})
    def delete(self, request: WireRequest, server_id: str, tag: str) -> Response:
        """Take it away."""
        server = self.server(server_id, "os-server-tags:delete")
        remove_tag(server=server, tag=tag, actor=request.actor, now=timezone.now())
        return Response(status=204)
