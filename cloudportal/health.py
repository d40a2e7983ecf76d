"""Says whether this process can do its work: the address that watchers ask."""

from __future__ import annotations

import logging

from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse

logger = logging.getLogger(__name__)


def health(request: HttpRequest) -> JsonResponse:
    """200 when the database answers, else 503."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchone()
    except DatabaseError:
        logger.exception("The database does not answer.")
        return JsonResponse({"status": "failing", "database": "does not answer"}, status=503)
    return JsonResponse({"status": "ok", "database": "ok"})
