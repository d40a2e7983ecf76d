"""The Content-Security-Policy of our own pages: nothing but this origin, no inline code."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        # The style sheet draws check marks and arrows as data: pictures.
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)
# Swagger UI and ReDoc start from a script inside their page.
OTHERS_PAGES = ("/api/docs/",)


class ContentSecurityPolicyMiddleware:
    """Send the policy with every HTML page that is ours."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Handle one request."""
        response = self.get_response(request)
        is_page = response.get("Content-Type", "").startswith("text/html")
        if is_page and not request.path_info.startswith(OTHERS_PAGES):
            response.headers.setdefault("Content-Security-Policy", POLICY)
        return response
