"""Who may do what with networks: every address, every role, the own and a foreign project."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from django.utils import timezone

from networks.create import (
    NewNetwork,
    NewPort,
    NewSubnet,
    create_network,
    create_port,
    create_subnet,
)
from networks.models import NetworkShare
from networks.routers import NewRouter, create_router
from networks.security_groups import NewRule, create_group, create_rule
from tests.authorisation import FOREIGN_PROJECT, OWN_PROJECT, actor_named, client_as

pytestmark = [pytest.mark.django_db, pytest.mark.once]
V2 = "/network/v2.0"
WHO = [
    *("nobody", "reader", "member", "manager", "admin", "without role", "unscoped"),
    *("foreign reader", "foreign member", "foreign admin"),
]
ADMINS = {"admin", "foreign admin"}
MEMBERS = ADMINS | {"member", "manager"}
READERS = MEMBERS | {"reader"}
SIX = {"network_id": "{network}", "cidr": "fd00::/64", "ip_version": 6}
FOREIGN = {"foreign reader", "foreign member"}


def rules() -> list[tuple[str, str, object, set[str], int]]:
    """Method, path, body, who may, and what it then answers."""
    own = [
        ("networks/{network}", "network", ADMINS, 409),
        ("subnets/{subnet}", "subnet", ADMINS, 409),
        ("ports/{port}", "port", MEMBERS, 204),
        ("security-groups/{group}", "security_group", MEMBERS, 204),
        ("routers/{router}", "router", MEMBERS, 204),
    ]
    found: list[tuple[str, str, object, set[str], int]] = []
    for path, name, may, deleted in own:
        found += [
            ("GET", path, None, READERS, 200),
            ("PUT", path, {name: {"description": "x"}}, may, 200),
            ("GET", f"{path}/tags", None, READERS, 200),
            ("PUT", f"{path}/tags", {"tags": ["a"]}, may, 200),
            ("PUT", f"{path}/tags/b", None, may, 201),
            ("DELETE", f"{path}/tags", None, may, 204),
            ("DELETE", path, None, may, deleted),
        ]
    return [
        *found,
        ("GET", "security-group-rules/{rule}", None, READERS, 200),
        ("PUT", "security-group-rules/{rule}/tags", {"tags": ["a"]}, MEMBERS, 200),
        ("DELETE", "security-group-rules/{rule}", None, MEMBERS, 204),
        ("GET", "rbac-policies/{share}", None, READERS, 200),
        ("PUT", "rbac-policies/{share}", {"rbac_policy": {"target_tenant": "p9"}}, MEMBERS, 200),
        ("DELETE", "rbac-policies/{share}", None, MEMBERS, 204),
        (
            "PUT",
            "routers/{router}/add_router_interface",
            {"subnet_id": "{subnet}"},
            MEMBERS,
            200,
        ),
    ]


@pytest.fixture
def world():
    """What a project has, with ids by name."""
    now, admin, member = timezone.now(), actor_named("admin"), actor_named("member")
    network = create_network(wanted=NewNetwork(name="n"), actor=admin, now=now)
    key = str(network.pk)
    subnet = create_subnet(wanted=NewSubnet(key, "10.5.0.0/24"), actor=admin, now=now)
    port = create_port(wanted=NewPort(key), actor=member, now=now)
    group = create_group(name="g", description="", project_id=OWN_PROJECT, actor=member, now=now)
    rule = create_rule(wanted=NewRule(str(group.pk), "ingress"), actor=member, now=now)
    router = create_router(wanted=NewRouter(name="r"), actor=member, now=now)
    share = NetworkShare.objects.create(
        network=network, target_project_id="p8", project_id=OWN_PROJECT
    )
    return {
        name: str(row.pk)
        for name, row in SimpleNamespace(
            network=network,
            subnet=subnet,
            port=port,
            group=group,
            rule=rule,
            router=router,
            share=share,
        ).__dict__.items()
    }


def filled(body: object, world: dict[str, str]) -> str:
    """The body as JSON, with ids in the place of names."""
    text = json.dumps(body)
    for name, key in world.items():
        text = text.replace(f'"{{{name}}}"', f'"{key}"')
    return text


def expected(who: str, may: set[str], ok: int) -> int:
    if who == "nobody":
        return 401
    if who in may:
        return ok
    # What a project does not see is not there for it; without a role nothing is.
    return 404 if who in FOREIGN else 403


@pytest.mark.parametrize(
    ("method", "path", "body", "may", "ok"), rules(), ids=[f"{r[0]} {r[1]}" for r in rules()]
)
def test_who_may_do_what_with_what_a_project_has(world, method, path, body, may, ok):
    text = filled(body, world)
    # Those who change nothing first; of those who may, one is enough.
    may_not = [who for who in WHO if who not in may]
    for who in [*may_not, "member" if "member" in may else "admin"]:
        sent: dict[str, Any] = (
            {} if body is None else {"data": text, "content_type": "application/json"}
        )
        answer = client_as(who).generic(method, f"{V2}/{path.format(**world)}", **sent)

        assert answer.status_code == expected(who, may, ok), (who, answer.content)


@pytest.mark.parametrize(
    "plural",
    [
        *("networks", "subnets", "ports", "security-groups", "security-group-rules"),
        *("routers", "floatingips", "rbac-policies"),
    ],
)
def test_lists_show_what_is_the_projects_own(world, plural):
    for who in WHO:
        answer = client_as(who).get(f"{V2}/{plural}")

        if who in ("nobody", "without role", "unscoped"):
            assert answer.status_code == (401 if who == "nobody" else 403)
            continue
        rows = answer.json()[plural.replace("-", "_")]
        if who in FOREIGN:
            assert {row["project_id"] for row in rows} <= {FOREIGN_PROJECT}
        elif plural != "floatingips":
            assert {row["project_id"] for row in rows} >= {OWN_PROJECT}


@pytest.mark.parametrize(
    ("path", "body", "may"),
    [
        ("networks", {"network": {"name": "m"}}, ADMINS),
        (
            "subnets",
            {"subnet": {"network_id": "{network}", "cidr": "fd00::/64", "ip_version": 6}},
            ADMINS,
        ),
        ("ports", {"port": {"network_id": "{network}"}}, MEMBERS),
        ("security-groups", {"security_group": {"name": "h"}}, MEMBERS | {"foreign member"}),
        (
            "security-group-rules",
            {"security_group_rule": {"security_group_id": "{group}", "direction": "egress"}},
            MEMBERS,
        ),
        ("routers", {"router": {"name": "s"}}, MEMBERS | {"foreign member"}),
        (
            "rbac-policies",
            {
                "rbac_policy": {
                    "object_type": "network",
                    "object_id": "{network}",
                    "action": "access_as_shared",
                    "target_tenant": "p7",
                }
            },
            MEMBERS,
        ),
    ],
)
def test_who_may_make_what(world, path, body, may):
    text = filled(body, world)
    for who in [
        *(each for each in WHO if each not in may),
        "member" if "member" in may else "admin",
    ]:
        answer = client_as(who).post(f"{V2}/{path}", text, content_type="application/json")

        wanted = 401 if who == "nobody" else 201 if who in may else None
        if wanted is None:
            assert answer.status_code in (403, 404), (who, answer.content)
        elif path == "security-group-rules" and answer.status_code == 409:
            assert "already exists" in answer.json()["NeutronError"]["message"]
        else:
            assert answer.status_code == wanted, (who, answer.content)
