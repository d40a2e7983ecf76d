"""Routes of the volume API; each is there with and without the project in its path."""

from django.urls import URLPattern, URLResolver, include, path, re_path

from volumes.api import (
    actions,
    attachments,
    info,
    messages,
    snapshots,
    summary,
    transfers,
    type_access,
    types,
    versions,
    volumes,
)

_VOLUME = "volumes/<str:volume_id>"
_SNAPSHOT = "snapshots/<str:snapshot_id>"
_TYPE = "types/<str:type_id>"
# Transfers have two addresses; clients take the newer one where there is 3.55.
_TRANSFERS = {"os-volume-transfer": "", "volume-transfers": "3.55"}


def _transfers(base: str, since: str) -> list[URLPattern]:
    one = f"{base}/<str:transfer_id>"
    return [
        path(base, transfers.Transfers.as_view(since=since)),
        path(f"{base}/detail", transfers.TransfersDetail.as_view(since=since)),
        path(one, transfers.OneTransfer.as_view(since=since)),
        path(f"{one}/accept", transfers.TransferAcceptance.as_view(since=since)),
    ]


_routes = [
    path("volumes", volumes.Volumes.as_view()),
    path("volumes/detail", volumes.VolumesDetail.as_view()),
    path("volumes/summary", summary.VolumeSummary.as_view(since="3.12")),
    path(_VOLUME, volumes.OneVolume.as_view()),
    path(f"{_VOLUME}/action", actions.VolumeActions.as_view()),
    path(f"{_VOLUME}/metadata", volumes.VolumeMetadata.as_view()),
    path(f"{_VOLUME}/metadata/<str:key>", volumes.VolumeMetadataItem.as_view()),
    path("snapshots", snapshots.Snapshots.as_view()),
    path("snapshots/detail", snapshots.SnapshotsDetail.as_view()),
    path(_SNAPSHOT, snapshots.OneSnapshot.as_view()),
    path(f"{_SNAPSHOT}/action", snapshots.SnapshotActions.as_view()),
    path(f"{_SNAPSHOT}/metadata", snapshots.SnapshotMetadata.as_view()),
    path(f"{_SNAPSHOT}/metadata/<str:key>", snapshots.SnapshotMetadataItem.as_view()),
    path("types", types.VolumeTypes.as_view()),
    path(_TYPE, types.OneVolumeType.as_view()),
    path(f"{_TYPE}/extra_specs", types.ExtraSpecs.as_view()),
    path(f"{_TYPE}/extra_specs/<str:key>", types.OneExtraSpec.as_view()),
    path(f"{_TYPE}/action", type_access.TypeActions.as_view()),
    path(f"{_TYPE}/os-volume-type-access", type_access.TypeAccess.as_view()),
    path("default-types", type_access.DefaultTypes.as_view(since="3.62")),
    path("default-types/<str:target_id>", type_access.OneDefaultType.as_view(since="3.62")),
    path("attachments", attachments.Attachments.as_view()),
    path("attachments/detail", attachments.AttachmentsDetail.as_view()),
    path("attachments/<str:attachment_id>", attachments.OneAttachment.as_view()),
    path(
        "attachments/<str:attachment_id>/action",
        attachments.AttachmentActions.as_view(since="3.44"),
    ),
    *(route for each in _TRANSFERS.items() for route in _transfers(*each)),
    path("messages", messages.Messages.as_view(since="3.3")),
    path("messages/<str:message_id>", messages.OneMessage.as_view(since="3.3")),
    path("resource_filters", summary.ResourceFilters.as_view(since="3.33")),
    path("limits", info.Limits.as_view()),
    path("os-quota-sets/<str:target_id>", info.QuotaSet.as_view()),
    path("os-quota-sets/<str:target_id>/defaults", info.QuotaDefaults.as_view()),
    path("os-quota-class-sets/<str:class_name>", info.QuotaClass.as_view()),
    path("os-availability-zone", info.AvailabilityZones.as_view()),
    path("os-services", info.Services.as_view()),
    path("scheduler-stats/get_pools", info.Pools.as_view()),
    path("extensions", info.Extensions.as_view()),
]
urlpatterns: list[URLPattern | URLResolver] = [
    path("volume", versions.Versions.as_view()),
    path("volume/v3", versions.VersionThree.as_view()),
    path("volume/v3/", include(_routes)),
    re_path(r"^volume/v3/(?P<project_id>[0-9a-f-]{32,36})/", include(_routes)),
    re_path(r"^volume/v3/(?P<rest>.+)$", versions.NotHere.as_view()),
]
