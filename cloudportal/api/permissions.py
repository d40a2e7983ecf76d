"""Who may reach a wire view at all. Apart from the views, which the framework imports it for."""

from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

if TYPE_CHECKING:
    from rest_framework.views import APIView


class IsAuthenticatedActor(BasePermission):
    """A valid token is needed; what it may do is decided by the policy in the use case."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Whether somebody is known to be asking."""
        return bool(request.user)
