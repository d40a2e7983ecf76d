"""`/os-hypervisors/{id}/cloudportal:domains`: what somebody else made on a host, to be adopted."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from rest_framework.response import Response

from cloudportal.api import paging
from cloudportal.api.openapi import documented, listed, wrapped
from cloudportal.api.query import NON_NEGATIVE_TEXT, QuerySchema
from cloudportal.api.representation import (
    BOOLEAN,
    INTEGER,
    STRING,
    array,
    nullable,
    record,
)
from cloudportal.api.validation import NAME, BodySchema, closed
from cloudportal.api.views import ComputeView, WireRequest
from cloudportal.errors import Invalid
from hypervisors.find import host_by_uuid
from identity import policy
from servers.adopt import (
    ADOPT,
    LIST,
    Adoptable,
    AdoptWish,
    adopt_domain,
    adoptable_domains,
    find_domain,
)

ASKED = BodySchema(
    closed(
        {
            "adopt": closed(
                {
                    "project_id": {"type": "string", "minLength": 1, "maxLength": 64},
                    "flavor": {"type": "string", "minLength": 1, "maxLength": 255},
                    "name": NAME,
                },
                ["project_id"],
            )
        },
        ["adopt"],
    )
)
PAGE = QuerySchema(
    {"limit": NON_NEGATIVE_TEXT, "marker": {"type": "string", "format": "uuid"}},
    closed=True,
    single={"limit", "marker"},
)
DOMAIN = record(
    {
        **dict.fromkeys(("id", "name", "power_state"), STRING),
        **dict.fromkeys(("vcpus", "ram", "disk"), INTEGER),
        "disks": array(
            record(
                {**dict.fromkeys(("target", "device", "source"), STRING), "size": nullable(INTEGER)}
            )
        ),
        "interfaces": array(record(dict.fromkeys(("mac", "type", "source", "model"), STRING))),
        "displays": array(STRING),
        "has_serial": BOOLEAN,
        "is_persistent": BOOLEAN,
        "suggested_flavor": nullable(record(dict.fromkeys(("id", "name"), STRING))),
        "obstacle": nullable(STRING),
    }
)
ADOPTED = record({"id": STRING})


class ForeignDomains(ComputeView):
    """The domains of a host that the portal did not make."""

    @documented(
        "List a hypervisor's domains that were not made by this cloud.",
        query=PAGE,
        responses={200: listed("domains", DOMAIN)},
    )
    def get(self, request: WireRequest, hypervisor_id: str) -> Response:
        """Answer with a page; the host is asked."""
        policy.require(request.actor, LIST)
        found = adoptable_domains(hypervisor=host_by_uuid(hypervisor_id), actor=request.actor)
        limit = paging.parse_limit(request.query)
        page = _after(found, request.query.get("marker"))[:limit]
        body: dict[str, Any] = {"domains": [_shown(each) for each in page]}
        if page and len(page) == limit:
            path = ("os-hypervisors", hypervisor_id, "cloudportal:domains")
            last = str(page[-1].domain.uuid)
            href = paging.next_link(self.link(*path), request.query_params, last)
            body["domains_links"] = [{"rel": "next", "href": href}]
        return Response(body)


class AdoptDomain(ComputeView):
    """One of them becomes a server."""

    @documented(
        "Adopt a domain into a project as a server; its guest is not touched.",
        request=ASKED,
        responses={202: wrapped("server", ADOPTED)},
    )
    def post(self, request: WireRequest, hypervisor_id: str, domain_id: str) -> Response:
        """Begin; the server is ACTIVE, or as its guest is, when it is done."""
        wanted = ASKED.check(request.data)["adopt"]
        policy.require(request.actor, ADOPT)
        hypervisor = host_by_uuid(hypervisor_id)
        server = adopt_domain(
            hypervisor=hypervisor,
            domain_id=find_domain(hypervisor, domain_id),
            wish=AdoptWish(
                project_id=wanted["project_id"],
                flavor_id=wanted.get("flavor"),
                name=wanted.get("name"),
            ),
            actor=request.actor,
            now=timezone.now(),
        )
        location = self.link("servers", str(server.pk))
        return Response(
            {"server": {"id": str(server.pk)}}, status=202, headers={"Location": location}
        )


def _after(found: list[Adoptable], marker: Any) -> list[Adoptable]:
    if not marker:
        return found
    ids = [str(each.domain.uuid) for each in found]
    if str(marker).lower() not in ids:
        raise Invalid(f"Marker {marker} could not be found.")
    return found[ids.index(str(marker).lower()) + 1 :]


def _shown(found: Adoptable) -> dict[str, Any]:
    domain, flavor = found.domain, found.flavor
    return {
        "id": str(domain.uuid),
        "name": domain.name,
        "power_state": domain.power_state,
        "vcpus": domain.vcpus,
        "ram": domain.ram_mib,
        "disk": found.disk_gib,
        "disks": [
            {
                "target": disk.target,
                "device": disk.device,
                "source": disk.source,
                "size": disk.size_bytes,
            }
            for disk in domain.disks
        ],
        "interfaces": [
            {"mac": card.mac, "type": card.type, "source": card.source, "model": card.model}
            for card in domain.cards
        ],
        "displays": list(domain.displays),
        "has_serial": domain.has_serial,
        "is_persistent": domain.is_persistent,
        "suggested_flavor": {"id": flavor.flavorid, "name": flavor.name} if flavor else None,
        "obstacle": found.obstacle or None,
    }
