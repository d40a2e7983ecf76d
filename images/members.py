"""Shares images with projects: the owner names them, and each of them answers for itself."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from cloudportal.errors import Invalid
from identity import policy
from identity.actors import Actor
from images.errors import MemberExists, MemberNotFound, NotShared, TooManyMembers
from images.lookup import get_image
from images.models import Image, ImageMember, MemberStatus, Visibility

MAX_MEMBERS = 128
MAX_ID = 255


def add_member(*, image_id: str | UUID, member: object, actor: Actor, now: datetime) -> ImageMember:
    """Share an image with one more project, which may then take it up.

    Raises:
        ImageNotFound: no such image.
        Forbidden: the actor's project does not own it.
        NotShared: its visibility is another one.
        Invalid: that is no project's id.
        MemberExists: it is shared with that project.
        TooManyMembers: it is shared with as many as it may be.
    """
    with transaction.atomic():
        # The row's lock makes two who count members wait for one another.
        image = get_image(image_id, actor=actor, for_update=True)
        _check_shared(image)
        policy.require(actor, "add_member", project_id=image.owner)
        if not isinstance(member, str) or not 0 < len(member) <= MAX_ID or "\0" in member:
            raise Invalid("Member can't be empty: a project's id is needed.")
        if image.members.filter(member=member).exists():
            raise MemberExists(f"Image member {member} already exists for image {image.pk}.")
        if image.members.count() >= MAX_MEMBERS:
            raise TooManyMembers(
                f"The limit has been exceeded on the number of allowed image members for this "
                f"image. Attempted: {MAX_MEMBERS + 1}, Maximum: {MAX_MEMBERS}"
            )
        try:
            with transaction.atomic():
                return ImageMember.objects.create(
                    image=image, member=member, created_at=now, updated_at=now
                )
        except IntegrityError:
            raise MemberExists(f"Image member {member} already exists.") from None


def list_members(*, image_id: str | UUID, actor: Actor) -> QuerySet[ImageMember]:
    """All members for the owner, and for a member its own row.

    Raises:
        ImageNotFound: no such image.
        NotShared: its visibility is another one.
    """
    image = get_image(image_id, actor=actor)
    _check_shared(image)
    members = image.members.all()
    if policy.allows(actor, "get_members", project_id=image.owner):
        return members
    return members.filter(member=actor.project_id or "")


def get_member(*, image_id: str | UUID, member: str, actor: Actor) -> ImageMember:
    """One project's word.

    Raises:
        ImageNotFound: no such image.
        NotShared: its visibility is another one.
        MemberNotFound: it is not shared with that project, or that is not for the actor to know.
    """
    found = list_members(image_id=image_id, actor=actor).filter(member=member).first()
    if found is None:
        raise MemberNotFound(f"{member[:MAX_ID]} not found in the member list of the image.")
    return found


def answer_share(
    *, image_id: str | UUID, member: str, status: object, actor: Actor, now: datetime
) -> ImageMember:
    """Accept or reject a shared image, or take either back; the member's word alone.

    Raises:
        ImageNotFound, NotShared, MemberNotFound: as `get_member`.
        Forbidden: the actor's project is another one, as that of the owner.
        Invalid: no such status.
    """
    found = get_member(image_id=image_id, member=member, actor=actor)
    policy.require(actor, "modify_member", project_id=found.member)
    if status not in MemberStatus.values:
        raise Invalid(f"Status must be one of {', '.join(MemberStatus.values)}.")
    # By its row, and as one statement: the owner may be taking it back right now.
    rows = ImageMember.objects.filter(pk=found.pk)
    if not rows.update(status=str(status), updated_at=now):
        raise MemberNotFound(f"{member[:MAX_ID]} not found in the member list of the image.")
    found.refresh_from_db()
    return found


def remove_member(*, image_id: str | UUID, member: str, actor: Actor) -> None:
    """Share an image with that project no longer; servers made from it stay.

    Raises:
        ImageNotFound, NotShared, MemberNotFound: as `get_member`.
        Forbidden: the actor's project does not own the image.
    """
    found = get_member(image_id=image_id, member=member, actor=actor)
    policy.require(actor, "delete_member", project_id=found.image.owner)
    found.delete()


def _check_shared(image: Image) -> None:
    if image.visibility != Visibility.SHARED:
        raise NotShared("Only shared images have members.")
