"""The integrity page: what is not as it should be, what will be done about it, what is owed.

No host is asked while somebody waits for the page: it shows what the newest sweep has found, and
`Check now` lets the keeper sweep at once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html
from django.utils.safestring import SafeString

from integrity.models import Finding, FindingQuerySet, Sweep
from integrity.request_repairs import request_repairs
from integrity.states import FindingKind, Policy
from operations import debts
from operations.timers import bring_forward
from servers.models import Server

TIMER = "integrity"
PER_PAGE = 50
# Beside the findings there is room for the first of the notes and the debts; the rest has pages.
BESIDE = 20
# So many repairs are planned on one page; what is left is planned when these are under way.
MAX_PLANNED = 200
ASKED_AT = "integrity_asked_at"
# A check that was asked for and has not come by then will not come: no keeper runs.
CHECK_LIMIT = timedelta(seconds=90)


@dataclass(frozen=True)
class Headline:
    """The state of everything in one line. `is_late`: nobody has looked for long."""

    findings: int
    checked_at: datetime | None
    age_s: int
    hosts: int
    unanswered: list[str]
    is_late: bool


def headline(now: datetime) -> Headline:
    """How many findings are open, and of when that is."""
    newest = Sweep.objects.exclude(finished_at=None).order_by("-finished_at").first()
    findings = Finding.objects.open().count()
    if newest is None or newest.finished_at is None:
        return Headline(findings, None, 0, 0, [], is_late=False)
    age = now - newest.finished_at
    return Headline(
        findings,
        newest.finished_at,
        max(0, int(age.total_seconds())),
        len(newest.hosts),
        list(newest.unanswered),
        is_late=age > CHECK_LIMIT,
    )


class StateFilter(admin.SimpleListFilter):
    """Open findings, unless asked for the others."""

    title = "what"
    parameter_name = "what"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The other lists."""
        return [("notes", "Foreign things"), ("past", "Repaired")]

    def choices(self, changelist: Any) -> Any:
        """Without a choice it is what is open, not all."""
        first, *others = super().choices(changelist)
        yield {**first, "display": "Open"}
        yield from others

    def queryset(self, request: HttpRequest, queryset: QuerySet[Finding]) -> QuerySet[Finding]:
        """One of the three lists."""
        findings = Finding.objects.all() & queryset
        wanted = {"notes": FindingQuerySet.notes, "past": FindingQuerySet.past}
        return wanted.get(self.value() or "", FindingQuerySet.open)(findings)


class KindFilter(admin.SimpleListFilter):
    """The kinds that there are findings of; all there could be would fill the page."""

    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Kinds in words."""
        kinds = Finding.objects.order_by("kind").values_list("kind", flat=True).distinct()
        return [(kind, FindingKind(kind).label) for kind in kinds]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Finding]
    ) -> QuerySet[Finding] | None:
        """Those of the kind."""
        return queryset.filter(kind=self.value()) if self.value() else None


class FindingList(ChangeList):
    """Looks up the servers of a whole page at once."""

    def get_results(self, request: HttpRequest) -> None:
        """The page's findings know the names of their servers."""
        super().get_results(request)
        rows: list[Any] = list(self.result_list)
        name_servers(rows)
        self.result_list = rows


def name_servers(findings: Iterable[Any]) -> None:
    """Give each finding `server_name`: its server's, or "" where there is no such row."""
    rows = list(findings)
    wanted = {row.server_id for row in rows if row.server_id}
    names: Mapping[UUID, str] = dict(
        Server.objects.filter(pk__in=wanted).values_list("pk", "name") if wanted else ()
    )
    for row in rows:
        row.server_name = names.get(row.server_id, "")


@admin.register(Finding)
class FindingAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # no generic at run time
    """Findings with their planned repairs; the sweeps write them, here they are looked at."""

    list_display = ("told", "host", "server", "planned", "policy", "first_seen_at")
    list_display_links = None
    list_filter = (StateFilter, KindFilter, "policy", "hypervisor")
    list_select_related = ("hypervisor",)
    search_fields = ("summary", "subject", "=server_id")
    list_per_page = PER_PAGE
    list_max_show_all = PER_PAGE
    show_full_result_count = False
    ordering = ("-first_seen_at", "-pk")
    actions = ("repair_selected",)
    fields = (
        *("summary", "kind", "hypervisor", "server", "policy", "planned", "shown_difference"),
        *("first_seen_at", "seen_at", "sightings", "attempts", "tried_at", "error", "repaired_at"),
    )

    # What is shown of a finding

    @admin.display(description="finding", ordering="summary")
    def told(self, finding: Finding) -> SafeString:
        """The summary, with the difference to unfold."""
        return format_html(
            '<a class="finding" href="{}">{}</a>{}',
            reverse("admin:integrity_finding_change", args=[finding.pk]),
            finding.summary,
            _folded(finding.difference),
        )

    @admin.display(description="difference")
    def shown_difference(self, finding: Finding) -> SafeString:
        """The whole of it."""
        return format_html('<pre class="difference">{}</pre>', finding.difference or "-")

    @admin.display(description="host", ordering="hypervisor__name")
    def host(self, finding: Finding) -> str | SafeString:
        """Where it is."""
        if finding.hypervisor is None:
            return "the books"
        address = reverse("admin:hypervisors_hypervisor_change", args=[finding.hypervisor_id])
        return format_html('<a href="{}">{}</a>', address, finding.hypervisor.name)

    @admin.display(description="server")
    def server(self, finding: Finding) -> str | SafeString:
        """Whose it is, where it is a server's."""
        return _server_link(finding.server_id, getattr(finding, "server_name", ""))

    @admin.display(description="planned repair")
    def planned(self, finding: Finding) -> SafeString | str:
        """What a repair will do, and why the last one did not help."""
        if not finding.error:
            return finding.repair or "none: it is not ours"
        return format_html(
            '{}<div class="integrity-error">Tried {}: {}</div>',
            finding.repair,
            f"{finding.attempts} time{'s' if finding.attempts != 1 else ''}",
            finding.error,
        )

    # The page

    def get_urls(self) -> list[URLPattern]:
        """With the two buttons of the page."""
        own = [
            path("check/", self.admin_site.admin_view(self.check_view), name="integrity_check"),
            path("repair/", self.admin_site.admin_view(self.repair_view), name="integrity_repair"),
        ]
        return own + super().get_urls()

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """The list that knows its servers' names."""
        return FindingList

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Finding | None:
        """One finding, with its server's name."""
        found: Finding | None = super().get_object(request, object_id, from_field)
        if found is not None:
            name_servers([found])
        return found

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page: the headline, the findings, and what stands beside them."""
        now = timezone.now()
        notes = Finding.objects.notes().select_related("hypervisor")[:BESIDE]
        unpaid = debts.describe(debts.unpaid()[:BESIDE])
        context = {
            "title": "Integrity",
            "headline": headline(now),
            "is_checking": _is_checking(request, now),
            "may_act": self.has_act_permission(request),
            "notes": notes,
            "notes_count": Finding.objects.notes().count(),
            "debts": unpaid,
            "debts_count": debts.unpaid().count(),
            "debts_url": reverse("admin:operations_operation_changelist") + "?debts=unpaid",
            **(extra_context or {}),
        }
        return super().changelist_view(request, context)

    def check_view(self, request: HttpRequest) -> HttpResponse:
        """Have the keeper sweep at once; the page follows."""
        self._require_act(request)
        now = timezone.now()
        bring_forward(TIMER, now=now)
        request.session[ASKED_AT] = now.isoformat()
        return HttpResponseRedirect(reverse("admin:integrity_finding_changelist"))

    @admin.action(description="Repair…", permissions=["act"])
    def repair_selected(self, request: HttpRequest, queryset: QuerySet[Finding]) -> HttpResponse:
        """Show what would be done to the chosen ones."""
        return self._plan(request, queryset)

    def repair_view(self, request: HttpRequest) -> HttpResponse:
        """Plan the repair of all; or, asked for with what was planned, set it going."""
        self._require_act(request)
        if "planned" not in request.POST:
            return self._plan(request, Finding.objects.all())
        agreed = set(request.POST.getlist("planned"))
        wanted = [each.partition(":")[0] for each in agreed]
        rows = Finding.objects.open().filter(pk__in=[each for each in wanted if each.isdecimal()])
        findings = [each for each in rows if _seal(each) in agreed]
        begun = request_repairs(
            findings,
            now=timezone.now(),
            at_once=True,
            request_id=getattr(request, "request_id", ""),
        )
        under_way = sum(len(each.params["findings"]) for each in begun)
        self._tell(request, under_way, len(agreed) - len(findings), len(findings) - under_way)
        return HttpResponseRedirect(reverse("admin:integrity_finding_changelist"))

    def _plan(self, request: HttpRequest, queryset: QuerySet[Finding]) -> HttpResponse:
        rows = Finding.objects.open() & queryset.order_by()
        total = rows.count()
        findings = list(rows.select_related("hypervisor").order_by("pk")[:MAX_PLANNED])
        name_servers(findings)
        for each in findings:
            each.seal = _seal(each)  # type: ignore[attr-defined]  # shown by the template
        context = {
            **self.admin_site.each_context(request),
            "title": "Repair",
            "opts": self.opts,
            "findings": findings,
            "left_out": total - len(findings),
            "on_request": sum(each.policy == Policy.ON_REQUEST for each in findings),
        }
        return TemplateResponse(request, "admin/integrity/repair.html", context)

    def _tell(self, request: HttpRequest, under_way: int, changed: int, busy: int) -> None:
        if under_way:
            messages.success(request, f"{_findings(under_way)} under repair.")
        if changed:
            messages.warning(
                request, f"{_findings(changed)} gone or changed since the plan: not repaired."
            )
        if busy:
            messages.warning(
                request, f"{_findings(busy)} left alone: something is being done there already."
            )

    # Who may

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Who may check and repair: who may change findings, by Django's permissions."""
        return super().has_change_permission(request)

    def _require_act(self, request: HttpRequest) -> None:
        if request.method != "POST" or not self.has_act_permission(request):
            raise PermissionDenied

    def has_add_permission(self, request: HttpRequest) -> bool:
        """The sweeps find them."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What was found is not edited."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A finding goes when it is repaired."""
        return False


def _is_checking(request: HttpRequest, now: datetime) -> bool:
    """Whether the check that this user asked for is still to come."""
    asked_at = parse_datetime(request.session.get(ASKED_AT, ""))
    if asked_at is None:
        return False
    done = Sweep.objects.filter(started_at__gte=asked_at).exclude(finished_at=None).exists()
    if not done and now - asked_at < CHECK_LIMIT:
        return True
    del request.session[ASKED_AT]
    return False


def _seal(finding: Finding) -> str:
    """A finding with its plan: agreed to is what was shown, and nothing else."""
    plan = json.dumps([finding.plan, finding.repair], sort_keys=True)
    return f"{finding.pk}:{hashlib.sha256(plan.encode()).hexdigest()[:16]}"


def _folded(difference: str) -> SafeString | str:
    if not difference:
        return ""
    return format_html(
        '<details><summary>Difference</summary><pre class="difference">{}</pre></details>',
        difference,
    )


def _server_link(server_id: UUID | None, name: str) -> SafeString | str:
    if server_id is None:
        return ""
    if not name:
        return str(server_id)
    address = reverse("admin:servers_server_change", args=[server_id])
    return format_html('<a href="{}">{}</a>', address, name)


def _findings(count: int) -> str:
    return f"{count} finding{'s are' if count != 1 else ' is'}"
