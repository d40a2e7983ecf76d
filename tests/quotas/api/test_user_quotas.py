"""Limits of single users in a project, beside the project's own."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from django.db import transaction

from identity.models import Domain, Project
from quotas.consume import consume, limits
from tests.authorisation import (
    ADMINS,
    OWN_PROJECT,
    OWNER,
    READERS,
    STRANGER,
    Endpoint,
    client_as,
    matrix,
)

pytestmark = pytest.mark.django_db
SETS = f"/compute/v2.1/os-quota-sets/{OWN_PROJECT}"
OF_USER = f"{SETS}?user_id={OWNER}"
DETAIL = f"{SETS}/detail?user_id={OWNER}"


@pytest.fixture(autouse=True)
def project():
    domain = Domain.objects.get_or_create(id="default", defaults={"name": "Default"})[0]
    return Project.objects.create(id=OWN_PROJECT, name="own", domain=domain)


def use(user_id, **amounts):
    with transaction.atomic():
        consume(
            project_id=OWN_PROJECT,
            subject=uuid4(),
            amounts=amounts,
            now=datetime(2026, 1, 1, tzinfo=UTC),
            user_id=user_id,
        )


def put(values, url=OF_USER, microversion="2.104"):
    return client_as("admin", microversion).put(url, {"quota_set": values})


def message(answer):
    [fault] = answer.json().values()
    return fault["message"]


@pytest.mark.parametrize(
    ("endpoint", "who"),
    matrix(
        [
            Endpoint("GET", OF_USER, 200, READERS),
            Endpoint("GET", DETAIL, 200, READERS),
            Endpoint("PUT", OF_USER, 200, ADMINS, {"quota_set": {"cores": 3}}),
            Endpoint("DELETE", OF_USER, 202, ADMINS),
        ]
    ),
)
def test_who_may_do_what(endpoint, who):
    assert endpoint.status(who) == endpoint.expected(who)


def test_a_users_limits_are_the_projects_unless_set():
    before = client_as("reader", "2.104").get(OF_USER).json()["quota_set"]
    changed = put({"cores": 3, "key_pairs": "7"}).json()["quota_set"]
    shown = client_as("reader", "2.104").get(OF_USER).json()["quota_set"]
    of_project = client_as("reader", "2.104").get(SETS).json()["quota_set"]

    assert before == of_project
    assert shown == {**before, "cores": 3, "key_pairs": 7}
    assert changed == {key: value for key, value in shown.items() if key != "id"}
    assert limits(OWN_PROJECT, STRANGER)["cores"] == 20


def test_detail_tells_what_the_user_uses():
    put({"cores": 3})
    use(OWNER, instances=1, cores=2)
    use(STRANGER, instances=1, cores=4)

    shown = client_as("reader").get(DETAIL).json()["quota_set"]

    assert shown["cores"] == {"limit": 3, "in_use": 2, "reserved": 0}
    assert shown["instances"] == {"limit": 10, "in_use": 1, "reserved": 0}


@pytest.mark.parametrize(
    ("values", "status", "words"),
    [
        ({"cores": 20}, 200, ""),
        ({"cores": 21}, 400, "must be less than or equal to 20."),
        ({"cores": -1}, 400, "must be less than or equal to 20."),
        ({"cores": 1}, 400, "already used and reserved 2."),
        ({"cores": 21, "force": True}, 200, ""),
        ({"cores": 1, "force": True}, 200, ""),
        ({"cores": -2}, 400, ""),
    ],
)
def test_a_users_limit_is_between_use_and_the_projects(values, status, words):
    use(OWNER, cores=2)
    use(STRANGER, cores=5)

    answer = put(values)

    assert answer.status_code == status
    if words:
        assert message(answer).endswith(words)


def test_reset_lets_the_projects_hold_again():
    put({"cores": 3})
    put({"cores": 4}, url=f"{SETS}?user_id={STRANGER}")

    one = client_as("admin").delete(OF_USER)
    kept = limits(OWN_PROJECT, STRANGER)["cores"]
    everybody = client_as("admin").delete(SETS)

    assert (one.status_code, everybody.status_code) == (202, 202)
    assert (limits(OWN_PROJECT, OWNER)["cores"], kept) == (20, 4)
    assert limits(OWN_PROJECT, STRANGER)["cores"] == 20


def test_an_empty_user_is_none():
    put({"cores": 3}, url=f"{SETS}?user_id=")

    assert limits(OWN_PROJECT)["cores"] == 3


def test_too_long_a_user_is_refused():
    assert put({"cores": 3}, url=f"{SETS}?user_id={'u' * 65}").status_code == 400


def test_a_users_limit_bounds_key_pairs():
    put({"key_pairs": 0})
    client = client_as("owner", "2.91")

    refused = client.post("/compute/v2.1/os-keypairs", {"keypair": {"name": "mine"}})

    assert (refused.status_code, message(refused)) == (403, "Quota exceeded, too many key pairs.")
