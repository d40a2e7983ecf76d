"""Routes of the servers API, without their prefix."""

from django.urls import URLPattern, URLResolver, include, path

from servers.api.actions import ServerActions
from servers.api.addresses import Addresses, AddressesOnNetwork
from servers.api.aggregate_images import AggregateImages
from servers.api.explanation import Explanation
from servers.api.foreign_domains import AdoptDomain, ForeignDomains
from servers.api.instance_actions import InstanceActions, OneInstanceAction
from servers.api.interfaces import Interfaces, OneInterface
from servers.api.labels import ServerMetadata, ServerMetadataItem, ServerTag, ServerTags
from servers.api.options import ServerOptions
from servers.api.servers import OneServer, Servers, ServersDetail
from servers.api.timeline import ActionTimeline
from servers.api.volume_attachments import OneVolumeAttachment, VolumeAttachments

_ONE = "servers/<str:server_id>"
_DOMAINS = "os-hypervisors/<str:hypervisor_id>/cloudportal:domains"
urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("servers.api.meta_urls")),
    path("", include("servers.api.key_pair_urls")),
    path("os-aggregates/<str:aggregate_id>/images", AggregateImages.as_view()),
    path("", include("servers.api.group_urls")),
    path(_DOMAINS, ForeignDomains.as_view()),
    path(f"{_DOMAINS}/<str:domain_id>/adopt", AdoptDomain.as_view()),
    path("servers", Servers.as_view()),
    path("servers/detail", ServersDetail.as_view()),
    path(_ONE, OneServer.as_view()),
    path(f"{_ONE}/action", ServerActions.as_view()),
    path(f"{_ONE}/metadata", ServerMetadata.as_view()),
    path(f"{_ONE}/metadata/<str:key>", ServerMetadataItem.as_view()),
    path(f"{_ONE}/tags", ServerTags.as_view()),
    path(f"{_ONE}/tags/<str:tag>", ServerTag.as_view()),
    path(f"{_ONE}/ips", Addresses.as_view()),
    path(f"{_ONE}/ips/<str:label>", AddressesOnNetwork.as_view()),
    path(f"{_ONE}/os-interface", Interfaces.as_view()),
    path(f"{_ONE}/os-interface/<str:port_id>", OneInterface.as_view()),
    path(f"{_ONE}/os-volume_attachments", VolumeAttachments.as_view()),
    path(f"{_ONE}/os-volume_attachments/<str:volume_id>", OneVolumeAttachment.as_view()),
    path(f"{_ONE}/os-instance-actions", InstanceActions.as_view()),
    path(f"{_ONE}/os-instance-actions/<str:request_id>", OneInstanceAction.as_view()),
    path(
        f"{_ONE}/os-instance-actions/<str:request_id>/cloudportal:timeline",
        ActionTimeline.as_view(),
    ),
    path(f"{_ONE}/cloudportal:options", ServerOptions.as_view()),
    path(f"{_ONE}/cloudportal:explanation", Explanation.as_view()),
]
