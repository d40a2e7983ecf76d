"""The base of every view of the identity API that needs a token."""

from __future__ import annotations

from typing import cast

from cloudportal.api.views import WireView
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
