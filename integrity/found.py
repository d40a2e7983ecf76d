"""What a check hands back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from integrity.states import FindingKind, Policy, Scope, subject_of


@dataclass(frozen=True)
class Found:
    """Something that is not as it should be.

    `about` names the thing among all of its kind on its host, so that the next sweep knows it
    again. `action` and `args` are the planned repair: a function of `integrity.repairs` and what
    it is given (JSON). `is_doubtful`: repaired only when a second sweep has seen it too, since the
    thing could be in the making by somebody whom the books do not tell of.
    """

    kind: FindingKind
    about: str
    subject: str
    summary: str
    repair: str = ""
    policy: Policy = Policy.AUTOMATIC
    action: str = ""
    args: dict[str, Any] = field(default_factory=dict)
    server_id: UUID | None = None
    hypervisor_id: int | None = None
    scope: Scope = Scope.HOST
    difference: str = ""
    is_doubtful: bool = False

    @property
    def key(self) -> str:
        """The same for the same thing in every sweep."""
        return f"{self.kind} {self.hypervisor_id or '-'} {self.about}"[:255]

    @property
    def subject_id(self) -> UUID:
        """What its repair is an operation of."""
        return subject_of(
            scope=self.scope, hypervisor_id=self.hypervisor_id, server_id=self.server_id
        )

    @property
    def plan(self) -> dict[str, Any]:
        """As it is kept with the finding."""
        return {"action": self.action, "args": self.args, "is_doubtful": self.is_doubtful}
