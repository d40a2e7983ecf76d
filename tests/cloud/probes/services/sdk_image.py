"""What openstacksdk is asked of the image service."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from openstack import exceptions as errors

from tests.cloud.probes.services.absent import absent
from tests.cloud.probes.services.disks import disk
from tests.cloud.probes.services.groups import IMAGE, ServiceColumn
from tests.cloud.probes.table import Outcome, Probes
from tests.portal import eventually

PROBES = Probes(IMAGE)
RAW = {"disk_format": "raw", "container_format": "bare"}


@contextlib.contextmanager
def _image(s: ServiceColumn, end: str, *, of: Any = None, **fields: Any) -> Iterator[Any]:
    """An image without data for a while."""
    image = (of or s.demo).image
    made = image.create_image(f"{s.own}-{end}", **RAW, **fields)
    yield made
    image.delete_image(made)


@PROBES.of("versions, schemas")
def _versions(s: ServiceColumn) -> None:
    image = s.demo.image
    assert image.get_endpoint_data().api_version[0] == 2
    assert image.get_image_schema().properties["id"]
    assert image.get_members_schema().properties["members"]


@PROBES.of("create, upload, download, delete")
def _create(s: ServiceColumn) -> None:
    file = disk(s)
    made = s.demo.create_image(s.own, filename=str(file), wait=True, validate_checksum=True, **RAW)
    assert made.status == "active"
    assert s.demo.image.download_image(made.id).content == file.read_bytes()
    assert s.demo.delete_image(s.own, wait=True)
    assert s.demo.get_image(s.own) is None


@PROBES.of("properties, tags")
def _properties(s: ServiceColumn) -> None:
    image = s.demo.image
    with _image(s, "properties", os_distro="x") as made:
        changed = image.update_image(made, min_ram=64, hw_disk_bus="virtio")
        assert (changed.min_ram, changed.hw_disk_bus) == (64, "virtio")
        image.add_tag(made, "one")
        assert image.get_image(made).tags == ["one"]
        image.remove_tag(made, "one")
        assert image.get_image(made).tags == []


@PROBES.of("lists, filters")
def _lists(s: ServiceColumn) -> None:
    image = s.demo.image
    with _image(s, "listed") as made:
        found = image.images(name=made.name, status="queued", sort="created_at:desc", limit=1)
        assert [each.id for each in found] == [made.id]
        # The SDK compares the formats once more, with the whole text.
        rows = image.get("/images", params={"disk_format": "in:raw,qcow2"}).json()["images"]
        assert made.id in {each["id"] for each in rows}


@PROBES.of("visibility, members")
def _members(s: ServiceColumn) -> None:
    project = s.demo.current_project_id
    with _image(s, "shared", of=s.admin, visibility="shared") as made:
        s.admin.image.add_member(made, member_id=project)
        s.demo.image.update_member(project, made, status="accepted")
        listed = s.demo.image.images(visibility="shared", member_status="accepted")
        assert made.id in {each.id for each in listed}
        assert [each.status for each in s.admin.image.members(made)] == ["accepted"]
        s.admin.image.remove_member(project, made, ignore_missing=False)
        try:
            s.demo.image.get_image(made.id)
        except errors.NotFoundException:
            return
        raise AssertionError("it is still seen")


@PROBES.of("deactivate, reactivate")
def _deactivate(s: ServiceColumn) -> None:
    image = s.demo.image
    made = s.demo.create_image(f"{s.own}-off", filename=str(disk(s)), wait=True, **RAW)
    image.deactivate_image(made.id)
    assert image.get_image(made.id).status == "deactivated"
    image.reactivate_image(made.id)
    assert image.get_image(made.id).status == "active"
    image.delete_image(made.id)


@PROBES.of("import: glance-direct")
def _direct(s: ServiceColumn) -> None:
    image, content = s.demo.image, disk(s).read_bytes()
    with _image(s, "staged") as made:
        image.stage_image(made, data=content)
        image.import_image(made, method="glance-direct")
        eventually(lambda: image.get_image(made).status == "active", what="it is imported")
        assert image.get_image(made).size == len(content)


@PROBES.of("stores")
def _stores(s: ServiceColumn) -> Outcome:
    return absent(s.demo.image.stores)


@PROBES.of("metadata definitions")
def _definitions(s: ServiceColumn) -> Outcome:
    return absent(s.demo.image.metadef_namespaces)


@PROBES.of("tasks")
def _tasks(s: ServiceColumn) -> Outcome:
    return absent(s.admin.image.tasks)
