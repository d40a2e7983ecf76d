from datetime import UTC, datetime
from uuid import uuid4

import pytest
from django.db import transaction

from identity.models import Domain, Project
from quotas.consume import consume, limits
from tests.authorisation import (
    ADMINS,
    EVERYBODY,
    OWN_PROJECT,
    READERS,
    Endpoint,
    client_as,
    matrix,
)

pytestmark = pytest.mark.django_db
SETS = f"/compute/v2.1/os-quota-sets/{OWN_PROJECT}"
CLASSES = "/compute/v2.1/os-quota-class-sets/default"
ALWAYS = {
    "instances": 10,
    "cores": 20,
    "ram": 51200,
    "metadata_items": 128,
    "key_pairs": 100,
}
GROUPS = {"server_groups": 10, "server_group_members": 10}
INJECTED = {
    "injected_files": 5,
    "injected_file_content_bytes": 10240,
    "injected_file_path_bytes": 255,
}
RELICS = {
    "fixed_ips": -1,
    "floating_ips": -1,
    "security_groups": -1,
    "security_group_rules": -1,
}


@pytest.fixture(autouse=True)
def project():
    domain = Domain.objects.get_or_create(id="default", defaults={"name": "Default"})[0]
    return Project.objects.create(id=OWN_PROJECT, name="own", domain=domain)


def use(**amounts):
    with transaction.atomic():
        now = datetime(2026, 1, 1, tzinfo=UTC)
        consume(project_id=OWN_PROJECT, subject=uuid4(), amounts=amounts, now=now)


def put(values, microversion="2.104", url=SETS, key="quota_set"):
    return client_as("admin", microversion).put(url, {key: values})


def message(answer):
    [fault] = answer.json().values()
    return fault["message"]


@pytest.mark.parametrize(
    ("endpoint", "who"),
    matrix(
        [
            Endpoint("GET", SETS, 200, READERS),
            Endpoint("GET", SETS + "/detail", 200, READERS),
            Endpoint("GET", SETS + "/defaults", 200, EVERYBODY),
            Endpoint("PUT", SETS, 200, ADMINS, {"quota_set": {"cores": 1}}),
            Endpoint("DELETE", SETS, 202, ADMINS),
            Endpoint("GET", CLASSES, 200, ADMINS),
            Endpoint("PUT", CLASSES, 200, ADMINS, {"quota_class_set": {"cores": 1}}),
            Endpoint("GET", "/compute/v2.1/limits", 200, EVERYBODY),
            Endpoint(
                "GET",
                f"/compute/v2.1/limits?tenant_id={OWN_PROJECT}",
                200,
                ADMINS | READERS | {"service", "without role"},
            ),
        ]
    ),
)
def test_who_may_do_what(endpoint, who):
    assert endpoint.status(who) == endpoint.expected(who)


@pytest.mark.parametrize(
    ("microversion", "expected"),
    [
        ("2.35", ALWAYS | GROUPS | INJECTED | RELICS),
        ("2.36", ALWAYS | GROUPS | INJECTED),
        ("2.56", ALWAYS | GROUPS | INJECTED),
        ("2.57", ALWAYS | GROUPS),
    ],
)
def test_a_set_shows_what_its_version_knows(microversion, expected):
    client = client_as("member", microversion)

    assert client.get(SETS).json() == {"quota_set": {"id": OWN_PROJECT, **expected}}
    assert client.get(f"{SETS}/defaults").json() == {"quota_set": {"id": OWN_PROJECT, **expected}}


@pytest.mark.parametrize(
    ("microversion", "expected"),
    [
        ("2.49", ALWAYS | INJECTED | RELICS),
        ("2.50", ALWAYS | GROUPS | INJECTED),
        ("2.57", ALWAYS | GROUPS),
    ],
)
def test_a_class_shows_what_its_version_knows(microversion, expected):
    answer = client_as("admin", microversion).get(CLASSES)

    assert answer.json() == {"quota_class_set": {"id": "default", **expected}}


def test_detail_shows_usage():
    use(instances=1, cores=3, ram=512)

    shown = client_as("reader", "2.35").get(f"{SETS}/detail").json()["quota_set"]

    assert shown["cores"] == {"limit": 20, "in_use": 3, "reserved": 0}
    assert shown["metadata_items"] == {"limit": 128, "in_use": 0, "reserved": 0}
    assert shown["security_groups"] == {"limit": -1, "in_use": 0, "reserved": 0}


def test_setting_some_limits_keeps_the_others():
    put({"cores": "40"})

    answer = put({"ram": -1})

    assert answer.json() == {"quota_set": {**ALWAYS, **GROUPS, "cores": 40, "ram": -1}}
    assert limits(OWN_PROJECT)["cores"] == 40


def test_a_limit_below_the_usage_needs_force():
    use(cores=5)

    refused = put({"cores": 4})
    forced = put({"cores": 4, "force": "True"})

    assert (refused.status_code, message(refused)) == (
        400,
        "Quota limit 4 for cores must be greater than or equal to already used and reserved 5.",
    )
    assert forced.json()["quota_set"]["cores"] == 4


@pytest.mark.parametrize(
    ("microversion", "values", "status"),
    [
        ("2.1", {}, 200),
        ("2.1", {"cores": -2}, 400),
        ("2.1", {"cores": "-2"}, 400),
        ("2.1", {"cores": 2**31}, 400),
        ("2.1", {"cores": str(2**31)}, 400),
        ("2.1", {"cores": "9" * 5000}, 400),
        ("2.1", {"cores": None}, 400),
        ("2.1", {"cores": "many"}, 400),
        ("2.1", {"ports": 5}, 400),
        ("2.35", {"floating_ips": -1}, 200),
        ("2.35", {"floating_ips": 5}, 400),
        ("2.36", {"floating_ips": -1}, 400),
        ("2.56", {"injected_files": 1}, 200),
        ("2.57", {"injected_files": 1}, 400),
        ("2.1", {"force": "perhaps"}, 400),
    ],
)
def test_values_are_checked(microversion, values, status):
    assert put(values, microversion).status_code == status


def test_reset_lets_the_defaults_hold_again():
    put({"cores": 1})

    answer = client_as("admin").delete(SETS)

    assert (answer.status_code, answer.content) == (202, b"")
    assert limits(OWN_PROJECT)["cores"] == 20


def test_the_default_class_feeds_projects_and_others_do_not():
    put({"cores": 7}, url=CLASSES, key="quota_class_set")
    other = CLASSES.replace("default", "other")
    answer = put({"ram": 9}, url=other, key="quota_class_set")

    assert answer.json() == {"quota_class_set": {**ALWAYS, **GROUPS, "ram": 9}}
    assert (limits(OWN_PROJECT)["cores"], limits(OWN_PROJECT)["ram"]) == (7, 51200)


@pytest.mark.parametrize("method", ["get", "put", "delete"])
def test_an_unknown_project_is_refused(method):
    url = SETS.replace(OWN_PROJECT, "nobody")
    body = {"quota_set": {}} if method == "put" else None

    answer = getattr(client_as("admin"), method)(url, body)

    assert (answer.status_code, message(answer)) == (
        400,
        "Project ID nobody is not a valid project.",
    )


@pytest.mark.parametrize(("microversion", "status"), [("2.74", 200), ("2.75", 400)])
@pytest.mark.parametrize("url", [SETS, f"{SETS}/detail", "/compute/v2.1/limits"])
def test_unknown_queries_are_refused_since_2_75(microversion, status, url):
    assert client_as("admin", microversion).get(url, {"x": 1}).status_code == status


@pytest.mark.parametrize(
    ("microversion", "shown", "hidden"),
    [
        ("2.35", {"maxSecurityGroups", "totalFloatingIpsUsed"}, set()),
        ("2.36", {"maxImageMeta"}, {"maxSecurityGroups", "totalFloatingIpsUsed"}),
        ("2.38", {"maxImageMeta", "maxPersonality"}, set()),
        ("2.39", {"maxPersonality"}, {"maxImageMeta"}),
        ("2.57", {"maxServerGroups"}, {"maxPersonality", "maxPersonalitySize"}),
    ],
)
def test_limits_come_and_go_with_the_version(microversion, shown, hidden):
    answer = client_as("member", microversion).get("/compute/v2.1/limits").json()["limits"]

    assert answer["rate"] == []
    assert shown <= set(answer["absolute"])
    assert not hidden & set(answer["absolute"])


def test_limits_tell_usage():
    use(instances=2, cores=3, ram=512)

    absolute = client_as("member", "2.104").get("/compute/v2.1/limits").json()["limits"]["absolute"]

    assert absolute == {
        "maxTotalInstances": 10,
        "maxTotalCores": 20,
        "maxTotalRAMSize": 51200,
        "maxTotalKeypairs": 100,
        "maxServerMeta": 128,
        "maxServerGroups": 10,
        "maxServerGroupMembers": 10,
        "totalInstancesUsed": 2,
        "totalCoresUsed": 3,
        "totalRAMUsed": 512,
        "totalServerGroupsUsed": 0,
    }
