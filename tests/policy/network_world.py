"""One of everything in networks, made without a host, and what the calls send."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from django.utils import timezone

from identity.models import Domain, Project
from networks.create import (
    NewNetwork,
    NewPort,
    NewSubnet,
    create_network,
    create_port,
    create_subnet,
)
from networks.floating_ips import NewFloatingIP, create_floating_ip
from networks.models import NetworkShare
from networks.models.sharing import TAGGED
from networks.routers import NewRouter, add_interface, create_router
from networks.security_groups import NewRule, create_group, create_rule
from networks.tags import add_tags
from tests.authorisation import OWN_PROJECT, actor_named, client_as
from tests.endpoints import PREFIXES
from tests.hypervisors.factories import make_hypervisor

_TAGS = {"tags": ["blue"]}
_NEW_SUBNET = {"network_id": "{network}", "cidr": "fd00::/64", "ip_version": 6}
_NEW_RULE = {"security_group_id": "{security-group}", "direction": "egress", "protocol": "tcp"}
_NEW_SHARE = {
    "object_type": "network",
    "object_id": "{network}",
    "action": "access_as_shared",
    "target_tenant": "p7",
}
_DESCRIBED = {"description": "new"}
# By the beginning of a call: what it sends, with ids in the place of names.
BODIES: dict[str, object] = {
    "POST networks": {"network": {"name": "new"}},
    "POST subnets": {"subnet": _NEW_SUBNET},
    "POST ports": {"port": {"network_id": "{network}"}},
    "POST routers": {"router": {"name": "new"}},
    "POST floatingips": {"floatingip": {"floating_network_id": "{external}"}},
    "POST security-groups": {"security_group": {"name": "new"}},
    "POST security-group-rules": {"security_group_rule": _NEW_RULE},
    "POST rbac-policies": {"rbac_policy": _NEW_SHARE},
    "PUT networks/{pk}": {"network": _DESCRIBED},
    "PUT subnets/{pk}": {"subnet": _DESCRIBED},
    "PUT ports/{pk}": {"port": _DESCRIBED},
    "PUT routers/{pk}": {"router": _DESCRIBED},
    "PUT routers/{pk}/add_router_interface": {"subnet_id": "{other-subnet}"},
    "PUT routers/{pk}/remove_router_interface": {"subnet_id": "{subnet}"},
    "PUT floatingips/{pk}": {"floatingip": _DESCRIBED},
    "PUT security-groups/{pk}": {"security_group": _DESCRIBED},
    "PUT rbac-policies/{pk}": {"rbac_policy": {"target_tenant": "p9"}},
    "PUT quotas/{project_id}": {"quota": {"network": 7}},
}


@dataclass(frozen=True)
class NetworkWorld:
    """The ids of the things that a project has, by the words of addresses and bodies."""

    ids: dict[str, str]

    def path(self, route: str) -> str:
        """The address of a route: its first word says of which kind the thing is."""
        kind = route.split("/")[0]
        key = self.ids.get({"rbac-policies": "share"}.get(kind, kind.removesuffix("s")), "")
        names = {
            # Routes say `pk`, the document `id`.
            "pk": key,
            "id": key,
            "project_id": OWN_PROJECT,
            "alias": "router",
            "word": "red",
        }
        return PREFIXES["network"] + route.format(**names)

    def body(self, call: str) -> str:
        """What a call sends, as JSON."""
        tagging = _TAGS if call.endswith("/tags") else {}
        text = json.dumps(BODIES.get(call, tagging))
        for name, key in self.ids.items():
            text = text.replace(f'"{{{name}}}"', f'"{key}"')
        return text

    def ask(self, method: str, route: str) -> Callable[[str], int]:
        """The call as any of the callers; its status."""
        path, body = self.path(route), self.body(f"{method} {route}")

        def ask(who: str) -> int:
            answer = client_as(who).generic(method, path, body, content_type="application/json")
            return int(answer.status_code)

        return ask


def make_network_world() -> NetworkWorld:
    """Make it all; it belongs to `OWN_PROJECT`, and so do the networks."""
    now, admin, member = timezone.now(), actor_named("admin"), actor_named("member")
    domain = Domain.objects.get_or_create(id="default", defaults={"name": "Default"})[0]
    Project.objects.create(id=OWN_PROJECT, name="own", domain=domain)
    network = create_network(wanted=NewNetwork(name="inside"), actor=admin, now=now)
    other = create_network(wanted=NewNetwork(name="other"), actor=admin, now=now)
    external = create_network(
        wanted=NewNetwork(name="outside", is_external=True), actor=admin, now=now
    )
    subnet, other_subnet, _ = (
        create_subnet(wanted=NewSubnet(str(each.pk), cidr), actor=admin, now=now)
        for each, cidr in (
            (network, "10.5.0.0/24"),
            (other, "10.7.0.0/24"),
            (external, "203.0.113.0/24"),
        )
    )
    port = create_port(wanted=NewPort(str(network.pk)), actor=member, now=now)
    group = create_group(name="g", description="", project_id=OWN_PROJECT, actor=member, now=now)
    rule = create_rule(wanted=NewRule(str(group.pk), "ingress"), actor=member, now=now)
    router = create_router(
        wanted=NewRouter(name="r", external_network_id=str(external.pk)), actor=member, now=now
    )
    add_interface(router=router, subnet_id=str(subnet.pk), port_id=None, actor=member, now=now)
    floating_ip = create_floating_ip(wanted=NewFloatingIP(str(external.pk)), actor=member, now=now)
    share = NetworkShare.objects.create(
        network=network, target_project_id="p8", project_id=OWN_PROJECT
    )
    rows = {
        "network": network,
        "external": external,
        "subnet": subnet,
        "other-subnet": other_subnet,
        "port": port,
        "security-group": group,
        "security-group-rule": rule,
        "router": router,
        "floatingip": floating_ip,
        "share": share,
    }
    for row in rows.values():
        if type(row) in TAGGED:
            add_tags(row=row, rule="update_network", words=["red"], actor=admin, now=now)
    ids = {name: str(row.pk) for name, row in rows.items()}
    return NetworkWorld({**ids, "agent": str(make_hypervisor(name="h0").uuid)})
