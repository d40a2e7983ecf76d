"""A short run on two machines and three hosts ends clean, and takes away all it made."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.portal import ROOT, eventually

pytestmark = pytest.mark.lab

SEED = 1
MINUTES = 1.1


def start(*words: str, folder: Path) -> subprocess.Popen[bytes]:
    with (folder / "acts").open("wb") as acts, (folder / "figures").open("wb") as figures:
        return subprocess.Popen(
            [sys.executable, "-m", "chaos", *words],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=figures,
            stderr=acts,
        )


@pytest.fixture
def folder():
    # Short, since Unix sockets lie below it; open to PostgreSQL's own user.
    with tempfile.TemporaryDirectory(prefix="cpt-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name)


def assert_nothing_left(run: subprocess.Popen[bytes], folder: Path) -> None:
    assert not [path for path in folder.iterdir() if path.name.startswith("cpc-")]
    assert not list(Path("/run/netns").glob(f"x{run.pid % 8000}-*"))
    assert not list(Path("/sys/class/net").glob(f"x{run.pid % 8000}-*"))


def test_a_seeded_run_ends_clean(folder):
    run = start("--seed", str(SEED), "--minutes", str(MINUTES), folder=folder)
    try:
        status = run.wait(timeout=540)
    finally:
        run.terminate()
        run.wait()

    assert status == 0, (folder / "acts").read_text()[-6000:]
    figures = json.loads((folder / "figures").read_text())
    assert figures["stuck"] == figures["leftovers"] == 0
    assert figures["servers_promised"] > 0
    assert figures["kills"] > 0
    assert figures["acts"]["stop-database"] > 0
    assert_nothing_left(run, folder)


def test_a_run_that_is_interrupted_takes_away_what_it_made(folder):
    run = start("--seed", "99", "--minutes", "5", folder=folder)
    eventually(
        lambda: list(folder.glob("cpc-postgres-*/data/postmaster.pid")),
        within_s=60,
        what="the database runs",
    )

    run.send_signal(signal.SIGTERM)

    assert run.wait(timeout=120) == 130, (folder / "acts").read_text()
    assert_nothing_left(run, folder)
