"""Passwords, topology, shares, consoles and migrations of servers."""

from uuid import uuid4

import pytest
from django.utils import timezone

from scheduling.place import hold_server
from servers.models import ConsoleToken, Server
from servers.states import TaskState
from tests.authorisation import ADMINS, MANAGERS, MEMBERS, READERS, Endpoint, client_as, matrix
from tests.scheduling.two_cells import CELLS, pinned, spec_of

ONE = "/compute/v2.1/servers/{server}"
FOREIGN = dict.fromkeys(("foreign reader", "foreign member", "foreign manager", "unscoped"), 404)
SHARE = {"share": {"share_id": str(uuid4())}}
CONSOLE = {"remote_console": {"protocol": "vnc", "type": "novnc"}}
MIGRATIONS = "/compute/v2.1/os-migrations"


def of_server(method, path, ok, allowed, body=None):
    return Endpoint(method, ONE + path, ok, allowed, body=body, exceptions=FOREIGN)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("endpoint", "who"),
    matrix(
        [
            of_server("GET", "/os-server-password", 200, READERS),
            of_server("DELETE", "/os-server-password", 204, MEMBERS),
            of_server("GET", "/topology", 200, READERS),
            of_server("GET", "/shares", 200, READERS),
            of_server("POST", "/shares", 403, MEMBERS, SHARE),
            of_server("GET", "/shares/x", 404, READERS),
            of_server("DELETE", "/shares/x", 404, MEMBERS),
            of_server("GET", "/os-security-groups", 200, READERS),
            of_server("POST", "/remote-consoles", 200, MEMBERS, CONSOLE),
            of_server("GET", "/migrations", 200, MANAGERS),
            of_server("GET", "/migrations/1", 404, ADMINS),
            of_server("DELETE", "/migrations/1", 409, MANAGERS),
            of_server("POST", "/migrations/1/action", 409, MANAGERS, {"force_complete": None}),
            Endpoint("GET", MIGRATIONS, 200, ADMINS),
            Endpoint("GET", "/compute/v2.1/os-console-auth-tokens/x", 404, ADMINS),
        ]
    ),
)
def test_who_may_do_what(endpoint, who, active):
    assert endpoint.status(who, server=active().pk) == endpoint.expected(who)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("method", "path", "before", "since", "body", "status"),
    [
        ("get", "/topology", "2.77", "2.78", None, 200),
        ("get", "/shares", "2.96", "2.97", None, 200),
        ("post", "/shares", "2.96", "2.97", SHARE, 403),
        ("post", "/remote-consoles", "2.5", "2.6", CONSOLE, 200),
        ("get", "/migrations", "2.22", "2.23", None, 200),
        ("get", "/migrations/1", "2.22", "2.23", None, 404),
        ("delete", "/migrations/1", "2.23", "2.24", None, 409),
        ("post", "/migrations/1/action", "2.21", "2.22", {"force_complete": None}, 409),
    ],
)
def test_they_begin_at_their_microversions(active, method, path, before, since, body, status):
    address = ONE.format(server=active().pk) + path

    early = getattr(client_as("admin", before), method)(address, body)
    late = getattr(client_as("admin", since), method)(address, body)

    assert early.status_code == 404
    assert early.json()["itemNotFound"]["message"] == "The resource could not be found."
    assert late.status_code == status


@pytest.mark.django_db
def test_there_is_no_password_no_node_and_no_share(active):
    address = ONE.format(server=active().pk)
    client = client_as("reader", "2.104")

    assert client.get(f"{address}/os-server-password").json() == {"password": ""}
    assert client.get(f"{address}/topology").json() == {"nodes": [], "pagesize_kb": None}
    assert client.get(f"{address}/shares").json() == {"shares": []}


@pytest.fixture
def numa_server(active, host) -> Server:
    """Two nodes on the host's cells, each vCPU with a CPU of its own."""
    asked = pinned(4, nodes=2, page_size="large")
    host.capabilities = {**host.capabilities, "cells": [cell.to_json() for cell in CELLS]}
    host.save()
    made = active(request_spec=spec_of(asked).to_json())
    made.flavor = {
        **made.flavor,
        "vcpus": 4,
        "extra_specs": {"hw:numa_nodes": "2", "hw:cpu_policy": "dedicated", "hw:cpu_threads": "2"},
    }
    made.save()
    hold_server(server_id=made.pk, hypervisor_id=host.pk, spec=spec_of(asked), now=timezone.now())
    return made


@pytest.mark.django_db
def test_nodes_are_shown_and_where_they_are_to_administrators_alone(numa_server):
    address = f"{ONE.format(server=numa_server.pk)}/topology"

    seen = client_as("reader", "2.78").get(address).json()
    known = client_as("admin", "2.78").get(address).json()

    assert seen == {
        "nodes": [
            {"vcpu_set": [0, 1], "siblings": [[0, 1]], "memory_mb": 256},
            {"vcpu_set": [2, 3], "siblings": [[2, 3]], "memory_mb": 256},
        ],
        "pagesize_kb": 2048,
    }
    assert [node["host_node"] for node in known["nodes"]] == [0, 1]
    assert [node["cpu_pinning"] for node in known["nodes"]] == [
        {"0": 0, "1": 8},
        {"2": 4, "3": 12},
    ]


@pytest.mark.django_db
def test_nodes_of_a_server_without_a_host_are_nowhere_yet(numa_server):
    Server.objects.update(hypervisor=None)

    shown = client_as("admin", "2.78").get(f"{ONE.format(server=numa_server.pk)}/topology").json()

    assert shown["pagesize_kb"] is None
    assert {tuple(node) for node in shown["nodes"]} == {("vcpu_set", "siblings", "memory_mb")}


@pytest.mark.django_db
@pytest.mark.parametrize(("version", "status"), [("2.30", 400), ("2.31", 404), ("2.99", 404)])
def test_an_unknown_token_opens_no_console(version, status):
    path = "/compute/v2.1/os-console-auth-tokens/x"

    assert client_as("admin", version).get(path).status_code == status
    strict = client_as("admin", version).get(f"{path}?a=b").status_code
    assert strict == (400 if version == "2.99" else status)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, 200),
        ({"hypervisor": None}, 409),
        ({"task_state": TaskState.DELETING}, 409),
        ({"task_state": TaskState.MIGRATING}, 409),
        ({"task_state": TaskState.REBOOTING}, 200),
    ],
)
@pytest.mark.parametrize("way", ["remote-consoles", "action"])
def test_a_console_is_an_address_with_a_token(active, fields, status, way):
    server = active(**fields)
    body = CONSOLE if way == "remote-consoles" else {"os-getVNCConsole": {"type": "novnc"}}
    version = "2.6" if way == "remote-consoles" else "2.5"

    answer = client_as("member", version).post(f"{ONE.format(server=server.pk)}/{way}", body)

    assert answer.status_code == status
    if status == 200:
        shown = answer.json()["remote_console" if way == "remote-consoles" else "console"]
        assert shown.pop("url").startswith("http://127.0.0.1:8000/console/vnc?token=")
        protocol = {"protocol": "vnc"} if way == "remote-consoles" else {}
        assert shown == {**protocol, "type": "novnc"}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "kind", "status"),
    [
        ("os-getVNCConsole", "xvpvnc", 400),
        ("os-getSerialConsole", "serial", 200),
        ("os-getSPICEConsole", "spice-html5", 400),
        ("os-getRDPConsole", "rdp-html5", 400),
    ],
)
def test_the_older_actions_open_what_there_is_until_2_5(active, name, kind, status):
    address = f"{ONE.format(server=active().pk)}/action"

    assert client_as("member", "2.1").post(address, {name: {"type": kind}}).status_code == status
    assert client_as("member", "2.6").post(address, {name: {"type": kind}}).status_code == 404


@pytest.mark.django_db
@pytest.mark.parametrize(("kind", "port"), [("novnc", 5900), ("serial", None)])
def test_an_administrator_sees_what_a_token_opens(active, monkeypatch, kind, port):
    server = active()
    monkeypatch.setattr("servers.remote_console.display_port", lambda *_: 5900)
    body = {"remote_console": {"protocol": "vnc" if kind == "novnc" else kind, "type": kind}}
    made = client_as("member", "2.6").post(f"{ONE.format(server=server.pk)}/remote-consoles", body)
    token = made.json()["remote_console"]["url"].partition("token=")[2]
    path = f"/compute/v2.1/os-console-auth-tokens/{token}"

    console = {
        "instance_uuid": str(server.pk),
        "host": "alpha",
        "port": port,
        "internal_access_path": None,
    }
    assert client_as("admin", "2.31").get(path).json() == {"console": console}
    assert client_as("admin", "2.99").get(path).json() == {"console": {**console, "tls_port": None}}
    assert client_as("admin", "2.30").get(path).status_code == 400
    ConsoleToken.objects.update(used_at=server.created_at)
    assert client_as("admin", "2.31").get(path).status_code == 404
    Server.objects.update(hypervisor=None)
    ConsoleToken.objects.update(used_at=None)
    assert client_as("admin", "2.31").get(path).status_code == 404


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("version", "protocol", "kind", "is_known"),
    [
        ("2.7", "mks", "webmks", False),
        ("2.8", "mks", "webmks", True),
        ("2.98", "spice", "spice-direct", False),
        ("2.99", "spice", "spice-direct", True),
        ("2.6", "rdp", "rdp-html5", True),
    ],
)
def test_types_are_known_from_their_microversion_on(active, version, protocol, kind, is_known):
    body = {"remote_console": {"protocol": protocol, "type": kind}}

    answer = client_as("member", version).post(
        f"{ONE.format(server=active().pk)}/remote-consoles", body
    )

    message = answer.json()["badRequest"]["message"]
    assert message.startswith("Unavailable console type") is is_known


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("version", "query", "status"),
    [
        ("2.58", {"limit": "x", "color": "red"}, 200),
        ("2.59", {"color": "red"}, 400),
        ("2.59", {"limit": "1", "host": "alpha"}, 200),
        ("2.59", {"limit": "x"}, 400),
        ("2.59", {"marker": "x"}, 400),
        ("2.59", {"marker": str(uuid4())}, 400),
        ("2.59", {"changes-since": "soon"}, 400),
        ("2.59", {"changes-before": "2026-01-01T00:00:00Z"}, 400),
        ("2.66", {"changes-before": "2026-01-01T00:00:00Z"}, 200),
        (
            "2.66",
            {"changes-before": "2026-01-01T00:00:00Z", "changes-since": "2026-02-01T00:00:00Z"},
            400,
        ),
        ("2.79", {"user_id": "x"}, 400),
        ("2.80", {"user_id": "x"}, 200),
    ],
)
def test_queries_of_migrations_are_checked(version, query, status):
    answer = client_as("admin", version).get(MIGRATIONS, query)

    assert answer.status_code == status
    if status == 200:
        assert answer.json() == {"migrations": []}


@pytest.mark.django_db
@pytest.mark.parametrize(("version", "status"), [("2.79", 403), ("2.80", 200)])
def test_a_manager_lists_those_of_the_own_project(version, status):
    project = "0" * 31 + "1"
    client = client_as("manager", version)

    assert client.get(MIGRATIONS).status_code == 403
    query = {"project_id": project} if version == "2.80" else {}
    assert client.get(MIGRATIONS, query).status_code == status
