"""A client of the portal's HTTP APIs that knows when it does not know what came of a request."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_S = 40.0
MICROVERSION = "2.79"
SERVER_ERROR = 500
UNAUTHORISED = 401


class OutcomeUnknown(Exception):
    """The connection failed or the answer was a 5xx: it may have been done, or not."""


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    body: Any
    headers: dict[str, str]


@dataclass(frozen=True)
class Login:
    """Who the client is."""

    user: str
    password: str
    project: str


class Client:
    """Asks any of the portal's addresses, a new connection each time."""

    def __init__(self, urls: Sequence[str], login: Login, rng: random.Random) -> None:
        self._urls = list(urls)
        self._login = login
        self._rng = rng
        self._token = ""
        self._lock = threading.Lock()

    def ask(self, method: str, path: str, body: Any = None) -> Answer:
        """Send one request, once.

        Raises:
            OutcomeUnknown: nobody can say what became of it.
        """
        answer = self._send(method, path, body)
        if answer.status == UNAUTHORISED:
            self._token = ""
            answer = self._send(method, path, body)
        return answer

    def insist(
        self, method: str, path: str, body: Any = None, *, within_s: float = 90, ok: int = 299
    ) -> Any:
        """Send a request that may be sent twice until it succeeds; the answer's body."""

        def attempt() -> Answer:
            answer = self.ask(method, path, body)
            if answer.status > ok:
                raise RuntimeError(f"{method} {path}: {answer.status} {answer.body}")
            return answer

        return retry(attempt, within_s=within_s).body

    def _send(self, method: str, path: str, body: Any) -> Answer:
        with self._lock:
            if not self._token:
                self._token = self._log_in()
            token = self._token
        return self._request(method, path, body, {"X-Auth-Token": token})

    def _log_in(self) -> str:
        who = self._login
        domain = {"id": "default"}
        body = {
            "auth": {
                "identity": {
                    "methods": ["password"],
                    "password": {
                        "user": {"name": who.user, "password": who.password, "domain": domain}
                    },
                },
                "scope": {"project": {"name": who.project, "domain": domain}},
            }
        }
        answer = self._request("POST", "/identity/v3/auth/tokens?nocatalog", body, {})
        if answer.status != http.HTTPStatus.CREATED:
            raise RuntimeError(f"{who.user} cannot log in: {answer.status} {answer.body}")
        return answer.headers["x-subject-token"]

    def _request(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Answer:
        urls = self._rng.sample(self._urls, len(self._urls))
        for url in urls[:-1]:
            # A refused connection carried no request, so the next machine may be asked.
            with contextlib.suppress(ConnectionRefusedError):
                return self._request_at(url, method, path, body, headers)
        try:
            return self._request_at(urls[-1], method, path, body, headers)
        except ConnectionRefusedError as error:
            raise OutcomeUnknown(f"{method} {path}: every machine refuses connections") from error

    def _request_at(
        self, url: str, method: str, path: str, body: Any, headers: dict[str, str]
    ) -> Answer:
        place = urlsplit(url)
        headers = {
            "OpenStack-API-Version": f"compute {MICROVERSION}",
            "Content-Type": "application/json",
            **headers,
        }
        if isinstance(body, Path):
            data: bytes | None = body.read_bytes()
            headers["Content-Type"] = "application/octet-stream"
        else:
            data = None if body is None else json.dumps(body).encode()
        line = http.client.HTTPConnection(place.hostname or "", place.port, timeout=TIMEOUT_S)
        try:
            line.request(method, path, data, headers)
            got = line.getresponse()
            text = got.read()
        except ConnectionRefusedError:
            raise
        except (OSError, http.client.HTTPException) as error:
            raise OutcomeUnknown(f"{method} {path}: {type(error).__name__} {error}") from error
        finally:
            line.close()
        if got.status >= SERVER_ERROR:
            raise OutcomeUnknown(f"{method} {path}: {got.status} {text[:200]!r}")
        found = {name.lower(): value for name, value in got.getheaders()}
        return Answer(got.status, _parsed(text, found), found)


def _parsed(text: bytes, headers: dict[str, str]) -> Any:
    is_json = headers.get("content-type", "").startswith("application/json")
    return json.loads(text) if text and is_json else text.decode(errors="replace")


def retry(attempt: Callable[[], Answer], *, within_s: float) -> Answer:
    """Try until the outcome is known.

    Raises:
        OutcomeUnknown: it never was.
    """
    deadline = time.monotonic() + within_s
    while True:
        try:
            return attempt()
        except OutcomeUnknown:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
