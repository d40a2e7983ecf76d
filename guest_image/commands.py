"""Runs the system's tools, with errors that say which tool and what it said."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path


class BuildError(Exception):
    """The image cannot be built; the text says why and what helps."""


def run(command: Sequence[str | Path], *, cwd: Path | None = None, given: str | None = None) -> str:
    """Run a tool to its end and return what it printed.

    Raises:
        BuildError: the tool is missing or failed.
    """
    words = [str(word) for word in command]
    try:
        done = subprocess.run(  # noqa: S603 - fixed tools, and no shell between
            words, cwd=cwd, input=given, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise BuildError(f"{words[0]} is not installed: run deploy/system.sh") from error
    if done.returncode != 0:
        raise BuildError(f"{' '.join(words)} failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def tool(name: str) -> Path:
    """Where a program is, also when the folder of system programs is not in PATH.

    Raises:
        BuildError: it is not installed.
    """
    found = shutil.which(name, path="/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
    if found is None:
        raise BuildError(f"{name} is not installed: run deploy/system.sh")
    return Path(found).resolve() if name == "busybox" else Path(found)
