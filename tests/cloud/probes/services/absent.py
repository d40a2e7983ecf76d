"""What this cloud does not have is answered as by one of the field that was set up without it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from openstack.exceptions import EndpointNotFound, NotFoundException, NotSupported

from tests.cloud.probes.command import Refused
from tests.cloud.probes.table import Outcome

# How the command says it, depending on how it looks for a thing.
WORDS = ("404", "not found", "could not be found", "not supported", "No such", "not enabled")


def absent(ask: Callable[..., Any], *words: Any, **more: Any) -> Outcome:
    """The call is answered with a 404, which the client understands."""
    try:
        found = ask(*words, **more)
        if not isinstance(found, str):
            list(found)
    except (NotFoundException, NotSupported, EndpointNotFound):
        return Outcome.ABSENT
    except Refused as error:
        if any(word in str(error) for word in WORDS) and "Traceback" not in str(error):
            return Outcome.ABSENT
        raise
    raise AssertionError(f"it was answered: {found!r}")
