"""One of everything in the volume API, in the own project, and what the calls send."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from string import Template
from typing import Any

from django.utils import timezone

from hypervisors.models import Hypervisor
from tests.authorisation import OWN_PROJECT, OWNER, actor_named, client_as
from tests.hypervisors.fake_host import FakeHosts
from tests.matrix.world import World
from volumes.api.actions import ACTIONS
from volumes.find import default_type
from volumes.models import Attachment, DefaultVolumeType, Message, Snapshot, Volume, VolumeType
from volumes.states import SnapshotStatus, VolumeStatus
from volumes.transfers import offer_volume

BASE = "/volume/v3/"
VERSION = "3.71"
VOLUME_ACTION = "volumes/{volume_id}/action"
_METADATA = {"metadata": {"a": "b"}}
_META = {"meta": {"color": "red"}}
BODIES: dict[str, Any] = {
    "POST volumes": {"volume": {"size": 1}},
    "PUT volumes/{volume_id}": {"volume": {"name": "new"}},
    "POST volumes/{volume_id}/metadata": _METADATA,
    "PUT volumes/{volume_id}/metadata": _METADATA,
    "PUT volumes/{volume_id}/metadata/{key}": _META,
    "POST snapshots": {"snapshot": {"volume_id": "$volume_id"}},
    "PUT snapshots/{snapshot_id}": {"snapshot": {"name": "new"}},
    "POST snapshots/{snapshot_id}/action": {"os-reset_status": {"status": "error"}},
    "POST snapshots/{snapshot_id}/metadata": _METADATA,
    "PUT snapshots/{snapshot_id}/metadata": _METADATA,
    "PUT snapshots/{snapshot_id}/metadata/{key}": _META,
    "POST types": {"volume_type": {"name": "new"}},
    "PUT types/{type_id}": {"volume_type": {"description": "new"}},
    "POST types/{type_id}/extra_specs": {"extra_specs": {"color": "red"}},
    "PUT types/{type_id}/extra_specs/{key}": {"color": "green"},
    "POST types/{type_id}/action": {"addProjectAccess": {"project": OWN_PROJECT}},
    "PUT default-types/{target_id}": {"default_type": {"volume_type": "own"}},
    "POST attachments": {"attachment": {"volume_uuid": "$volume_id"}},
    "PUT attachments/{attachment_id}": {"attachment": {"connector": {"host": "elsewhere"}}},
    "POST attachments/{attachment_id}/action": {"os-complete": None},
    **{
        f"POST {base}{route}": body
        for base in ("os-volume-transfer", "volume-transfers")
        for route, body in {
            "": {"transfer": {"volume_id": "$volume_id"}},
            "/{transfer_id}/accept": {"accept": {"auth_key": "$auth_key"}},
        }.items()
    },
    "PUT os-quota-sets/{target_id}": {"quota_set": {"volumes": 5}},
    "PUT os-quota-class-sets/{class_name}": {"quota_class_set": {"volumes": 5}},
}
# By action the value of its one key, where null is not enough.
_ACTIONS: dict[str, Any] = {
    "os-extend": {"new_size": 2},
    "os-set_bootable": {"bootable": True},
    "os-reset_status": {"status": "error"},
    "os-retype": {"new_type": "own"},
    "os-set_image_metadata": _METADATA,
    "os-unset_image_metadata": {"key": "a"},
    "os-update_readonly_flag": {"readonly": True},
    "os-volume_upload_image": {"image_name": "copy"},
    "revert": {"snapshot_id": "$snapshot_id"},
}
# Routes whose variable means another thing than it does elsewhere.
_ELSEWHERE = {
    f"{VOLUME_ACTION} revert": {"volume_id": "kept_id"},
    "types/{type_id}/os-volume-type-access": {"type_id": "private_id"},
}


@dataclass
class VolumeWorld:
    """The names that fill in addresses and bodies."""

    names: dict[str, str]

    def path(self, route: str, action: str = "") -> str:
        """The address of a route, filled in."""
        others = _ELSEWHERE.get(f"{route} {action}".strip(), {})
        names = self.names | {key: self.names[name] for key, name in others.items()}
        return BASE + route.format(**names)

    def ask(self, method: str, route: str, action: str = "") -> Callable[[str], int]:
        """The call as any of the callers; its status."""
        body = {action: _ACTIONS.get(action)} if action else BODIES.get(f"{method} {route}")
        sent: dict[str, Any] = {}
        if body is not None:
            text = Template(json.dumps(body)).substitute(self.names)
            sent = {"data": text, "content_type": "application/json"}

        def ask(who: str) -> int:
            headers = {"OpenStack-API-Version": f"volume {VERSION}"}
            answer = client_as(who).generic(
                method, self.path(route, action), headers=headers, **sent
            )
            assert answer.status_code < 500, answer.content
            return int(answer.status_code)

        return ask


def actions() -> list[str]:
    """The names of what may be done to a volume."""
    return sorted(ACTIONS)


def make_volume_world(hosts: FakeHosts) -> VolumeWorld:
    """Make it all; images are kept where the settings say."""
    World(hosts)
    kind = default_type()
    kind.extra_specs = {"color": "blue"}
    kind.save()
    private = VolumeType.objects.create(name="private", is_public=False)
    DefaultVolumeType.objects.create(
        project_id=OWN_PROJECT, type=VolumeType.objects.create(name="own")
    )
    volume = _volume(kind, metadata={"color": "red"}, image_metadata={"a": "b"})
    kept = _volume(kind)
    snapshot = Snapshot.objects.create(
        volume=kept,
        project_id=OWN_PROJECT,
        user_id=OWNER,
        size_gib=1,
        status=SnapshotStatus.AVAILABLE,
        metadata={"color": "red"},
        hypervisor=Hypervisor.objects.get(name="host1"),
        pool="cloudportal",
    )
    held = Attachment.objects.create(volume=_volume(kind), by_compute=False)
    transfer, auth_key = offer_volume(
        volume=_volume(kind),
        name="",
        no_snapshots=False,
        actor=actor_named("owner"),
        now=timezone.now(),
    )
    message = Message.objects.create(
        project_id=OWN_PROJECT, resource_type="VOLUME", resource_id=volume.pk, event_id="", text=""
    )
    return VolumeWorld(
        {
            "volume_id": str(volume.pk),
            "kept_id": str(kept.pk),
            "snapshot_id": str(snapshot.pk),
            "attachment_id": str(held.pk),
            "transfer_id": str(transfer.pk),
            "auth_key": auth_key,
            "message_id": str(message.pk),
            "type_id": str(kind.pk),
            "private_id": str(private.pk),
            "target_id": OWN_PROJECT,
            "class_name": "default",
            "key": "color",
        }
    )


def _volume(kind: VolumeType, **fields: Any) -> Volume:
    return Volume.objects.create(
        project_id=OWN_PROJECT,
        user_id=OWNER,
        size_gib=1,
        status=VolumeStatus.AVAILABLE,
        type=kind,
        **fields,
    )
