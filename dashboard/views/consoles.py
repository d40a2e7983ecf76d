"""Pages with a server's display or its serial line, and the picture of a display."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views import View

from cloudportal.errors import CloudError, Conflict, Forbidden, NotFound
from dashboard.csp import console_policy
from dashboard.page import MemberPage
from servers.find import find_server
from servers.legal import LEGAL
from servers.picture import take_picture
from servers.remote_console import open_console

RULE = LEGAL["console"].policy
SOCKET_PATH = "/live/console"
# By the word in the address: the wire's protocol and type.
KINDS = {"vnc": ("vnc", "novnc"), "serial": ("serial", "serial")}
PICTURE_S = 10


class TokenPage(View):
    """A console for whoever has a token; there is no login, and nothing of the server is shown."""

    def get(self, request: HttpRequest, kind: str) -> HttpResponse:
        """The page; the token in its address is for its script alone."""
        answer = _page(request, kind, {})
        # Its address has a token in it: it goes nowhere.
        answer["Referrer-Policy"] = "no-referrer"
        return answer


class ConsolePage(MemberPage):
    """A console of a server for somebody who is logged in: its script asks for the token."""

    section = "servers"

    def get(self, request: HttpRequest, server_id: UUID, kind: str) -> HttpResponse:
        """The page."""
        server = find_server(actor=self.actor, server_id=server_id, rule=RULE)
        return _page(request, kind, {"server": server, "csrf": get_token(request)})

    def post(self, request: HttpRequest, server_id: UUID, kind: str) -> HttpResponse:
        """A token, or in words why there is none."""
        protocol, type_ = KINDS[kind]
        try:
            server = find_server(actor=self.actor, server_id=server_id, rule=RULE)
            _offered, token = open_console(
                server=server, protocol=protocol, kind=type_, actor=self.actor, now=self.now
            )
        except CloudError as error:
            return JsonResponse({"message": error.message}, status=_status(error))
        answer = JsonResponse({"token": token})
        answer["Cache-Control"] = "no-store"
        return answer


class Picture(MemberPage):
    """What the display shows at the moment; the page fetches it after itself."""

    def get(self, request: HttpRequest, server_id: UUID) -> HttpResponse:
        """A PNG; no content where there is none, which to a page is no failure."""
        server = find_server(actor=self.actor, server_id=server_id, rule=RULE)
        try:
            picture = take_picture(server=server, actor=self.actor)
        except CloudError:
            return HttpResponse(status=204)
        answer = HttpResponse(picture, content_type="image/png")
        answer["Cache-Control"] = f"private, max-age={PICTURE_S}"
        return answer


def _page(request: HttpRequest, kind: str, context: dict[str, Any]) -> HttpResponse:
    server = context.get("server")
    frame = {
        "kind": kind,
        "socket": f"{settings.LIVE_URL}{SOCKET_PATH}",
        "ask": reverse("dashboard:console", args=[server.pk, kind]) if server else "",
        "title": server.name if server else _("Console"),
    }
    answer = render(request, "dashboard/console.html", {**frame, **context})
    answer["Cache-Control"] = "no-store"
    answer["Content-Security-Policy"] = console_policy(settings.LIVE_URL, kind)
    return answer


def _status(error: CloudError) -> int:
    for kind, status in ((Forbidden, 403), (NotFound, 404), (Conflict, 409)):
        if isinstance(error, kind):
            return status
    return 503
