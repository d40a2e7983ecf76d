"""What drains and removals refuse to do."""

from cloudportal.errors import Conflict, NotFound


class DrainNotFound(NotFound):
    """The host has no plan."""


class InvalidDrainState(Conflict):
    """The plan is not in a state in which this can be asked of it."""


class NoSuchBelonging(NotFound):
    """Projects own no such kind of thing."""


class OwnProject(Conflict):
    """The project is the one that the caller acts in."""


class ProjectNotRemovable(Conflict):
    """Something of the project must not be removed as it is."""
