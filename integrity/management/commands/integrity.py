"""`manage.py integrity`: is everything as it should be, and what would be done about it."""

from __future__ import annotations

import json
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from integrity.models import Finding, Sweep
from integrity.request_repairs import request_repairs
from integrity.sweep import look_at_everything
from operations.models import UNFINISHED, Operation

# A host that is slow is waited for here: somebody asked.
PATIENCE_S = 120.0
REPAIR_S = 600.0
POLL_S = 0.3
# A repair may bring to light what it hid, such as the addresses of a network made again.
ROUNDS = 4


class Command(BaseCommand):
    """Checks everything now; with --repair carries out what is planned."""

    help = "Compares the database with every host that is up; exit status 1 when something is left."

    def add_arguments(self, parser: CommandParser) -> None:
        """--repair and --json."""
        parser.add_argument(
            "--repair", action="store_true", help="carry out every planned repair, then check again"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        """Sweep, print, repair, sweep again.

        Raises:
            CommandError: something is left that is not as it should be.
        """
        as_json = options["json"]
        sweep = self._look()
        if options["repair"]:
            for _ in range(ROUNDS):
                findings = list(Finding.objects.open())
                if not findings:
                    break
                if not as_json:
                    self._print(sweep)
                    self.stdout.write("Repairing …")
                if not self._repair(findings):
                    break
                sweep = self._look()
        if as_json:
            self.stdout.write(json.dumps(_document(sweep), indent=1))
        else:
            self._print(sweep)
        if Finding.objects.open().exists():
            raise CommandError("Not everything is as it should be.", returncode=1)

    def _look(self) -> Sweep:
        return look_at_everything(timezone.now(), refresh=True, patience_s=PATIENCE_S)

    def _repair(self, findings: list[Finding]) -> bool:
        """Carry out the plans and wait; whether anything was carried out, by whomever."""
        subjects = {each.subject_id for each in findings}
        begun = request_repairs(findings, now=timezone.now(), at_once=True)
        # Beside ours those that were under way, such as the repairs that go by themselves.
        awaited = Operation.objects.filter(subject__in=subjects, state__in=UNFINISHED)
        ends_at = time.monotonic() + REPAIR_S
        was_at_work = bool(begun)
        while awaited.exists():
            was_at_work = True
            if time.monotonic() > ends_at:
                raise CommandError("The repairs take longer than expected; do workers run?")
            time.sleep(POLL_S)
        return was_at_work

    def _print(self, sweep: Sweep) -> None:
        findings = list(Finding.objects.open().select_related("hypervisor"))
        notes = Finding.objects.notes().count()
        age_s = (timezone.now() - (sweep.finished_at or sweep.started_at)).total_seconds()
        self.stdout.write(
            f"{len(findings)} finding{'' if len(findings) == 1 else 's'}, checked {age_s:.0f} s ago"
        )
        for finding in findings:
            self.stdout.write(f"- {finding.get_kind_display()}: {finding.summary}")
            self.stdout.write(f"  {finding.get_policy_display()}: {finding.repair}")
            if finding.error:
                self.stdout.write(f"  tried {finding.attempts} times: {finding.error}")
            for line in finding.difference.splitlines():
                self.stdout.write(f"    {line}")
        if sweep.unanswered:
            self.stdout.write(f"Left out, not up: {', '.join(sweep.unanswered)}")
        if notes:
            self.stdout.write(f"Beside them {notes} foreign things, which are left alone.")


def _document(sweep: Sweep) -> dict[str, Any]:
    return {
        "checked_at": (sweep.finished_at or sweep.started_at).isoformat(),
        "hosts": sweep.hosts,
        "unanswered": sweep.unanswered,
        "findings": [_entry(each) for each in Finding.objects.open().select_related("hypervisor")],
        "notes": [_entry(each) for each in Finding.objects.notes().select_related("hypervisor")],
    }


def _entry(finding: Finding) -> dict[str, Any]:
    return {
        "kind": finding.kind,
        "hypervisor": finding.hypervisor.name if finding.hypervisor else None,
        "server": str(finding.server_id) if finding.server_id else None,
        "subject": finding.subject,
        "summary": finding.summary,
        "difference": finding.difference,
        "repair": finding.repair,
        "policy": finding.policy,
        "first_seen_at": finding.first_seen_at.isoformat(),
        "attempts": finding.attempts,
        "error": finding.error,
    }
