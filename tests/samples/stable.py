"""What differs from run to run in an answer, replaced by something that does not."""

from __future__ import annotations

import json
import re
from typing import Any

PUBLIC_URL = "https://cloud.example.org"
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?")
_MAC = re.compile(r"\b[0-9a-f]{2}(:[0-9a-f]{2}){5}\b")
# Addresses are chosen at random from the pool.
_ADDRESS = re.compile(r"\b10\.20\.\d+\.\d+\b")
_TOKEN = re.compile(r"(?<=\?token=)[\w-]+")
_BY_KEY = {
    "adminPass": "6NpUwoz2QDRN",
    "reservation_id": "r-3fhpjulh",
    "OS-EXT-SRV-ATTR:reservation_id": "r-3fhpjulh",
    "OS-EXT-SRV-ATTR:instance_name": "instance-00000001",
    "hostId": "2091634baaccdc4c5a1d57069c833e402921df696b7f970791b12ec6",
    "period_beginning": "2026-04-01 00:00:00",
    "period_ending": "2026-05-01 00:00:00",
    "private_key": "-----BEGIN OPENSSH PRIVATE KEY-----\n...\n-----END OPENSSH PRIVATE KEY-----\n",
}


def _without_id(rule: dict[str, Any]) -> str:
    return json.dumps({key: value for key, value in rule.items() if key != "id"}, sort_keys=True)


class Stable:
    """Replaces; the same thing by the same, within one world."""

    def __init__(self) -> None:
        self._uuids: dict[str, str] = {}

    def value(self, value: Any, key: str = "") -> Any:
        """A JSON value made stable."""
        if isinstance(value, dict):
            return {self.text(name): self.value(inner, name) for name, inner in value.items()}
        if key == "rules" and isinstance(value, list):
            # They come in the order of their ids, which are random.
            value = sorted(value, key=_without_id)
        if isinstance(value, list):
            return [self.value(inner) for inner in value]
        if key in _BY_KEY and value:
            return _BY_KEY[key]
        if key in {"id", "uptime"} and isinstance(value, int):
            return 1
        return self.text(value) if isinstance(value, str) else value

    def text(self, text: str) -> str:
        """A text made stable."""
        text = _UUID.sub(lambda found: self._uuid(found[0]), text)
        text = _INSTANT.sub(
            lambda found: "2026-05-04T12:30:15" + ((found[1] and ".000000") or ""), text
        )
        text = _ADDRESS.sub("10.20.0.10", text)
        text = _TOKEN.sub("3Zb7qv0Nq6ZK0m1o4ZcN3k9l2y8Wf5sXJ7dRtUeHgPA", text)
        return _MAC.sub("fa:16:3e:4c:2c:30", text)

    def _uuid(self, text: str) -> str:
        number = len(self._uuids) + 1
        return self._uuids.setdefault(text, f"00000000-0000-4000-8000-{number:012}")
