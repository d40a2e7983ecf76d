"""`/os-volumes_boot`: the servers under an older name, until 2.102."""

from __future__ import annotations

from django.urls import URLPattern, path

from cloudportal.api.microversions import available
from cloudportal.api.views import ComputeView
from servers.api.actions import ServerActions
from servers.api.servers import OneServer, Servers, ServersDetail

LAST = "2.102"
_ALIAS = "os-volumes_boot"
_METHODS = ("get", "post", "put", "delete")


def _until_last(view: type[ComputeView]) -> type[ComputeView]:
    """The same view with each method ending at the last microversion of the alias."""
    ending = available(until=LAST)
    methods = {name: ending(getattr(view, name)) for name in _METHODS if hasattr(view, name)}
    return type(f"{view.__name__}ByOldName", (view,), {**methods, "__doc__": view.__doc__})


def routes() -> list[URLPattern]:
    """The tree of servers again."""
    return [
        path(_ALIAS, _until_last(Servers).as_view()),
        path(f"{_ALIAS}/detail", _until_last(ServersDetail).as_view()),
        path(f"{_ALIAS}/<str:server_id>", _until_last(OneServer).as_view()),
        path(f"{_ALIAS}/<str:server_id>/action", _until_last(ServerActions).as_view()),
    ]
