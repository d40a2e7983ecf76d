"""`python -m chaos --seed 7 --minutes 10`: exit status 0 when nothing was lost and nothing left."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from types import FrameType

from chaos.cloud import Options
from chaos.run import run
from tests.portal import ROOT


class Interrupted(BaseException):
    """Somebody wants the run to end; everything it made is taken away on the way out."""


def _options() -> Options:
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--machines", type=int, default=2, help="of the portal")
    parser.add_argument("--hosts", type=int, default=3)
    parser.add_argument("--database", choices=["postgres", "sqlite"], default="postgres")
    given = parser.parse_args()
    if given.database == "sqlite" and given.machines != 1:
        parser.error("SQLite serves one machine: --machines 1")
    return Options(given.seed, given.minutes, given.machines, given.hosts, given.database)


def _interrupt(number: int, frame: FrameType | None) -> None:
    # Once: the way out must not be interrupted in its turn.
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise Interrupted


def main() -> int:
    """Run; the figures go to standard output as one line of JSON."""
    options = _options()
    if os.geteuid() != 0:
        print("chaos: simulated hosts need root: run it with sudo", file=sys.stderr)
        return 2
    logs = ROOT / "build" / "chaos" / str(options.seed)
    logs.mkdir(parents=True, exist_ok=True)
    for path in logs.glob("*.log"):
        path.unlink()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        figures = run(options, logs)
    except Interrupted:
        print("chaos: interrupted; all it made is gone", file=sys.stderr)
        return 130
    text = json.dumps(figures)
    (logs / "figures.json").write_text(text + "\n")
    print(text)
    return 1 if figures["findings"] else 0


if __name__ == "__main__":
    sys.exit(main())
