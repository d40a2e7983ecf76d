"""A whole portal for tests and benchmarks: its own folder, port and processes, all real."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import openstack

from cloudportal.processes import processes
from tests.warm import Warm

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
T = TypeVar("T")
# Commands that may change what others read when they are loaded: the settings, keys, programs.
COLD = {"backup", "restore", "setup"}


def eventually(
    look: Callable[[], T], *, within_s: float = 120, what: str = "", pause_s: float = 0.4
) -> T:
    """Ask again until the answer is true; it is returned.

    The pauses grow to `pause_s`: whoever asks all the time takes the processors from what is waited
    for. A state that is soon over needs a shorter one.

    Raises:
        TimeoutError: it never was.
    """
    deadline = time.monotonic() + within_s
    pause = 0.05
    while True:
        answer = look()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise TimeoutError(f"Not within {within_s} s: {what or look}; last answer {answer!r}")
        time.sleep(min(pause, pause_s))
        pause *= 1.25


def free_port() -> int:
    """A TCP port of loopback that nobody uses at the moment."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Portal:
    """Processes of one portal. `database_url` "" is SQLite in its folder."""

    def __init__(self, var: Path, *, database_url: str = "") -> None:
        self.var = var
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        # The same programs that `make run` puts under its supervisor.
        found = processes(
            python=Path(sys.executable), project=ROOT, bind="127.0.0.1", port=self.port
        )
        self.programs = {each.name: each for each in found}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._warm: dict[str, tuple[dict[str, str], Warm]] = {}
        self.environment = {
            **{
                key: value
                for key, value in os.environ.items()
                if not key.startswith(("OS_", "CLOUDPORTAL_"))
            },
            "CLOUDPORTAL_VAR": str(var),
            "CLOUDPORTAL_PORT": str(self.port),
            "CLOUDPORTAL_LIVE_PORT": str(free_port()),
            "CLOUDPORTAL_HEARTBEAT_S": "3",
            # Where tests serve images.
            "CLOUDPORTAL_IMPORT_NETWORKS": "127.0.0.1/32",
            "DJANGO_SETTINGS_MODULE": "cloudportal.settings",
            "OS_CLIENT_CONFIG_FILE": str(var / "clouds.yaml"),
            "PYTHONUNBUFFERED": "1",
        }
        if database_url:
            self.environment["DATABASE_URL"] = database_url
        else:
            self.environment.pop("DATABASE_URL", None)

    def manage(self, *words: str) -> str:
        """Run a management command; its output."""
        done = self.managed(*words)
        assert done.returncode == 0, f"manage.py {words[0]}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def managed(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a management command, whatever comes of it."""
        if words[0] not in COLD:
            return self._loaded("manage.py").run(words, self.environment)
        self._cool("manage.py")
        return subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=600,
            check=False,
        )

    def _loaded(self, name: str) -> Warm:
        """The program, loaded with the environment as it is now."""
        environment, warm = self._warm.get(name, (None, None))
        if warm is None or environment != self.environment:
            self._cool(name)
            warm = Warm(name, self.environment)
            self._warm[name] = (dict(self.environment), warm)
        return warm

    def _cool(self, name: str) -> None:
        if name in self._warm:
            self._warm.pop(name)[1].stop()

    def start(self, name: str) -> None:
        """Start one of the portal's processes, in a process group of its own."""
        program = self.programs[name]
        with (self.var / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                program.command,
                cwd=ROOT,
                env={**self.environment, **program.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def start_all(self) -> None:
        """Start everything and wait until the web process answers."""
        for name in self.programs:
            self.start(name)
        eventually(self.is_healthy, within_s=60, what="the portal answers")

    def kill(self, name: str) -> None:
        """End a process and its children as the kernel would: without a word."""
        process = self.processes.pop(name)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=30)

    def stop(self) -> None:
        """End everything, politely at first."""
        for process in self.processes.values():
            process.terminate()  # the first of each group, which ends the others in order
        for name in list(self.processes):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.processes[name].wait(timeout=15)
            self.kill(name)
        for name in list(self._warm):
            self._cool(name)

    def is_healthy(self) -> bool:
        """Whether the web process answers."""
        address = f"{self.url}/healthz"
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=10) as answer:
            return bool(answer.status == 200)
        return False

    def connection(
        self, cloud: str = "cloudportal", **options: Any
    ) -> openstack.connection.Connection:
        """An openstacksdk connection as `demo`, or another cloud of clouds.yaml."""
        config = openstack.config.OpenStackConfig(
            config_files=[str(self.var / "clouds.yaml")], load_envvars=False
        )
        return openstack.connection.Connection(config=config.get_one(cloud=cloud), **options)

    def openstack(self, *words: str, cloud: str = "cloudportal", check: bool = True) -> str:
        """Run the real `openstack` command; its output."""
        done = self.commanded(*words, cloud=cloud)
        if check:
            assert done.returncode == 0, f"openstack {words}: {done.stdout}\n{done.stderr}"
        return done.stdout if check else done.stdout + done.stderr

    def commanded(
        self, *words: str, cloud: str = "cloudportal"
    ) -> subprocess.CompletedProcess[str]:
        """Run the real `openstack` command, whatever comes of it; "" is no cloud of the file."""
        command = [*(["--os-cloud", cloud] if cloud else []), *words]
        return self._loaded("openstack").run(command, self.environment)

    def openstack_json(self, *words: str, cloud: str = "cloudportal") -> Any:
        """Run the real `openstack` command and read its JSON."""
        return json.loads(self.openstack(*words, "-f", "json", cloud=cloud))

    def logs(self) -> str:
        """The last lines of every process, for the report of a failure."""
        parts = []
        for path in sorted(self.var.glob("*.log")):
            tail = "\n".join(path.read_text(errors="replace").splitlines()[-60:])
            parts.append(f"== {path.name}\n{tail}")
        return "\n".join(parts)


@contextlib.contextmanager
def running(portal: Portal) -> Iterator[Portal]:
    """Start a portal that has been set up, and end it afterwards."""
    try:
        portal.start_all()
        yield portal
    finally:
        portal.stop()
