"""The list of servers, and the pages of one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django_htmx.http import HttpResponseClientRedirect

from cloudportal.errors import CloudError, NotFound
from dashboard.history import current_work, history_of, request_behind
from dashboard.page import MemberPage, is_partial
from dashboard.power import ACTIONS, PowerAction, act, choices_for
from dashboard.rows import page_of, rows_of
from identity.models import User
from servers.console import console_output
from servers.explain import newest_decision
from servers.find import find_server, visible_servers
from servers.high_availability import fate_of
from servers.legal import LEGAL
from servers.models import Server
from servers.states import TaskState

SHOW = "os_compute_api:servers:show"
CONSOLE = "os_compute_api:os-console-output"
EXPLANATION = "cloudportal:servers:explanation"
CONSOLE_LINES = 500


class ServerList(MemberPage):
    """The servers of the project; each page of rows looks after itself."""

    section = "servers"

    def get(self, request: HttpRequest) -> HttpResponse:
        """The page, or the rows that were asked for."""
        self.require("os_compute_api:servers:index")
        names = ("q", "after", "upto", "part")
        query = {name: request.GET.get(name, "").strip() for name in names}
        servers = visible_servers(self.actor).alive()
        if query["q"]:
            servers = servers.filter(name__icontains=query["q"])
        page = page_of(servers, actor=self.actor, after=query["after"], upto=query["upto"])
        # A page asks for itself again by its two ends, so that rows neither double nor go missing
        # when servers are created above it. `part`: its rows alone.
        ends = {"after": query["after"], "upto": query["upto"] or page.more_after}
        context = {
            "page": page,
            "query": query,
            "page_address": _list_address(q=query["q"], **ends, part="rows"),
            "more_address": _list_address(q=query["q"], after=page.more_after),
            "may_create": self.may("os_compute_api:servers:create"),
            "is_admin": self.actor.is_admin,
        }
        name = "_rows.html" if is_partial(request) else "list.html"
        return self.render(f"dashboard/servers/{name}", context)


def _list_address(**query: str) -> str:
    wanted = {name: value for name, value in query.items() if value}
    address = reverse("dashboard:servers")
    return f"{address}?{urlencode(wanted)}" if wanted else address


class OneServer(MemberPage, ABC):
    """What the pages of one server share: its head, which is live, and the tabs."""

    section = "servers"
    tab = ""

    def get(self, request: HttpRequest, server_id: UUID) -> HttpResponse:
        """The page, or its live part."""
        try:
            server = find_server(actor=self.actor, server_id=server_id, rule=SHOW)
        except NotFound:
            if not is_partial(request):
                raise
            messages.success(request, _("The server is deleted."))
            return HttpResponseClientRedirect(reverse("dashboard:servers"))
        name = "_server.html" if is_partial(request) else "show.html"
        context = {**self._head(server), **self.content(server)}
        return self.render(f"dashboard/servers/{name}", context)

    @abstractmethod
    def content(self, server: Server) -> dict[str, Any]:
        """What the tab shows."""

    def _head(self, server: Server) -> dict[str, Any]:
        return {
            "row": rows_of([server], actor=self.actor)[0],
            "server": server,
            "tab": self.tab,
            "tab_template": f"dashboard/servers/_{self.tab}.html",
            "may_see_console": self.may(CONSOLE),
            "may_open_console": self.may(LEGAL["console"].policy),
            "may_see_placement": self.may(EXPLANATION),
            "is_admin": self.actor.is_admin,
        }


class ServerPage(OneServer):
    """What it is, where it can be reached, what is being done to it."""

    tab = "summary"

    def content(self, server: Server) -> dict[str, Any]:
        """Its facts and its newest fault."""
        fault = server.faults.first() if server.status == "ERROR" else None
        return {
            "work": current_work(server),
            "fault": fault,
            "fault_request_id": request_behind(fault) if fault else "",
            "owner": User.objects.filter(pk=server.user_id).first(),
        }


class ConsolePage(OneServer):
    """Its console log."""

    tab = "console"

    def content(self, server: Server) -> dict[str, Any]:
        """Nothing: a host is only asked once the page is there."""
        return {}


class ConsoleText(MemberPage):
    """The text of the console log, which the page fetches."""

    def get(self, request: HttpRequest, server_id: UUID) -> HttpResponse:
        """The newest lines, or in words why there are none."""
        server = find_server(actor=self.actor, server_id=server_id, rule=CONSOLE)
        length = None if request.GET.get("all") else CONSOLE_LINES
        text, problem = "", ""
        try:
            text = console_output(server=server, length=length, actor=self.actor)
        except CloudError as error:
            problem = error.message
        context = {"server": server, "text": text, "problem": problem, "all": length is None}
        return self.render("dashboard/servers/_console_text.html", context)


class ActivityPage(OneServer):
    """What was done to it."""

    tab = "activity"

    def content(self, server: Server) -> dict[str, Any]:
        """Actions with their events and steps."""
        return {"lines": history_of(server)}


class PlacementPage(OneServer):
    """Why it is where it is, for administrators."""

    tab = "placement"

    def content(self, server: Server) -> dict[str, Any]:
        """The newest decision of the scheduler, if there is one, and what its host's end means."""
        self.require(EXPLANATION)
        try:
            decision = newest_decision(server=server, actor=self.actor)
        except NotFound:
            return {"decision": None}
        return {"decision": decision, "fate": fate_of(server)}


class PowerPage(MemberPage):
    """Start, stop, reboot or delete a server: asked about by GET, done by POST."""

    section = "servers"

    def get(self, request: HttpRequest, server_id: UUID, action: str) -> HttpResponse:
        """The question, as a page or as the content of a dialog."""
        chosen, server = self._find(server_id, action)
        here = request.htmx.current_url_abs_path if is_partial(request) else None  # type: ignore[attr-defined]  # set by django-htmx
        context = {
            "action": chosen,
            "server": server,
            "question": chosen.question % {"name": server.name},
            "choices": choices_for(chosen, server),
            "next": here or request.GET.get("next", ""),
        }
        name = "_question.html" if is_partial(request) else "question.html"
        return self.render(f"dashboard/servers/{name}", context)

    def post(self, request: HttpRequest, server_id: UUID, action: str) -> HttpResponse:
        """Do it, and go back to where it was asked for."""
        chosen, server = self._find(server_id, action)
        choice = request.POST.get("choice", "SOFT")
        act(chosen, server, choice=choice, actor=self.actor, now=self.now)
        page = reverse("dashboard:server", args=[server.pk])
        then = self.go_back_to(page)
        if server.task_state == TaskState.DELETING and then.startswith(page):
            then = reverse("dashboard:servers")
        return self.done(chosen.accepted % {"name": server.name}, then=then)

    def after_refusal(self) -> str:
        """Where it was asked for, else the list."""
        return self.go_back_to(reverse("dashboard:servers"))

    def _find(self, server_id: UUID, action: str) -> tuple[PowerAction, Server]:
        chosen = ACTIONS.get(action)
        if chosen is None:
            raise NotFound("There is no such action.")
        return chosen, find_server(actor=self.actor, server_id=server_id, rule=chosen.rule)
