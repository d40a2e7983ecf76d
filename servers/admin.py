"""Servers in the admin: to look at, with all that was done to them; changed by the use cases."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from cloudportal.errors import CloudError
from flavors.models import Flavor
from hypervisors.models import Hypervisor
from identity.actors import Actor, with_implied
from identity.models import Project
from operations.models import Operation
from scheduling.models import Decision
from servers.adopt import Adoptable, AdoptWish, adopt_domain, adoptable_domains, release_server
from servers.delete import delete_server
from servers.groups import delete_group
from servers.models import (
    Adoption,
    KeyPair,
    Server,
    ServerAction,
    ServerFault,
    ServerGroup,
)
from servers.power import reboot_server, start_server, stop_server

MAX_OPERATIONS = 20
DOMAINS_A_PAGE = 50


def actor_of(request: HttpRequest) -> Actor:
    """Who works in the admin: an administrator of the cloud, under the user's own name."""
    user: Any = request.user
    return Actor(
        user_id=str(user.pk),
        user_name=user.get_username(),
        roles=with_implied(["admin"]),
        request_id=getattr(request, "request_id", ""),
    )


class _ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]  # no generic at run time
    """Rows that the use cases write; here they are looked at."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nothing is added past the checks."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nothing is deleted past the use cases."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nothing is edited: saving a form would write back a state that has moved on."""
        return False

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Whether the user may use the actions: who may change servers, by Django's permissions."""
        return super().has_change_permission(request)


class _FaultInline(admin.TabularInline):  # type: ignore[type-arg]  # as above
    model = ServerFault
    fields = readonly_fields = ("created_at", "code", "message", "details")
    extra = 0
    max_num = 0
    can_delete = False


@admin.register(Server)
class ServerAdmin(_ReadOnly):
    """Servers: state, placement, operations with their steps, actions with their events."""

    list_display = ("name", "shown_status", "task_state", "hypervisor", "project_id", "created_at")
    list_filter = ("vm_state", "hypervisor", "availability_zone")
    list_select_related = ("hypervisor",)
    search_fields = ("name", "id", "project_id", "hostname", "reservation_id")
    date_hierarchy = "created_at"
    inlines = (_FaultInline,)
    actions = ("start", "stop", "reboot_hard", "release", "delete_servers")
    # Not the secrets: the sealed password, user data and files stay out of sight.
    fields = (
        *("name", "id", "shown_status", "vm_state", "task_state", "power_state", "project_id"),
        *("user_id", "hostname", "description", "flavor", "image_id", "image_properties"),
        *("key_name", "metadata", "tags", "has_config_drive", "pinned_zone", "availability_zone"),
        *("hypervisor", "domain_name", "request_spec", "scheduler_hints", "reservation_id"),
        *("launch_index", "generation", "created_at", "updated_at", "launched_at"),
        *("terminated_at", "deleted_at", "explanation", "operations", "history"),
    )

    @admin.display(description="status")
    def shown_status(self, server: Server) -> str:
        """The wire's one word."""
        return server.status

    @admin.display(description="why it is there")
    def explanation(self, server: Server) -> str | SafeString:
        """The newest decision of the scheduler."""
        decision = Decision.objects.filter(server_id=server.pk).first()
        if decision is None:
            return "No host has been chosen yet."
        reasons = json.dumps(
            {"filters": decision.filters, "weights": decision.weights}, indent=2, sort_keys=True
        )
        return format_html("<p>{}</p><pre>{}</pre>", decision.summary, reasons)

    @admin.display(description="operations")
    def operations(self, server: Server) -> SafeString:
        """Operations, newest first, each with its steps."""
        rows = Operation.objects.filter(subject=server.pk).prefetch_related("records")
        return format_html_join(
            "",
            "<details><summary>{} {}, {}</summary><pre>{}</pre></details>",
            (
                (each.kind, each.state, each.created_at.isoformat(), _steps(each))
                for each in rows[:MAX_OPERATIONS]
            ),
        )

    @admin.display(description="actions")
    def history(self, server: Server) -> SafeString:
        """Actions, newest first, each with its events."""
        rows = ServerAction.objects.filter(server_id=server.pk).prefetch_related("events")
        return format_html_join(
            "",
            "<p>{} {} ({}) {}: {}</p>",
            (
                (
                    each.started_at.isoformat(),
                    each.action,
                    each.request_id,
                    each.message,
                    ", ".join(map(str, each.events.all())),
                )
                for each in rows[:MAX_OPERATIONS]
            ),
        )

    @admin.action(description="Start", permissions=["act"])
    def start(self, request: HttpRequest, servers: QuerySet[Server]) -> None:
        """Switch the chosen servers on."""
        actor, now = actor_of(request), timezone.now()
        self._each(request, servers, lambda each: start_server(server=each, actor=actor, now=now))

    @admin.action(description="Stop", permissions=["act"])
    def stop(self, request: HttpRequest, servers: QuerySet[Server]) -> None:
        """Switch the chosen servers off."""
        actor, now = actor_of(request), timezone.now()
        self._each(request, servers, lambda each: stop_server(server=each, actor=actor, now=now))

    @admin.action(description="Reboot by the switch", permissions=["act"])
    def reboot_hard(self, request: HttpRequest, servers: QuerySet[Server]) -> None:
        """Switch the chosen servers off and on."""
        actor, now = actor_of(request), timezone.now()
        self._each(
            request,
            servers,
            lambda each: reboot_server(server=each, hard=True, actor=actor, now=now),
        )

    @admin.action(description="Release: adopted ones only; guests stay", permissions=["act"])
    def release(self, request: HttpRequest, servers: QuerySet[Server]) -> None:
        """Let the chosen servers go, and their guests be as they were."""
        actor, now = actor_of(request), timezone.now()
        self._each(request, servers, lambda each: release_server(server=each, actor=actor, now=now))

    @admin.action(description="Delete with disks and addresses", permissions=["act"])
    def delete_servers(self, request: HttpRequest, servers: QuerySet[Server]) -> None:
        """Delete the chosen servers."""
        actor, now = actor_of(request), timezone.now()
        self._each(request, servers, lambda each: delete_server(server=each, actor=actor, now=now))

    def _each(
        self, request: HttpRequest, servers: QuerySet[Server], act: Callable[[Server], None]
    ) -> None:
        """Act on each server for itself, and say which refused."""
        done = 0
        for server in servers:
            try:
                act(server)
                done += 1
            except CloudError as error:
                messages.error(request, f"{server.name}: {error.message}")
        if done:
            messages.success(request, f"Accepted for {done} server{'s' if done != 1 else ''}.")


def _steps(operation: Operation) -> str:
    return "\n".join(
        f"{each.direction} {each.step}: {each.result or 'running'} {each.message}".rstrip()
        for each in operation.records.all()
    )


class AdoptForm(forms.Form):
    """Whose a domain is to be, and what it is to be called."""

    domain = forms.UUIDField()
    project = forms.ModelChoiceField(Project.objects.filter(enabled=True))
    flavor = forms.ModelChoiceField(Flavor.objects.all(), to_field_name="flavorid", required=False)
    name = forms.CharField(max_length=255, required=False)

    def wish(self) -> AdoptWish:
        """What was entered; without a flavor it is the suggested one."""
        flavor = self.cleaned_data["flavor"]
        return AdoptWish(
            project_id=self.cleaned_data["project"].pk,
            flavor_id=flavor.flavorid if flavor else None,
            name=self.cleaned_data["name"] or None,
        )


@admin.register(Adoption)
class AdoptionAdmin(_ReadOnly):
    """Guests that were adopted, and the domains of each host that may be."""

    change_list_template = "admin/servers/adoptions.html"
    list_display = ("guest", "server", "host", "adopted_at", "released_at")
    list_select_related = ("server__hypervisor",)
    search_fields = ("server__name", "server__adopted_name", "server__id")
    fields = ("guest", "server", "host", "adopted_at", "released_at", "definition")

    @admin.display(description="domain", ordering="server__adopted_name")
    def guest(self, adoption: Adoption) -> str:
        """By its own name."""
        return adoption.server.adopted_name

    @admin.display(description="host")
    def host(self, adoption: Adoption) -> str:
        """Where it is."""
        return str(adoption.server.hypervisor or "")

    def get_urls(self) -> list[URLPattern]:
        """With the page of a host's domains."""
        view = self.admin_site.admin_view(self.domains_view)
        own = [path("hosts/<int:key>/", view, name="servers_adoption_domains")]
        return own + super().get_urls()

    def domains_view(self, request: HttpRequest, key: int) -> HttpResponse:
        """What somebody else made on a host; a POST adopts one."""
        if not self.has_act_permission(request):
            raise PermissionDenied
        host = Hypervisor.objects.filter(pk=key).first()
        if host is None:
            raise Http404
        form = AdoptForm(request.POST or None, auto_id=False)
        if request.method == "POST" and form.is_valid() and self._adopt(request, host, form):
            return HttpResponseRedirect(reverse("admin:servers_adoption_changelist"))
        found: list[Adoptable] = []
        failure = ""
        try:
            found = adoptable_domains(hypervisor=host, actor=actor_of(request))
        except CloudError as error:
            failure = error.message
        context = {
            **self.admin_site.each_context(request),
            "title": f"Domains on {host.name} that were not made here",
            **{"host": host, "failure": failure, "form": form},
            "page": Paginator(found, DOMAINS_A_PAGE).get_page(request.GET.get("page")),
        }
        return TemplateResponse(request, "admin/servers/domains.html", context)

    def _adopt(self, request: HttpRequest, host: Hypervisor, form: AdoptForm) -> bool:
        try:
            server = adopt_domain(
                hypervisor=host,
                domain_id=form.cleaned_data["domain"],
                wish=form.wish(),
                actor=actor_of(request),
                now=timezone.now(),
            )
        except CloudError as error:
            messages.error(request, error.message)
            return False
        self.log_addition(request, server.adoption, f"adopted {server.adopted_name}")
        messages.success(request, f"{server.adopted_name} becomes server {server.name}.")
        return True


@admin.register(KeyPair)
class KeyPairAdmin(_ReadOnly):
    """Key pairs of all users."""

    list_display = ("name", "user_id", "type", "fingerprint", "created_at")
    search_fields = ("name", "user_id", "fingerprint")
    fields = ("name", "user_id", "type", "public_key", "fingerprint", "created_at")


class _MemberInline(admin.TabularInline):  # type: ignore[type-arg]  # as above
    model = Server
    fields = readonly_fields = ("id", "name", "vm_state", "hypervisor", "deleted_at")
    extra = 0
    max_num = 0
    can_delete = False
    show_change_link = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Server]:
        """Those that are not deleted, with their hosts."""
        return super().get_queryset(request).filter(deleted_at=None).select_related("hypervisor")


@admin.register(ServerGroup)
class ServerGroupAdmin(_ReadOnly):
    """Server groups with their members."""

    list_display = ("name", "policy", "project_id", "user_id", "created_at")
    list_filter = ("policy",)
    search_fields = ("name", "id", "project_id")
    fields = ("name", "id", "policy", "rules", "project_id", "user_id", "created_at")
    inlines = (_MemberInline,)
    actions = ("delete_groups",)

    @admin.action(description="Delete; the servers stay", permissions=["act"])
    def delete_groups(self, request: HttpRequest, groups: QuerySet[ServerGroup]) -> None:
        """Forget the chosen groups."""
        actor = actor_of(request)
        for group in groups:
            try:
                delete_group(group=group, actor=actor)
            except CloudError as error:
                messages.error(request, f"{group.name}: {error.message}")
            else:
                messages.success(request, f"{group.name} is deleted; its servers stay.")
