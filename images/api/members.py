"""Projects that an image is shared with."""

from __future__ import annotations

from typing import Any, cast

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from cloudportal.api.openapi import documented
from cloudportal.api.views import WireRequest
from cloudportal.errors import Invalid
from images.api.representation import member_body
from images.api.shapes import ADD_MEMBER, ANSWER_SHARE, MEMBER, MEMBERS
from images.api.versions import ImageView
from images.members import add_member, answer_share, get_member, list_members, remove_member


class Members(ImageView):
    """All of them; there are few enough for one page."""

    @documented("List the projects an image is shared with.", responses={200: MEMBERS})
    def get(self, request: Request, image_id: str) -> Response:
        """The members that the caller may know of."""
        found = list_members(image_id=image_id, actor=cast(WireRequest, request).actor)
        body = {"members": [member_body(each) for each in found], "schema": "/v2/schemas/members"}
        return Response(body)

    @documented("Share an image with a project.", request=ADD_MEMBER, responses={200: MEMBER})
    def post(self, request: Request, image_id: str) -> Response:
        """Share the image with one more project; answered with 200."""
        made = add_member(
            image_id=image_id,
            member=_named(request.data, "member"),
            actor=cast(WireRequest, request).actor,
            now=timezone.now(),
        )
        return Response(member_body(made))


class OneMember(ImageView):
    """One of them."""

    @documented("Show a project that an image is shared with.", responses={200: MEMBER})
    def get(self, request: Request, image_id: str, member: str) -> Response:
        """The member."""
        actor = cast(WireRequest, request).actor
        return Response(member_body(get_member(image_id=image_id, member=member, actor=actor)))

    @documented(
        "Accept or reject an image that is shared.", request=ANSWER_SHARE, responses={200: MEMBER}
    )
    def put(self, request: Request, image_id: str, member: str) -> Response:
        """Take the image up, or not."""
        answered = answer_share(
            image_id=image_id,
            member=member,
            status=_named(request.data, "status"),
            actor=cast(WireRequest, request).actor,
            now=timezone.now(),
        )
        return Response(member_body(answered))

    @documented("Share an image with a project no longer.", responses={204: None})
    def delete(self, request: Request, image_id: str, member: str) -> Response:
        """Share it with that project no longer."""
        actor = cast(WireRequest, request).actor
        remove_member(image_id=image_id, member=member, actor=actor)
        return Response(status=204)


def _named(body: Any, name: str) -> Any:
    if not isinstance(body, dict) or name not in body:
        raise Invalid(f"Expected a JSON object with the key '{name}'.")
    return body[name]
