"""Reads the token of a request."""

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request


class TokenAuthentication(BaseAuthentication):
    """`X-Auth-Token` names the actor."""

    def authenticate(self, request: Request) -> None:
        """None: nobody is known."""
        return None
