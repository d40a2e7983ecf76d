"""The live process as an ASGI application: a websocket with a token is a console.

The token in the address is all the authority there is: no cookie is looked at. A page of another
origin is refused all the same, so that none can use a token that a user was talked into.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from urllib.parse import parse_qs, urlsplit

from django.conf import settings
from django.db import Error as DatabaseError
from django.http.request import validate_host
from django.utils import timezone

from cloudportal.errors import CloudError
from servers.console_tokens import still_holds, take_console_token
from servers.errors import ConsoleTokenRefused
from servers.live.display import DisplayUnreachable, show_display
from servers.live.socket import Ending, Message, Receive, Send, Socket, SocketClosed
from servers.live.terminals import Terminals
from servers.live.threads import in_thread
from servers.models import ConsoleToken
from servers.states import ConsoleType

logger = logging.getLogger(__name__)

SOCKET_PATH = "/live/console"
HEALTH_PATH = "/live/healthz"
IDLE_S = 30 * 60.0
LOOK_S = 15.0
MOST_CONSOLES = 500
_REFUSED = "This address of a console was used already, or has expired. Ask for a new one."


class Live:
    """The application; one an event loop."""

    def __init__(self) -> None:
        self._terminals = Terminals()
        self._count = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "http":
            await _answer(send, 200 if scope["path"] == HEALTH_PATH else 404)
        elif scope["path"] != SOCKET_PATH or not is_ours(_origin(scope)):
            await receive()
            await send({"type": "websocket.close", "code": 1008})  # before the handshake: a 403
        else:
            socket = Socket(receive, send)
            with contextlib.suppress(SocketClosed):
                await socket.accept()
                await self._console(socket, _token(scope))

    async def _console(self, socket: Socket, text: str) -> None:
        if self._count >= MOST_CONSOLES:
            await socket.close(Ending.BUSY, "Too many consoles are open. Try again later.")
            return
        self._count += 1
        try:
            token = await in_thread(take_console_token, text, now=timezone.now())
            await self._watched(socket, token)
        except ConsoleTokenRefused:
            await socket.close(Ending.REFUSED, _REFUSED)
        except CloudError as error:
            logger.warning("A console did not open: %s", error.detail or error.message)
            await socket.close(Ending.UNREACHABLE, error.message)
        except DatabaseError:
            logger.exception("A console did not open: the database does not answer.")
            await socket.close(Ending.BUSY, "The portal is busy. Try again later.")
        except DisplayUnreachable:
            await socket.close(Ending.UNREACHABLE, "The server's display does not answer.")
        finally:
            self._count -= 1

    async def _watched(self, socket: Socket, token: ConsoleToken) -> None:
        logger.info("%s: opened by user %s", token, token.user_id)
        showing = asyncio.create_task(self._show(socket, token))
        watching = asyncio.create_task(_watch(socket, token))
        try:
            await asyncio.wait([showing, watching], return_when=asyncio.FIRST_COMPLETED)
            if showing.done():
                showing.result()
        finally:
            for task in (showing, watching):
                task.cancel()
            await asyncio.gather(showing, watching, return_exceptions=True)
            logger.info("%s: closed", token)

    async def _show(self, socket: Socket, token: ConsoleToken) -> None:
        server, host = token.server, token.server.hypervisor
        if host is None:
            await socket.close(Ending.UNREACHABLE, "The server is on no host.")
        elif token.type == ConsoleType.NOVNC:
            await show_display(socket, server, host)
        else:
            await self._terminals.show(socket, server, host)


def is_ours(origin: str | None) -> bool:
    """Whether a page of this origin may open consoles; what is no browser names none."""
    if origin is None:
        return True
    try:
        asking, public = urlsplit(origin), urlsplit(settings.PUBLIC_URL)
        if (asking.scheme, asking.port) != (public.scheme, public.port):
            return False
    except ValueError:
        return False
    host = asking.hostname or ""
    return host == public.hostname or validate_host(host, settings.ALLOWED_HOSTS)


async def _watch(socket: Socket, token: ConsoleToken) -> None:
    """Close the console when nothing moves for long, or its user may not see it any more."""
    while True:
        await asyncio.sleep(LOOK_S)
        if time.monotonic() - socket.heard_at > IDLE_S:
            await socket.close(Ending.IDLE, "The console was closed: nothing moved for long.")
            return
        try:
            holds = await in_thread(still_holds, token)
        except DatabaseError:
            continue  # a database that restarts closes nobody's console
        if not holds:
            await socket.close(Ending.REFUSED, "You may not open this server's consoles any more.")
            return


def _origin(scope: Message) -> str | None:
    values = [value for name, value in scope["headers"] if name == b"origin"]
    return bytes(values[0]).decode("latin-1") if values else None


def _token(scope: Message) -> str:
    query = parse_qs(bytes(scope["query_string"]).decode("latin-1"))
    return query.get("token", [""])[0]


async def _answer(send: Send, status: int) -> None:
    body = b"ok\n" if status == 200 else b"not found\n"
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
