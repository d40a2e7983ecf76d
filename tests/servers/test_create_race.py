"""However many requests race for a quota, exactly as many servers are made as it allows."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections

from networks.models import Port
from operations.models import Operation
from quotas.consume import usage
from quotas.models import QuotaLimit
from servers.models import Server, ServerAction
from tests.authorisation import OWN_PROJECT, client_as

REQUESTS = 200
LIMIT = 50


@pytest.mark.django_db(transaction=True)
def test_200_parallel_creates_against_a_limit_of_50_give_50_servers(body):
    for resource, limit in {"instances": LIMIT, "cores": -1, "ram": -1}.items():
        QuotaLimit.objects.create(project_id=OWN_PROJECT, resource=resource, limit=limit)
    together = threading.Barrier(REQUESTS)

    def ask(number):
        try:
            together.wait(timeout=60)
            answer = client_as("member").post("/compute/v2.1/servers", body(name=f"web-{number}"))
            return answer.status_code, answer.json()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(REQUESTS) as pool:
        answers = list(pool.map(ask, range(REQUESTS)))

    statuses = [status for status, _ in answers]
    assert (statuses.count(202), statuses.count(403)) == (LIMIT, REQUESTS - LIMIT), answers
    refused = next(answer for status, answer in answers if status == 403)
    assert refused["forbidden"]["message"] == (
        "Quota exceeded for instances: Requested 1, but already used 50 of 50 instances"
    )
    made = Server.objects.all()
    assert made.count() == Operation.objects.count() == ServerAction.objects.count() == LIMIT
    assert Port.objects.count() == LIMIT
    assert usage(OWN_PROJECT)["instances"] == usage(OWN_PROJECT)["ports"] == LIMIT
