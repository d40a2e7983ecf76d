"""Drains and projects in the admin, with what may be done with them.

Adding a drain works a plan out, and its page shows it. The page of a project shows what it owns,
and asks before all of that is removed. Each step is the use case's, under the user's own name; the
admin's history has them as well.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from cloudportal.errors import CloudError
from hypervisors.models import Hypervisor
from maintenance.drain import CHANGES, DrainWish, plan_drain
from maintenance.models import MAX_AT_ONCE, Drain, DrainItem, OwningProject
from maintenance.remove_project import contents_of, remove_project
from maintenance.states import OVER, DrainState
from maintenance.view import summary_of
from servers.admin import actor_of

_BUTTONS = {
    DrainState.PLANNED: {"start": "Start", "cancel": "Cancel"},
    DrainState.RUNNING: {"pause": "Pause", "resume": "Try again", "cancel": "Cancel"},
    DrainState.PAUSED: {"resume": "Resume", "cancel": "Cancel"},
}


class PlanForm(forms.ModelForm):  # type: ignore[type-arg]  # no generic at run time
    """What a plan is worked out of."""

    hypervisor = forms.ModelChoiceField(Hypervisor.objects.all())
    max_at_once = forms.IntegerField(
        initial=1,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_AT_ONCE)],
        help_text="So many servers leave the host at a time, and so many come to another one.",
    )

    class Meta:
        model = Drain
        fields = ("hypervisor", "max_at_once", "moves_stopped")
        help_texts = {"moves_stopped": "Servers that are off are migrated cold."}

    def validate_constraints(self) -> None:
        """A plan that is open is worked out anew; one that runs is refused by the use case."""


class _ItemInline(admin.TabularInline):  # type: ignore[type-arg]  # as above
    model = DrainItem
    fields = readonly_fields = (
        *("shown_server", "status", "way", "state", "destination", "is_checked"),
        *("reason", "tries", "updated_at"),
    )
    extra = 0
    max_num = 0
    can_delete = False
    verbose_name_plural = "servers"

    def get_queryset(self, request: HttpRequest) -> QuerySet[DrainItem]:
        """With their servers."""
        return super().get_queryset(request).select_related("server")

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """The plan is carried on by the keeper."""
        return False

    @admin.display(description="server")
    def shown_server(self, item: DrainItem) -> SafeString:
        """By its name, with the way to its page."""
        address = reverse("admin:servers_server_change", args=[item.server_id])
        return format_html('<a href="{}">{}</a>', address, item.server.name)

    @admin.display(description="status")
    def status(self, item: DrainItem) -> str:
        """The wire's one word."""
        return item.server.status


@admin.register(Drain)
class DrainAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # as above
    """Plans to empty hosts."""

    form = PlanForm
    change_form_template = "admin/maintenance/drain.html"
    list_display = ("__str__", "state", "progress", "user_name", "planned_at", "ended_at")
    list_filter = ("state", "hypervisor")
    list_select_related = ("hypervisor",)
    actions = ("start", "pause", "resume", "cancel")
    inlines = (_ItemInline,)
    _SHOWN = (
        *("hypervisor", "state", "note", "summary", "max_at_once", "moves_stopped", "user_name"),
        *("planned_at", "started_at", "ended_at", "history"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Drain]:
        """How many servers have left comes with the list, not one query a row."""
        left = Count("items", filter=Q(items__state__in=OVER))
        rows: QuerySet[Drain] = super().get_queryset(request)
        return rows.annotate(servers=Count("items"), left=left)

    @admin.display(description="left")
    def progress(self, drain: Any) -> str:
        """How many servers have left, of how many."""
        return f"{drain.left} of {drain.servers}"

    @admin.display(description="servers")
    def summary(self, drain: Drain) -> str:
        """How many are how far."""
        return summary_of(drain)

    @admin.display(description="what was asked of it")
    def history(self, drain: Drain) -> SafeString:
        """Who asked for what, and when."""
        rows = ((each["at"], each["user"], each["did"]) for each in drain.log)
        return format_html_join("", "<div>{} {}: {}</div>", rows)

    # A new one

    def get_fields(self, request: HttpRequest, obj: Drain | None = None) -> Any:
        """What is entered of a new one, and what is shown of one that is there."""
        return PlanForm.Meta.fields if obj is None else self._SHOWN

    def get_readonly_fields(self, request: HttpRequest, obj: Drain | None = None) -> Any:
        """Nothing is edited past the use cases."""
        return () if obj is None else self._SHOWN

    def get_inlines(self, request: HttpRequest, obj: Drain | None) -> Any:
        """A new one has no servers yet."""
        return () if obj is None else self.inlines

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The page, with the buttons for what may be done now."""
        drain = self.get_object(request, object_id) if object_id else None
        buttons = _BUTTONS.get(DrainState(drain.state), {}) if drain else {}
        may = self.has_act_permission(request)
        context = {**(extra_context or {}), "buttons": buttons if may else {}}
        try:
            return super().changeform_view(request, object_id, form_url, context)
        except CloudError as error:
            messages.error(request, error.message)
            return HttpResponseRedirect(reverse("admin:maintenance_drain_changelist"))

    def save_model(self, request: HttpRequest, obj: Drain, form: Any, change: bool) -> None:
        """Work the plan out."""
        wish = DrainWish(max_at_once=obj.max_at_once, moves_stopped=obj.moves_stopped)
        made = plan_drain(
            hypervisor=obj.hypervisor, wish=wish, actor=actor_of(request), now=timezone.now()
        )
        obj.pk = made.pk
        obj.refresh_from_db()

    def response_add(
        self, request: HttpRequest, obj: Drain, post_url_continue: str | None = None
    ) -> HttpResponse:
        """The plan is what one wants to see next."""
        return HttpResponseRedirect(reverse("admin:maintenance_drain_change", args=[obj.pk]))

    # What is done with one

    def get_urls(self) -> list[URLPattern]:
        """With the buttons of the page."""
        act = self.admin_site.admin_view(self.act_view)
        own = [path("<int:key>/do/<str:verb>/", act, name="maintenance_drain_do")]
        return own + super().get_urls()

    def act_view(self, request: HttpRequest, key: int, verb: str) -> HttpResponse:
        """Do what a button says."""
        if request.method != "POST" or not self.has_act_permission(request):
            raise PermissionDenied
        drain = Drain.objects.select_related("hypervisor").filter(pk=key).first()
        if drain is None or verb not in CHANGES:
            raise Http404
        self._do(request, verb, drain)
        return HttpResponseRedirect(reverse("admin:maintenance_drain_change", args=[key]))

    @admin.action(description="Start: disable the host and move its servers", permissions=["act"])
    def start(self, request: HttpRequest, drains: QuerySet[Drain]) -> None:
        """Begin the chosen plans."""
        self._each(request, "start", drains)

    @admin.action(description="Pause: begin no more moves", permissions=["act"])
    def pause(self, request: HttpRequest, drains: QuerySet[Drain]) -> None:
        """Pause the chosen plans."""
        self._each(request, "pause", drains)

    @admin.action(description="Resume, also what failed", permissions=["act"])
    def resume(self, request: HttpRequest, drains: QuerySet[Drain]) -> None:
        """Go on with the chosen plans."""
        self._each(request, "resume", drains)

    @admin.action(description="Cancel: servers stay where they are now", permissions=["act"])
    def cancel(self, request: HttpRequest, drains: QuerySet[Drain]) -> None:
        """Give the chosen plans up."""
        self._each(request, "cancel", drains)

    def _each(self, request: HttpRequest, verb: str, drains: QuerySet[Drain]) -> None:
        for drain in drains.select_related("hypervisor"):
            self._do(request, verb, drain)

    def _do(self, request: HttpRequest, verb: str, drain: Drain) -> None:
        if not drain.is_open:
            messages.error(request, f"The plan {drain.pk} is {drain.state}.")
            return
        try:
            changed = CHANGES[verb](
                hypervisor=drain.hypervisor, actor=actor_of(request), now=timezone.now()
            )
        except CloudError as error:
            messages.error(request, error.message)
            return
        self.log_change(request, changed, f"{verb}: {changed.state}")
        messages.success(request, f"The {changed} is {changed.state}.")

    # Who may

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Who may start and end plans: who may change them, by Django's permissions."""
        return super().has_change_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """A plan is not edited."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Plans stay, as the record of what was done to hosts."""
        return False


class RemovalForm(forms.Form):
    """Says once more which project is meant."""

    name = forms.CharField(max_length=64, strip=False)

    def __init__(self, project: OwningProject, *args: Any) -> None:
        super().__init__(*args)
        self.project = project

    def clean_name(self) -> str:
        """It has to be the project's own.

        Raises:
            ValidationError: it is another one.
        """
        name: str = self.cleaned_data["name"]
        if name != self.project.name:
            raise forms.ValidationError("This is not the project's name.")
        return name


@admin.register(OwningProject)
class OwningProjectAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # as above
    """What each project owns; it can be removed with all of that."""

    list_display = ("name", "id", "domain", "enabled")
    list_filter = ("enabled", "domain")
    list_select_related = ("domain",)
    search_fields = ("name", "id")

    def get_urls(self) -> list[URLPattern]:
        """With the page that asks."""
        ask = self.admin_site.admin_view(self.ask_view)
        own = [path("<str:key>/remove/", ask, name="maintenance_owningproject_remove")]
        return own + super().get_urls()

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """What the project owns, what is in the way, and how far its removal is."""
        return self._page(request, self._project(request, object_id), "contents")

    def ask_view(self, request: HttpRequest, key: str) -> HttpResponse:
        """Ask for the project's name, and remove it."""
        project = self._project(request, key)
        if not self.has_remove_permission(request):
            raise PermissionDenied
        form = RemovalForm(project, request.POST or None)
        if not form.is_valid():
            return self._page(request, project, "remove", form=form)
        page = reverse("admin:maintenance_owningproject_change", args=[project.pk])
        try:
            remove_project(project_id=project.pk, actor=actor_of(request), now=timezone.now())
        except CloudError as error:
            messages.error(request, error.message)
            return HttpResponseRedirect(page)
        self.log_change(request, project, "removed with all that it owns")
        messages.success(request, f"The project {project.name} is being removed.")
        return HttpResponseRedirect(page)

    def _project(self, request: HttpRequest, key: str) -> OwningProject:
        found: OwningProject | None = OwningProject.objects.filter(pk=key).first()
        if found is None:
            raise Http404
        if not self.has_view_permission(request, found):
            raise PermissionDenied
        return found

    def _page(
        self, request: HttpRequest, project: OwningProject, name: str, **context: Any
    ) -> HttpResponse:
        contents = contents_of(project_id=project.pk, actor=actor_of(request))
        return TemplateResponse(
            request,
            f"admin/maintenance/{name}.html",
            {
                **self.admin_site.each_context(request),
                "title": f"{project.name} with what it owns",
                "opts": self.opts,
                "project": project,
                "contents": contents,
                "may_remove": self.has_remove_permission(request),
                **context,
            },
        )

    def has_remove_permission(self, request: HttpRequest) -> bool:
        """Who may remove projects, by Django's permissions."""
        return super().has_delete_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Projects are made on their own page."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """And changed there."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """It is asked for on a page of its own."""
        return False
