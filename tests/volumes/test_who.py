"""Who may call what of the volume API: every role in the own and in a foreign project."""

from __future__ import annotations

import pytest
from django.db import transaction
from django.urls import get_resolver
from django.utils import timezone

from hypervisors.models import Hypervisor
from tests.authorisation import NOBODY, OWN_PROJECT, actor_named, client_as
from tests.volumes.conftest import client_of, make
from volumes.find import default_type
from volumes.models import Attachment, DefaultVolumeType, Message, Snapshot, Volume, VolumeType
from volumes.transfers import offer_volume

CALLERS = [
    *(NOBODY, "reader", "member", "manager", "admin", "service", "owner", "without role"),
    *("unscoped", "foreign reader", "foreign member", "foreign manager", "foreign admin"),
]
REFUSED = {401, 403, 404}
ANY = "401 ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  ok"
LISTED = "401 ok  ok  ok  ok  403 ok  403 403 ok  ok  ok  ok"
ADMIN = "401 403 403 403 ok  403 403 403 403 403 403 403 ok"
READ = "401 ok  ok  ok  ok  403 ok  403 404 404 404 404 ok"
WRITE = "401 403 ok  ok  ok  403 ok  403 404 404 404 404 ok"
MADE = "401 403 ok  ok  ok  403 ok  403 403 403 ok  ok  ok"
OWN_ADMIN = "401 403 403 403 ok  403 403 403 404 404 404 404 ok"
OF_PROJECT = "401 ok  ok  ok  ok  403 ok  403 403 403 403 403 ok"
META = {"metadata": {"a": "b"}}
TABLE = {
    ("GET", "volumes"): (LISTED, None),
    ("POST", "volumes"): (MADE, {"volume": {"size": 1}}),
    ("GET", "volumes/detail"): (LISTED, None),
    ("GET", "volumes/{volume_id}"): (READ, None),
    ("PUT", "volumes/{volume_id}"): (WRITE, {"volume": {"name": "new"}}),
    ("DELETE", "volumes/{volume_id}"): (WRITE, None),
    ("POST", "volumes/{volume_id}/action os-extend"): (WRITE, {"os-extend": {"new_size": 2}}),
    ("POST", "volumes/{volume_id}/action os-set_bootable"): (
        WRITE,
        {"os-set_bootable": {"bootable": True}},
    ),
    ("POST", "volumes/{volume_id}/action os-reset_status"): (
        OWN_ADMIN,
        {"os-reset_status": {"status": "error"}},
    ),
    ("POST", "volumes/{volume_id}/action os-force_delete"): (OWN_ADMIN, {"os-force_delete": {}}),
    ("POST", "volumes/{volume_id}/action os-retype"): (
        WRITE,
        {"os-retype": {"new_type": "own"}},
    ),
    ("POST", "volumes/{volume_id}/action os-reserve"): (WRITE, {"os-reserve": {}}),
    ("POST", "volumes/{volume_id}/action os-unreserve"): (WRITE, {"os-unreserve": {}}),
    ("POST", "volumes/{volume_id}/action os-set_image_metadata"): (
        WRITE,
        {"os-set_image_metadata": META},
    ),
    ("GET", "volumes/{volume_id}/metadata"): (READ, None),
    ("POST", "volumes/{volume_id}/metadata"): (WRITE, META),
    ("PUT", "volumes/{volume_id}/metadata"): (WRITE, META),
    ("GET", "volumes/{volume_id}/metadata/{key}"): (READ, None),
    ("PUT", "volumes/{volume_id}/metadata/{key}"): (WRITE, {"meta": {"color": "red"}}),
    ("DELETE", "volumes/{volume_id}/metadata/{key}"): (WRITE, None),
    ("GET", "snapshots"): (LISTED, None),
    ("POST", "snapshots"): (WRITE, {"snapshot": {"volume_id": "{volume_id}"}}),
    ("GET", "snapshots/detail"): (LISTED, None),
    ("GET", "snapshots/{snapshot_id}"): (READ, None),
    ("PUT", "snapshots/{snapshot_id}"): (WRITE, {"snapshot": {"name": "new"}}),
    ("DELETE", "snapshots/{snapshot_id}"): (WRITE, None),
    ("POST", "snapshots/{snapshot_id}/action"): (
        OWN_ADMIN,
        {"os-reset_status": {"status": "error"}},
    ),
    ("GET", "snapshots/{snapshot_id}/metadata"): (READ, None),
    ("POST", "snapshots/{snapshot_id}/metadata"): (WRITE, META),
    ("PUT", "snapshots/{snapshot_id}/metadata"): (WRITE, META),
    ("DELETE", "snapshots/{snapshot_id}/metadata/{key}"): (WRITE, None),
    ("GET", "types"): (ANY, None),
    ("POST", "types"): (ADMIN, {"volume_type": {"name": "new"}}),
    ("GET", "types/{type_id}"): (ANY, None),
    ("PUT", "types/{type_id}"): (ADMIN, {"volume_type": {"description": "new"}}),
    ("DELETE", "types/{type_id}"): (ADMIN, None),
    ("GET", "types/{type_id}/extra_specs"): (ADMIN, None),
    ("POST", "types/{type_id}/extra_specs"): (ADMIN, {"extra_specs": {"color": "red"}}),
    ("GET", "types/{type_id}/extra_specs/{key}"): (ADMIN, None),
    ("PUT", "types/{type_id}/extra_specs/{key}"): (ADMIN, {"color": "green"}),
    ("DELETE", "types/{type_id}/extra_specs/{key}"): (ADMIN, None),
    ("POST", "types/{type_id}/action"): (ADMIN, {"addProjectAccess": {"project": OWN_PROJECT}}),
    ("GET", "types/{private_id}/os-volume-type-access"): (
        "401 404 404 404 ok  404 404 404 404 404 404 404 ok",
        None,
    ),
    ("GET", "types/{type_id}/os-volume-type-access"): (
        "401 403 403 403 404 403 403 403 403 403 403 403 404",
        None,
    ),
    ("GET", "default-types"): (ADMIN, None),
    ("GET", "default-types/{target_id}"): (ADMIN, None),
    ("PUT", "default-types/{target_id}"): (ADMIN, {"default_type": {"volume_type": "own"}}),
    ("DELETE", "default-types/{target_id}"): (ADMIN, None),
    ("GET", "attachments"): (LISTED, None),
    ("POST", "attachments"): (WRITE, {"attachment": {"volume_uuid": "{volume_id}"}}),
    ("GET", "attachments/detail"): (LISTED, None),
    ("GET", "attachments/{attachment_id}"): (
        "401 ok  ok  ok  ok  403 ok  403 403 404 404 404 ok",
        None,
    ),
    ("DELETE", "attachments/{attachment_id}"): (
        "401 403 ok  ok  ok  403 ok  403 403 404 404 404 ok",
        None,
    ),
    ("PUT", "attachments/{attachment_id}"): (
        "401 403 ok  ok  ok  403 ok  403 403 404 404 404 ok",
        {"attachment": {"connector": {"host": "elsewhere"}}},
    ),
    ("POST", "attachments/{attachment_id}/action"): (
        "401 403 ok  ok  ok  403 ok  403 403 404 404 404 ok",
        {"os-complete": None},
    ),
    **{
        (method, f"{base}{route}"): expected
        for base in ("os-volume-transfer", "volume-transfers")
        for (method, route), expected in {
            ("GET", ""): (LISTED, None),
            ("POST", ""): (WRITE, {"transfer": {"volume_id": "{volume_id}"}}),
            ("GET", "/detail"): (LISTED, None),
            ("GET", "/{transfer_id}"): (READ, None),
            ("DELETE", "/{transfer_id}"): (WRITE, None),
            ("POST", "/{transfer_id}/accept"): (MADE, {"accept": {"auth_key": "{auth_key}"}}),
        }.items()
    },
    ("GET", "volumes/summary"): (LISTED, None),
    ("GET", "messages"): (LISTED, None),
    ("GET", "messages/{message_id}"): (READ, None),
    ("DELETE", "messages/{message_id}"): (WRITE, None),
    ("GET", "resource_filters"): (ANY, None),
    ("GET", "snapshots/{snapshot_id}/metadata/{key}"): (READ, None),
    ("PUT", "snapshots/{snapshot_id}/metadata/{key}"): (WRITE, {"meta": {"color": "red"}}),
    ("POST", "volumes/{volume_id}/action os-update_readonly_flag"): (
        WRITE,
        {"os-update_readonly_flag": {"readonly": True}},
    ),
    ("POST", "volumes/{volume_id}/action os-volume_upload_image"): (
        WRITE,
        {"os-volume_upload_image": {"image_name": "copy"}},
    ),
    ("POST", "volumes/{volume_id}/action os-unset_image_metadata"): (
        WRITE,
        {"os-unset_image_metadata": {"key": "a"}},
    ),
    ("POST", "volumes/{volume_id}/action os-show_image_metadata"): (
        READ,
        {"os-show_image_metadata": None},
    ),
    ("POST", "volumes/{kept_id}/action revert"): (
        WRITE,
        {"revert": {"snapshot_id": "{snapshot_id}"}},
    ),
    ("GET", "limits"): (LISTED, None),
    ("GET", "os-quota-sets/{target_id}"): (OF_PROJECT, None),
    ("PUT", "os-quota-sets/{target_id}"): (ADMIN, {"quota_set": {"volumes": 5}}),
    ("DELETE", "os-quota-sets/{target_id}"): (ADMIN, None),
    ("GET", "os-quota-sets/{target_id}/defaults"): (OF_PROJECT, None),
    ("GET", "os-quota-class-sets/{class_name}"): (ADMIN, None),
    ("PUT", "os-quota-class-sets/{class_name}"): (ADMIN, {"quota_class_set": {"volumes": 5}}),
    ("GET", "os-availability-zone"): (ANY, None),
    ("GET", "os-services"): (ADMIN, None),
    ("GET", "scheduler-stats/get_pools"): (ADMIN, None),
    ("GET", "extensions"): (ANY, None),
}


@pytest.fixture
def names(world):
    """One of each thing, in the own project."""
    client = client_of("owner")
    volume = Volume.objects.get(pk=make(client, metadata={"color": "red"})["id"])
    snapshot = Snapshot.objects.create(
        volume=Volume.objects.get(pk=make(client)["id"]),
        project_id=OWN_PROJECT,
        user_id="",
        size_gib=1,
        status="available",
        metadata={"color": "red"},
        hypervisor=Hypervisor.objects.get(name="host1"),
        pool="cloudportal",
    )
    Volume.objects.filter(pk=volume.pk).update(image_metadata={"a": "b"})
    held = Attachment.objects.create(
        volume=Volume.objects.get(pk=make(client)["id"]), by_compute=False
    )
    owner = actor_named("owner")
    offered, auth_key = offer_volume(
        volume=Volume.objects.get(pk=make(client)["id"]),
        name="",
        no_snapshots=False,
        actor=owner,
        now=timezone.now(),
    )
    kind = default_type()
    kind.extra_specs = {"color": "blue"}
    kind.save()
    DefaultVolumeType.objects.create(
        project_id=OWN_PROJECT, type=VolumeType.objects.create(name="own")
    )
    message = Message.objects.create(
        project_id=OWN_PROJECT, resource_type="VOLUME", resource_id=volume.pk, event_id="", text=""
    )
    private = VolumeType.objects.create(name="private", is_public=False)
    return {
        "message_id": str(message.pk),
        "kept_id": str(snapshot.volume_id),
        "private_id": str(private.pk),
        "class_name": "default",
        "volume_id": str(volume.pk),
        "snapshot_id": str(snapshot.pk),
        "attachment_id": str(held.pk),
        "transfer_id": str(offered.pk),
        "auth_key": auth_key,
        "type_id": str(kind.pk),
        "target_id": OWN_PROJECT,
        "key": "color",
    }


def _filled(body, names):
    if isinstance(body, dict):
        return {key: _filled(value, names) for key, value in body.items()}
    return body.format(**names) if isinstance(body, str) else body


@pytest.mark.parametrize(("method", "route"), list(TABLE), ids=" ".join)
def test_every_caller_gets_the_answer_in_the_table(method, route, names):
    expected, body = TABLE[method, route]
    path = "/volume/v3/" + route.partition(" ")[0].format(**names)

    found = []
    for who in CALLERS:
        with transaction.atomic():
            client = client_as(who, "2.1")
            sent = {} if body is None else {
                "data": _filled(body, names), "content_type": "application/json"
            }  # fmt: skip
            status = client.generic(
                method,
                path,
                headers={"OpenStack-API-Version": "volume 3.71"},
                **_encoded(sent),
            ).status_code
            found.append(str(status) if status in REFUSED else "ok")
            assert status < 500
            transaction.set_rollback(True)

    assert found == expected.split()


def _encoded(sent):
    import json

    return sent if not sent else {**sent, "data": json.dumps(sent["data"])}


def test_every_route_is_in_the_table():
    resolvers = [
        each
        for each in get_resolver().url_patterns
        if any("volume/v3/" in str(getattr(sub, "pattern", "")) for sub in _inner(each))
    ]
    [urls] = resolvers
    [routes] = [each for each in _inner(urls) if str(each.pattern) == "volume/v3/"]
    known = {route.partition(" ")[0] for _, route in TABLE}
    found = {
        str(each.pattern).replace("<str:", "{").replace(">", "}") for each in routes.url_patterns
    }

    assert found - {"volumes/{volume_id}/action"} <= known | {"volumes/{volume_id}/action"}


def _inner(resolver):
    return getattr(resolver, "url_patterns", [])
