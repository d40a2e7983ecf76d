"""Who there is: domains, projects, users, roles, and who may do what where."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.utils import timezone

DEFAULT_DOMAIN_ID = "default"
# The roles that the policy knows; `identity.actors.IMPLIED_ROLES` says which includes which, and
# the rows of `ImpliedRole` say it again, so that one statement follows them with all others.
BUILT_IN_ROLES = {
    "admin": "Administers the whole cloud, from whatever project.",
    "manager": "Runs a project.",
    "member": "Uses a project.",
    "reader": "Looks at a project.",
    "service": "One of the cloud's own programs.",
}
BUILT_IN_IMPLICATIONS = (("admin", "manager"), ("manager", "member"), ("member", "reader"))


def new_id() -> str:
    """A fresh identifier in the identity service's form: 32 hexadecimal digits, no hyphens."""
    return uuid.uuid4().hex


class Domain(models.Model):
    """A name space of users, groups and projects."""

    id = models.CharField(primary_key=True, max_length=64, default=new_id, editable=False)
    name = models.CharField(max_length=64, unique=True)
    description = models.TextField(blank=True, default="")
    enabled = models.BooleanField(default=True)
    tags = models.JSONField(default=list, blank=True)
    options = models.JSONField(default=dict, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    def __str__(self) -> str:
        return self.name


class Project(models.Model):
    """What owns servers, images, networks and quota."""

    id = models.CharField(primary_key=True, max_length=64, default=new_id, editable=False)
    domain = models.ForeignKey(Domain, models.PROTECT, default=DEFAULT_DOMAIN_ID)
    name = models.CharField(max_length=64)
    description = models.TextField(blank=True, default="")
    enabled = models.BooleanField(default=True)
    tags = models.JSONField(default=list, blank=True)
    options = models.JSONField(default=dict, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(fields=["domain", "name"], name="project_name_in_domain"),
        ]

    def __str__(self) -> str:
        return self.name


class UserManager(BaseUserManager["User"]):
    """Makes users; the name is unique in its domain."""

    def create_user(self, name: str, password: str | None = None, **fields: Any) -> User:
        """Create a user with a hashed password (None: no password, so no login)."""
        user = self.model(name=name, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, name: str, password: str | None = None, **fields: Any) -> User:
        """Create a user who may use the Django admin for everything."""
        return self.create_user(name, password, is_staff=True, is_superuser=True, **fields)


class User(AbstractBaseUser, PermissionsMixin):
    """A person or a program that logs in, to the APIs and to the pages alike."""

    id = models.CharField(primary_key=True, max_length=64, default=new_id, editable=False)
    domain = models.ForeignKey(Domain, models.PROTECT, default=DEFAULT_DOMAIN_ID)
    name = models.CharField(max_length=255)
    description = models.TextField(blank=True, default="")
    email = models.EmailField(blank=True, default="")
    default_project = models.ForeignKey(
        Project, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    is_active = models.BooleanField("enabled", default=True)
    is_staff = models.BooleanField("may use the admin", default=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    # Tokens issued before this instant are refused: set by a password change or a disablement.
    tokens_valid_from = models.DateTimeField(default=timezone.now, editable=False)
    # Wrong passwords in a row, and when the last one came.
    failed_logins = models.PositiveIntegerField(default=0, editable=False)
    last_failed_at = models.DateTimeField(null=True, blank=True, editable=False)

    USERNAME_FIELD = "name"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(fields=["domain", "name"], name="user_name_in_domain"),
        ]

    def __str__(self) -> str:
        return self.name

    def set_password(self, raw_password: str | None) -> None:
        """Take another password, by whichever way it comes; tokens of before, and a lock, end."""
        super().set_password(raw_password)
        self.tokens_valid_from = timezone.now()
        self.failed_logins = 0


class RoleQuerySet(models.QuerySet["Role"]):
    """Roles; a name alone means one of the cloud only among those of the cloud."""

    def of_the_cloud(self) -> RoleQuerySet:
        """Those that count by themselves."""
        return self.filter(domain__isnull=True)


class Role(models.Model):
    """A named set of rights: admin, manager, member, reader, service.

    One that is of a domain is a name for the roles that it implies: by itself it gives no right,
    whatever it is called, and no token carries it.
    """

    id = models.CharField(primary_key=True, max_length=64, default=new_id, editable=False)
    domain = models.ForeignKey(Domain, models.PROTECT, null=True, blank=True)
    name = models.CharField(max_length=255)
    description = models.TextField(blank=True, default="")
    options = models.JSONField(default=dict, blank=True, editable=False)

    objects = RoleQuerySet.as_manager()

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["name"],
                condition=models.Q(domain__isnull=True),
                name="role_name_of_the_cloud",
            ),
            models.UniqueConstraint(fields=["domain", "name"], name="role_name_in_domain"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_built_in(self) -> bool:
        """Whether the policy stands on it."""
        return self.domain_id is None and self.name in BUILT_IN_ROLES


class ImpliedRole(models.Model):
    """Whoever has the prior role has the implied one as well."""

    prior = models.ForeignKey(Role, models.CASCADE, related_name="implies")
    implied = models.ForeignKey(Role, models.CASCADE, related_name="implied_by")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["prior", "implied"], name="implied_role_once"),
        ]

    def __str__(self) -> str:
        return f"{self.prior} implies {self.implied}"


class RoleAssignment(models.Model):
    """This user has this role in this project."""

    role = models.ForeignKey(Role, models.CASCADE, related_name="assignments")
    user = models.ForeignKey(User, models.CASCADE, related_name="assignments")
    project = models.ForeignKey(Project, models.CASCADE, related_name="assignments")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "project", "role"], name="role_assignment_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} is {self.role} in {self.project}"


class Group(models.Model):
    """Users that are given roles together."""

    id = models.CharField(primary_key=True, max_length=64, default=new_id, editable=False)
    domain = models.ForeignKey(Domain, models.PROTECT, default=DEFAULT_DOMAIN_ID)
    name = models.CharField(max_length=64)
    description = models.TextField(blank=True, default="")

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(fields=["domain", "name"], name="group_name_in_domain"),
        ]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """This user is in this group."""

    group = models.ForeignKey(Group, models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "group"], name="membership_once"),
        ]

    def __str__(self) -> str:
        return f"{self.user} is in {self.group}"


def _only(one: str, other: str) -> models.Q:
    return models.Q(**{f"{one}__isnull": False, f"{other}__isnull": True})


class RoleGrant(models.Model):
    """A role given in any way but to a user in a project, which `RoleAssignment` is.

    One of user and group has it, in one of project and domain; one that is inherited counts in
    every project of the domain, and not in the domain itself.
    """

    role = models.ForeignKey(Role, models.CASCADE, related_name="grants")
    user = models.ForeignKey(User, models.CASCADE, null=True, blank=True, related_name="grants")
    group = models.ForeignKey(Group, models.CASCADE, null=True, blank=True, related_name="grants")
    project = models.ForeignKey(
        Project, models.CASCADE, null=True, blank=True, related_name="grants"
    )
    domain = models.ForeignKey(Domain, models.CASCADE, null=True, blank=True, related_name="grants")
    is_inherited = models.BooleanField("by every project of the domain", default=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=(_only("group", "user") & _only("project", "domain"))
                & models.Q(is_inherited=False)
                | (_only("group", "user") | _only("user", "group")) & _only("domain", "project"),
                name="role_grant_of_one_somewhere",
            ),
            models.UniqueConstraint(
                fields=["group", "project", "role"],
                condition=models.Q(project__isnull=False),
                name="role_grant_of_group_in_project",
            ),
            models.UniqueConstraint(
                fields=["group", "domain", "role", "is_inherited"],
                condition=models.Q(domain__isnull=False, group__isnull=False),
                name="role_grant_of_group_in_domain",
            ),
            models.UniqueConstraint(
                fields=["user", "domain", "role", "is_inherited"],
                condition=models.Q(domain__isnull=False, user__isnull=False),
                name="role_grant_of_user_in_domain",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user or self.group} is {self.role} in {self.project or self.domain}"


class AccessRule(models.Model):
    """One kind of request that an application credential may make; a user's own, shared by them."""

    id = models.CharField(primary_key=True, max_length=64, default=new_id, editable=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="access_rules")
    service = models.CharField(max_length=64)
    method = models.CharField(max_length=16)
    path = models.CharField(max_length=128)

    class Meta:
        ordering = ["service", "path", "method"]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "service", "method", "path"], name="access_rule_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.path} of {self.service}"


class ApplicationCredential(models.Model):
    """What a program logs in with instead of its user's password: one project, some roles.

    Nothing of it changes once it is made, so the roles and rules are kept with it. A role counts
    only as long as the user has it in the project.
    """

    id = models.CharField(primary_key=True, max_length=64, default=new_id, editable=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="application_credentials")
    project = models.ForeignKey(Project, models.CASCADE, related_name="application_credentials")
    name = models.CharField(max_length=255)
    description = models.TextField(blank=True, default="")
    secret_hash = models.CharField(max_length=255, editable=False)
    role_ids = models.JSONField(default=list)
    # The id, service, method and path of each rule; None is no limit.
    access_rules = models.JSONField(null=True, blank=True)
    is_unrestricted = models.BooleanField("may manage credentials", default=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "name"], name="application_credential_name_of_user"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class RevokedToken(models.Model):
    """A token taken back before its time; the row may go once the token has expired."""

    audit_id = models.CharField(primary_key=True, max_length=32)
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.audit_id

    @staticmethod
    def forget_expired(now: datetime) -> int:
        """Delete the rows of tokens that have expired anyway; returns how many."""
        return RevokedToken.objects.filter(expires_at__lt=now).delete()[0]
