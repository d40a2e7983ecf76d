"""What drains refuse to do."""

from cloudportal.errors import Conflict, NotFound


class DrainNotFound(NotFound):
    """The host has no plan."""


class InvalidDrainState(Conflict):
    """The plan is not in a state in which this can be asked of it."""
