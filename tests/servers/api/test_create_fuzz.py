"""Whatever is sent as the body of a create request is accepted or refused, never a failure."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from cloudportal.api.microversions import Microversion
from servers.api.schemas import CREATE
from servers.models import Server
from tests.authorisation import client_as

VERSIONS = ["2.1", "2.19", "2.32", "2.37", "2.42", "2.52", "2.57", "2.63", "2.67", "2.74", "2.94"]
FIELDS = sorted(
    {
        name
        for version in VERSIONS
        for name in CREATE.at(Microversion.parse(version)).schema["properties"]["server"][
            "properties"
        ]
    }
)
ODD_TEXT = st.sampled_from(
    [
        *("", " ", "a" * 300, "\N{SNOWMAN}", "a\u0001b", "\ud800", "::1%eth0", "nova:a:b:c", "0"),
        *("-1", "9" * 5000, "../..", "'; --", "http://x/flavors/1", "{}", "None", "true", "a/b"),
    ]
)
SCALAR = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | ODD_TEXT
)
JSON = st.recursive(
    SCALAR,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3)
    ),
    max_leaves=8,
)
NEARLY_RIGHT = {
    "name": st.text(max_size=260),
    "flavorRef": st.sampled_from(["1", 1, "http://x/flavors/1", "2", ""]),
    "min_count": st.integers(-1, 10**12) | st.from_regex(r"\A[0-9]{1,20}\Z"),
    "max_count": st.integers(-1, 10**12) | st.from_regex(r"\A[0-9]{1,20}\Z"),
    "metadata": st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3),
    "networks": st.lists(
        st.fixed_dictionaries(
            {},
            optional={"uuid": st.uuids().map(str), "port": st.none(), "fixed_ip": ODD_TEXT},
        ),
        max_size=2,
    ),
    "user_data": st.binary(max_size=20).map(lambda data: data.hex()),
    "tags": st.lists(st.text(max_size=8), max_size=3),
    "security_groups": st.lists(st.fixed_dictionaries({"name": st.text(max_size=5)}), max_size=2),
    "accessIPv4": st.ip_addresses(v=4).map(str),
    "accessIPv6": st.ip_addresses(v=6).map(lambda address: f"{address}%1"),
    "availability_zone": st.sampled_from(["nova", "nova:alpha", "a:b:c", "a:b:c:d", ":", "::"]),
    "block_device_mapping_v2": st.lists(
        st.fixed_dictionaries(
            {"source_type": st.sampled_from(["image", "blank", "volume"])},
            optional={
                "boot_index": st.integers(-2, 2) | st.just("0"),
                "destination_type": st.sampled_from(["local", "volume"]),
                "uuid": st.uuids().map(str),
                "volume_size": st.integers(0, 2**33),
                "guest_format": st.sampled_from(["swap", "ext4", ""]),
            },
        ),
        max_size=4,
    ),
    "personality": st.lists(
        st.fixed_dictionaries({"path": st.text(max_size=300), "contents": st.just("aGk=")}),
        max_size=7,
    ),
}
VALUES = {name: NEARLY_RIGHT.get(name, JSON) | JSON for name in FIELDS} | {"unknown": JSON}
# One odd field in an otherwise right body gets further in than many at once.
ONE_FIELD = st.one_of(*(st.fixed_dictionaries({name: value}) for name, value in VALUES.items()))
SERVER = ONE_FIELD | st.fixed_dictionaries({}, optional=VALUES)
REQUIRED = ["name", "flavorRef", "imageRef", "networks"]


@pytest.mark.django_db
@given(
    version=st.sampled_from(VERSIONS),
    fields=SERVER,
    kept=st.just(REQUIRED) | st.sets(st.sampled_from(REQUIRED)),
    outside=st.dictionaries(st.sampled_from(["os:scheduler_hints", "more"]), JSON, max_size=1),
)
@settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_a_create_body_never_fails(body, version, fields, kept, outside):
    right = body()["server"]
    sent = {"server": {name: right[name] for name in kept} | fields, **outside}

    answer = client_for(version).post(
        "/compute/v2.1/servers", json.dumps(sent), content_type="application/json"
    )

    _check(answer)


@pytest.mark.django_db
@given(data=st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_bytes_that_are_no_request_are_refused(data):
    answer = client_for("2.1").post("/compute/v2.1/servers", data, content_type="application/json")

    assert answer.status_code == 400
    _check(answer)


_clients: dict[str, APIClient] = {}


def client_for(version):
    """One client a version: making one loads all middleware anew."""
    if version not in _clients:
        _clients[version] = client_as("admin", version)
    return _clients[version]


def _check(answer):
    assert answer.status_code in {202, 400, 403, 409}, answer.content
    if answer.status_code == 202:
        assert Server.objects.exists()
        return
    (name, fault), *more = answer.json().items()
    assert not more
    assert name in {"badRequest", "forbidden", "conflictingRequest"}
    assert fault["code"] == answer.status_code
    assert fault["message"]


HALF = "\ud800"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "fields",
    [
        {"adminPass": HALF},
        {"description": HALF},
        {"metadata": {"key": HALF}},
        {"key_name": HALF},
        {"flavorRef": HALF},
        {"tags": [HALF]},
        {"adminPass": "\0"},
    ],
    ids=str,
)
def test_text_that_no_database_can_hold_is_refused(body, fields):
    answer = client_for("2.94").post(
        "/compute/v2.1/servers", json.dumps(body(**fields)), content_type="application/json"
    )

    assert answer.status_code == 400
    assert answer.json()["badRequest"]["message"] == "Malformed request body"
