"""What every page of a member shares: who acts, in which project, and how failures are told."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.http import url_has_allowed_host_and_scheme
from django.views import View
from django_htmx.http import HttpResponseClientRedirect, trigger_client_event

from cloudportal.errors import CloudError, Forbidden, NotFound
from identity import policy
from identity.actors import Actor
from identity.models import Project, User
from identity.sessions import actor_for, projects_of

PROJECT_KEY = "project_id"
log = logging.getLogger(__name__)


def is_partial(request: HttpRequest) -> bool:
    """Whether htmx asks, for a part of a page."""
    return bool(getattr(request, "htmx", False))


def request_id_of(request: HttpRequest) -> str:
    """The id under which the request is in the log."""
    return getattr(request, "request_id", "")


class MemberPage(View):
    """A page for somebody who is logged in, about the project that is open.

    `section` is the entry of the navigation that is lit.
    """

    section = ""
    user: User
    now: datetime

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Handle one request; what the portal's own rooms refuse is told in their words."""
        if not isinstance(request.user, User):
            return self._to_login()
        self.user = request.user
        self.now = timezone.now()
        if self.actor.project_id is None:
            return self.render("dashboard/no_project.html", {})
        try:
            return super().dispatch(request, *args, **kwargs)
        except CloudError as error:
            return self._refused(error)

    @cached_property
    def projects(self) -> list[Project]:
        """The projects the user may open."""
        return projects_of(self.user)

    @cached_property
    def actor(self) -> Actor:
        """The user in the open project: the one chosen last, else the default, else the first."""
        offered = [project.id for project in self.projects]
        wishes = [self.request.session.get(PROJECT_KEY), self.user.default_project_id, *offered]
        project_id = next((wish for wish in wishes if wish in offered), None)
        return actor_for(self.user, project_id, request_id_of(self.request))

    def may(self, rule: str) -> bool:
        """Whether the actor passes a rule in the open project."""
        return policy.allows(
            self.actor, rule, project_id=self.actor.project_id, user_id=self.actor.user_id
        )

    def require(self, rule: str) -> None:
        """Refuse who does not pass a rule in the open project.

        Raises:
            Forbidden: the actor may not see or do this.
        """
        policy.require(
            self.actor, rule, project_id=self.actor.project_id, user_id=self.actor.user_id
        )

    def render(self, template: str, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
        """A page, or a part of one, with what the frame around it needs."""
        frame = {
            "actor": self.actor,
            "projects": self.projects,
            "section": self.section,
            "now": self.now,
        }
        response = render(self.request, template, {**frame, **context}, status=status)
        response["Cache-Control"] = "no-store"
        return response

    def done(self, message: str, *, then: str) -> HttpResponse:
        """After a change: say so, and show the page `then` (htmx: stay, and look again at once)."""
        messages.success(self.request, message)
        return self._moved(then)

    def go_back_to(self, default: str) -> str:
        """The page the form came from, if it is one of ours."""
        wish = self.request.POST.get("next", "")
        host = {self.request.get_host()}
        is_ours = url_has_allowed_host_and_scheme(wish, host, self.request.is_secure())
        return wish if wish and is_ours else default

    def after_refusal(self) -> str:
        """Where a refused change leads."""
        return self.go_back_to(reverse("dashboard:overview"))

    def _moved(self, then: str) -> HttpResponse:
        if not is_partial(self.request):
            return HttpResponseRedirect(then)
        if then != self.request.htmx.current_url_abs_path:  # type: ignore[attr-defined]  # set by django-htmx
            return HttpResponseClientRedirect(then)
        response = render(self.request, "dashboard/parts/toasts.html", {"out_of_band": True})
        return trigger_client_event(response, "changed")

    def _to_login(self) -> HttpResponse:
        if is_partial(self.request):
            here = self.request.htmx.current_url_abs_path or "/"  # type: ignore[attr-defined]  # set by django-htmx
            return HttpResponseClientRedirect(redirect_to_login(here).url)
        return redirect_to_login(self.request.get_full_path())

    def _refused(self, error: CloudError) -> HttpResponse:
        log.info("refused: %s %s", type(error).__name__, error.detail or error.message)
        if self.request.method == "POST" and not isinstance(error, NotFound):
            messages.error(self.request, error.message)
            return self._moved(self.after_refusal())
        if isinstance(error, NotFound):
            return self.render("dashboard/errors/404.html", {"message": error.message}, status=404)
        status = 403 if isinstance(error, Forbidden) else 409
        return self.render("dashboard/errors/403.html", {"message": error.message}, status=status)
