"""What a sample is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Sample:
    """A call whose request and answer are kept, for each of the microversions.

    `status` is that of a refusal whose form is kept. Of a request alone no answer is kept: it has
    only to be understood. `world` names what has to be there besides: `more`, a `console`, a
    `guest`, NUMA `nodes`, foreign `domains`; `names` the variables of the route that here are other
    things than the world's.
    """

    resource: str
    name: str
    call: str
    microversions: str
    body: Any = None
    who: str = "admin"
    vm_state: str = "active"
    status: int = 0
    is_request_alone: bool = False
    world: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
