"""Quotas in the admin: each project's limits with its usage, what it used, and the defaults."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import BigIntegerField, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html

from cloudportal.errors import CloudError
from identity.actors import system_actor
from quotas.consume import DEFAULT_CLASS, default_limits, limits, usage
from quotas.models import (
    PastReservation,
    ProjectQuota,
    QuotaDefault,
    QuotaLimit,
    Reservation,
    UserQuotaLimit,
)
from quotas.resources import BY_USER, COUNTED, DEFAULTS, MAX_LIMIT, UNLIMITED
from quotas.set_limits import set_project_limits
from quotas.statements import Statement, Wish, read_statement

LISTED = ("instances", "cores", "ram", "ports")
# Of a statement's page; without a period it is about so many days until tomorrow.
ENTRIES = 100
DAYS = 30
_DAY = forms.DateInput({"type": "date"})
_YEARS = [MinValueValidator(date(1970, 1, 1)), MaxValueValidator(date(9000, 1, 1))]


class ProjectQuotaForm(forms.ModelForm):  # type: ignore[type-arg]  # no subscript at run time
    """A limit for each resource; an empty one is the default."""

    class Meta:
        model = ProjectQuota
        fields: tuple[str, ...] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        own = dict(
            QuotaLimit.objects.filter(project_id=self.instance.pk).values_list("resource", "limit")
        )
        used = usage(self.instance.pk)
        for name, default in default_limits().items():
            in_use = f"{used[name]} used. " if name in COUNTED else ""
            self.fields[name] = forms.IntegerField(
                required=False,
                min_value=UNLIMITED,
                max_value=MAX_LIMIT,
                label=name.replace("_", " "),
                initial=own.get(name),
                help_text=f"{in_use}Empty: the default, {default}. -1: unlimited.",
            )

    def wanted(self) -> dict[str, int | None]:
        """The limits in the form; None where the default is to hold."""
        return {name: self.cleaned_data.get(name) for name in DEFAULTS}


class StatementForm(forms.Form):
    """What a statement is to be about; days are those of UTC, and `end` is in it."""

    start = forms.DateField(label="From", widget=_DAY, validators=_YEARS)
    end = forms.DateField(label="to the end of", widget=_DAY, validators=_YEARS)
    resource = forms.ChoiceField(
        choices=[("", "all"), *((name, name) for name in COUNTED)], required=False
    )
    user_id = forms.CharField(label="User", max_length=64, required=False)

    def wish(self, project_id: str) -> Wish:
        """What the use case is asked for; the form must be valid."""
        data = self.cleaned_data
        return Wish(
            project_id,
            datetime.combine(data["start"], time(tzinfo=UTC)),
            datetime.combine(data["end"], time(tzinfo=UTC)) + timedelta(days=1),
            data["user_id"],
            data["resource"],
        )


@admin.register(ProjectQuota)
class ProjectQuotaAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # no subscript at run time
    """What each project may take and has taken."""

    form = ProjectQuotaForm
    change_form_template = "admin/quotas/quota.html"
    list_display = ("name", *(f"{name}_shown" for name in LISTED))
    search_fields = ("name", "id")

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> type[ProjectQuotaForm]:
        """The form as it is: its fields are resources, not columns that the admin could look up."""
        return ProjectQuotaForm

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """The resources, in their order."""
        return [(None, {"fields": list(DEFAULTS)})]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ProjectQuota]:
        """Projects with the figures of the list, in one query."""
        figures: dict[str, Any] = {}
        for name in LISTED:
            own = {"project_id": OuterRef("pk"), "resource": name}
            used = Reservation.objects.filter(**own).order_by().values("resource")
            figures[f"{name}_used"] = Coalesce(
                Subquery(
                    used.annotate(sum=Sum("amount")).values("sum"), output_field=BigIntegerField()
                ),
                0,
                output_field=BigIntegerField(),
            )
            figures[f"{name}_limit"] = Coalesce(
                Subquery(QuotaLimit.objects.filter(**own).values("limit")[:1]),
                Subquery(
                    QuotaDefault.objects.filter(class_name=DEFAULT_CLASS, resource=name).values(
                        "limit"
                    )[:1]
                ),
                DEFAULTS[name],
                output_field=BigIntegerField(),
            )
        projects: QuerySet[ProjectQuota] = super().get_queryset(request)
        return projects.annotate(**figures)

    def get_urls(self) -> list[URLPattern]:
        """With the statements, which there are of deleted projects too."""
        page = self.admin_site.admin_view(self.statement_view)
        own = [path("<str:key>/statement/", page, name="quotas_projectquota_statement")]
        return own + super().get_urls()

    def statement_view(self, request: HttpRequest, key: str) -> HttpResponse:
        """What a project used in a period: the sums, and a page of what they are made of."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        today = timezone.now().astimezone(UTC).date()
        default = {"start": today - timedelta(days=DAYS), "end": today}
        asked = {**default, **request.GET.dict()}
        form = StatementForm(asked)
        statement, error = None, ""
        if form.is_valid():
            try:
                statement = read_statement(
                    wish=form.wish(key),
                    limit=ENTRIES,
                    marker=str(asked.get("marker", "")),
                    actor=system_actor(),
                    now=timezone.now(),
                )
            except CloudError as refused:
                error = refused.message
        context = {
            **self.admin_site.each_context(request),
            "title": "What a project used",
            "opts": self.opts,
            "project": ProjectQuota.objects.filter(pk=key).first(),
            "project_id": key,
            "form": form,
            "statement": statement,
            "next_page": _next_page(asked, statement),
            "error": error,
        }
        return TemplateResponse(request, "admin/quotas/statement.html", context)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Projects are made on their own page."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Projects are deleted on their own page."""
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Set the limits; an administrator may set less than is used."""
        wanted = form.wanted()
        emptied = [name for name, limit in wanted.items() if limit is None]
        set_project_limits(
            project_id=obj.pk,
            wanted={name: limit for name, limit in wanted.items() if limit is not None},
            force=True,
            actor=system_actor(),
            now=timezone.now(),
        )
        QuotaLimit.objects.filter(project_id=obj.pk, resource__in=emptied).delete()

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Iterable[Any] | None, add: bool = False
    ) -> list[Any]:
        """The limits as they are now, for the history."""
        now = limits(form.instance.pk)
        changed = ", ".join(f"{name} {now[name]}" for name in form.changed_data)
        return [{"changed": {"fields": [changed]}}] if changed else []


def _next_page(asked: dict[str, Any], statement: Statement | None) -> str:
    if statement is None or len(statement.entries) < ENTRIES:
        return ""
    return urlencode({**asked, "marker": statement.entries[-1].marker})


def _shown(name: str) -> Any:
    @admin.display(description=name, ordering=f"{name}_used")
    def show(self: Any, project: Any) -> str:
        limit = getattr(project, f"{name}_limit")
        return format_html(
            "{} of {}",
            getattr(project, f"{name}_used"),
            "unlimited" if limit == UNLIMITED else limit,
        )

    return show


for _name in LISTED:
    setattr(ProjectQuotaAdmin, f"{_name}_shown", _shown(_name))


class UserLimitForm(forms.ModelForm):  # type: ignore[type-arg]  # no subscript at run time
    """A limit of one user in one project."""

    resource = forms.ChoiceField(choices=[(name, name) for name in BY_USER])
    limit = forms.IntegerField(min_value=UNLIMITED, max_value=MAX_LIMIT)

    class Meta:
        model = UserQuotaLimit
        fields = ("project_id", "user_id", "resource", "limit")


@admin.register(UserQuotaLimit)
class UserQuotaLimitAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # no subscript at run time
    """What single users may take of their projects' quotas."""

    form = UserLimitForm
    list_display = ("project_id", "user_id", "resource", "limit")
    list_filter = ("resource",)
    search_fields = ("project_id", "user_id")


class ResourceForm(forms.ModelForm):  # type: ignore[type-arg]  # no subscript at run time
    """A default, of a resource that exists."""

    resource = forms.ChoiceField(choices=[(name, name) for name in DEFAULTS])
    limit = forms.IntegerField(min_value=UNLIMITED, max_value=MAX_LIMIT)

    class Meta:
        model = QuotaDefault
        fields = ("class_name", "resource", "limit")


@admin.register(QuotaDefault)
class QuotaDefaultAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # no subscript at run time
    """Defaults that differ from the built-in ones; only the class `default` has an effect."""

    form = ResourceForm
    list_display = ("class_name", "resource", "limit")
    list_filter = ("class_name",)


class _Looked(admin.ModelAdmin):  # type: ignore[type-arg]  # no subscript at run time
    """What holds or held how much of a quota; to look at only, since usage is the sum of these."""

    list_filter = ("resource",)
    search_fields = ("project_id", "subject")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Made together with what they are for."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never changed by hand."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Given back together with what they are for."""
        return False


@admin.register(Reservation)
class ReservationAdmin(_Looked):
    """What is held."""

    list_display = ("project_id", "user_id", "resource", "amount", "subject", "created_at")


@admin.register(PastReservation)
class PastReservationAdmin(_Looked):
    """What was held once."""

    list_display = (
        *("project_id", "user_id", "resource", "amount", "subject", "started_at", "ended_at"),
    )
    ordering = ("-ended_at",)
