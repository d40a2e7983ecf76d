"""The form for new servers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.functional import cached_property

from cloudportal.errors import CloudError, OverQuota
from dashboard.forms import ServerForm
from dashboard.page import MemberPage
from dashboard.quota import QuotaBar, bars_of, how_many_fit
from dashboard.rows import rows_of
from flavors.models import Flavor
from images.lookup import visible_images
from images.models import ImageStatus
from networks.models import Network
from servers.create import create_servers
from servers.models import KeyPair, Server
from servers.secrets import unseal

CREATE = "os_compute_api:servers:create"


@dataclass(frozen=True)
class FlavorChoice:
    """A flavor, and how many servers of it the quota still takes (None: any number)."""

    flavor: Flavor
    fits: int | None

    @property
    def is_possible(self) -> bool:
        """Whether at least one fits."""
        return self.fits is None or self.fits > 0


class CreateServer(MemberPage):
    """Choose, and create."""

    section = "servers"

    def get(self, request: HttpRequest) -> HttpResponse:
        """The empty form."""
        self.require(CREATE)
        return self._form_page(self._form())

    def post(self, request: HttpRequest) -> HttpResponse:
        """Create, or show the form again with what is wrong beside it."""
        self.require(CREATE)
        form = self._form(request.POST)
        if not form.is_valid():
            return self._form_page(form, status=422)
        try:
            servers = create_servers(wanted=form.wanted(), actor=self.actor, now=self.now)
        except CloudError as error:
            form.add_error("flavor" if isinstance(error, OverQuota) else None, error.message)
            return self._form_page(form, status=422)
        return self._created(servers)

    def _created(self, servers: list[Server]) -> HttpResponse:
        # Shown in the answer itself: kept anywhere else, the password would outlive its one look.
        context = {
            "rows": rows_of(servers, actor=self.actor),
            "first": servers[0],
            "admin_password": unseal(servers[0].sealed_admin_password),
        }
        return self.render("dashboard/servers/created.html", context, status=201)

    def _form(self, data: Any = None) -> ServerForm:
        return ServerForm(
            data,
            images=self.images,
            flavors=self.flavors,
            networks=list(Network.objects.usable_by(self.actor.project_id).order_by("name", "pk")),
            key_pairs=list(KeyPair.objects.filter(user_id=self.actor.user_id)),
        )

    @cached_property
    def images(self) -> list[Any]:
        """The images to boot from."""
        images = visible_images(self.actor).filter(status=ImageStatus.ACTIVE, is_hidden=False)
        return list(images.order_by("name", "pk"))

    @cached_property
    def flavors(self) -> list[Flavor]:
        """The sizes on offer, small ones first."""
        flavors = Flavor.objects.visible_to(self.actor.project_id).filter(is_disabled=False)
        return list(flavors.order_by("ram_mib", "vcpus", "disk_gib", "name"))

    def _form_page(self, form: ServerForm, *, status: int = 200) -> HttpResponse:
        bars: list[QuotaBar] = bars_of(self.actor.project_id or "")
        context = {
            "form": form,
            "images": self.images,
            "flavors": [
                FlavorChoice(flavor, how_many_fit(flavor, bars)) for flavor in self.flavors
            ],
            "bars": bars,
        }
        return self.render("dashboard/servers/create.html", context, status=status)
