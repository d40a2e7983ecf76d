"""The user's application credentials: list, make (the secret is shown once), delete."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from cloudportal.errors import CloudError, NotFound
from dashboard.forms import CredentialForm
from dashboard.page import MemberPage, is_partial
from dashboard.views.session import auth_url
from identity.actors import IMPLIED_ROLES
from identity.application_credentials import (
    NewApplicationCredential,
    application_credentials_of,
    create_application_credential,
    delete_application_credential,
    find_application_credential,
    is_right_secret,
)
from identity.models import ApplicationCredential, Role

ON_A_PAGE = 50


@dataclass(frozen=True)
class CredentialRow:
    """A credential as it is listed."""

    credential: ApplicationCredential
    roles: list[str]
    has_ended: bool


class CredentialList(MemberPage):
    """The user's credentials, of every project."""

    section = "credentials"

    def get(self, request: HttpRequest) -> HttpResponse:
        """A page of them, by name; `after` is the last name of the page before."""
        rows = application_credentials_of(user_id=self.actor.user_id, actor=self.actor)
        after = request.GET.get("after", "")
        found = list(
            rows.filter(name__gt=after).order_by("name").select_related("project")[: ON_A_PAGE + 1]
        )
        names = dict(Role.objects.values_list("pk", "name"))
        shown = [
            CredentialRow(
                each,
                sorted(names[key] for key in each.role_ids if key in names),
                each.expires_at is not None and each.expires_at <= self.now,
            )
            for each in found[:ON_A_PAGE]
        ]
        more = shown[-1].credential.name if len(found) > ON_A_PAGE else ""
        context = {"rows": shown, "after": after, "more": more}
        return self.render("dashboard/credentials/list.html", context)


class CreateCredential(MemberPage):
    """Make a credential for the open project."""

    section = "credentials"

    @cached_property
    def roles(self) -> list[str]:
        """What the user has in the open project, the implied ones too, strong ones first."""
        own = Role.objects.filter(name__in=self.actor.roles).values_list("name", flat=True)
        return sorted(own, key=lambda name: (-len(IMPLIED_ROLES.get(name, ())), name))

    def get(self, request: HttpRequest) -> HttpResponse:
        """The empty form."""
        return self._form_page(CredentialForm(roles=self.roles))

    def post(self, request: HttpRequest) -> HttpResponse:
        """Make it and show the secret, or show the form again with what is wrong."""
        form = CredentialForm(request.POST, roles=self.roles)
        if not form.is_valid():
            return self._form_page(form, status=422)
        data = form.cleaned_data
        days = form.days()
        wanted = NewApplicationCredential(
            name=data["name"],
            description=data["description"],
            roles=tuple({"name": name} for name in data["roles"]),
            expires_at=self.now + timedelta(days=days) if days else None,
            is_unrestricted=data["may_manage"],
        )
        try:
            credential, secret = create_application_credential(
                user_id=self.actor.user_id, wanted=wanted, actor=self.actor, now=self.now
            )
        except CloudError as error:
            form.add_error(None, error.message)
            return self._form_page(form, status=422)
        # Shown in the answer itself: kept anywhere else, the secret would outlive its one look.
        context = {
            "credential": credential,
            "secret": secret,
            "clouds_yaml": clouds_yaml(credential, secret),
        }
        return self.render("dashboard/credentials/created.html", context, status=201)

    def _form_page(self, form: CredentialForm, *, status: int = 200) -> HttpResponse:
        return self.render("dashboard/credentials/create.html", {"form": form}, status=status)


class CredentialFile(MemberPage):
    """A clouds.yaml with a credential, for who has just been shown its secret.

    The secret comes back from that page, in the body of a form: the portal does not have it, and
    what is in a body is in no log.
    """

    section = "credentials"

    def post(self, request: HttpRequest, credential_id: str) -> HttpResponse:
        """The file.

        Raises:
            NotFound: the user has no such credential, or the secret is another one.
        """
        credential = find_application_credential(
            user_id=self.actor.user_id, credential_id=credential_id, actor=self.actor
        )
        secret = request.POST.get("secret", "")
        if not is_right_secret(credential, secret):
            raise NotFound(_("This is not the secret of the application credential."))
        answer = HttpResponse(clouds_yaml(credential, secret), content_type="application/yaml")
        answer["Content-Disposition"] = 'attachment; filename="clouds.yaml"'
        answer["Cache-Control"] = "no-store"
        return answer


class DeleteCredential(MemberPage):
    """Forget a credential; what logs in with it is out at once."""

    section = "credentials"

    def get(self, request: HttpRequest, credential_id: str) -> HttpResponse:
        """The question, as a page or as the content of a dialog."""
        name = "_question.html" if is_partial(request) else "question.html"
        context = {"credential": self._find(credential_id)}
        return self.render(f"dashboard/credentials/{name}", context)

    def post(self, request: HttpRequest, credential_id: str) -> HttpResponse:
        """Delete it."""
        credential = self._find(credential_id)
        name = credential.name
        delete_application_credential(credential=credential, actor=self.actor)
        return self.done(_("%(name)s is deleted.") % {"name": name}, then=self.after_refusal())

    def after_refusal(self) -> str:
        """The list."""
        return reverse("dashboard:credentials")

    def _find(self, credential_id: str) -> ApplicationCredential:
        return find_application_credential(
            user_id=self.actor.user_id, credential_id=credential_id, actor=self.actor
        )


def clouds_yaml(credential: ApplicationCredential, secret: str) -> str:
    """A clouds.yaml by which a program logs in; it holds the secret."""
    auth = {
        "auth_url": auth_url(),
        "application_credential_id": credential.pk,
        "application_credential_secret": secret,
    }
    # A JSON string is a YAML string too, whatever is in it.
    lines = [f"      {name}: {json.dumps(value)}" for name, value in auth.items()]
    head = ["clouds:", "  cloudportal:", "    auth_type: v3applicationcredential", "    auth:"]
    tail = ["    region_name: RegionOne", "    identity_api_version: 3"]
    return "\n".join([*head, *lines, *tail]) + "\n"
