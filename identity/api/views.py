"""The base of every view of the identity API that needs a token."""

from __future__ import annotations

from typing import Any, cast

from django.conf import settings
from rest_framework.request import Request

from cloudportal.api.views import WireView
from cloudportal.errors import NotFound
from identity.actors import Actor
from identity.tokens import ValidToken


class IdentityView(WireView):
    """Knows who asks and with which token."""

    service = "identity"

    @property
    def actor(self) -> Actor:
        """Who asks."""
        return cast("Actor", self.request.user)

    @property
    def valid(self) -> ValidToken:
        """The token that was shown."""
        return cast("ValidToken", self.request.auth)

    @property
    def own_address(self) -> str:
        """The public address of this request, with its query."""
        return f"{settings.PUBLIC_URL}{self.request.get_full_path()}"


class NoSuchAddress(IdentityView):
    """Everything else below the API's path; a 404 in the API's own form."""

    is_catch_all = True
    authentication_classes = ()
    permission_classes = ()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse.

        Raises:
            NotFound: always.
        """
        raise NotFound("The resource could not be found.")
