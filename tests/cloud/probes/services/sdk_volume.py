"""What openstacksdk is asked of the volume service."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from tests.cloud import blink
from tests.cloud.probes.services.absent import absent
from tests.cloud.probes.services.groups import VOLUME, ServiceColumn
from tests.cloud.probes.table import Outcome, Probes
from tests.portal import eventually

PROBES = Probes(VOLUME)


def _is(s: ServiceColumn, volume: Any, status: str = "available") -> Any:
    # What is asked for just now is not in the status that the client remembers.
    volume.fetch(s.demo.block_storage)
    return s.demo.block_storage.wait_for_status(volume, status, interval=0.3, wait=60)


@contextlib.contextmanager
def _volume(s: ServiceColumn, end: str, **fields: Any) -> Iterator[Any]:
    """A volume for a while."""
    storage = s.demo.block_storage
    size = {} if "snapshot_id" in fields else {"size": 1}
    made = storage.create_volume(name=f"{s.own}-{end}", **size, **fields)
    _is(s, made)
    yield made
    storage.delete_volume(made)
    storage.wait_for_delete(made, interval=0.3)


@PROBES.of("versions")
def _versions(s: ServiceColumn) -> None:
    data = s.demo.block_storage.get_endpoint_data()
    assert (data.api_version, data.min_microversion) == ((3, 0), (3, 0))


@PROBES.of("volumes")
def _volumes(s: ServiceColumn) -> None:
    storage = s.demo.block_storage
    with _volume(s, "one", description="One.") as made:
        assert storage.update_volume(made, description="Two.").description == "Two."
        assert storage.find_volume(made.name).size == 1
        found = storage.volumes(name=made.name, status="available", sort="created_at:desc")
        assert [each.id for each in found] == [made.id]


@PROBES.of("metadata")
def _metadata(s: ServiceColumn) -> None:
    storage = s.demo.block_storage
    with _volume(s, "metadata", metadata={"a": "b"}) as made:
        storage.set_volume_metadata(made, c="d")
        storage.delete_volume_metadata(storage.get_volume(made), ["a"])
        assert storage.get_volume_metadata(made).metadata == {"c": "d"}


@PROBES.of("extend")
def _extend(s: ServiceColumn) -> None:
    storage = s.demo.block_storage
    with _volume(s, "extend") as made:
        storage.extend_volume(made, 2)
        eventually(lambda: storage.get_volume(made).size == 2, what="it is larger")
        _is(s, made)


@PROBES.of("read-only, bootable")
def _flags(s: ServiceColumn) -> None:
    storage = s.demo.block_storage
    with _volume(s, "flags") as made:
        storage.set_volume_bootable_status(made, True)
        storage.set_volume_readonly(made, True)
        shown = storage.get_volume(made)
        assert shown.is_bootable
        assert shown.metadata.get("readonly") == "True"
        storage.set_volume_readonly(made, False)


@PROBES.of("snapshots")
def _snapshots(s: ServiceColumn) -> None:
    storage = s.demo.block_storage
    with _volume(s, "snapped") as volume:
        made = storage.create_snapshot(volume_id=volume.id, name=volume.name)
        _is(s, made)
        assert storage.update_snapshot(made, description="Two.").description == "Two."
        storage.set_snapshot_metadata(made, a="b")
        assert storage.get_snapshot(made).metadata == {"a": "b"}
        with _volume(s, "copy", snapshot_id=made.id) as copy:
            assert storage.get_volume(copy).size == 1
        storage.delete_snapshot(made)
        storage.wait_for_delete(made, interval=0.3)


@PROBES.of("revert to a snapshot")
def _revert(s: ServiceColumn) -> None:
    storage = s.demo.block_storage
    with _volume(s, "reverted") as volume:
        made = storage.create_snapshot(volume_id=volume.id, name=volume.name)
        _is(s, made)
        storage.revert_volume_to_snapshot(volume, made)
        _is(s, volume)
        _is(s, made)
        storage.delete_snapshot(made)
        storage.wait_for_delete(made, interval=0.3)


@PROBES.of("types, extra specs")
def _types(s: ServiceColumn) -> None:
    storage = s.admin.block_storage
    made = storage.create_type(name=s.own, description="One.")
    assert storage.update_type(made, description="Two.").description == "Two."
    assert made.id in {each.id for each in s.demo.block_storage.types()}
    storage.delete_type(made)


@PROBES.of("type access")
def _access(s: ServiceColumn) -> None:
    storage, project = s.admin.block_storage, s.demo.current_project_id
    made = storage.create_type(name=f"{s.own}-private", is_public=False)
    storage.add_type_access(made, project)
    assert [each["project_id"] for each in storage.get_type_access(made)] == [project]
    assert made.id in {each.id for each in s.demo.block_storage.types()}
    storage.remove_type_access(made, project)
    storage.delete_type(made)


@PROBES.of("default type")
def _default(s: ServiceColumn) -> None:
    storage, project = s.admin.block_storage, s.demo.current_project_id
    first = next(storage.types())
    storage.set_default_type(project, first)
    assert storage.show_default_type(project).volume_type_id == first.id
    storage.unset_default_type(project)


@PROBES.of("retype")
def _retype(s: ServiceColumn) -> None:
    storage = s.demo.block_storage
    kind = s.admin.block_storage.create_type(name=f"{s.own}-other")
    with _volume(s, "retyped") as made:
        storage.retype_volume(made, kind.name, "never")
        eventually(lambda: storage.get_volume(made).volume_type == kind.name, what="retyped")
    s.admin.block_storage.delete_type(kind)


@PROBES.of("transfers")
def _transfers(s: ServiceColumn) -> None:
    storage, root = s.demo.block_storage, s.admin.block_storage
    made = storage.create_volume(name=f"{s.own}-given", size=1)
    _is(s, made)
    transfer = storage.create_transfer(volume_id=made.id, name=made.name)
    assert transfer.id in {each.id for each in storage.transfers()}
    root.accept_transfer(transfer.id, transfer.auth_key)
    assert storage.find_volume(made.name) is None
    root.delete_volume(made.id)


@PROBES.of("attachments")
def _attachments(s: ServiceColumn) -> None:
    assert list(s.demo.block_storage.attachments()) == []


@PROBES.of("to and from images")
def _images(s: ServiceColumn) -> None:
    source = s.demo.image.find_image(blink.NAME)
    with _volume(s, "imaged", image_id=source.id) as made:
        assert s.demo.block_storage.get_volume(made).is_bootable
        found = s.demo.block_storage.upload_volume_to_image(made, made.name)
        image = s.demo.image.get_image(found["image_id"])
        s.demo.image.wait_for_status(image, "active", interval=0.3, wait=60)
        _is(s, made)
        s.demo.image.delete_image(image)


@PROBES.of("quotas")
def _quotas(s: ServiceColumn) -> None:
    storage = s.admin.block_storage
    project = s.admin.identity.create_project(name=s.own)
    before = storage.get_quota_set(project).volumes
    assert storage.update_quota_set(project, volumes=33).volumes == 33
    assert storage.get_quota_set(project, usage=True).usage["volumes"] == 0
    storage.revert_quota_set(project)
    assert storage.get_quota_set(project).volumes == before
    s.admin.identity.delete_project(project)


@PROBES.of("limits")
def _limits(s: ServiceColumn) -> None:
    assert s.demo.block_storage.get_limits().absolute.max_total_volumes


@PROBES.of("summary")
def _summary(s: ServiceColumn) -> None:
    assert s.demo.block_storage.summary(False).total_count >= 0


@PROBES.of("services")
def _services(s: ServiceColumn) -> None:
    assert {each.state for each in s.admin.block_storage.services()} == {"up"}


@PROBES.of("pools")
def _pools(s: ServiceColumn) -> None:
    assert [each.name for each in s.admin.block_storage.backend_pools()]


@PROBES.of("availability zones")
def _zones(s: ServiceColumn) -> None:
    assert {each.state["available"] for each in s.demo.block_storage.availability_zones()} == {True}


@PROBES.of("messages")
def _messages(s: ServiceColumn) -> None:
    answer = s.demo.block_storage.get("/messages", microversion="3.5")
    assert isinstance(answer.json()["messages"], list)


@PROBES.of("reset state")
def _reset(s: ServiceColumn) -> None:
    with _volume(s, "reset") as made:
        s.admin.block_storage.reset_volume_status(made.id, "error", None, None)
        assert s.demo.block_storage.get_volume(made).status == "error"
        s.admin.block_storage.reset_volume_status(made.id, "available", None, None)


@PROBES.of("backups")
def _backups(s: ServiceColumn) -> Outcome:
    return absent(s.demo.block_storage.backups)


@PROBES.of("groups")
def _groups(s: ServiceColumn) -> Outcome:
    return absent(s.demo.block_storage.groups)
