"""`manage.py lab_hosts`: takes simulated hosts into the portal, or out of it."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from cloudportal.errors import CloudError
from hypervisors.errors import HypervisorNotReady
from hypervisors.models import Hypervisor
from hypervisors.register import accept_host_key, add_hypervisor, remove_hypervisor

_DONE = {"add": "added", "remove": "removed"}


class Command(BaseCommand):
    """Read what `lab/lab.py status` prints, and add or remove those hosts."""

    help = "Adds or removes the simulated hosts that standard input describes (JSON)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Read the verb."""
        parser.add_argument("verb", choices=["add", "remove"])

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it host by host; one that fails does not keep the others from it."""
        failed = 0
        for host in json.load(sys.stdin):
            try:
                words = self._add(host) if options["verb"] == "add" else self._remove(host)
            except CloudError as error:
                words, failed = f"{error} {_reasons(error)}".strip(), failed + 1
            self.stdout.write(f"{host['name']}: {words}")
        if failed:
            raise CommandError(f"{failed} hosts could not be {_DONE[options['verb']]}.")

    def _add(self, host: dict[str, Any]) -> str:
        known = Hypervisor.objects.filter(name=host["name"], uri=host["uri"]).first()
        if known is not None:
            # A lab that was removed and made again has new keys.
            accept_host_key(hypervisor=known, fingerprint=host["host_key_fingerprint"])
            return "is there already"
        added = add_hypervisor(
            name=host["name"],
            uri=host["uri"],
            accepted_fingerprint=host["host_key_fingerprint"],
            now=timezone.now(),
        ).hypervisor
        return f"added: {added.vcpus} vCPUs, {added.ram_mib} MiB RAM, {added.disk_gib} GiB disk"

    def _remove(self, host: dict[str, Any]) -> str:
        known = Hypervisor.objects.filter(name=host["name"], uri=host["uri"]).first()
        if known is None:
            return "is not in the portal"
        remove_hypervisor(hypervisor=known)
        return "forgotten"


def _reasons(error: CloudError) -> str:
    if isinstance(error, HypervisorNotReady):
        return " ".join(f"{each.name}: {each.message}" for each in error.checks if each.remedy)
    return error.detail
