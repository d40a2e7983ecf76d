"""What servers can be made from and connected to: images and networks, to look at."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from dashboard.page import MemberPage
from images.lookup import visible_images
from networks.models import Network

MOST_SHOWN = 200


class ImageList(MemberPage):
    """The images the project may use."""

    section = "images"

    def get(self, request: HttpRequest) -> HttpResponse:
        """The page."""
        images = visible_images(self.actor).filter(is_hidden=False).order_by("name", "pk")
        return self.render("dashboard/images.html", {"images": images[:MOST_SHOWN]})


class NetworkList(MemberPage):
    """The networks the project may plug servers into."""

    section = "networks"

    def get(self, request: HttpRequest) -> HttpResponse:
        """The page."""
        self.require("get_network")
        networks = (
            Network.objects.usable_by(self.actor.project_id)
            .prefetch_related("subnets")
            .order_by("name", "pk")
        )
        return self.render("dashboard/networks.html", {"networks": networks[:MOST_SHOWN]})
