"""Microversions: parse, compare, negotiate, and choose what belongs to one.

Nothing below the web floor knows them. Source: the compute API's negotiation rules.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, Generic, NamedTuple, TypeVar

from cloudportal.errors import Invalid, NotAcceptable, NotFound

T = TypeVar("T")
ViewMethod = TypeVar("ViewMethod", bound=Callable[..., Any])
_FORM = re.compile(r"([1-9]\d*)\.(0|[1-9]\d*)")


class Microversion(NamedTuple):
    """A version such as 2.10; compared as a pair, so 2.9 < 2.10."""

    major: int
    minor: int

    @classmethod
    def parse(cls, text: str) -> Microversion:
        """Read "2.10".

        Raises:
            Invalid: the text is not of the form MajorNum.MinorNum.
        """
        found = _FORM.fullmatch(text)
        if found is None:
            raise Invalid(
                f"API Version String {text} is of invalid format. "
                "Must be of format MajorNum.MinorNum."
            )
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


# At which version that is described which has no microversions: the first, so that a field without
# a range of its own is there.
UNVERSIONED = Microversion(2, 1)


@dataclass(frozen=True)
class VersionRange:
    """The microversions one service offers, and the header names it listens to.

    `service` is the word in `OpenStack-API-Version: <service> 2.1`; `legacy_header` is an older
    header that carries the number alone, or "".
    """

    service: str
    minimum: Microversion
    maximum: Microversion
    legacy_header: str = ""

    def negotiate(self, headers: Mapping[str, str]) -> Microversion:
        """The version that a request asks for; without a header the minimum.

        Raises:
            Invalid: a malformed version.
            NotAcceptable: a version that is not on offer.
        """
        asked = self._asked(headers)
        if not asked:
            return self.minimum
        if asked == "latest":
            return self.maximum
        version = Microversion.parse(asked)
        if not self.minimum <= version <= self.maximum:
            raise NotAcceptable(
                f"Version {version} is not supported by the API. "
                f"Minimum is {self.minimum} and maximum is {self.maximum}."
            )
        return version

    def _asked(self, headers: Mapping[str, str]) -> str:
        for entry in headers.get("OpenStack-API-Version", "").split(","):
            words = entry.split()
            if len(words) == 2 and words[0].lower() == self.service:
                return words[1].lower()
        if self.legacy_header:
            return headers.get(self.legacy_header, "").strip().lower()
        return ""


class Versioned(Generic[T]):
    """One thing a span of microversions, e.g. the request schema of a call."""

    def __init__(self, since: Mapping[str, T]) -> None:
        pairs = ((Microversion.parse(version), thing) for version, thing in since.items())
        self._since = sorted(pairs, key=lambda pair: pair[0], reverse=True)

    def at(self, version: Microversion) -> T:
        """The newest thing that is not newer than `version`.

        Raises:
            NotFound: nothing existed at that version yet.
        """
        for since, thing in self._since:
            if since <= version:
                return thing
        raise NotFound("The resource could not be found.")


def available(since: str = "2.1", until: str = "") -> Callable[[ViewMethod], ViewMethod]:
    """Offer a view method from one microversion to another (inclusive); outside it is a 404."""
    first = Microversion.parse(since)
    last = Microversion.parse(until) if until else None

    def decorate(method: ViewMethod) -> ViewMethod:
        @wraps(method)
        def checked(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
            version = request.microversion
            if version < first or (last is not None and version > last):
                raise NotFound("The resource could not be found.")
            return method(self, request, *args, **kwargs)

        checked.available = (first, last)  # type: ignore[attr-defined]  # read by the OpenAPI document
        return checked  # type: ignore[return-value]  # same signature, wrapped

    return decorate
