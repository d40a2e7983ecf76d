"""Views of kinds of things: their lists, one of them, new ones; each as its kind is declared."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, cast

from django.db import transaction
from django.db.models import Model, QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from cloudportal.api.openapi import documented
from cloudportal.api.views import WireRequest, WireView
from cloudportal.errors import Invalid, NotFound
from identity.actors import Actor
from networks import lookup
from networks.api.bodies import Body
from networks.api.listing import FIELDS, Resource
from networks.errors import RevisionNumberConstraintFailed

# The answer to who says with If-Match that a thing is as it no longer is.
STALE = (412,)
_REVISION = re.compile(r"\s*\"?revision_number=([0-9]{1,9})\"?\s*")


class NetworkView(WireView):
    """A view of the network API."""

    service = "network"


def actor_of(request: Request) -> Actor:
    """Who asks."""
    return cast(WireRequest, request).actor


class ListView(NetworkView, ABC):
    """All of one kind that the caller sees."""

    resource: ClassVar[Resource]

    def __init_subclass__(cls, **more: Any) -> None:
        """Each kind of thing has a list of its own shape."""
        super().__init_subclass__(**more)
        words = cls.resource.plural.replace("_", " ")
        declare = documented(
            f"List {words}.", query=cls.resource.asked, responses={200: cls.resource.listed}
        )
        cls.get = declare(ListView.get)  # type: ignore[method-assign]  # the same, described

    @abstractmethod
    def rows(self, actor: Actor) -> QuerySet[Any]:
        """What the caller sees, with all that is shown of it."""

    def get(self, request: Request) -> Response:
        """One page of what the query asks for."""
        actor = actor_of(request)
        url = f"{self.base_url}/v2.0/{self.resource.plural.replace('_', '-')}"
        return Response(self.resource.page(self.rows(actor), request.query_params, actor, url))


def _check_revision(request: Request, row: Any) -> None:
    """Whether the thing is still as the caller saw it, where the request says what that was."""
    wanted = request.headers.get("If-Match", "")
    if request.method not in ("PUT", "DELETE") or not wanted:
        return
    match = _REVISION.fullmatch(wanted)
    if match is None:
        raise Invalid(f"Invalid value for If-Match: {wanted[:64]!r}; revision_number=N is one.")
    revision = getattr(row, "revision", 0)
    if int(match[1]) != revision:
        raise RevisionNumberConstraintFailed(
            f"Constrained to {match[1]}, but current revision is {revision}"
        )


class ItemView(NetworkView, ABC):
    """One thing."""

    resource: ClassVar[Resource]
    not_found: ClassVar[type[NotFound]]
    label: ClassVar[str]

    def __init_subclass__(cls, **more: Any) -> None:
        """Each kind of thing has a shape of its own; what shows something else says so itself."""
        super().__init_subclass__(**more)
        if "get" not in vars(cls):
            words = cls.resource.plural.replace("_", " ")
            declare = documented(
                f"Show one of the {words}.", query=FIELDS, responses={200: cls.resource.shown}
            )
            cls.get = declare(ItemView.get)  # type: ignore[method-assign]  # the same, described

    @abstractmethod
    def rows(self, actor: Actor) -> QuerySet[Any]:
        """What the caller sees, with all that is shown of it."""

    def row(self, request: Request, pk: str) -> Any:
        """The thing, if the caller sees it."""
        found = lookup.find(self.rows(actor_of(request)), pk, self.resource.key)
        if found is None:
            raise self.not_found(f"{self.label} {pk} could not be found.")
        _check_revision(request, found)
        return found

    def get(self, request: Request, pk: str) -> Response:
        """The thing."""
        row = self.row(request, pk)
        return Response(self.resource.show(row, request.query_params, actor_of(request)))

    def shown(self, request: Request, row: Model) -> Response:
        """The thing as it is now."""
        fresh = self.rows(actor_of(request)).get(pk=row.pk)
        return Response(self.resource.show(fresh, request.query_params, actor_of(request)))


def create_from(
    view: ListView, request: Request, body: Body, make: Callable[[dict[str, Any]], Model]
) -> Response:
    """Make one, or several all or none, and show what was made."""
    actor = actor_of(request)
    resource = view.resource
    if body.is_bulk(request.data):
        with transaction.atomic():
            made = [make(fields).pk for fields in body.read_bulk(request.data)]
        rows = {row.pk: row for row in view.rows(actor).filter(pk__in=made)}
        resource.attach(list(rows.values()))
        return Response(
            {resource.plural: [resource.body(rows[pk], actor) for pk in made]}, status=201
        )
    row = view.rows(actor).get(pk=make(body.read(request.data)).pk)
    return Response({resource.name: resource.body(row, actor)}, status=201)
