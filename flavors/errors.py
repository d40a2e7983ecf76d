"""What can be wrong with a request about a flavor."""

from cloudportal.errors import Conflict, Invalid, NotFound


class FlavorNotFound(NotFound):
    """No such flavor, or not one the caller may use."""

    def __init__(self, flavorid: str) -> None:
        super().__init__(f"Flavor {flavorid} could not be found.")


class FlavorExists(Conflict):
    """The name or the id is taken."""


class InvalidFlavor(Invalid):
    """A flavor cannot be as asked."""


class FlavorAccessNotFound(NotFound):
    """The project has no access of its own, or the flavor needs none."""


class FlavorAccessExists(Conflict):
    """The project has access already, or everybody has."""


class UnknownProject(Invalid):
    """There is no such project."""

    def __init__(self, project_id: str) -> None:
        super().__init__(f"Project ID {project_id} is not a valid project.")


class ExtraSpecNotFound(NotFound):
    """The flavor has no extra spec of that name."""

    def __init__(self, flavorid: str, key: str) -> None:
        super().__init__(f"Flavor {flavorid} has no extra specs with key {key}.")


class InvalidExtraSpec(Invalid):
    """A name in a known name space, or its value, means nothing."""
