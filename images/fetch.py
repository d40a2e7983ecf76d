"""Fetches an image from a web server: with limits, and only from where it is allowed.

Redirects are followed by hand, since each of them is a URI from a stranger, as the first was.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urljoin

from images.addresses import PORTS, Address, Network, Source, addresses_of, parse_uri
from images.errors import ImageTooLarge, SourceRefused, SourceTooSlow, SourceUnavailable

CHUNK = 1024 * 1024
MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# What may be over a little later, beside the server's own failures.
_PASSING = frozenset({408, 425, 429})
# Of one address, and of each time that nothing comes.
_CONNECT_S, _SILENCE_S = 10.0, 30.0
# A source slower than this holds a place in the queue that others wait for.
MIN_BYTES_PER_S = 16 * 1024
_RATE_AFTER_S = 60.0


@dataclass(frozen=True)
class Limits:
    """How much and how long, and the networks that are allowed beside the public ones."""

    max_bytes: int
    time_s: float
    networks: Sequence[Network] = ()


@dataclass(frozen=True)
class Download:
    """What a server sends; `size` in bytes is what it says, None where it does not."""

    size: int | None
    chunks: Iterator[bytes]


@contextlib.contextmanager
def open_download(uri: str, limits: Limits) -> Iterator[Download]:
    """Ask for a URI, through redirects; the content comes as it is read.

    Raises:
        SourceRefused: it leads where the portal does not go, or to something that is no file.
        SourceUnavailable: it does not answer now; also while the chunks are read.
        SourceTooSlow: it is not over in time; also while the chunks are read.
        ImageTooLarge: it is more than is accepted; also while the chunks are read.
    """
    with contextlib.ExitStack() as stack:
        clock = stack.enter_context(_Clock(limits.time_s))
        response = stack.enter_context(_final_answer(uri, limits, clock))
        size = _size_of(response)
        if size is not None and size > limits.max_bytes:
            raise _too_large(limits)
        yield Download(size, _chunks(response, size, limits, clock))


class _Clock:
    """Ends a connection that takes too long, whatever it is waiting for just then."""

    def __init__(self, time_s: float) -> None:
        self.started_at = time.monotonic()
        self.is_over = False
        self._time_s = time_s
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(time_s, self._end)
        self._timer.daemon = True

    def __enter__(self) -> _Clock:
        self._timer.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._timer.cancel()

    def watch(self, connected: socket.socket) -> None:
        """This is the connection now."""
        with self._lock:
            self._socket = connected
        self.check()

    def check(self) -> None:
        """Go on, unless it took too long.

        Raises:
            SourceTooSlow: it did.
        """
        if self.is_over:
            raise SourceTooSlow(f"The image was not fetched within {self._time_s:g} seconds.")

    def _end(self) -> None:
        with self._lock:
            self.is_over = True
            if self._socket is not None:
                # A read that waits in another thread ends by this, and not by a close.
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def _final_answer(uri: str, limits: Limits, clock: _Clock) -> Iterator[http.client.HTTPResponse]:
    for _ in range(MAX_REDIRECTS + 1):
        with _asked(parse_uri(uri), limits, clock) as response:
            location = response.getheader("Location")
            if response.status not in _REDIRECTS or location is None:
                _check_status(response.status)
                yield response
                return
        uri = urljoin(uri, location)
    raise SourceRefused(f"The image's uri leads on more than {MAX_REDIRECTS} times.")


@contextlib.contextmanager
def _asked(source: Source, limits: Limits, clock: _Clock) -> Iterator[http.client.HTTPResponse]:
    """One question to one server."""
    addresses = addresses_of(source, limits.networks)
    connection = http.client.HTTPConnection(source.host, source.port, timeout=_SILENCE_S)
    with contextlib.closing(connection):
        with _understood(source, clock):
            # It would resolve the name once more; with a socket it asks through that.
            connection.sock = _connected(source, addresses, clock)
            connection.request("GET", source.target, headers=_headers(source))
            response = connection.getresponse()
        clock.check()
        with contextlib.closing(response):
            yield response


def _headers(source: Source) -> dict[str, str]:
    return {
        "Host": _host_header(source),
        "Accept-Encoding": "identity",
        "User-Agent": "cloudportal",
        "Connection": "close",
    }


def _host_header(source: Source) -> str:
    host = f"[{source.host}]" if ":" in source.host else source.host
    return host if source.port == PORTS[source.scheme] else f"{host}:{source.port}"


@contextlib.contextmanager
def _understood(source: Source, clock: _Clock) -> Iterator[None]:
    """Failures of a connection in our words; whose fault it was is for the log."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise SourceRefused(
            "The certificate of the image's source is not trusted.",
            detail=f"{source.host}: {error}",
        ) from error
    except (OSError, http.client.HTTPException) as error:
        clock.check()
        raise SourceUnavailable(
            "The image's source does not answer as it should.",
            detail=f"{source.host}: {type(error).__name__}: {error}",
        ) from error


def _connected(source: Source, addresses: Sequence[Address], clock: _Clock) -> socket.socket:
    """A connection to the first of the checked addresses that answers."""
    failure: OSError | None = None
    for address in addresses:
        clock.check()
        try:
            plain = socket.create_connection((str(address), source.port), timeout=_CONNECT_S)
        except OSError as error:
            failure = error
            continue
        plain.settimeout(_SILENCE_S)
        try:
            return _secured(plain, source, clock)
        except BaseException:
            plain.close()
            raise
    raise failure or OSError("no address")


def _secured(plain: socket.socket, source: Source, clock: _Clock) -> socket.socket:
    if source.scheme != "https":
        clock.watch(plain)
        return plain
    context = ssl.create_default_context()
    secured = context.wrap_socket(plain, server_hostname=source.host, do_handshake_on_connect=False)
    clock.watch(secured)
    try:
        secured.do_handshake()
    except BaseException:
        secured.close()
        raise
    return secured


def _check_status(status: int) -> None:
    if status == 200:
        return
    if status in _PASSING or status >= 500:
        raise SourceUnavailable(f"The image's source answers {status}.")
    raise SourceRefused(f"The image's source answers {status}.")


def _size_of(response: http.client.HTTPResponse) -> int | None:
    """How much will come.

    Raises:
        SourceRefused: the end of it could not be told from a connection that broke.
    """
    if response.getheader("Content-Encoding", "identity").lower() not in ("", "identity"):
        raise SourceRefused("The image's source sends it in an encoding that was not asked for.")
    if response.length is None and not response.chunked:
        raise SourceRefused("The image's source does not say how long the image is.")
    return response.length


def _chunks(
    response: http.client.HTTPResponse, size: int | None, limits: Limits, clock: _Clock
) -> Iterator[bytes]:
    done, started_at = 0, time.monotonic()
    while chunk := _read(response, clock):
        done += len(chunk)
        if done > limits.max_bytes:
            raise _too_large(limits)
        taken_s = time.monotonic() - started_at
        if taken_s > _RATE_AFTER_S and done < taken_s * MIN_BYTES_PER_S:
            raise SourceTooSlow("The image's source is too slow.")
        yield chunk
    if size is not None and done != size:
        raise SourceUnavailable("The image's source broke off.", detail=f"{done} of {size} bytes")


def _read(response: http.client.HTTPResponse, clock: _Clock) -> bytes:
    try:
        # At most one wait: a read of a whole chunk may go on for ever, a byte at a time.
        chunk = response.read1(CHUNK)
    except (OSError, http.client.HTTPException) as error:
        clock.check()
        raise SourceUnavailable("The image's source broke off.", detail=str(error)) from error
    clock.check()
    return chunk


def _too_large(limits: Limits) -> ImageTooLarge:
    return ImageTooLarge(f"Image exceeds the size limit of {limits.max_bytes} bytes.")
