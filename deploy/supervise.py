#!/usr/bin/env python3
"""Runs the portal's processes in the foreground, and ends every one of them.

The supervisor keeps them running. All carry a mark in their environment, by which whatever is
left of them is found, also when the supervisor itself was killed. Needs nothing but Python.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import xmlrpc.client
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
MARK = "CLOUDPORTAL_RUN"
READY_S = 120.0
STOP_S = 30.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class SuperviseError(Exception):
    """Says what is wrong and what helps."""


@dataclass(frozen=True)
class Portal:
    """Where the portal's state lies and where it listens; defaults as in the settings."""

    var: Path
    bind: str
    port: int
    url: str
    live_port: int

    @classmethod
    def from_environment(cls) -> Portal:
        """Read the same variables as the settings do."""
        var = Path(os.environ.get("CLOUDPORTAL_VAR", PROJECT / "var")).resolve()
        bind = os.environ.get("CLOUDPORTAL_BIND", "127.0.0.1")
        text = os.environ.get("CLOUDPORTAL_PORT", "8000")
        if not text.isdigit():
            raise SuperviseError(f"CLOUDPORTAL_PORT is no number: {text}")
        url = os.environ.get("CLOUDPORTAL_URL", f"http://{bind}:{text}").rstrip("/")
        live = os.environ.get("CLOUDPORTAL_LIVE_PORT", str(int(text) + 1))
        if not live.isdigit():
            raise SuperviseError(f"CLOUDPORTAL_LIVE_PORT is no number: {live}")
        return cls(var, bind, int(text), url, int(live))

    @property
    def config(self) -> Path:
        """The supervisor's configuration, which the set-up writes."""
        return self.var / "run" / "supervisord.conf"

    @property
    def health(self) -> str:
        """The address that says whether the web process can do its work, from this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.bind, self.bind)  # noqa: S104 - only compared
        return f"http://{host}:{self.port}/healthz"

    def marked(self) -> Iterator[int]:
        """The running processes that belong to this portal, by their mark."""
        mark = f"{MARK}={self.var}".encode()
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    yield int(folder.name)
            except OSError:
                continue  # it ended meanwhile, or is another user's

    def supervisor(self) -> int | None:
        """The running supervisor of this portal; a stale number or another's process is none."""
        try:
            pid = int((self.var / "run" / "supervisord.pid").read_text())
        except (OSError, ValueError):
            return None
        return pid if pid in self.marked() else None


def say(words: str) -> None:
    """Tell the user."""
    print(words, flush=True)  # noqa: T201 - a command's own output


def end_marked(portal: Portal) -> int:
    """End whatever is left of the portal's processes; returns how many there were."""
    found = set(portal.marked())
    deadline = time.monotonic() + 5.0
    number = signal.SIGTERM
    while left := set(portal.marked()):
        if time.monotonic() > deadline:
            number = signal.SIGKILL
        for pid in left:
            send(pid, number)
        time.sleep(0.1)
    return len(found)


def send(pid: int, number: int) -> None:
    """Send a signal; a process that has ended needs none."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def check(portal: Portal) -> int:
    """Make sure that the portal can start here.

    Raises:
        SuperviseError: it runs already, or one of its ports is taken.
    """
    pid = portal.supervisor()
    if pid is not None:
        raise SuperviseError(
            f"The portal runs already (process {pid}): {portal.url}/ To end it: make stop"
        )
    left = end_marked(portal)
    if left:
        say(f"processes: ended {left} that an earlier run had left")
    _check_port(portal, portal.port, f"CLOUDPORTAL_PORT={portal.port + 2}")
    _check_port(portal, portal.live_port, f"CLOUDPORTAL_LIVE_PORT={portal.live_port + 1}")
    return 0


def _check_port(portal: Portal, port: int, remedy: str) -> None:
    family = socket.AF_INET6 if ":" in portal.bind else socket.AF_INET
    with socket.socket(family) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((portal.bind, port))
        except OSError as error:
            raise SuperviseError(
                f"Cannot listen on {portal.bind} port {port}: {error.strerror}. See who "
                f"does with: ss -ltnp 'sport = :{port}'; or choose another port: {remedy} make run"
            ) from error


def run(portal: Portal) -> int:
    """Start everything, say when it is ready, and end everything when told to.

    Raises:
        SuperviseError: it cannot start, or does not become ready.
    """
    check(portal)
    for name in ("supervisor.sock", "supervisord.pid"):
        (portal.var / "run" / name).unlink(missing_ok=True)
    told: list[int] = []
    for number in STOP_SIGNALS:
        signal.signal(number, lambda got, _frame: told.append(got))
    command = [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(portal.config)]
    # A session of its own: Ctrl-C in the terminal then comes to us alone, and we end it in order.
    child = subprocess.Popen(  # noqa: S603 - our own command, no shell
        command,
        env={**os.environ, MARK: str(portal.var)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait_until_ready(portal, child, told)
        if not told:
            _start_others(portal)
            _announce(portal)
        while not told and child.poll() is None:
            time.sleep(0.2)
        if not told and portal.config.exists():
            say("The portal was stopped from elsewhere.")
        return 0
    finally:
        _end(portal, child)


def _wait_until_ready(portal: Portal, child: subprocess.Popen[bytes], told: list[int]) -> None:
    deadline = time.monotonic() + READY_S
    while not told:
        if child.poll() is not None or time.monotonic() > deadline:
            raise SuperviseError(
                "The portal does not become ready. What its processes say is in "
                f"{portal.var / 'log'}, for example: tail {portal.var / 'log' / 'web.log'}"
            )
        if _is_healthy(portal):
            return
        time.sleep(0.1)


def _start_others(portal: Portal) -> None:
    # Here, since only the environment that runs the portal has it; stopping needs no environment.
    from supervisor.xmlrpc import SupervisorTransport  # type: ignore[import-untyped]  # has no stubs

    transport = SupervisorTransport("", "", f"unix://{portal.var / 'run' / 'supervisor.sock'}")
    server = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)
    is_to_wait = False
    server.supervisor.startAllProcesses(is_to_wait)


def _is_healthy(portal: Portal) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(portal.health, timeout=2) as answer:
            return bool(json.load(answer)["status"] == "ok")
    except (OSError, ValueError, urllib.error.URLError):
        return False


def _announce(portal: Portal) -> None:
    say(f"cloudportal is ready: {portal.url}/")
    say(f"The passwords of admin and demo are in {portal.var / 'credentials'}")
    say(f"For the openstack command: export OS_CLIENT_CONFIG_FILE={portal.var / 'clouds.yaml'}")
    say("  openstack --os-cloud cloudportal server list    (or --os-cloud cloudportal-admin)")
    say("Ctrl-C ends it, as does make stop in another terminal.")


def _end(portal: Portal, child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        say("Ending the portal's processes.")
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            say("Some do not end by themselves; they are killed.")
    end_marked(portal)
    child.wait()
    _let_go_of_libvirt(portal)


def _let_go_of_libvirt(portal: Portal) -> None:
    """End the libvirt that `make run` started, where nothing else did; guests keep it running."""
    if (portal.var / "run" / "libvirt-started").exists():
        environment = {**os.environ, "CLOUDPORTAL_VAR": str(portal.var)}
        command = [str(PROJECT / "deploy" / "libvirt.sh"), "stop"]
        subprocess.run(command, env=environment, check=False)  # noqa: S603 - our own script


def stop(portal: Portal) -> int:
    """End a portal that runs elsewhere."""
    pid = portal.supervisor()
    if pid is not None:
        send(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_S
        while time.monotonic() < deadline and pid in portal.marked():
            time.sleep(0.1)
    left = end_marked(portal)
    _let_go_of_libvirt(portal)
    say("The portal has ended." if pid is not None or left else "The portal does not run.")
    return 0


def main() -> int:
    """Do what the word on the command line says."""
    verbs = {"run": run, "stop": stop, "check": check}
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    try:
        if word not in verbs:
            say("What shall I do? run, stop or check")
            return 2
        return verbs[word](Portal.from_environment())
    except SuperviseError as error:
        print(f"processes: {error}", file=sys.stderr)  # noqa: T201 - a command's own output
        return 1


if __name__ == "__main__":
    sys.exit(main())
