"""Groups of users: made, changed, filled and deleted."""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from identity.actors import Actor
from identity.changes import GroupFields, given
from identity.create import domain_for
from identity.errors import DomainIsFixed, NameTaken, NoSuchThing
from identity.models import Group, Membership, User
from identity.rules import require


def create_group(*, fields: GroupFields, actor: Actor) -> Group:
    """Make a group in the named domain, or in that of the actor's token.

    Raises:
        NotYours: the actor does not administer the cloud.
        NameTaken: the domain has a group of that name.
        UnknownReference: there is no such domain.
    """
    require(actor, "identity:create_group")
    group = Group(**given(fields))
    group.domain_id = domain_for(fields.domain_id, actor)
    return _saved(group)


def find_group(*, group_id: str, actor: Actor) -> Group:
    """One group.

    Raises:
        NotYours: the actor does not administer the cloud.
        NoSuchThing: there is none of that id.
    """
    require(actor, "identity:get_group")
    found = Group.objects.filter(pk=group_id).first()
    if found is None:
        raise NoSuchThing("group", group_id)
    return found


def all_groups(*, actor: Actor) -> QuerySet[Group]:
    """Every group, by name.

    Raises:
        NotYours: the actor does not administer the cloud.
    """
    require(actor, "identity:list_groups")
    return Group.objects.all()


def groups_of_user(*, user: User, actor: Actor) -> QuerySet[Group]:
    """The groups that a user is in, by name.

    Raises:
        NotYours: another user's.
    """
    require(actor, "identity:list_groups_for_user", user_id=user.pk)
    return Group.objects.filter(memberships__user=user)


def update_group(*, group: Group, fields: GroupFields, actor: Actor) -> Group:
    """Change a group.

    Raises:
        NotYours: the actor does not administer the cloud.
        NameTaken: the domain has another group of that name.
        DomainIsFixed: another domain is named.
    """
    require(actor, "identity:update_group")
    if fields.domain_id not in (None, group.domain_id):
        raise DomainIsFixed("group")
    for name, value in given(fields).items():
        setattr(group, name, value)
    return _saved(group)


def delete_group(*, group: Group, actor: Actor) -> None:
    """Delete a group; its members lose the roles that they had by it.

    Raises:
        NotYours: the actor does not administer the cloud.
    """
    require(actor, "identity:delete_group")
    group.delete()


def members_of(*, group: Group, actor: Actor) -> QuerySet[User]:
    """The users in a group, by name.

    Raises:
        NotYours: the actor does not administer the cloud.
    """
    require(actor, "identity:list_users_in_group")
    return User.objects.filter(memberships__group=group).order_by("name", "id")


def add_member(*, group: Group, user: User, actor: Actor) -> None:
    """Put a user into a group; twice means once.

    Raises:
        NotYours: the actor does not administer the cloud.
    """
    require(actor, "identity:add_user_to_group")
    Membership.objects.get_or_create(group=group, user=user)


def remove_member(*, group: Group, user: User, actor: Actor) -> None:
    """Take a user out of a group; tokens lose the group's roles at once.

    Raises:
        NotYours: the actor does not administer the cloud.
        NoSuchThing: the user is not in it.
    """
    require(actor, "identity:remove_user_from_group")
    if not Membership.objects.filter(group=group, user=user).delete()[0]:
        raise NoSuchThing(f"user {user.pk} in group", group.pk)


def check_member(*, group: Group, user: User, actor: Actor) -> None:
    """Pass if the user is in the group.

    Raises:
        NotYours: the actor does not administer the cloud.
        NoSuchThing: the user is not in it.
    """
    require(actor, "identity:check_user_in_group")
    if not Membership.objects.filter(group=group, user=user).exists():
        raise NoSuchThing(f"user {user.pk} in group", group.pk)


def _saved(group: Group) -> Group:
    try:
        with transaction.atomic():
            group.save()
    except IntegrityError as error:
        raise NameTaken("group", group.name) from error
    return group
