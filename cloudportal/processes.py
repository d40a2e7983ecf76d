"""The portal's processes, as the supervisor is told of them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from configparser import RawConfigParser
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

THREADS = 8
STOP_S = 10
# The C library's own choice, a heap for each thread and growing thresholds for giving memory back,
# keeps a third more memory than Python's threads use.
MEMORY = {"MALLOC_ARENA_MAX": "1", "MALLOC_TRIM_THRESHOLD_": "131072"}


@dataclass(frozen=True)
class Process:
    """A program that the supervisor keeps running; started in the order given, ended in reverse."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    # Whether it starts with the supervisor. The others are started once the portal answers: at the
    # start, processors are what is short, and users wait for the pages first.
    is_first: bool = False


def processes(*, python: Path, project: Path, bind: str, port: int) -> list[Process]:
    """All of them; `python` is the environment's interpreter, whose folder has the programs."""
    manage = [str(python), str(project / "manage.py")]
    address = f"[{bind}]:{port}" if ":" in bind else f"{bind}:{port}"
    web = [
        *(str(python), "-m", "gunicorn", "cloudportal.wsgi:application"),
        *("--bind", address, "--worker-class", "gthread"),
        *("--workers", "1", "--threads", str(THREADS)),
        # Its default path is one for all portals of a user; the supervisor does what it offers.
        "--no-control-socket",
        # An upload or a download may be slow; what must not wait is the worker's own loop.
        *("--timeout", "120", "--graceful-timeout", "5", "--keep-alive", "75"),
        *("--worker-tmp-dir", "/dev/shm"),  # noqa: S108 - gunicorn makes an unnamed file there
    ]
    # django-q2 reads a named cluster's settings when it is imported: before its own option.
    named = {"Q_CLUSTER_NAME": "transfer"}
    return [
        Process("web", web, MEMORY, is_first=True),
        Process("worker", [*manage, "worker"], MEMORY),
        Process("transfer", [*manage, "worker"], named | MEMORY),
        Process("keeper", [*manage, "keeper"], MEMORY),
        Process("live", [*manage, "live"], MEMORY),
    ]


def supervisor_config(*, var: Path, project: Path, programs: Sequence[Process]) -> str:
    """The supervisor's configuration: no network port, a socket for its owner alone."""
    parser = RawConfigParser()
    for name, values in _sections(var, project, programs):
        parser[name] = {key: value.replace("%", "%%") for key, value in values.items()}
    text = StringIO()
    parser.write(text)
    return text.getvalue()


def _sections(
    var: Path, project: Path, programs: Sequence[Process]
) -> Iterator[tuple[str, dict[str, str]]]:
    socket = var / "run" / "supervisor.sock"
    yield "unix_http_server", {"file": str(socket), "chmod": "0700"}
    yield (
        "supervisord",
        {
            "nodaemon": "true",
            "umask": "077",
            "pidfile": str(var / "run" / "supervisord.pid"),
            "logfile": str(var / "log" / "supervisord.log"),
            "logfile_maxbytes": "5MB",
            "logfile_backups": "2",
            "childlogdir": str(var / "log"),
            "directory": str(project),
        },
    )
    factory = "supervisor.rpcinterface:make_main_rpcinterface"
    yield "rpcinterface:supervisor", {"supervisor.rpcinterface_factory": factory}
    yield "supervisorctl", {"serverurl": f"unix://{socket}"}
    for priority, program in enumerate(programs, start=1):
        yield f"program:{program.name}", _program(var, project, program, priority)


def _program(var: Path, project: Path, program: Process, priority: int) -> dict[str, str]:
    values = {
        "command": shlex.join(program.command),
        "directory": str(project),
        "priority": str(priority),
        "autostart": "true" if program.is_first else "false",
        "autorestart": "true",
        "startsecs": "1",
        "startretries": "30",
        # First the program alone, so that it can end its work in order; then all that it started.
        "stopwaitsecs": str(STOP_S),
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": str(var / "log" / f"{program.name}.log"),
        "stdout_logfile_maxbytes": "20MB",
        "stdout_logfile_backups": "3",
    }
    if program.environment:
        pairs = (f'{name}="{value}"' for name, value in program.environment.items())
        values["environment"] = ",".join(pairs)
    return values
