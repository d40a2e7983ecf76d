"""The job whose start is measured, and who sends it; run inside the portal's environment."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

from django.db import transaction
from django_q.tasks import async_task  # noqa: TID251 - what is measured is the queue itself

PAUSE_S = 0.03
SPREAD_S = 0.25


def note(path: str, number: int) -> None:
    """Write down when the job began."""
    began = time.time()
    with Path(path).open("a") as file:
        file.write(f"{number} {began}\n")


def send(path: str, count: int) -> None:
    """Send jobs at odd moments; prints when the transaction of each had committed."""
    committed = []
    for number in range(count):
        with transaction.atomic():
            async_task("bench.queue_job.note", path, number)
        committed.append(time.time())
        # So that no job finds a poller in the same phase as the last one.
        time.sleep(PAUSE_S + random.random() * SPREAD_S)
    print(json.dumps(committed))
