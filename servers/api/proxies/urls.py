"""Routes of other services' things in the compute API."""

from django.urls import path

from servers.api.proxies import groups, images, networks, nodes, volumes

_META = "images/<str:image_id>/metadata"
urlpatterns = [
    path("images", images.Images.as_view()),
    path("images/detail", images.ImagesDetail.as_view()),
    path("images/<str:image_id>", images.OneImage.as_view()),
    path(_META, images.ImageMetadata.as_view()),
    path(f"{_META}/<str:key>", images.ImageMetadataItem.as_view()),
    path("os-networks", networks.Networks.as_view()),
    path("os-networks/<str:network_id>", networks.OneNetwork.as_view()),
    path("os-tenant-networks", networks.TenantNetworks.as_view()),
    path("os-tenant-networks/<str:network_id>", networks.OneTenantNetwork.as_view()),
    path("os-floating-ip-pools", networks.FloatingIpPools.as_view()),
    path("os-floating-ips", networks.FloatingIps.as_view()),
    path("os-floating-ips/<str:floating_ip_id>", networks.OneFloatingIp.as_view()),
    path("os-security-groups", groups.SecurityGroups.as_view()),
    path("os-security-groups/<str:group_id>", groups.OneSecurityGroup.as_view()),
    path("os-security-group-rules", groups.SecurityGroupRules.as_view()),
    path("os-security-group-rules/<str:rule_id>", groups.OneSecurityGroupRule.as_view()),
    path("servers/<str:server_id>/os-security-groups", groups.ServerSecurityGroups.as_view()),
    *volumes.routes(),
    *nodes.routes(),
]
