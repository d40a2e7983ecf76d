"""The Content-Security-Policy: nothing but this origin; on our own pages no inline code either."""

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
# Swagger UI and ReDoc start from a script inside their page and write styles into it; ReDoc also
# starts a worker from text, and would fetch a logo from its maker.
DOCUMENTATION = "/api/docs/"
DOCUMENTATION_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self' 'unsafe-inline'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)


def console_policy(live_url: str, kind: str) -> str:
    """The policy of a page with a console: it may reach the live process as well.

    xterm.js writes a style sheet of its own into the page of a serial one.
    """
    policy = POLICY.replace("connect-src 'self'", f"connect-src 'self' {live_url}")
    if kind == "serial":
        policy = policy.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
    return policy


class ContentSecurityPolicyMiddleware:
    """Send a policy with every HTML page."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Handle one request."""
        response = self.get_response(request)
        if response.get("Content-Type", "").startswith("text/html"):
            is_documentation = request.path_info.startswith(DOCUMENTATION)
            policy = DOCUMENTATION_POLICY if is_documentation else POLICY
            response.headers.setdefault("Content-Security-Policy", policy)
        return response
