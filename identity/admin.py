"""Identity in the admin: domains, projects, users, roles, and who has which role where."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.contrib.auth.models import Group as FrameworkGroup
from django.http import HttpRequest
from django.utils import timezone

from cloudportal.errors import CloudError
from identity.actors import system_actor
from identity.changes import DomainFields
from identity.delete import delete_project
from identity.domains import delete_domain, update_domain
from identity.models import (
    DEFAULT_DOMAIN_ID,
    ApplicationCredential,
    Domain,
    Group,
    ImpliedRole,
    Membership,
    Project,
    Role,
    RoleAssignment,
    RoleGrant,
    User,
)
from identity.options import is_immutable

# Rights come from roles; the framework's own groups would be a second, silent source of them.
admin.site.unregister(FrameworkGroup)


class StayingAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # no subscript at run time
    """Things that may be immutable; the API takes that away again."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Not of what is immutable."""
        return not (obj and is_immutable(obj)) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Not of what is immutable."""
        return not (obj and is_immutable(obj)) and super().has_delete_permission(request, obj)


class AssignmentInline(admin.TabularInline):  # type: ignore[type-arg]  # no subscript at run time
    """The roles in a project or of a user."""

    model = RoleAssignment
    extra = 0
    autocomplete_fields = ("user", "project")


@admin.register(Domain)
class DomainAdmin(StayingAdmin):
    """Domains."""

    list_display = ("name", "id", "enabled")
    search_fields = ("name", "id")
    fields = ("name", "description", "enabled", "tags")

    def get_readonly_fields(
        self, request: HttpRequest, obj: Domain | None = None
    ) -> tuple[str, ...]:
        """The default domain stays enabled: without it nobody could log in."""
        return ("enabled",) if obj is not None and obj.pk == DEFAULT_DOMAIN_ID else ()

    def save_model(self, request: HttpRequest, obj: Domain, form: Any, change: bool) -> None:
        """Save; disabling a domain ends the tokens of its users for good, as over the API."""
        update_domain(domain=obj, fields=DomainFields(), actor=system_actor(), now=timezone.now())

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Without the deletion in bulk, which would not ask what a domain still holds."""
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def delete_model(self, request: HttpRequest, obj: Domain) -> None:
        """Delete it with all that is in it unless something is held, as the API does."""
        try:
            delete_domain(domain=obj, actor=system_actor(), now=timezone.now())
        except CloudError as error:
            self.message_user(request, error.message, messages.ERROR)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What goes with it is not protected from it: the use case sees to that."""
        found, counts, forbidden, _ = super().get_deleted_objects(objs, request)
        return found, counts, forbidden, []


@admin.register(Project)
class ProjectAdmin(StayingAdmin):
    """Projects with their members."""

    list_display = ("name", "id", "domain", "enabled", "created_at")
    list_filter = ("enabled", "domain")
    search_fields = ("name", "id", "description")
    inlines = (AssignmentInline,)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Without the deletion in bulk, which would not ask what a project still holds."""
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def delete_model(self, request: HttpRequest, obj: Project) -> None:
        """Delete it unless it still holds something, as the API does."""
        try:
            delete_project(project=obj, actor=system_actor(), now=timezone.now())
        except CloudError as error:
            self.message_user(request, error.message, messages.ERROR)


class NewUserForm(AdminUserCreationForm):  # type: ignore[type-arg]  # no subscript at run time
    """A new user; the name is unique in the domain, which the database holds."""

    class Meta:
        model = User
        fields = ("name", "domain")


class UserForm(UserChangeForm):  # type: ignore[type-arg]  # no subscript at run time
    """A user; the password has a page of its own."""

    class Meta:
        model = User
        fields = "__all__"


@admin.register(User)
class UserAdmin(DjangoUserAdmin):  # type: ignore[type-arg]  # no subscript at run time
    """Users with their roles."""

    form: type[forms.ModelForm] = UserForm  # type: ignore[type-arg]  # no subscript at run time
    add_form = NewUserForm
    list_display = ("name", "id", "domain", "is_active", "is_staff", "last_login")
    list_filter = ("is_active", "is_staff", "domain")
    search_fields = ("name", "id", "email")
    ordering = ("name",)
    filter_horizontal = ()
    readonly_fields = (
        *("id", "created_at", "last_login", "tokens_valid_from"),
        *("failed_logins", "last_failed_at"),
    )
    autocomplete_fields = ("default_project",)
    inlines = (AssignmentInline,)
    fieldsets = (
        (None, {"fields": ("name", "domain", "password")}),
        ("About", {"fields": ("id", "description", "email", "default_project")}),
        ("May", {"fields": ("is_active", "is_staff", "is_superuser")}),
        ("When", {"fields": ("created_at", "last_login", "tokens_valid_from")}),
        ("Wrong passwords", {"fields": ("failed_logins", "last_failed_at")}),
    )
    add_fieldsets = (
        (None, {"fields": ("name", "domain", "usable_password", "password1", "password2")}),
    )

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Save; disabling a user ends its tokens for good, as it does over the API."""
        if not obj.is_active and "is_active" in form.changed_data:
            obj.tokens_valid_from = timezone.now()
        super().save_model(request, obj, form, change)


class ImpliedInline(admin.TabularInline):  # type: ignore[type-arg]  # no subscript at run time
    """The roles that a role implies directly; the API, which has the rules, changes them."""

    model = ImpliedRole
    fk_name = "prior"
    extra = 0
    fields = ("implied",)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Not here."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Not here."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only with the role itself."""
        return False


@admin.register(Role)
class RoleAdmin(StayingAdmin):
    """Roles; the built-in ones keep their names."""

    list_display = ("name", "id", "domain", "description")
    list_filter = ("domain",)
    search_fields = ("name",)
    inlines = (ImpliedInline,)

    def get_readonly_fields(self, request: HttpRequest, obj: Role | None = None) -> tuple[str, ...]:
        """The name of a built-in role: the policy knows it by that; and whose a role is."""
        if obj is None:
            return ()
        return ("name", "domain") if obj.is_built_in else ("domain",)

    def has_delete_permission(self, request: HttpRequest, obj: Role | None = None) -> bool:
        """Never a built-in role."""
        if obj is not None and obj.is_built_in:
            return False
        return super().has_delete_permission(request, obj)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Without the deletion in bulk, which would not spare the built-in roles."""
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions


@admin.register(ApplicationCredential)
class ApplicationCredentialAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # no subscript at run time
    """Application credentials: to look at, with their last use, and to take away."""

    list_display = ("name", "user", "project", "is_unrestricted", "expires_at", "last_used_at")
    list_filter = ("is_unrestricted",)
    list_select_related = ("user", "project")
    search_fields = ("name", "id", "user__name", "project__name")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Never: its user makes it, over the API, and sees the secret then."""
        return False

    def has_change_permission(
        self, request: HttpRequest, obj: ApplicationCredential | None = None
    ) -> bool:
        """Never: nothing of it changes once it is made."""
        return False


class MembershipInline(admin.TabularInline):  # type: ignore[type-arg]  # no subscript at run time
    """The users in a group."""

    model = Membership
    extra = 0
    autocomplete_fields = ("user",)


class GrantInline(admin.TabularInline):  # type: ignore[type-arg]  # no subscript at run time
    """The roles of a group, in projects and domains."""

    model = RoleGrant
    extra = 0
    fields = ("role", "project", "domain", "is_inherited")
    autocomplete_fields = ("project", "domain")


@admin.register(Group)
class GroupAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # no subscript at run time
    """Groups with their members and roles."""

    list_display = ("name", "id", "domain")
    list_filter = ("domain",)
    search_fields = ("name", "id")
    inlines = (MembershipInline, GrantInline)
