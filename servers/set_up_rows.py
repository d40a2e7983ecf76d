"""What the set-up makes in an empty database, and what came back from the hosts, become one.

The set-up makes the projects `admin` and `demo`, their users and a shared network, each with an id
of its own. A cloud that is rebuilt has had them before, under other ids. The new ones take these
ids over, with their passwords and roles, and the new network makes way for the old one. It happens
only where nobody has asked this database for a server yet.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.apps import apps
from django.db import transaction
from django.db.models import CharField, ForeignObjectRel, ManyToOneRel, Model

from hypervisors.guests import GuestMetadata, ProjectRecord
from identity.actors import system_actor
from identity.models import Project, User
from networks.delete import delete_network
from networks.models import Network
from quotas.models import ProjectLedger
from servers.models import Server, ServerAction

# Columns that hold an id without being a foreign key have these names.
PROJECT_COLUMNS = frozenset({"project_id", "owner"})
USER_COLUMNS = frozenset({"user_id"})
# A project or user with servers keeps its id, and a ledger is made when it is needed.
_NOT_MOVED = frozenset({Server, ProjectLedger})


def is_unused() -> bool:
    """Whether nobody has asked this database for a server yet; what was restored does not count."""
    return not ServerAction.objects.filter(action="create").exists()


def unite(record: GuestMetadata, *, now: datetime) -> list[str]:
    """Let what the set-up made have the ids by which a guest knows it; in words what changed."""
    own = ProjectRecord(
        record.project_id, record.project_name, record.project_domain_id, record.project_domain_name
    )
    projects = [own, *(network.project for network in record.networks)]
    if record.image is not None:
        projects.append(record.image.owner)
    with transaction.atomic():
        said = [words for project in projects for words in _unite_project(project)]
        said += _unite_user(record)
        for network in record.networks:
            said += _make_way(network.id, network.name, network.project.id, now)
    return said


def _unite_project(record: ProjectRecord) -> list[str]:
    named = Project.objects.filter(domain=record.domain_id, name=record.name).first()
    if named is None or Project.objects.filter(pk=record.id).exists():
        return []
    if Server.objects.filter(project_id=named.pk).exists():
        return []
    _change_id(named, record.id, PROJECT_COLUMNS)
    return [f"The project {record.name} has the id {record.id} again."]


def _unite_user(record: GuestMetadata) -> list[str]:
    named = User.objects.filter(domain=record.user_domain_id, name=record.user_name).first()
    if named is None or User.objects.filter(pk=record.user_id).exists():
        return []
    if Server.objects.filter(user_id=named.pk).exists():
        return []
    _change_id(named, record.user_id, USER_COLUMNS)
    return [f"The user {record.user_name} has the id {record.user_id} again."]


def _change_id(row: Project | User, new: str, columns: Collection[str]) -> None:
    """A second row with the new id takes over all that points to the first."""
    kind: Any = type(row)
    old, name = row.pk, row.name
    # Names are unique, and both rows are there for a moment.
    kind.objects.filter(pk=old).update(name=new)
    row.pk = new
    row.name = name
    row.save(force_insert=True)
    for relation in kind._meta.get_fields(include_hidden=True):
        if isinstance(relation, ManyToOneRel):
            _repoint(relation, old, new)
    for model, column in columns_named(columns):
        model._base_manager.filter(**{column: old}).update(**{column: new})
    kind.objects.filter(pk=old).delete()


def columns_named(names: Collection[str]) -> list[tuple[type[Model], str]]:
    """The columns of all tables that hold ids under one of these names, with no foreign key."""
    return [
        (model, field.name)
        for model in apps.get_models()
        if model not in _NOT_MOVED and not model._meta.proxy
        for field in model._meta.concrete_fields
        if isinstance(field, CharField) and field.name in names
    ]


def _repoint(relation: ForeignObjectRel, old: str, new: str) -> None:
    column = relation.field.attname
    relation.related_model._base_manager.filter(**{column: old}).update(**{column: new})


def _make_way(network_id: str, name: str, project_id: str, now: datetime) -> list[str]:
    """The set-up's network goes when the one of that name and owner comes back."""
    if not name or Network.objects.filter(pk=network_id).exists():
        return []
    unused = Network.objects.filter(name=name, project_id=project_id, ports=None).first()
    if unused is None:
        return []
    delete_network(network=unused, actor=system_actor(), now=now)
    return [f"The network {name} that nobody had used made way for the one of that name."]
