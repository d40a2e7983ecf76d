"""Operations in the admin, to look at: what is under way, what failed and why, what is owed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.timezone import localtime

from operations.debts import DebtFacts, debt_kinds, describe, with_last_error
from operations.models import UNFINISHED, Operation, StepRecord

PER_PAGE = 50
MAX_RECORDS = 100


class DebtFilter(admin.SimpleListFilter):
    """The view of debts: work that waits until its host is back."""

    title = "debts"
    parameter_name = "debts"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Of the two ways the one that is no filter is `All`, which the list has by itself."""
        return [("unpaid", "Not paid yet")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Operation]
    ) -> QuerySet[Operation] | None:
        """Unfinished work of the kinds that are tried for ever."""
        if self.value() != "unpaid":
            return None
        return queryset.filter(state__in=UNFINISHED, kind__in=debt_kinds())


class DescribedList(ChangeList):
    """Looks up for a whole page what its debts are about: the hosts and servers come at once."""

    def get_results(self, request: HttpRequest) -> None:
        """The page's operations have `debt_facts`, where they are debts."""
        super().get_results(request)
        rows: list[Any] = list(self.result_list)
        owed = [row for row in rows if row.kind in debt_kinds()]
        for row, debt in zip(owed, describe(owed), strict=True):
            row.debt_facts = debt.facts
        self.result_list = rows


@admin.register(Operation)
class OperationAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # no generic at run time
    """Operations with their steps. Params and outputs stay out of sight: they may hold anything."""

    list_display = (
        *("created_at", "kind", "state", "shown_subject", "host", "what", "attempt", "next_try"),
        "last_error",
    )
    list_display_links = ("created_at", "kind")
    list_filter = (DebtFilter, "state", "kind")
    search_fields = ("=id", "=subject", "=request_id")
    list_per_page = PER_PAGE
    list_max_show_all = PER_PAGE
    show_full_result_count = False
    ordering = ("-created_at",)
    fields = (
        *("id", "kind", "state", "subject", "host", "what", "request_id", "queue", "attempt"),
        *("next_try", "deadline_at", "lease_owner", "lease_until", "created_at", "updated_at"),
        *("finished_at", "failure", "earlier_tries", "steps"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Operation]:
        """With what the newest failed try said; without the columns that nothing here shows."""
        rows: QuerySet[Operation] = super().get_queryset(request)
        return with_last_error(rows).defer("outputs", "successor")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """The list that describes its page."""
        return DescribedList

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Operation | None:
        """One operation, with what it is about."""
        found: Operation | None = super().get_object(request, object_id, from_field)
        if found is not None and found.kind in debt_kinds():
            found.debt_facts = describe([found])[0].facts  # type: ignore[attr-defined]  # as above
        return found

    @admin.display(description="subject", ordering="subject")
    def shown_subject(self, operation: Operation) -> str:
        """The server where a debt is about one; else what the operation works on."""
        return _facts(operation).server or str(operation.subject)

    @admin.display(description="host")
    def host(self, operation: Operation) -> str:
        """The host that a debt waits for."""
        return _facts(operation).host

    @admin.display(description="what")
    def what(self, operation: Operation) -> str:
        """What a debt is about."""
        return _facts(operation).what

    @admin.display(description="next try", ordering="wake_at")
    def next_try(self, operation: Operation) -> Any:
        """When it goes on; nothing for what is finished."""
        return operation.wake_at if operation.state in UNFINISHED else None

    @admin.display(description="last error")
    def last_error(self, operation: Operation) -> str:
        """What the newest failed try said."""
        return str(getattr(operation, "last_error", ""))

    @admin.display(description="failure")
    def failure(self, operation: Operation) -> str:
        """Why it was undone."""
        return _as_text([operation.error] if operation.error else [])

    @admin.display(description="earlier hosts")
    def earlier_tries(self, operation: Operation) -> str:
        """Why each earlier round was undone, and on which host."""
        return _as_text(operation.rounds)

    @admin.display(description="steps")
    def steps(self, operation: Operation) -> SafeString:
        """Each try of each step, newest first."""
        newest = operation.records.order_by("-pk")[:MAX_RECORDS]
        return format_html_join("", "<div>{} {} {}: {} {}</div>", map(_line, newest))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Operations are asked for by what is done to servers."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The engine alone writes them."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A deleted one would leave its work half done."""
        return False


def _facts(operation: Operation) -> DebtFacts:
    return getattr(operation, "debt_facts", DebtFacts(what=""))


def _line(record: StepRecord) -> tuple[str, str, str, str, str]:
    return (
        localtime(record.started_at).strftime("%Y-%m-%d %H:%M:%S"),
        record.direction,
        record.step,
        record.result or "running",
        record.message,
    )


def _as_text(failures: Iterable[dict[str, Any]]) -> str:
    """Only the engine's own words of a failure."""
    shown = ("host", "step", "type", "message", "detail")
    return "\n".join(
        json.dumps({name: each[name] for name in shown if each.get(name)}) for each in failures
    )
