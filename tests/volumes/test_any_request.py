"""Whatever the document of the volume API allows, and what it does not, is answered as it says.

As for the compute API in tests/cloudportal/api/test_any_request.py.
"""

import json
from typing import Any
from urllib.parse import urlencode

import pytest
import schemathesis
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis.core import NotSet
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode

from cloudportal.api.docs import document_at
from cloudportal.api.microversions import Microversion
from tests.authorisation import client_as
from tests.hypervisors.fake_host import installed
from tests.policy.volume_world import BASE, VolumeWorld, make_volume_world

EXAMPLES = 3
bounded = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def volume_world(db, monkeypatch, settings, tmp_path) -> VolumeWorld:
    settings.IMAGE_DIR = tmp_path
    return make_volume_world(installed(monkeypatch))


def _operations(microversion: str):
    document = document_at("volume", Microversion.parse(microversion))
    paths = {path: item for path, item in document["paths"].items() if path.startswith(BASE)}
    schema = schemathesis.openapi.from_dict({**document, "paths": paths})
    return [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]


def _ask(case, path: str, microversion: str) -> int:
    sent: dict[str, Any] = {}
    if not isinstance(case.body, NotSet):
        body = case.body if isinstance(case.body, bytes) else json.dumps(case.body)
        sent = {"data": body, "content_type": "application/json"}
    query = {} if isinstance(case.query, NotSet) or not case.query else case.query
    with transaction.atomic():
        answer = client_as("admin").generic(
            case.method,
            path,
            QUERY_STRING=urlencode(query, doseq=True, errors="replace"),
            headers={"OpenStack-API-Version": f"volume {microversion}"},
            **sent,
        )
        transaction.set_rollback(True)
    return answer.status_code


@pytest.mark.django_db
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=str)
@pytest.mark.parametrize("microversion", [pytest.param("3.0", marks=pytest.mark.long), "3.71"])
def test_any_request_is_answered_as_documented(microversion, mode, volume_world):
    operations = _operations(microversion)
    assert len(operations) > 50

    for operation in operations:

        @seed(1)
        @bounded
        @given(case=operation.as_strategy(generation_mode=mode), known=st.booleans())
        def asked(case, known):
            # Half of the time with variables that there is something for.
            route = case.path.removeprefix(BASE)
            path = volume_world.path(route) if known else case.formatted_path
            assert _ask(case, path, microversion) != 500

        asked()
