"""Routes of the identity API, without their prefix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.urls import URLPattern, URLResolver, include, path
from django.views.decorators.csrf import csrf_exempt

from identity.api import tokens, versions

_login = tokens.Login.as_view()
_subject = tokens.Subject.as_view()


@csrf_exempt
def _tokens(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
    """Logging in needs no token, everything else on this address does: two views."""
    view: Callable[..., HttpResponseBase] = _login if request.method == "POST" else _subject
    return view(request, *args, **kwargs)


_v3: list[URLPattern | URLResolver] = [
    path("", versions.Version.as_view()),
    path("/auth/tokens", _tokens),
    path("/auth/catalog", tokens.Catalog.as_view()),
    path("/auth/projects", tokens.Projects.as_view()),
    path("/auth/domains", tokens.Domains.as_view()),
    path("/auth/system", tokens.System.as_view()),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("identity", versions.Versions.as_view()),
    path("identity/v3", include(_v3)),
]
