"""Whatever the document allows, and what it does not, is answered as the document says.

schemathesis makes the requests from the document of a microversion. Every answer is held against
that document, as in all tests; an accident in a view would be raised here by the test client.
"""

import json
from typing import Any
from urllib.parse import urlencode

import pytest
import schemathesis
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient
from schemathesis.core import NotSet
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode

from cloudportal.api.docs import document_at
from cloudportal.api.microversions import UNVERSIONED, Microversion
from images.api.images import PATCH_TYPE
from tests.authorisation import client_as
from tests.compute_world import BASE, World, make_world
from tests.endpoints import PREFIXES
from tests.policy.identity_world import IdentityWorld, make_identity_world
from tests.policy.image_world import ImageWorld, make_image_world
from tests.policy.network_world import NetworkWorld, make_network_world

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("silent_hosts")]
EXAMPLES = 3
MODES = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
# A patch of an image is JSON under a name of its own.
schemathesis.serializer.alias(PATCH_TYPE, "application/json")
bounded = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def world(db) -> World:
    return make_world()


@pytest.fixture
def identity_world(db) -> IdentityWorld:
    return make_identity_world()


@pytest.fixture
def network_world(db) -> NetworkWorld:
    return make_network_world()


@pytest.fixture
def image_world(db, settings, tmp_path) -> ImageWorld:
    settings.IMAGE_DIR = tmp_path
    return make_image_world()


def _operations(service: str, microversion: Microversion = UNVERSIONED):
    document = document_at(service, microversion)
    base = PREFIXES[service]
    paths = {path: item for path, item in document["paths"].items() if path.startswith(base)}
    schema = schemathesis.openapi.from_dict({**document, "paths": paths})
    return [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]


def _ask(case, path: str, microversion: str = "", client: APIClient | None = None) -> int:
    sent: dict[str, Any] = {}
    if not isinstance(case.body, NotSet):
        body = case.body if isinstance(case.body, bytes) else json.dumps(case.body)
        sent = {"data": body, "content_type": case.media_type or "application/json"}
    query = {} if isinstance(case.query, NotSet) or not case.query else case.query
    with transaction.atomic():
        answer = (client or client_as("admin", microversion)).generic(
            case.method,
            path,
            QUERY_STRING=urlencode(query, doseq=True, errors="replace"),
            **sent,
        )
        if answer.streaming:
            list(answer)  # which closes the file
        transaction.set_rollback(True)
    return answer.status_code


@pytest.mark.parametrize("mode", MODES, ids=str)
@pytest.mark.parametrize(
    "microversion", ["2.1", pytest.param("2.79", marks=pytest.mark.long), "2.104"]
)
def test_any_request_is_answered_as_documented(microversion, mode, world):
    operations = _operations("compute", Microversion.parse(microversion))
    assert len(operations) > 80

    for operation in operations:

        @seed(1)
        @bounded
        @given(case=operation.as_strategy(generation_mode=mode), known=st.booleans())
        def asked(case, known):
            # Half of the time with variables that there is something for.
            path = world.path(case.path.removeprefix(BASE)) if known else case.formatted_path
            # 501 and 503 are documented where they may be; then the document says so.
            assert _ask(case, path, microversion) != 500

        asked()


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_any_request_for_networks_is_answered_as_documented(mode, network_world):
    base = PREFIXES["network"]
    operations = _operations("network")
    assert len(operations) > 60

    for operation in operations:

        @seed(1)
        @bounded
        @given(case=operation.as_strategy(generation_mode=mode), known=st.booleans())
        def asked(case, known):
            known_path = network_world.path(case.path.removeprefix(base))
            assert _ask(case, known_path if known else case.formatted_path) != 500

        asked()


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_any_request_for_images_is_answered_as_documented(mode, image_world):
    base = PREFIXES["image"]
    operations = _operations("image")
    assert len(operations) > 20

    for operation in operations:

        @seed(1)
        @bounded
        @given(case=operation.as_strategy(generation_mode=mode), known=st.booleans())
        def asked(case, known):
            route = case.path.removeprefix(base)
            path = image_world.path(case.method, route) if known else case.formatted_path
            assert _ask(case, path) != 500

        asked()


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_any_request_for_identity_is_answered_as_documented(mode, identity_world):
    base = PREFIXES["identity"]
    operations = _operations("identity")
    assert len(operations) > 80
    tokens = identity_world.tokens
    own = {"X-Auth-Token": tokens["admin"], "X-Subject-Token": tokens["owner"]}

    for operation in operations:

        @seed(1)
        @bounded
        @given(case=operation.as_strategy(generation_mode=mode), known=st.booleans())
        def asked(case, known):
            known_path = identity_world.path(case.path.removeprefix(base))
            path = known_path if known else case.formatted_path
            assert _ask(case, path, client=APIClient(headers=own)) != 500

        asked()
