"""Servers and what belongs to them: key pairs, faults, actions with their events."""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime
from typing import ClassVar

from django.db import models
from django.db.models import F
from django.utils import timezone

from cloudportal.errors import CloudError
from hypervisors.models import Hypervisor
from servers.errors import InvalidState, ServerAdopted, ServerLocked, ServerNotFound
from servers.legal import Rule
from servers.states import (
    ConsoleType,
    MigrationStatus,
    MigrationType,
    PowerState,
    TaskState,
    VmState,
    status_of,
)


class KeyPair(models.Model):
    """A public SSH key, by name, of one user."""

    user_id = models.CharField(max_length=64)
    name = models.CharField(max_length=255)
    type = models.CharField(max_length=8, default="ssh", choices=[("ssh", "ssh"), ("x509", "x509")])
    public_key = models.TextField(max_length=16384)
    fingerprint = models.CharField(max_length=255)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["user_id", "name"], name="key_pair_name_of_user"),
        ]

    def __str__(self) -> str:
        return self.name


class GroupPolicy(models.TextChoices):
    """How the servers of a group stand to each other; soft ones are wishes."""

    AFFINITY = "affinity"
    ANTI_AFFINITY = "anti-affinity"
    SOFT_AFFINITY = "soft-affinity"
    SOFT_ANTI_AFFINITY = "soft-anti-affinity"


class ServerGroup(models.Model):
    """Servers that are kept together or apart; its row is the lock under which they are placed.

    `rules` is {} or {"max_server_per_host": n}.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    project_id = models.CharField(max_length=64)
    user_id = models.CharField(max_length=64)
    name = models.CharField(max_length=255)
    policy = models.CharField(max_length=32, choices=GroupPolicy.choices)
    rules = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["created_at", "id"]
        indexes = [
            models.Index(fields=["project_id", "created_at", "id"], name="group_of_project"),
        ]

    def __str__(self) -> str:
        return self.name


class ServerQuerySet(models.QuerySet["Server"]):
    """Queries over servers, and the only ways their states change."""

    def alive(self) -> ServerQuerySet:
        """Servers that are not deleted."""
        return self.filter(deleted_at=None)

    def begin_task(self, server: Server, rule: Rule, *, passes_lock: bool) -> None:
        """Start a rule's task by one conditional update, so that of two racing requests one loses.

        A rule without a task of its own is checked alike. `passes_lock`: a lock does not matter.

        Raises:
            ServerNotFound: the server was deleted meanwhile.
            ServerAdopted: it was not made here, and the rule is for those that were.
            ServerLocked: it is locked.
            InvalidState: its state does not allow it, or another task is under way.
        """
        now = timezone.now()
        rows = self.filter(rule.condition(), pk=server.pk, deleted_at=None)
        if not rule.for_adopted:
            rows = rows.filter(adopted_name="")
        if rule.heeds_lock and not passes_lock:
            rows = rows.filter(locked_by="")
        if rule.begins is None:
            # Changes nothing, but holds the row until the caller's transaction ends.
            is_legal = rows.update(updated_at=F("updated_at"))
        else:
            is_legal = rows.update(task_state=rule.begins, updated_at=now)
        if not is_legal:
            raise self._refusal(server, rule, passes_lock=passes_lock)
        if rule.begins is not None:
            server.task_state = rule.begins
            server.updated_at = now

    def _refusal(self, server: Server, rule: Rule, *, passes_lock: bool) -> CloudError:
        current = self.filter(pk=server.pk, deleted_at=None).first()
        if current is None:
            return ServerNotFound(f"Instance {server.pk} could not be found.")
        if current.adopted_name and not rule.for_adopted:
            return ServerAdopted.of(current, rule)
        if current.locked_by and rule.heeds_lock and not passes_lock:
            return ServerLocked.of(current)
        return InvalidState.of(current, rule)

    def change(self, server_id: uuid.UUID, **fields: object) -> bool:
        """Set fields of a server that is not deleted; False when there is no such server."""
        fields.setdefault("updated_at", timezone.now())
        return bool(self.filter(pk=server_id, deleted_at=None).update(**fields))


class LockedBy(models.TextChoices):
    """Who locked a server: somebody of its own project, or of another one."""

    OWNER = "owner"
    ADMIN = "admin"


class Server(models.Model):
    """A server: what was asked for, where it is, and how it is.

    `flavor`, `image_properties` and `public_key` are copies taken when it was made. `hostname` is
    the guest's own name. A deleted server's row stays, with `deleted_at` set.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    project_id = models.CharField(max_length=64)
    user_id = models.CharField(max_length=64)
    name = models.CharField(max_length=255)
    hostname = models.CharField(max_length=255)
    description = models.CharField(max_length=255, null=True)  # noqa: DJ001 - the wire tells null from ""
    vm_state = models.CharField(max_length=32, choices=VmState.choices, default=VmState.BUILDING)
    task_state = models.CharField(max_length=40, choices=TaskState.choices, null=True)  # noqa: DJ001 - null is the wire's word for no task
    power_state = models.PositiveSmallIntegerField(
        choices=PowerState.choices, default=PowerState.NOSTATE
    )
    progress = models.PositiveSmallIntegerField(default=0)
    flavor = models.JSONField()
    image_id = models.UUIDField(null=True)
    image_properties = models.JSONField(default=dict)
    key_name = models.CharField(max_length=255, null=True)  # noqa: DJ001 - null is shown as null
    public_key = models.TextField(blank=True, default="")
    user_data = models.TextField(null=True)  # noqa: DJ001 - null is shown as null
    # [{"path": …, "contents": base64}], written into the guest through the config drive.
    personality = models.JSONField(default=list)
    has_config_drive = models.BooleanField(default=False)
    metadata = models.JSONField(default=dict)
    tags = models.JSONField(default=list)
    disk_config = models.CharField(max_length=8, default="MANUAL")
    # "owner" for somebody of its project, "admin" for one of another, "" when nobody.
    locked_by = models.CharField(max_length=8, choices=LockedBy.choices, blank=True, default="")
    locked_reason = models.CharField(max_length=255, blank=True, default="")
    access_ip_v4 = models.GenericIPAddressField(null=True, protocol="IPv4")
    access_ip_v6 = models.GenericIPAddressField(null=True, protocol="IPv6")
    # The zone asked for at creation (pinned), and the one it is in.
    pinned_zone = models.CharField(max_length=255, null=True)  # noqa: DJ001 - null is shown as null
    availability_zone = models.CharField(max_length=255, blank=True, default="")
    # A host is kept while servers hold an allocation there; those that are gone do not keep it.
    hypervisor = models.ForeignKey(Hypervisor, models.SET_NULL, null=True, related_name="servers")
    # Servers outlive their group.
    group = models.ForeignKey(ServerGroup, models.SET_NULL, null=True, related_name="members")
    # Everything placement needs, frozen at creation; see scheduling/request_spec.py.
    request_spec = models.JSONField(default=dict)
    scheduler_hints = models.JSONField(default=dict)
    # What was asked for by this cloud's own fields: see servers/options.py.
    options = models.JSONField(default=dict)
    reservation_id = models.CharField(max_length=32)
    launch_index = models.PositiveIntegerField(default=0)
    root_device_name = models.CharField(max_length=32, blank=True, default="/dev/vda")
    # Counts definitions of the guest, so that an older one found on a host is recognised.
    generation = models.PositiveIntegerField(default=1)
    # The password for the guest, encrypted, kept only until the guest has been built.
    sealed_admin_password = models.TextField(blank=True, default="")
    # Since when it is shelved, and the image with its root disk, until it is back.
    shelved_at = models.DateTimeField(null=True)
    shelved_image_id = models.UUIDField(null=True)
    # The name in libvirt of a guest that was there before its server; "" of one that was made here.
    adopted_name = models.CharField(max_length=255, blank=True, default="", editable=False)
    # Of the metadata last written into the guest, and the `updated_at` of the row it was made of.
    record_digest = models.CharField(max_length=64, blank=True, default="", editable=False)
    recorded_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now)
    launched_at = models.DateTimeField(null=True)
    terminated_at = models.DateTimeField(null=True)
    deleted_at = models.DateTimeField(null=True)

    objects: ClassVar[models.Manager[Server]] = ServerQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["project_id", "-created_at", "-id"], name="server_of_project"),
            models.Index(fields=["-created_at", "-id"], name="server_newest"),
            models.Index(fields=["updated_at"], name="server_changed"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def status(self) -> str:
        """The wire's one word, e.g. ACTIVE."""
        if self.deleted_at is not None:
            return "DELETED"
        return status_of(self.vm_state, self.task_state)

    @property
    def host_id(self) -> str:
        """The host, hidden from tenants: SHA-224 hex of project id and host name, or ""."""
        if self.hypervisor is None:
            return ""
        text = self.project_id + self.hypervisor.name
        return hashlib.sha224(text.encode()).hexdigest()

    @property
    def domain_name(self) -> str:
        """The guest's name in libvirt; made from the id, so it is known without asking anyone.

        An adopted one keeps its own.
        """
        return self.adopted_name or f"server-{self.id}"


class Adoption(models.Model):
    """What a guest was when it was adopted: its kept definition, without our element.

    The row stays when the server is released, and is written anew when it is adopted again.
    """

    server = models.OneToOneField(Server, models.CASCADE, related_name="adoption")
    definition = models.TextField()
    adopted_at = models.DateTimeField(default=timezone.now)
    released_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"adoption of {self.server_id}"


class ServerFault(models.Model):
    """Why something failed; the newest is shown while the server is in ERROR."""

    server = models.ForeignKey(Server, models.CASCADE, related_name="faults")
    code = models.PositiveSmallIntegerField(default=500)
    message = models.CharField(max_length=255)
    details = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["server", "-created_at"], name="fault_newest")]

    def __str__(self) -> str:
        return self.message


class ServerAction(models.Model):
    """One request that changed a server; keyed by the request's id."""

    server_id = models.UUIDField()
    action = models.CharField(max_length=64)
    request_id = models.CharField(max_length=64)
    user_id = models.CharField(max_length=64)
    project_id = models.CharField(max_length=64)
    message = models.CharField(max_length=255, blank=True, default="")
    started_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-started_at", "-id"]
        indexes = [models.Index(fields=["server_id", "-started_at"], name="action_newest")]
        constraints = [
            models.UniqueConstraint(
                fields=["server_id", "request_id", "action"], name="action_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} of {self.server_id}"


class ServerEvent(models.Model):
    """A part of an action, from start to end; `result` is Success, Error, or "" meanwhile."""

    action = models.ForeignKey(ServerAction, models.CASCADE, related_name="events")
    event = models.CharField(max_length=128)
    host = models.CharField(max_length=255, blank=True, default="")
    started_at = models.DateTimeField()
    finished_at: models.DateTimeField[datetime | None, datetime | None] = models.DateTimeField(
        null=True
    )
    result = models.CharField(max_length=16, blank=True, default="")
    details = models.TextField(blank=True, default="")

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["action", "event", "host"], name="event_once"),
        ]

    def __str__(self) -> str:
        return f"{self.event}: {self.result or 'running'}"


class Migration(models.Model):
    """One move of a server from host to host, or its resize in place.

    The names are kept beside the hosts, since hosts may be removed. `before` is what the server
    goes back to when a resize is reverted: flavor, request spec, vm_state, zone, …; `old_flavor_id`
    and `new_flavor_id` are the keys of the flavors' rows, which may be gone. `user_id` and
    `project_id` are those of who asked for it. Of live ones, the progress in bytes.
    """

    uuid = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    server_id = models.UUIDField()
    type = models.CharField(max_length=16, choices=MigrationType.choices)
    status = models.CharField(
        max_length=16, choices=MigrationStatus.choices, default=MigrationStatus.PRE_MIGRATING
    )
    source = models.ForeignKey(Hypervisor, models.SET_NULL, null=True, related_name="+")
    source_name = models.CharField(max_length=255, blank=True, default="")
    source_node = models.CharField(max_length=255, blank=True, default="")
    destination = models.ForeignKey(Hypervisor, models.SET_NULL, null=True, related_name="+")
    destination_name = models.CharField(max_length=255, blank=True, default="")
    destination_node = models.CharField(max_length=255, blank=True, default="")
    destination_address = models.CharField(max_length=64, blank=True, default="")
    old_flavor_id = models.BigIntegerField(null=True)
    new_flavor_id = models.BigIntegerField(null=True)
    old_flavor = models.JSONField(default=dict)
    new_flavor = models.JSONField(default=dict)
    before = models.JSONField(default=dict)
    is_hidden = models.BooleanField(default=False)
    user_id = models.CharField(max_length=64)
    project_id = models.CharField(max_length=64)
    request_id = models.CharField(max_length=64, blank=True, default="")
    memory_total_bytes = models.PositiveBigIntegerField(default=0)
    memory_processed_bytes = models.PositiveBigIntegerField(default=0)
    memory_remaining_bytes = models.PositiveBigIntegerField(default=0)
    disk_total_bytes = models.PositiveBigIntegerField(default=0)
    disk_processed_bytes = models.PositiveBigIntegerField(default=0)
    disk_remaining_bytes = models.PositiveBigIntegerField(default=0)
    # What somebody wants of a live one under way ("abort", "force_complete"), and in which request.
    asked = models.CharField(max_length=16, blank=True, default="")
    asked_request_id = models.CharField(max_length=64, blank=True, default="")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="migration_newest"),
            models.Index(fields=["server_id", "-created_at"], name="migration_of_server"),
            models.Index(fields=["updated_at"], name="migration_changed"),
        ]

    def __str__(self) -> str:
        return f"{self.type} of {self.server_id}: {self.status}"


class ConsoleToken(models.Model):
    """The right to open one console of a server once, for a short time.

    It speaks for its user in the project that was open when it was asked for. Only a hash is kept,
    so nobody opens a console with what the database holds.
    """

    server = models.ForeignKey(Server, models.CASCADE, related_name="console_tokens")
    type = models.CharField(max_length=16, choices=ConsoleType.choices)
    token_hash = models.CharField(max_length=64, unique=True)
    user_id = models.CharField(max_length=64)
    project_id = models.CharField(max_length=64, blank=True, default="")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    used_at: models.DateTimeField[datetime | None, datetime | None] = models.DateTimeField(
        null=True
    )

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["expires_at"], name="console_token_expiry")]

    def __str__(self) -> str:
        return f"{self.type} of {self.server_id}"
