"""`manage.py hypervisor`: add hosts, check them, list and remove them."""

from __future__ import annotations

import os
import sys
from argparse import REMAINDER, ArgumentParser
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from cloudportal.errors import CloudError
from hypervisors import ssh
from hypervisors.add_pool import MADE, NewPool, add_pool
from hypervisors.check import HostCheck, check_hypervisor, is_fit
from hypervisors.errors import HypervisorNotReady
from hypervisors.fence_command import Fencing, set_fencing, words_of
from hypervisors.models import Hypervisor, StoragePool, VirtType
from hypervisors.physical_networks import set_physical_network, set_tunnel_address
from hypervisors.register import (
    accept_host_key,
    add_hypervisor,
    offered_host_keys,
    remove_hypervisor,
)
from hypervisors.segments import tunnel_address
from hypervisors.uris import ssh_address

_MARKS = {True: "ok", False: "MISSING", None: "-"}


class Command(BaseCommand):
    """Add, check, list and remove hypervisors, and see to SSH keys."""

    help = "Adds, checks, lists and removes hypervisors; shows the portal's SSH key."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Read one of the verbs and what it needs."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        add = verbs.add_parser("add", help="Check a host and add it.")
        add.add_argument("name")
        add.add_argument("uri", help="qemu+ssh://user@host/system, or qemu:///system")
        add.add_argument("--virt-type", choices=VirtType.values, default=VirtType.AUTO)
        add.add_argument("--zone", default="", help="its availability zone")
        add.add_argument(
            "--exist-ok", action="store_true", help="do nothing if that name has that URI already"
        )
        _add_key_arguments(add)
        verbs.add_parser("check", help="Check a registered host.").add_argument("name")
        accept = verbs.add_parser("accept-key", help="Trust the host's present SSH key.")
        accept.add_argument("name")
        _add_key_arguments(accept)
        pool = verbs.add_parser("pool", help="Let servers ask for a storage pool of a host.")
        pool.add_argument("name")
        pool.add_argument("pool", help="its name in libvirt, which servers give as their store_id")
        pool.add_argument("--type", choices=MADE, default="", help="make it; else libvirt has it")
        pool.add_argument("--path", default="", help="make it, as this directory of the host")
        pool.add_argument(
            "--source", default="", help="SERVER:/EXPORT of netfs, or the volume group of logical"
        )
        network = verbs.add_parser("physical-network", help="Where a host is on a network outside.")
        network.add_argument("name")
        network.add_argument("network", help="the network's name, the same on all hosts")
        network.add_argument("interface", nargs="?", default="", help="none: it is not on it")
        tunnel = verbs.add_parser("tunnel-address", help="Where other hosts reach its tunnels.")
        tunnel.add_argument("name")
        tunnel.add_argument("address", nargs="?", default="", help="none: the one in its URI")
        _add_fence_arguments(verbs.add_parser("fence-command", help="What switches a host off."))
        verbs.add_parser("list", help="List the hosts, how they are and what they have free.")
        verbs.add_parser("remove", help="Forget a host without servers.").add_argument("name")
        verbs.add_parser("key", help="Show the line for authorized_keys on hosts.")
        self.add_verbs(verbs)

    def add_verbs(self, verbs: Any) -> None:
        """What the apps above know to do with hosts, which put a command over this one."""

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what the verb says; any refusal is a line on standard error and status 1."""
        verb = getattr(self, "_" + options["verb"].replace("-", "_"))
        try:
            verb(options)
        except HypervisorNotReady as error:
            self._print_checks(error.checks)
            raise CommandError(str(error)) from error
        except CloudError as error:
            raise CommandError(f"{error} {error.detail}".strip()) from error

    def _add(self, options: dict[str, Any]) -> None:
        name, uri = options["name"], options["uri"]
        if options["exist_ok"] and Hypervisor.objects.filter(name=name, uri=uri).exists():
            self.stdout.write(f"The hypervisor {name} is there already.")
            return
        done = add_hypervisor(
            name=name,
            uri=uri,
            virt_type=options["virt_type"],
            zone=options["zone"],
            accepted_fingerprint=self._accepted(uri, options),
            now=timezone.now(),
        )
        self._print_checks(done.checks)
        host = done.hypervisor
        self.stdout.write(
            f"The hypervisor {name} is {host.state}: {host.vcpus} vCPUs, {host.ram_mib} MiB RAM, "
            f"{host.disk_gib} GiB disk."
        )

    def _check(self, options: dict[str, Any]) -> None:
        checks = check_hypervisor(named(options["name"]))
        self._print_checks(checks)
        if not is_fit(checks):
            raise CommandError("The host is not ready to run servers.")

    def _accept_key(self, options: dict[str, Any]) -> None:
        host = named(options["name"])
        fingerprint = self._accepted(host.uri, options)
        if fingerprint is None:
            raise CommandError("This machine's own libvirt has no SSH key.")
        accept_host_key(hypervisor=host, fingerprint=fingerprint)
        self.stdout.write(f"The key {fingerprint} of {host.name} is accepted.")

    def _pool(self, options: dict[str, Any]) -> None:
        host = named(options["name"])
        wanted = NewPool(options["pool"], options["type"], options["path"], options["source"])
        pool = add_pool(hypervisor=host, wanted=wanted)
        free = pool.available // 1024**3
        self.stdout.write(f"Servers may ask for the pool {pool.name} of {host.name}: {free} GiB.")
        shared = StoragePool.objects.filter(store=pool.store).exclude(pk=pool.pk)
        if pool.store and shared.exists():
            names = ", ".join(sorted(shared.values_list("hypervisor__name", flat=True)))
            self.stdout.write(f"It has the same files as on {names}.")

    def _physical_network(self, options: dict[str, Any]) -> None:
        host = named(options["name"])
        set_physical_network(host, options["network"], options["interface"])
        found = host.physical_networks.order_by("name")
        there = ", ".join(f"{each.name} at {each.interface}" for each in found)
        self.stdout.write(f"{host.name} is on {there or 'no physical network'}.")

    def _tunnel_address(self, options: dict[str, Any]) -> None:
        host = named(options["name"])
        set_tunnel_address(host, options["address"])
        host.refresh_from_db()
        where = tunnel_address(host) or "no address that others reach"
        self.stdout.write(f"Tunnels of other hosts lead to {host.name} at {where}.")

    def _fence_command(self, options: dict[str, Any]) -> None:
        host = named(options["name"])
        words = tuple(options["words"])
        if words and options["none"]:
            raise CommandError("A command, or --none.")
        wanted = Fencing(
            words or (() if options["none"] else words_of(host)),
            timeout_s=options["timeout_s"] or host.fence_timeout_s,
            after_s=options["after_s"] or host.fence_after_s,
        )
        set_fencing(host, wanted)
        if words and not os.access(words[0], os.X_OK):
            self.stderr.write(f"{words[0]} cannot be run on this machine; workers must have it.")
        self._print_fencing(host)

    def _print_fencing(self, host: Hypervisor) -> None:
        """The program alone: passwords may be among its arguments."""
        words = words_of(host)
        if not words:
            self.stdout.write(f"{host.name} has no fence command.")
            return
        self.stdout.write(
            f"{host.name} is fenced by {words[0]} ({len(words) - 1} arguments, not shown), which "
            f"may take {host.fence_timeout_s} s, when it has been down for {host.fence_after_s} s."
        )

    def _list(self, options: dict[str, Any]) -> None:
        rows = [("NAME", "STATE", "SINCE", "VCPUS", "RAM MIB", "DISK GIB", "URI", "REASON")]
        rows += [
            (
                host.name,
                host.condition,
                f"{host.state_since:%Y-%m-%d %H:%M:%S}" if host.state_since else "",
                f"{host.vcpus_used}/{host.vcpus}",
                f"{host.ram_mib_used}/{host.ram_mib}",
                f"{host.disk_gib_used}/{host.disk_gib}",
                host.uri,
                host.reasons,
            )
            for host in Hypervisor.objects.all()
        ]
        self.print_table(rows)

    def _remove(self, options: dict[str, Any]) -> None:
        remove_hypervisor(hypervisor=named(options["name"]))
        self.stdout.write(f"The hypervisor {options['name']} is forgotten.")

    def _key(self, options: dict[str, Any]) -> None:
        self.stdout.write(ssh.public_key())

    def _accepted(self, uri: str, options: dict[str, Any]) -> str | None:
        """The fingerprint that is accepted: given, or agreed to when shown."""
        if ssh_address(uri) is None:
            return None
        given: str | None = options["accept_host_key"]
        if given is not None:
            return given
        keys = offered_host_keys(uri)
        self.stdout.write(f"The host at {uri} shows these SSH keys:")
        for key in keys:
            self.stdout.write(f"  {key.kind} {key.fingerprint}")
        best = keys[0].fingerprint
        if options["yes"]:
            self.stdout.write(f"Accepted, as told to: {best}")
            return best
        if not sys.stdin.isatty():
            raise CommandError(
                "The host's key is not accepted. Compare it with the host's own, then say "
                f"--accept-host-key {best}"
            )
        if input(f"Is {best} the host's own key? [yes/no] ").strip().lower() != "yes":
            raise CommandError("The host's key is not accepted; nothing was changed.")
        return best

    def _print_checks(self, checks: list[HostCheck]) -> None:
        rows = [(_MARKS[check.ok], check.name, check.message) for check in checks]
        self.print_table([("", "CHECK", "FOUND"), *rows])
        for check in checks:
            if check.remedy:
                self.stdout.write(f"To mend {check.name}: {check.remedy}")

    def print_table(self, rows: Sequence[tuple[str, ...]]) -> None:
        """Columns as wide as their widest cell."""
        widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
        for row in rows:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            self.stdout.write("  ".join(cells).rstrip())


def _add_fence_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("name")
    parser.add_argument("--timeout-s", type=int, help="seconds that the command may take")
    parser.add_argument("--after-s", type=int, help="seconds that the host is down first")
    parser.add_argument("--none", action="store_true", help="take the command away")
    parser.add_argument(
        "--command",
        dest="words",
        nargs=REMAINDER,
        default=(),
        metavar="PROGRAM",
        help="with its arguments, to the end of the line; run without a shell; {host}, {name}, "
        "{hostname} and {uuid} are filled in",
    )


def _add_key_arguments(parser: ArgumentParser) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--accept-host-key", metavar="FINGERPRINT", help="SHA256:… of its SSH key")
    group.add_argument("--yes", action="store_true", help="accept the key it shows, unseen")


def named(name: str) -> Hypervisor:
    """The host of that name; another one ends the command."""
    host = Hypervisor.objects.filter(name=name).first()
    if host is None:
        raise CommandError(f"There is no hypervisor {name}.")
    return host
