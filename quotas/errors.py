"""What can be wrong with a request about limits and usage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cloudportal.errors import Conflict, Invalid, OverQuota

# Resources that are counted alone are refused in their own words.
_OWN_WORDS = {
    "key_pairs": "Quota exceeded, too many key pairs.",
    "server_groups": "Quota exceeded, too many server groups.",
}


class QuotaExceeded(OverQuota):
    """More is asked for than is left.

    `exceeded` names the resources in alphabetical order; `requested`, `used` and `limits` have a
    value for each of them. What was requested may be a text such as "1-3".
    """

    def __init__(
        self,
        exceeded: Sequence[str],
        *,
        requested: Mapping[str, int | str],
        used: Mapping[str, int],
        limits: Mapping[str, int],
    ) -> None:
        self.exceeded = tuple(sorted(exceeded))
        self.requested = {name: requested[name] for name in self.exceeded}
        self.used = {name: used[name] for name in self.exceeded}
        self.limits = {name: limits[name] for name in self.exceeded}
        super().__init__(self._words())

    def _words(self) -> str:
        if len(self.exceeded) == 1 and self.exceeded[0] in _OWN_WORDS:
            return _OWN_WORDS[self.exceeded[0]]
        names, requested, used, limits = (
            ", ".join(map(str, values))
            for values in (
                self.exceeded,
                self.requested.values(),
                self.used.values(),
                self.limits.values(),
            )
        )
        return (
            f"Quota exceeded for {names}: Requested {requested}, "
            f"but already used {used} of {limits} {names}"
        )


class ProjectClosed(Conflict):
    """The project is being removed."""

    def __init__(self, project_id: str) -> None:
        super().__init__(f"The project {project_id} is being removed: nothing new is made in it.")


class InvalidLimit(Invalid):
    """A limit cannot be set as asked."""


class UnknownProject(Invalid):
    """There is no such project."""

    def __init__(self, project_id: str) -> None:
        super().__init__(f"Project ID {project_id} is not a valid project.")
