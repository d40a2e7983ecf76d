"""`manage.py hypervisor drain`: one more verb of the command about hosts."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from hypervisors.management.commands import hypervisor
from hypervisors.models import Hypervisor
from identity.actors import Actor, system_actor
from maintenance.check import check_plan
from maintenance.drain import CHANGES, DrainWish, newest_drain, plan_drain
from maintenance.models import MAX_AT_ONCE, Drain
from maintenance.view import drain_shown, item_shown, summary_of


class Command(hypervisor.Command):
    """Adds, checks, lists, drains and removes hypervisors."""

    help = "Adds, checks, lists, drains and removes hypervisors; shows the portal's SSH key."

    def add_verbs(self, verbs: Any) -> None:
        """With `drain`."""
        drain: ArgumentParser = verbs.add_parser(
            "drain", help="Empty a host by a plan; without an option the plan is shown."
        )
        drain.add_argument("name")
        asked = drain.add_mutually_exclusive_group()
        asked.add_argument("--plan", action="store_true", help="work it out, and do nothing")
        asked.add_argument("--start", action="store_true", help="begin what is planned")
        asked.add_argument("--pause", action="store_true", help="begin no more moves")
        asked.add_argument("--resume", action="store_true", help="go on, also with what failed")
        asked.add_argument("--cancel", action="store_true", help="leave servers where they are now")
        drain.add_argument(
            "--max-at-once",
            type=int,
            help=f"with --plan: so many servers leave at a time, at most {MAX_AT_ONCE} (1)",
        )
        drain.add_argument(
            "--leave-stopped",
            action="store_true",
            help="with --plan: servers that are off stay on the host",
        )
        drain.add_argument("--json", action="store_true", help="for programs")

    def _drain(self, options: dict[str, Any]) -> None:
        host = hypervisor.named(options["name"])
        drain = self._asked(host, options, system_actor())
        items = drain.items.select_related("server")
        if options["json"]:
            shown = {**drain_shown(drain), "items": [item_shown(item) for item in items]}
            self.stdout.write(json.dumps(shown, indent=2))
            return
        self.stdout.write(
            f"The plan {drain.pk} to drain {host.name} is {drain.state}: {summary_of(drain)}; "
            f"{drain.max_at_once} at a time. {drain.note}".strip()
        )
        rows = [("SERVER", "NAME", "STATUS", "WAY", "STATE", "DESTINATION", "REASON")]
        rows += [
            (
                *(str(item.server_id), item.server.name, item.server.status),
                *(item.way, item.state, item.destination, item.reason),
            )
            for item in items
        ]
        self.print_table(rows)

    def _asked(self, host: Hypervisor, options: dict[str, Any], actor: Actor) -> Drain:
        now = timezone.now()
        if not options["plan"] and (options["max_at_once"] or options["leave_stopped"]):
            raise CommandError("--max-at-once and --leave-stopped belong to --plan.")
        if options["plan"]:
            wish = DrainWish(
                max_at_once=1 if options["max_at_once"] is None else options["max_at_once"],
                moves_stopped=not options["leave_stopped"],
            )
            drain = plan_drain(hypervisor=host, wish=wish, actor=actor, now=now)
            # Whoever waits here is told what the hosts themselves say; a keeper would ask them too.
            while check_plan(drain, now):
                pass
            return drain
        for name, change in CHANGES.items():
            if options[name]:
                return change(hypervisor=host, actor=actor, now=now)
        return newest_drain(hypervisor=host, actor=actor)
