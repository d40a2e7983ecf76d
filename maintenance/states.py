"""The words for how far a drain and its servers are."""

from django.db import models


class DrainState(models.TextChoices):
    """How far the plan is."""

    PLANNED = "planned"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    CANCELLED = "cancelled"


OPEN = (DrainState.PLANNED, DrainState.RUNNING, DrainState.PAUSED)


class Way(models.TextChoices):
    """How a server leaves: as it runs, as it is off, or not at all for now."""

    LIVE = "live"
    COLD = "cold"
    NONE = "none"


class ItemState(models.TextChoices):
    """How far a server of the plan is. `gone` left, or was deleted, without the plan."""

    WAITING = "waiting"
    MOVING = "moving"
    MOVED = "moved"
    BLOCKED = "blocked"
    FAILED = "failed"
    GONE = "gone"


# Its turn may come.
STARTABLE = (ItemState.WAITING, ItemState.BLOCKED, ItemState.FAILED)
OVER = (ItemState.MOVED, ItemState.GONE)
