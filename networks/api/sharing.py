"""Tags of things, and policies by which networks are lent, over HTTP."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from cloudportal.api.openapi import documented
from cloudportal.api.validation import BodySchema, closed
from identity.actors import Actor
from networks import shares, tags
from networks.api.base import STALE, ItemView, ListView, actor_of, create_from
from networks.api.bodies import ID, OWN, Body
from networks.api.listing import FIELDS, Resource, identifier, text
from networks.api.shapes import SHARE_SHAPE, TAGS_SHAPE
from networks.api.views import OneNetwork
from networks.errors import InvalidInput, RbacPolicyNotFound, TagNotFound
from networks.models import NetworkShare
from networks.models.sharing import TAGGED

_TAGS = BodySchema(
    closed({"tags": {"type": "array", "maxItems": 200, "items": {"type": "string"}}}, ["tags"])
)
_TARGET: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": 64}
_ONLY_NETWORKS: dict[str, Any] = {"enum": ["network"]}
_ACTION: dict[str, Any] = {"enum": ["access_as_shared"]}
_CREATE = closed(
    {
        **OWN,
        "object_type": _ONLY_NETWORKS,
        "object_id": ID,
        "action": _ACTION,
        "target_tenant": _TARGET,
        "target_project_id": _TARGET,
    },
    ["object_type", "object_id", "action"],
)


def share_body(share: NetworkShare, actor: Actor) -> dict[str, Any]:
    """A policy."""
    return {
        "id": str(share.pk),
        "object_type": "network",
        "object_id": str(share.network_id),
        "action": "access_as_shared",
        "target_tenant": share.target_project_id,
        "target_project_id": share.target_project_id,
        "tenant_id": share.project_id,
        "project_id": share.project_id,
    }


SHARE = Resource(
    "rbac_policy",
    "rbac_policies",
    share_body,
    SHARE_SHAPE,
    {
        "id": ("id", identifier),
        "object_id": ("network_id", identifier),
        "target_tenant": ("target_project_id", text),
        "target_project_id": ("target_project_id", text),
        "project_id": ("project_id", text),
        "tenant_id": ("project_id", text),
    },
    constants={"object_type": "network", "action": "access_as_shared"},
)


class _Tagged(ItemView):
    """A thing whose tags are meant; which kind of thing, each address says."""

    of: type[ItemView] = OneNetwork
    # Of the thing's own view, given with the address.
    resource = SHARE
    not_found = RbacPolicyNotFound
    label = ""

    def rows(self, actor: Actor) -> QuerySet[Any]:
        """As where the thing itself is shown."""
        return self.of().rows(actor)

    def thing(self, request: Request, pk: str) -> tuple[Any, str]:
        """The thing, and the rule by which it is changed."""
        row = self.row(request, pk)
        name = TAGGED[type(row)].replace("floating_ip", "floatingip")
        # Rules are not changed otherwise.
        return row, f"update_{name}".removesuffix("_rule")


class Tags(_Tagged):
    """All tags of a thing."""

    @documented("List the tags of a thing.", responses={200: TAGS_SHAPE})
    def get(self, request: Request, pk: str) -> Response:
        """The tags."""
        row = self.row(request, pk)
        return Response({"tags": tags.tags_of([row])[row.pk]})

    @documented(
        "Replace the tags of a thing.",
        request=_TAGS,
        responses={200: TAGS_SHAPE},
        faults=STALE,
    )
    def put(self, request: Request, pk: str) -> Response:
        """Others in their place."""
        row, rule = self.thing(request, pk)
        words = _TAGS.check(request.data)["tags"]
        now = timezone.now()
        return Response(
            {
                "tags": tags.replace_tags(
                    row=row, rule=rule, words=words, actor=actor_of(request), now=now
                )
            }
        )

    @documented("Add tags to a thing.", request=_TAGS, responses={201: TAGS_SHAPE})
    def post(self, request: Request, pk: str) -> Response:
        """Some besides."""
        row, rule = self.thing(request, pk)
        words = _TAGS.check(request.data)["tags"]
        now = timezone.now()
        return Response(
            {
                "tags": tags.add_tags(
                    row=row, rule=rule, words=words, actor=actor_of(request), now=now
                )
            },
            status=201,
        )

    @documented("Remove all tags of a thing.", responses={204: None}, faults=STALE)
    def delete(self, request: Request, pk: str) -> Response:
        """None."""
        row, rule = self.thing(request, pk)
        tags.replace_tags(row=row, rule=rule, words=(), actor=actor_of(request), now=timezone.now())
        return Response(status=204)


class OneTag(_Tagged):
    """One tag of a thing."""

    @documented("Check whether a thing has a tag.", responses={204: None})
    def get(self, request: Request, pk: str, word: str = "") -> Response:
        """Whether it has it."""
        row = self.row(request, pk)
        if word not in tags.tags_of([row])[row.pk]:
            raise TagNotFound(f"Tag {word[:255]} could not be found.")
        return Response(status=204)

    @documented("Add a tag to a thing.", responses={201: None}, faults=STALE)
    def put(self, request: Request, pk: str, word: str) -> Response:
        """Let it have it."""
        row, rule = self.thing(request, pk)
        tags.add_tags(row=row, rule=rule, words=[word], actor=actor_of(request), now=timezone.now())
        return Response(status=201)

    @documented("Remove a tag of a thing.", responses={204: None}, faults=STALE)
    def delete(self, request: Request, pk: str, word: str) -> Response:
        """Take it off."""
        row, rule = self.thing(request, pk)
        tags.remove_tag(row=row, rule=rule, word=word, actor=actor_of(request), now=timezone.now())
        return Response(status=204)


class Shares(ListView):
    """Policies."""

    resource = SHARE
    create = Body("rbac_policy", "rbac_policies", _CREATE)

    def rows(self, actor: Actor) -> QuerySet[NetworkShare]:
        """Those of the project's networks."""
        return shares.visible_shares(actor)

    @documented("Create RBAC policies.", request=create.one_or_more, responses={201: SHARE.made})
    def post(self, request: Request) -> Response:
        """Lend networks."""

        def make(fields: dict[str, Any]) -> NetworkShare:
            wanted = shares.NewShare(fields["object_id"], _target(fields))
            return shares.create_share(wanted=wanted, actor=actor_of(request), now=timezone.now())

        return create_from(self, request, self.create, make)


class OneShare(ItemView):
    """A policy."""

    resource = SHARE
    not_found = RbacPolicyNotFound
    label = "RBAC policy with ID"
    change = Body(
        "rbac_policy",
        "rbac_policies",
        closed({"target_tenant": _TARGET, "target_project_id": _TARGET}),
    )

    def rows(self, actor: Actor) -> QuerySet[NetworkShare]:
        """Those of the project's networks."""
        return shares.visible_shares(actor)

    @documented(
        "Change one RBAC policy.",
        request=change.one,
        query=FIELDS,
        responses={200: SHARE.shown},
        faults=STALE,
    )
    def put(self, request: Request, pk: str) -> Response:
        """Lend it to another project instead."""
        row = shares.update_share(
            share=self.row(request, pk),
            target_project_id=_target(self.change.read(request.data)),
            actor=actor_of(request),
        )
        return self.shown(request, row)

    @documented("Delete one RBAC policy.", responses={204: None}, faults=STALE)
    def delete(self, request: Request, pk: str) -> Response:
        """Lend it no more."""
        shares.delete_share(share=self.row(request, pk), actor=actor_of(request))
        return Response(status=204)


def _target(fields: dict[str, Any]) -> str:
    given = {fields[name] for name in ("target_tenant", "target_project_id") if name in fields}
    if len(given) != 1:
        raise InvalidInput("Invalid input for target_tenant: one project, or '*', is to be named.")
    return str(given.pop())
