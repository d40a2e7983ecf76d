#!/usr/bin/env python3
"""Simulated hosts on one machine: `lab/lab.py up --hosts 3 --var DIR --authorized-key FILE`.

Each host has its own network namespace, host name, libvirtd, sshd and storage, and is reached over
`qemu+ssh` like a real one. `up` reuses and repairs what is there and prints the hosts as JSON.
"""

import argparse
import contextlib
import fcntl
import ipaddress
import json
import os
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

if __package__ in {None, ""}:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lab import harm, network
from lab import host as hosts
from lab.commands import LabError
from lab.plan import HostPlan, LabPlan

HARMS = {
    "freeze-host": (harm.freeze, "let a host accept connections and answer nothing"),
    "thaw-host": (harm.thaw, "let a frozen host go on"),
    "cut-link": (harm.cut_link, "pull a host's cable"),
    "join-link": (harm.join_link, "put a host's cable in again"),
    "fill-pool": (harm.fill_pool, "leave no room in a host's pool (see up --pool-size)"),
    "empty-pool": (harm.empty_pool, "give the room back"),
}


def up(
    plan: LabPlan, *, count: int, authorized_key: str, machines: int = 0, pool_mib: int = 0
) -> list[HostPlan]:
    """Make `count` hosts run, and namespaces for the portal's machines; return the hosts."""
    wanted = [plan.host(number) for number in range(1, count + 1)]
    for message in hosts.let_qemu_use_kvm_device():
        _say(message)
    network.make_bridge(plan)
    for number in range(1, machines + 1):
        network.connect(plan, plan.machine(number))
    # The first host looks at QEMU for all, unless an earlier lab did.
    alone = wanted[:1] if not plan.capabilities.exists() else []
    for group in (alone, [host for host in wanted if host not in alone]):
        with ThreadPoolExecutor(max_workers=8) as pool:
            list(pool.map(lambda host: _bring_up(plan, host, authorized_key, pool_mib), group))
    return wanted


def _bring_up(plan: LabPlan, host: HostPlan, authorized_key: str, pool_mib: int) -> None:
    network.connect(plan, host)
    hosts.prepare_folders(host, authorized_key=authorized_key, capabilities=plan.capabilities)
    if pool_mib:
        hosts.limit_pool(host, pool_mib)
    hosts.start(host)
    hosts.wait_ready(host)
    if not plan.capabilities.exists():
        hosts.learn_capabilities(host, plan.capabilities)


def down(plan: LabPlan) -> None:
    """Remove the whole lab, also what a killed run left."""
    kept = plan.folder.glob(f"{plan.prefix}-host-*") if plan.folder.exists() else []
    numbers = {plan.host_named(path.name).number for path in kept if path.is_dir()}
    for number in sorted(numbers | set(network.connected_hosts(plan))):
        hosts.remove(plan.host(number))
    for number in network.connected_machines(plan):
        hosts.remove(plan.machine(number))
    network.remove_bridge(plan)
    shutil.rmtree(plan.folder, ignore_errors=True)


def cut_power(plan: LabPlan, host: HostPlan) -> None:
    """End all that runs on the host, and with it what lives in its kernel: bridges, rules."""
    hosts.kill(host)
    network.disconnect(host)
    network.connect(plan, host)


def status(plan: LabPlan) -> list[dict[str, object]]:
    """Describe the hosts of the lab."""
    return [_describe(plan.host(number)) for number in network.connected_hosts(plan)]


def _describe(host: HostPlan) -> dict[str, object]:
    pid = hosts.holder(host)
    return {
        "name": host.name,
        "address": host.address,
        "uri": f"qemu+ssh://root@{host.address}/system",
        "host_key_fingerprint": hosts.fingerprint(host),
        "netns": host.name,
        "pid": pid,
        "daemons": {
            name: hosts.daemon(host, name) for name in (*hosts.DAEMONS, "sshd") if pid is not None
        },
    }


@contextlib.contextmanager
def _locked(plan: LabPlan) -> Iterator[None]:
    """Let one command at a time change a lab."""
    (plan.var / "lab").mkdir(parents=True, exist_ok=True)
    with (plan.var / "lab" / f".{plan.prefix}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _say(message: str) -> None:
    print(f"lab: {message}", file=sys.stderr)  # noqa: T201 - a command's own output


def _arguments() -> argparse.Namespace:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--prefix", default="lab", help="start of the hosts' names")
    common.add_argument("--subnet", type=ipaddress.IPv4Network, default="10.99.0.0/24")
    default = os.environ.get("CLOUDPORTAL_VAR", Path(__file__).resolve().parent.parent / "var")
    common.add_argument("--var", type=Path, default=Path(default), help="state folder")
    parser = argparse.ArgumentParser(description="Simulated hosts on one machine.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    start = verbs.add_parser("up", parents=[common], help="start or repair the hosts")
    start.add_argument("--hosts", type=int, default=3)
    start.add_argument("--authorized-key", type=Path, required=True, help="a public key file")
    start.add_argument("--machines", type=int, default=0, help="namespaces for a portal's machines")
    start.add_argument(
        "--pool-size", type=int, default=0, metavar="MIB", help="a file system for a host's images"
    )
    verbs.add_parser("down", parents=[common], help="remove the hosts with all they stored")
    verbs.add_parser("status", parents=[common], help="describe the hosts as JSON")
    for verb, text in (
        ("kill-host", "cut a host's power"),
        ("start-host", "start a host that was killed, or its dead daemons"),
        ("exec", "run a command on a host: exec NAME -- COMMAND…"),
        ("kill-daemon", "end a host's libvirtd, sshd or virtlogd; start-host mends it"),
        *((verb, text) for verb, (_, text) in HARMS.items()),
    ):
        one = verbs.add_parser(verb, parents=[common], help=text)
        one.add_argument("name")
        if verb == "exec":
            one.add_argument("command", nargs="+")
        if verb == "kill-daemon":
            one.add_argument("daemon")
    return parser.parse_args()


def _change(plan: LabPlan, arguments: argparse.Namespace) -> None:
    if arguments.verb == "up":
        key = arguments.authorized_key.read_text()
        up(
            plan,
            count=arguments.hosts,
            authorized_key=key,
            machines=arguments.machines,
            pool_mib=arguments.pool_size,
        )
        print(json.dumps(status(plan), indent=2))  # noqa: T201 - the answer of the command
    elif arguments.verb == "down":
        down(plan)
    elif arguments.verb == "kill-host":
        cut_power(plan, plan.host_named(arguments.name))
    elif arguments.verb in HARMS:
        HARMS[arguments.verb][0](plan.host_named(arguments.name))
    elif arguments.verb == "kill-daemon":
        harm.kill_daemon(plan.host_named(arguments.name), arguments.daemon)
    elif arguments.verb == "start-host":
        host = plan.host_named(arguments.name)
        network.connect(plan, host)
        hosts.start(host)
        hosts.wait_ready(host)


def main() -> int:
    """Do what the command line says."""
    arguments = _arguments()
    try:
        plan = LabPlan(arguments.prefix, arguments.subnet, arguments.var.resolve())
        if os.geteuid() != 0:
            raise LabError("simulated hosts need root: run it with sudo")  # noqa: TRY301 - one exit for all errors
        if arguments.verb == "status":
            print(json.dumps(status(plan), indent=2))  # noqa: T201 - the answer of the command
        elif arguments.verb == "exec":
            words = hosts.enter_command(plan.host_named(arguments.name))
            os.execvp(words[0], [*words, *arguments.command])  # noqa: S606 - what exec is for
        else:
            with _locked(plan):
                _change(plan, arguments)
    except (LabError, OSError) as error:
        _say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
