"""Whoever a server belongs to, brought back from what its guest says; nobody who is there changes.

A user comes back without a password, so nobody can log in as that user before an administrator has
set one. Of roles only `member` is ever given: a host must not be able to make administrators.
"""

from __future__ import annotations

from datetime import datetime

from flavors.models import Flavor, FlavorAccess
from hypervisors.guests import FlavorRecord, GuestMetadata, ProjectRecord
from identity.models import Domain, Project, Role, RoleAssignment, User
from servers.errors import InvalidKeyPair
from servers.key_pairs import fingerprint_of
from servers.models import KeyPair

_ROLE = "member"
_PROJECT_NAME_LENGTH = 64
_NAME_LENGTH = 255
_ID_LENGTH = 8


def restore_owners(record: GuestMetadata, *, grant: bool, now: datetime) -> list[str]:
    """Bring back project and user of a server; what is to be said about it.

    Args:
        record: what the guest says.
        grant: give the user role and key pair also where user and project are there: they may have
            been taken away on purpose, so only a rebuild of everything does.
        now: this instant.
    """
    notes = []
    project = ProjectRecord(
        id=record.project_id,
        name=record.project_name,
        domain_id=record.project_domain_id,
        domain_name=record.project_domain_name,
        description=record.project_description,
    )
    is_new_project, note = restore_project(project, now=now)
    notes += note
    is_new_user, note = _restore_user(record, now)
    notes += note
    if grant or is_new_project or is_new_user:
        notes += _grant(record, now)
    if grant or is_new_user:
        notes += _restore_key_pair(record, now)
    return notes


def restore_project(record: ProjectRecord, *, now: datetime) -> tuple[bool, list[str]]:
    """Bring back a project; whether it was missing, and what is to be said about it."""
    if not record.name or Project.objects.filter(pk=record.id).exists():
        return False, []
    domain = _domain(record.domain_id, record.domain_name, now)
    taken = Project.objects.filter(domain=domain, name=record.name).exists()
    name = _other_name(record.name, record.id, _PROJECT_NAME_LENGTH) if taken else record.name
    Project.objects.create(
        id=record.id, domain=domain, name=name, description=record.description, created_at=now
    )
    return True, [f"The project is called {name}: {record.name} is another one."] if taken else []


def _restore_user(record: GuestMetadata, now: datetime) -> tuple[bool, list[str]]:
    if not record.user_name or User.objects.filter(pk=record.user_id).exists():
        return False, []
    domain = _domain(record.user_domain_id, record.user_domain_name, now)
    taken = User.objects.filter(domain=domain, name=record.user_name).exists()
    own = record.user_name
    name = _other_name(own, record.user_id, _NAME_LENGTH) if taken else own
    User.objects.create_user(name, None, id=record.user_id, domain=domain, created_at=now)
    return True, [f"The user is called {name}: {own} is another one."] if taken else []


def _domain(domain_id: str, name: str, now: datetime) -> Domain:
    found = Domain.objects.filter(pk=domain_id).first()
    if found is not None:
        return found
    if Domain.objects.filter(name=name).exists():
        name = _other_name(name, domain_id, _PROJECT_NAME_LENGTH)
    return Domain.objects.create(id=domain_id, name=name, created_at=now)


def _other_name(name: str, identifier: str, length: int) -> str:
    """A name beside one that is taken; the same each time."""
    suffix = f" ({identifier[:_ID_LENGTH]})"
    return name[: length - len(suffix)] + suffix


def _grant(record: GuestMetadata, now: datetime) -> list[str]:
    user = User.objects.filter(pk=record.user_id).first()
    project = Project.objects.filter(pk=record.project_id).first()
    role = Role.objects.of_the_cloud().filter(name=_ROLE).first()
    if user is None or project is None:
        return []
    if role is None:
        return [f"There is no role {_ROLE} to give to {user}."]
    if not RoleAssignment.objects.filter(user=user, project=project).exists():
        RoleAssignment.objects.create(user=user, project=project, role=role, created_at=now)
    return []


def _restore_key_pair(record: GuestMetadata, now: datetime) -> list[str]:
    if not record.key_name or not record.public_key:
        return []
    kind = "x509" if record.public_key.startswith("-----BEGIN CERTIFICATE") else "ssh"
    try:
        fingerprint = fingerprint_of(record.public_key, kind)
    except InvalidKeyPair:
        return [f"The key pair {record.key_name} is left out: its key cannot be read."]
    KeyPair.objects.get_or_create(
        user_id=record.user_id,
        name=record.key_name,
        defaults={
            "type": kind,
            "public_key": record.public_key,
            "fingerprint": fingerprint,
            "created_at": now,
        },
    )
    return []


def restore_flavor(record: FlavorRecord, *, project_id: str, now: datetime) -> list[str]:
    """Bring back the flavor, unless somebody had deleted it; a private one for the project."""
    if record.is_deleted or Flavor.objects.filter(flavorid=record.id).exists():
        return []
    taken = Flavor.objects.filter(name=record.name).exists()
    name = _other_name(record.name, record.id, _NAME_LENGTH) if taken else record.name
    flavor = Flavor.objects.create(
        flavorid=record.id,
        name=name,
        description=record.description,
        vcpus=record.vcpus,
        ram_mib=record.ram_mib,
        disk_gib=record.disk_gib,
        ephemeral_gib=record.ephemeral_gib,
        swap_mib=record.swap_mib,
        rxtx_factor=record.rxtx_factor,
        is_public=record.is_public,
        is_disabled=record.is_disabled,
        extra_specs=dict(record.extra_specs),
        created_at=now,
    )
    if not record.is_public:
        FlavorAccess.objects.create(flavor=flavor, project_id=project_id)
    return [f"The flavor is called {name}: {record.name} is another one."] if taken else []
