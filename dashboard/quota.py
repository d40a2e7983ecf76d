"""What a project uses of its quota, for bars and for saying what still fits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from flavors.models import Flavor
from quotas.consume import limits, usage
from quotas.resources import UNLIMITED

# Above this share of the limit a bar warns.
NEARLY_FULL_PERCENT = 80
SHOWN = (
    ("instances", _("Servers"), ""),
    ("cores", _("vCPUs"), ""),
    ("ram", _("Memory"), "MiB"),
)


@dataclass(frozen=True)
class QuotaBar:
    """One counted resource; `limit` -1 is none."""

    resource: str
    label: str | Promise
    unit: str
    used: int
    limit: int

    @property
    def is_limited(self) -> bool:
        """Whether there is a limit at all."""
        return self.limit != UNLIMITED

    @property
    def percent(self) -> int:
        """How full it is."""
        if not self.is_limited:
            return 0
        return min(100 * self.used // self.limit, 100) if self.limit else 100

    @property
    def tone(self) -> str:
        """Its colour."""
        if self.percent >= 100:
            return "red"
        return "yellow" if self.percent >= NEARLY_FULL_PERCENT else "primary"

    @property
    def left(self) -> int | None:
        """How much is left; None means any amount."""
        return max(self.limit - self.used, 0) if self.is_limited else None


def bars_of(project_id: str) -> list[QuotaBar]:
    """The bars of a project."""
    used, allowed = usage(project_id), limits(project_id)
    return [QuotaBar(name, label, unit, used[name], allowed[name]) for name, label, unit in SHOWN]


def how_many_fit(flavor: Flavor, bars: list[QuotaBar]) -> int | None:
    """How many servers of the flavor the quota still takes; None means any number."""
    needs: Mapping[str, int] = {"instances": 1, "cores": flavor.vcpus, "ram": flavor.ram_mib}
    fits = [bar.left // needs[bar.resource] for bar in bars if bar.left is not None]
    return min(fits, default=None)
