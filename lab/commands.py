"""Runs the system's tools for the lab, with errors that say what they said."""

import subprocess
from collections.abc import Sequence
from pathlib import Path


class LabError(Exception):
    """The lab cannot do what was asked; the text says why and what helps."""


def run(*command: str | Path, given: str | None = None) -> str:
    """Run a tool to its end and return what it printed.

    Raises:
        LabError: the tool is missing or failed.
    """
    done = _run(command, given)
    if done.returncode != 0:
        words = " ".join(str(word) for word in command)
        raise LabError(f"{words} failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def succeeds(*command: str | Path) -> bool:
    """Run a tool and tell whether it succeeded."""
    return _run(command, None).returncode == 0


def _run(command: Sequence[str | Path], given: str | None) -> subprocess.CompletedProcess[str]:
    words = [str(word) for word in command]
    try:
        return subprocess.run(  # noqa: S603 - fixed tools, and no shell between
            words, input=given, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise LabError(f"{words[0]} is not installed: run deploy/system.sh --dev") from error
