"""Who may call what; a server of another project looks absent."""

import pytest

from operations.models import Operation
from servers.create import create_servers
from servers.models import Server, ServerAction
from servers.states import VmState
from tests.authorisation import ADMINS, MEMBERS, READERS, Endpoint, actor_named, matrix

FOREIGN = dict.fromkeys(
    ("foreign reader", "foreign member", "foreign manager", "unscoped"),
    404,
)
ONE = "/compute/v2.1/servers/{server}"


def of_server(method, path, ok, allowed, body=None):
    return Endpoint(method, ONE + path, ok=ok, allowed=allowed, body=body, exceptions=FOREIGN)


ENDPOINTS = [
    Endpoint(
        "GET",
        "/compute/v2.1/servers",
        ok=200,
        allowed=READERS | {"foreign reader", "foreign member", "foreign manager"},
    ),
    Endpoint("GET", "/compute/v2.1/servers/detail?all_tenants=1", ok=200, allowed=ADMINS),
    of_server("GET", "", 200, READERS),
    of_server("PUT", "", 200, MEMBERS, {"server": {"name": "new"}}),
    of_server("DELETE", "", 204, MEMBERS),
    of_server("POST", "/action", 202, MEMBERS, {"os-stop": None}),
    of_server("POST", "/action", 202, MEMBERS, {"reboot": {"type": "SOFT"}}),
    of_server("POST", "/action", 202, MEMBERS, {"forceDelete": None}),
    of_server("POST", "/action", 202, MEMBERS, {"pause": None}),
    of_server("POST", "/action", 202, MEMBERS, {"suspend": None}),
    of_server("POST", "/action", 409, MEMBERS, {"unpause": None}),
    of_server("POST", "/action", 409, MEMBERS, {"resume": None}),
    of_server("POST", "/action", 409, MEMBERS, {"restore": None}),
    of_server("POST", "/action", 202, MEMBERS, {"lock": None}),
    of_server("POST", "/action", 202, MEMBERS, {"unlock": None}),
    of_server("POST", "/action", 202, ADMINS, {"os-resetState": {"state": "error"}}),
    of_server("GET", "/metadata", 200, READERS),
    of_server("PUT", "/metadata", 200, MEMBERS, {"metadata": {"a": "b"}}),
    of_server("GET", "/metadata/color", 200, READERS),
    of_server("DELETE", "/metadata/color", 204, MEMBERS),
    of_server("GET", "/tags", 200, READERS),
    of_server("PUT", "/tags/new", 201, MEMBERS),
    of_server("DELETE", "/tags", 204, MEMBERS),
    of_server("GET", "/ips", 200, READERS),
    of_server("GET", "/os-instance-actions", 200, READERS),
    of_server("GET", "/os-instance-actions/req-make", 200, READERS),
]


@pytest.fixture
def server(wanted, now, host):
    server = create_servers(
        wanted=wanted(metadata={"color": "red"}), actor=actor_named("owner"), now=now
    )[0]
    # As the build leaves it.
    Server.objects.update(
        vm_state=VmState.ACTIVE, task_state=None, hypervisor=host, launched_at=now
    )
    ServerAction.objects.update(request_id="req-make")
    Operation.objects.all().delete()
    return server


@pytest.mark.django_db
@pytest.mark.parametrize(("endpoint", "who"), matrix(ENDPOINTS))
def test_who_may_do_what(endpoint, who, server):
    assert endpoint.status(who, server=server.pk) == endpoint.expected(who)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("endpoint", "who"),
    matrix([of_server("GET", "/cloudportal:explanation", 404, ADMINS)]),
)
def test_only_administrators_may_ask_for_the_explanation(endpoint, who, server):
    # There is none yet, hence 404 for those who may ask.
    assert endpoint.status(who, server=server.pk) == endpoint.expected(who)


CREATORS = MEMBERS | {"foreign member", "foreign manager"}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("endpoint", "who"),
    matrix([Endpoint("POST", "/compute/v2.1/servers", ok=202, allowed=CREATORS)]),
)
def test_who_may_create(endpoint, who, body):
    asking = Endpoint("POST", endpoint.path, ok=202, allowed=CREATORS, body=body(key_name=...))

    assert asking.status(who) == asking.expected(who)
