"""The live process: consoles over websocket."""

from __future__ import annotations

from typing import Any

import uvicorn
from django.conf import settings
from django.core.management.base import BaseCommand

from cloudportal.checks import wait_until_ready
from servers.live.application import Live

PING_S = 20.0
LARGEST_MESSAGE_BYTES = 1024 * 1024
LEAVE_S = 3


class Command(BaseCommand):
    """`manage.py live`: runs until it gets a TERM or INT signal."""

    help = "Serves consoles over websocket."

    requires_system_checks = ["cloudportal_state"]

    def handle(self, *args: Any, **options: Any) -> None:
        """Listen until told to stop."""
        wait_until_ready()
        uvicorn.run(
            Live(),
            host=settings.BIND,
            port=settings.LIVE_PORT,
            ws="websockets-sansio",
            ws_max_size=LARGEST_MESSAGE_BYTES,
            ws_ping_interval=PING_S,
            ws_ping_timeout=PING_S,
            # Pictures are compressed already.
            ws_per_message_deflate=False,
            lifespan="on",
            # At its lower levels it logs addresses, with the tokens in them.
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=LEAVE_S,
        )
