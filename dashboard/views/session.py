"""Logging in, opening a project, and how to reach the APIs with it."""

from __future__ import annotations

import json

from django.conf import settings
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from cloudportal.errors import NotFound
from dashboard.page import PROJECT_KEY, MemberPage
from identity.models import DEFAULT_DOMAIN_ID, Domain


class Login(LoginView):
    """Name and password."""

    template_name = "dashboard/login.html"
    redirect_authenticated_user = True


class OpenProject(MemberPage):
    """Choose the project that the pages are about; it stays chosen for the session."""

    def post(self, request: HttpRequest) -> HttpResponse:
        """Open it.

        Raises:
            NotFound: the user has no role in it.
        """
        wish = request.POST.get("project", "")
        if wish not in {project.id for project in self.projects}:
            raise NotFound("There is no such project.")
        request.session[PROJECT_KEY] = wish
        return HttpResponseRedirect(reverse("dashboard:overview"))


class ApiAccess(MemberPage):
    """How the `openstack` command and other clients get in."""

    section = "access"

    def get(self, request: HttpRequest) -> HttpResponse:
        """The file to save and the commands to try."""
        context = {
            "clouds_yaml": self.clouds_yaml(),
            "auth_url": auth_url(),
            "roles": sorted(self.actor.roles),
        }
        return self.render("dashboard/access.html", context)

    def clouds_yaml(self) -> str:
        """A clouds.yaml for the user in the open project; the client asks for the password."""
        domain = Domain.objects.filter(pk=self.user.domain_id).values_list("name", flat=True).get()
        project = next(each for each in self.projects if each.id == self.actor.project_id)
        auth = {
            "auth_url": auth_url(),
            "username": self.user.name,
            "user_domain_name": domain,
            "project_name": project.name,
            "project_domain_id": project.domain_id or DEFAULT_DOMAIN_ID,
        }
        # A JSON string is a YAML string too, whatever is in it.
        lines = [f"      {name}: {json.dumps(value)}" for name, value in auth.items()]
        head = ["clouds:", "  cloudportal:", "    auth:"]
        tail = ["    region_name: RegionOne", "    identity_api_version: 3"]
        return "\n".join([*head, *lines, *tail]) + "\n"


class CloudsYaml(ApiAccess):
    """The same file, to save."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """The file."""
        response = HttpResponse(self.clouds_yaml(), content_type="application/yaml")
        response["Content-Disposition"] = 'attachment; filename="clouds.yaml"'
        return response


def auth_url() -> str:
    """Where clients log in."""
    return f"{settings.PUBLIC_URL}/identity/v3"
