"""What an image of 2 GB takes of the web process while it is uploaded; on its own, without hosts.

.venv/bin/python -m bench.uploads
"""

from __future__ import annotations

import http.client
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.figures import emit
from bench.proc import rss_mib, tree
from tests.cloud.conftest import set_up
from tests.portal import Portal, running

SIZE = 2 * 10**9
_PIECE = bytes(range(256)) * 4096
_LOOK_EVERY_S = 0.05
# The first upload loads what every later one finds loaded.
_WARM_UP = 8 * 10**6


def measure_uploads(portal: Portal, size: int = SIZE) -> None:
    """How much the web process grows, by the ways that data comes."""
    for way, is_chunked in (("file", False), ("file", True), ("stage", False)):
        _upload(portal, _WARM_UP, way, is_chunked=is_chunked)
    pids = tree(portal.processes["web"].pid)
    for way, is_chunked in (("file", False), ("file", True), ("stage", False)):
        before = _memory(pids)
        with _Peak(pids) as peak:
            begin = time.monotonic()
            _upload(portal, size, way, is_chunked=is_chunked)
            seconds = time.monotonic() - begin
        emit(
            "upload_memory",
            peak.mib - before,
            "MiB RSS more",
            goal="< 30",
            way=way,
            chunked=is_chunked,
            size=size,
            before_mib=round(before, 1),
            peak_mib=round(peak.mib, 1),
            mb_per_s=round(size / seconds / 10**6, 1),
        )


class _Peak:
    """The most that processes have while the body runs."""

    def __init__(self, pids: list[int]) -> None:
        self.mib = 0.0
        self._pids = pids
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> _Peak:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(_LOOK_EVERY_S):
            self.mib = max(self.mib, _memory(self._pids))


def _memory(pids: list[int]) -> float:
    return sum(map(rss_mib, pids))


def _upload(portal: Portal, size: int, way: str, *, is_chunked: bool) -> None:
    connection: Any = portal.connection()
    image = connection.image.create_image(
        "upload", allow_duplicates=True, disk_format="raw", container_format="bare"
    )
    line = http.client.HTTPConnection("127.0.0.1", portal.port, timeout=600)
    headers = {
        "X-Auth-Token": connection.auth_token,
        "Content-Type": "application/octet-stream",
    }
    if not is_chunked:
        headers["Content-Length"] = str(size)
    address = f"/image/v2/images/{image.id}/{way}"
    line.request("PUT", address, _pieces(size), headers, encode_chunked=is_chunked)
    answer = line.getresponse()
    assert answer.status == 204, answer.read()
    line.close()
    connection.image.delete_image(image.id)


def _pieces(size: int) -> Iterator[bytes]:
    for start in range(0, size, len(_PIECE)):
        yield _PIECE[: size - start]


def main() -> None:
    """Measure on a portal of its own: without workers and hosts, which have no part in it."""
    with tempfile.TemporaryDirectory(prefix="cpu-", ignore_cleanup_errors=True) as folder:
        portal = Portal(Path(folder))
        set_up(portal)
        with running(portal):
            for name in ("worker", "transfer", "keeper", "live"):
                portal.kill(name)
            measure_uploads(portal)


if __name__ == "__main__":
    main()
