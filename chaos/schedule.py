"""Which harm is done when, and for how long: all drawn from the seed, before anything starts."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

# Nothing else waits for these: what was killed is started again by its supervisor.
KILLS = (
    "kill-worker-child",
    "kill-worker-parent",
    "kill-worker",
    "kill-transfer",
    "kill-web",
    "kill-keeper",
)
# How long each of these lasts, at least and at most, until it is undone.
LASTING_S = {
    "kill-machine": (3.0, 12.0),
    "stop-database": (2.0, 8.0),
    "kill-libvirtd": (3.0, 12.0),
    "kill-sshd": (3.0, 12.0),
    "cut-link": (5.0, 40.0),
    "freeze-host": (5.0, 30.0),
    "kill-host": (5.0, 20.0),
    "fill-pool": (5.0, 20.0),
}
ON_MACHINE = (*KILLS, "kill-machine")
FIRST_S = 4.0
PAUSE_S = (2.0, 6.0)
MOST_AT_ONCE = 3
# A short run ends its harms sooner, so that each kind has its turn.
LONGEST_PART = 0.3


@dataclass(frozen=True)
class Harm:
    """One act against the cloud; `target` is a machine's or a host's number, 0 the database."""

    at_s: float
    kind: str
    target: int
    lasts_s: float = 0.0

    @property
    def until_s(self) -> float:
        """When it is undone, or was over at once."""
        return self.at_s + self.lasts_s

    def __str__(self) -> str:
        where = "" if self.kind == "stop-database" else f" {self.target}"
        for_so_long = f" for {self.lasts_s:.0f} s" if self.lasts_s else ""
        return f"{self.kind}{where}{for_so_long}"


def plan(*, seed: int, seconds: float, machines: int, hosts: int, has_database: bool) -> list[Harm]:
    """All harms of a run, in order; every one is over when the time is.

    Kinds come from a deck that is shuffled anew when it is empty, so none is forgotten. At most
    `MOST_AT_ONCE` last at the same time, and a target suffers one at a time.
    """
    rng = random.Random(f"harms {seed}")
    done: list[Harm] = []
    deck = _deck(rng, has_database=has_database)
    at_s = FIRST_S
    while at_s < seconds:
        harm = _draw(rng, next(deck), at_s, seconds, machines if machines else 1, hosts)
        going = [each for each in done if each.until_s > at_s]
        is_free = all(_place(each) != _place(harm) for each in going)
        if harm.until_s <= seconds and is_free and len(going) < MOST_AT_ONCE:
            done.append(harm)
        at_s += rng.uniform(*PAUSE_S)
    return done


def _deck(rng: random.Random, *, has_database: bool) -> Iterator[str]:
    kinds = [*KILLS, *LASTING_S]
    if not has_database:
        kinds.remove("stop-database")
    while True:
        rng.shuffle(kinds)
        yield from kinds


def _draw(
    rng: random.Random, kind: str, at_s: float, seconds: float, machines: int, hosts: int
) -> Harm:
    if kind == "stop-database":
        target = 0
    else:
        target = rng.randint(1, machines if kind in ON_MACHINE else hosts)
    if kind not in LASTING_S:
        return Harm(round(at_s, 1), kind, target)
    least, most = LASTING_S[kind]
    lasts_s = rng.uniform(least, max(least, min(most, seconds * LONGEST_PART)))
    return Harm(round(at_s, 1), kind, target, round(lasts_s, 1))


def _place(harm: Harm) -> tuple[str, int]:
    if harm.kind == "stop-database":
        return "database", 0
    return ("machine" if harm.kind in ON_MACHINE else "host"), harm.target
