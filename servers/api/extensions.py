"""The extensions list: a relic of the time before microversions that some clients still read."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from cloudportal.api.openapi import documented, listed, wrapped
from cloudportal.api.representation import LINKS, STRING, record
from cloudportal.api.views import ComputeView
from cloudportal.errors import NotFound

NAMES = {
    "OS-DCF": "DiskConfig",
    "OS-EXT-AZ": "ExtendedAvailabilityZone",
    "OS-EXT-SRV-ATTR": "ExtendedServerAttributes",
    "OS-EXT-STS": "ExtendedStatus",
    "OS-FLV-DISABLED": "FlavorDisabled",
    "OS-FLV-EXT-DATA": "FlavorExtraData",
    "OS-SCH-HNT": "SchedulerHints",
    "OS-SRV-USG": "ServerUsage",
    "os-aggregates": "Aggregates",
    "os-availability-zone": "AvailabilityZone",
    "os-config-drive": "ConfigDrive",
    "os-console-output": "ConsoleOutput",
    "os-flavor-access": "FlavorAccess",
    "os-flavor-extra-specs": "FlavorExtraSpecs",
    "os-flavor-manage": "FlavorManage",
    "os-flavor-rxtx": "FlavorRxtx",
    "os-flavor-swap": "FlavorSwap",
    "os-hypervisors": "Hypervisors",
    "os-instance-actions": "InstanceActions",
    "os-keypairs": "Keypairs",
    "os-quota-class-sets": "QuotaClasses",
    "os-quota-sets": "Quotas",
    "os-server-groups": "ServerGroups",
    "os-server-start-stop": "ServerStartStop",
    "os-services": "Services",
    "os-used-limits": "UsedLimits",
    "os-user-data": "UserData",
    "cloudportal": "CloudportalFlow",
}
DESCRIPTIONS = {
    "cloudportal": "Keys of server creation that begin with cloudportal: and fit this portal only.",
}


EXTENSION = record(
    {
        **dict.fromkeys(("alias", "name", "namespace", "description", "updated"), STRING),
        "links": LINKS,
    }
)


def _extension(alias: str) -> dict[str, Any]:
    return {
        "alias": alias,
        "name": NAMES[alias],
        "namespace": "http://docs.openstack.org/compute/ext/fake_xml",
        "description": DESCRIPTIONS.get(alias, ""),
        "links": [],
        "updated": "2014-12-03T00:00:00Z",
    }


class ExtensionsView(ComputeView):
    """All extensions."""

    @documented(
        "List the extensions.", responses={200: listed("extensions", EXTENSION, links=None)}
    )
    def get(self, request: Request) -> Response:
        """Answer with the list."""
        return Response({"extensions": [_extension(alias) for alias in sorted(NAMES)]})


class ExtensionView(ComputeView):
    """One extension."""

    @documented("Show an extension.", responses={200: wrapped("extension", EXTENSION)})
    def get(self, request: Request, alias: str) -> Response:
        """Answer with the extension."""
        if alias not in NAMES:
            raise NotFound("The resource could not be found.")
        return Response({"extension": _extension(alias)})
