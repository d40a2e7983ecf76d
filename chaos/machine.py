"""A machine of the portal: its namespace, its own state folder, and programs that are restarted."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from bench.proc import tree
from cloudportal.processes import processes
from lab import network
from lab.plan import MachinePlan
from tests.portal import ROOT

PORT = 8000
LOOK_EVERY_S = 0.2
RESTART_AFTER_S = 0.5
STOP_S = 15.0


class Machine:
    """Its programs run while it is on; one that ends is started again."""

    def __init__(
        self, place: MachinePlan, *, var: Path, logs: Path, environment: Mapping[str, str]
    ) -> None:
        self.place = place
        self.name = place.name
        self.var = var
        self.url = f"http://{place.address}:{PORT}"
        self._logs = logs
        self.environment = {
            **_outer_environment(),
            **environment,
            "CLOUDPORTAL_VAR": str(var),
            "CLOUDPORTAL_BIND": place.address,
            "CLOUDPORTAL_PORT": str(PORT),
            "CLOUDPORTAL_HOSTS": place.address,
            "CLOUDPORTAL_HEARTBEAT_S": "3",
            "DJANGO_SETTINGS_MODULE": "cloudportal.settings",
            "PYTHONUNBUFFERED": "1",
        }
        found = processes(python=Path(sys.executable), project=ROOT, bind=place.address, port=PORT)
        self._programs = {each.name: each for each in found}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._is_on = False
        self._watch = threading.Thread(target=self._keep_running, name=self.name, daemon=True)
        self._watch.start()

    def manage(self, *words: str, given: str | None = None, timeout_s: float = 300) -> str:
        """Run a management command with this machine's settings; its output."""
        done = subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=ROOT,
            env=self.environment,
            input=given or "",
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"manage.py {' '.join(words[:2])}: {done.stdout}{done.stderr}")
        return done.stdout

    def start(self) -> None:
        """Switch it on."""
        with self._lock:
            self._is_on = True
            for name in self._programs:
                self._start(name)

    def power_off(self) -> None:
        """Cut its power: every process in its namespace ends at once."""
        with self._lock:
            self._is_on = False
            while pids := network.processes_in(self.place):
                for pid in pids:
                    _kill(pid)
                self._reap()
                time.sleep(0.02)
            self._reap()

    def end(self) -> None:
        """Let it end its work in order, then switch it off for good."""
        with self._lock:
            self._is_on = False
            for process in self._running.values():
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_S
        while network.processes_in(self.place) and time.monotonic() < deadline:
            self._reap()
            time.sleep(0.1)
        self.power_off()
        self._ended.set()

    def kill(self, name: str) -> None:
        """End a program with all it started; its supervisor starts it again."""
        with self._lock:
            process = self._running.get(name)
            if process is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)

    def kill_one(self, name: str, rng: random.Random, *, parent: bool) -> str:
        """End one process of a program: the first or its guard, or one of the others."""
        with self._lock:
            process = self._running.get(name)
            if process is None or process.poll() is not None:
                return "nobody"
            with contextlib.suppress(OSError):
                family = [pid for pid in tree(process.pid) if _program_of(pid).startswith("python")]
                chosen = family[:2] if parent else family[2:]
                if chosen:
                    pid = rng.choice(chosen)
                    _kill(pid)
                    return f"{name}'s process {family.index(pid) + 1} of {len(family)}"
            return "nobody"

    def strays(self) -> list[str]:
        """Processes here that no running program started: left by one that was killed."""
        with self._lock:
            ours: set[int] = set()
            for process in self._running.values():
                with contextlib.suppress(OSError):
                    ours.update(tree(process.pid))
            found = [pid for pid in network.processes_in(self.place) if pid not in ours]
        return [words for pid in found if (words := _words_of(pid))]

    def _keep_running(self) -> None:
        while not self._ended.wait(LOOK_EVERY_S):
            with self._lock:
                dead = [
                    name for name, process in self._running.items() if process.poll() is not None
                ]
                if not dead or not self._is_on:
                    continue
            if self._ended.wait(RESTART_AFTER_S):
                return
            with self._lock:
                for name in dead:
                    process = self._running.get(name)
                    if self._is_on and process is not None and process.poll() is not None:
                        self._start(name)

    def _start(self, name: str) -> None:
        program = self._programs[name]
        with (self._logs / f"{self.name}-{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                ["nsenter", f"--net={network.NAMESPACES / self.name}", "--", *program.command],
                cwd=ROOT,
                env={**self.environment, **program.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _reap(self) -> None:
        for process in self._running.values():
            process.poll()


def _outer_environment() -> dict[str, str]:
    ours = ("OS_", "CLOUDPORTAL_", "DATABASE_URL", "SECRET_KEY_FILE")
    return {key: value for key, value in os.environ.items() if not key.startswith(ours)}


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _program_of(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/exe").resolve().name
    return ""


def _words_of(pid: int) -> str:
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
        return f"{pid} {words[:160]}" if words else ""
    return ""
