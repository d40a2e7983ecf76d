"""`manage.py rebuild-from-hosts`: fills an empty database from the guests of the hosts."""  # noqa: N999 - named as it is called

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from hypervisors.models import Hypervisor
from servers.rebuild import HostReport, rebuild


class Command(BaseCommand):
    """Restore every server whose guest is on a host, and say what became of each host's guests."""

    help = "Restores servers from the guests of the hosts. Guests are only looked at."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Read which hosts, and whether it is for show."""
        parser.add_argument("hosts", nargs="*", metavar="HOST", help="all hosts when none is named")
        parser.add_argument("--dry-run", action="store_true", help="say it and change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it; whatever could not be restored makes the status 1."""
        dry_run = options["dry_run"]
        reports = rebuild(_hosts(options["hosts"]), now=timezone.now(), dry_run=dry_run)
        for report in reports:
            self._say(report, restored="would be restored" if dry_run else "restored")
        problems = sum(len(report.problems) for report in reports)
        if problems:
            raise CommandError(f"{problems} problems; what is there stays. Run it again at will.")

    def _say(self, report: HostReport, *, restored: str) -> None:
        self.stdout.write(
            f"{report.host}: {len(report.restored)} servers {restored}, {report.there} were there, "
            f"{report.foreign} guests are not ours, {len(report.problems)} problems"
        )
        for note in report.notes:
            self.stdout.write(f"  note: {note}")
        for problem in report.problems:
            self.stdout.write(f"  problem: {problem}")


def _hosts(names: list[str]) -> list[Hypervisor]:
    hosts = list(Hypervisor.objects.order_by("name"))
    unknown = set(names) - {host.name for host in hosts}
    if unknown:
        raise CommandError(f"There is no hypervisor {', '.join(sorted(unknown))}.")
    if not hosts:
        raise CommandError("There are no hypervisors; add them first: manage.py hypervisor add")
    return [host for host in hosts if not names or host.name in names]
