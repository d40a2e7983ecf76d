"""Is anything left? Asks the database and every host."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.portal import eventually

if TYPE_CHECKING:
    from tests.portal import Portal

# Run inside the portal's own environment, where its database and its way to the hosts are known.
PROGRAM = """
import json
from tests.cloud.left import leftovers
print(json.dumps(leftovers()))
"""


class Slate:
    """Looks for what deleted servers may have left."""

    def __init__(self, portal: Portal, hosts: list[str]) -> None:
        self.portal = portal
        self.hosts = hosts

    def leftovers(self) -> dict[str, Any]:
        """What there is, by kind; nothing at all is an empty dict."""
        answer = self.portal.manage("shell", "-v", "0", "-c", PROGRAM)
        found: dict[str, Any] = json.loads(answer.strip().splitlines()[-1])
        return found

    def assert_clean(self) -> None:
        """No domain, volume, DHCP entry, filter, allocation, quota use, port or debt."""
        last: dict[str, Any] = {}

        def is_clean() -> bool:
            last.clear()
            last.update(self.leftovers())
            return not last

        try:
            eventually(is_clean, within_s=60, what="nothing is left")
        except TimeoutError as error:
            raise AssertionError(f"Left behind: {json.dumps(last, indent=1)}") from error
