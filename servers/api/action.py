"""What one action on a server is to the API: its body, its microversions, who may, what it does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rest_framework.response import Response

from cloudportal.api.microversions import Microversion, Versioned
from cloudportal.api.validation import BodySchema, closed
from cloudportal.api.views import WireRequest
from cloudportal.errors import NotFound
from servers.models import Server

Schema = dict[str, Any]
Act = Callable[[WireRequest, Server, Any], Response]
# Whatever clients send where nothing is asked for: null, mostly.
FREE: Schema = {}


@dataclass(frozen=True)
class Action:
    """An action: `rule` lets callers find the server for it, then `act` gets the checked value.

    `body` is the schema of the value, from each microversion at which it changed; `until` the last
    microversion at which the action is there.
    """

    act: Act
    rule: str
    body: Mapping[str, Schema]
    until: str = ""

    def is_offered(self, version: Microversion) -> bool:
        """Whether the action is there at a microversion."""
        since = min(map(Microversion.parse, self.body))
        return since <= version and (not self.until or version <= Microversion.parse(self.until))

    def schema(self, name: str) -> Versioned[BodySchema]:
        """The whole body, with the action's name as its one key."""
        return Versioned(
            {since: BodySchema(closed({name: value}, [name])) for since, value in self.body.items()}
        )


class ActionBodies:
    """The bodies of all actions, each a schema a microversion."""

    def __init__(self, actions: Mapping[str, Action]) -> None:
        self._actions = actions
        self._schemas = {name: action.schema(name) for name, action in actions.items()}

    def check(self, name: str, body: Any, version: Microversion) -> Any:
        """The value under an action's name.

        Raises:
            NotFound: the action is not there at this microversion.
            Invalid: the value is wrong.
        """
        if not self._actions[name].is_offered(version):
            raise NotFound("The resource could not be found.")
        return self._schemas[name].at(version).check(body)[name]

    def at(self, version: Microversion) -> Schema:
        """One of these, for the document."""
        offered = [name for name, each in self._actions.items() if each.is_offered(version)]
        return {"oneOf": [self._schemas[name].at(version).schema for name in offered]}
