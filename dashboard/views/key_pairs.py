"""The user's key pairs: list, import, delete."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from cloudportal.errors import CloudError
from dashboard.forms import KeyPairForm
from dashboard.page import MemberPage, is_partial
from servers.key_pairs import (
    WantedKeyPair,
    create_key_pair,
    delete_key_pair,
    find_key_pair,
    key_pairs_of,
)


class KeyPairList(MemberPage):
    """The user's keys."""

    section = "key-pairs"

    def get(self, request: HttpRequest) -> HttpResponse:
        """The page."""
        key_pairs = key_pairs_of(user_id=self.actor.user_id, actor=self.actor)
        return self.render("dashboard/key_pairs/list.html", {"key_pairs": key_pairs})


class ImportKeyPair(MemberPage):
    """Keep a public key."""

    section = "key-pairs"

    def get(self, request: HttpRequest) -> HttpResponse:
        """The empty form."""
        return self._form_page(KeyPairForm())

    def post(self, request: HttpRequest) -> HttpResponse:
        """Import, or show the form again with what is wrong."""
        form = KeyPairForm(request.POST)
        if not form.is_valid():
            return self._form_page(form, status=422)
        name, public_key = form.cleaned_data["name"], form.cleaned_data["public_key"]
        wanted = WantedKeyPair(name=name, public_key=public_key)
        try:
            create_key_pair(
                wanted=wanted, user_id=self.actor.user_id, actor=self.actor, now=self.now
            )
        except CloudError as error:
            form.add_error(None, error.message)
            return self._form_page(form, status=422)
        return self.done(
            _("%(name)s is imported.") % {"name": name}, then=reverse("dashboard:key-pairs")
        )

    def _form_page(self, form: KeyPairForm, *, status: int = 200) -> HttpResponse:
        return self.render("dashboard/key_pairs/import.html", {"form": form}, status=status)


class DeleteKeyPair(MemberPage):
    """Forget a key; names may hold anything, so they are no part of the address."""

    section = "key-pairs"

    def get(self, request: HttpRequest) -> HttpResponse:
        """The question, as a page or as the content of a dialog."""
        key_pair = find_key_pair(
            user_id=self.actor.user_id, name=request.GET.get("name", ""), actor=self.actor
        )
        name = "_question.html" if is_partial(request) else "question.html"
        return self.render(f"dashboard/key_pairs/{name}", {"key_pair": key_pair})

    def post(self, request: HttpRequest) -> HttpResponse:
        """Delete it."""
        name = request.POST.get("name", "")
        delete_key_pair(user_id=self.actor.user_id, name=name, actor=self.actor)
        return self.done(_("%(name)s is deleted.") % {"name": name}, then=self.after_refusal())

    def after_refusal(self) -> str:
        """The list."""
        return reverse("dashboard:key-pairs")
