"""What every request passes: its id, and the slashes that wire clients leave out or put in."""

import re
import uuid
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from cloudportal.logs import logged_as

Handler = Callable[[HttpRequest], HttpResponse]

# With their slash: the pages have /images/ and /networks/.
WIRE_PREFIXES = ("/identity/", "/compute/", "/image/", "/network/", "/volume/")
_GLOBAL_REQUEST_ID = re.compile(r"req-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class RequestIdMiddleware:
    """Give each request an id, `req-<uuid>`: on the request, in its log lines, in the answer.

    A caller's own `X-OpenStack-Request-ID` is a correlation id, never ours: two requests with the
    same one must still be told apart.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Handle one request under its id."""
        identifier = f"req-{uuid.uuid4()}"
        request.request_id = identifier  # type: ignore[attr-defined]  # our addition to the request
        with logged_as(identifier):
            response = self.get_response(request)
        response["X-OpenStack-Request-ID"] = identifier
        if request.path_info.startswith("/compute"):
            response["X-Compute-Request-Id"] = identifier
        return response


class WirePathMiddleware:
    """Take slashes off the end of wire paths: real clients send both forms, follow no redirect."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Handle one request at its canonical path."""
        path = request.path_info
        if path.startswith(WIRE_PREFIXES) and path.endswith("/"):
            request.path_info = path.rstrip("/")
        return self.get_response(request)
