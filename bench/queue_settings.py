"""The portal's settings, with the queue's broker as the measurement wants it."""

import os

from cloudportal.settings import *  # noqa: F403 - all of them
from cloudportal.settings import Q_CLUSTER

# Without a number: the portal's own broker. With one: django-q2's, polling every so many seconds.
if os.environ.get("BENCH_POLL_S"):
    del Q_CLUSTER["broker_class"]
    Q_CLUSTER["poll"] = float(os.environ["BENCH_POLL_S"])
