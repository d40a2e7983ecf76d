"""Pages for requests that no page answers: forbidden, not found, broken."""

from __future__ import annotations

import sys

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from cloudportal.database import RETRY_AFTER_S, is_away


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403: Django itself refused."""
    return _page(request, 403)


def csrf_refused(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403: the form's token is missing or too old."""
    message = _("The form has expired. Go back, reload the page and send it again.")
    return _page(request, 403, message)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404: no page has this address."""
    return _page(request, 404)


def broken(request: HttpRequest) -> HttpResponse:
    """500: our fault; the id finds it in the log. 503: the database does not answer."""
    if is_away(sys.exc_info()[1]):
        message = _("The database does not answer at the moment. Try again in a few seconds.")
        response = _page(request, 503, message)
        response["Retry-After"] = str(RETRY_AFTER_S)
        return response
    return _page(request, 500)


def _page(request: HttpRequest, status: int, message: str = "") -> HttpResponse:
    # Never the frame of the members' pages: it asks the database, which may be what broke.
    context = {"message": message, "status": status}
    return render(request, "dashboard/errors/plain.html", context, status=status)
