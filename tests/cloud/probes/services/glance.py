"""What glanceclient is asked: an image's life, its members, its import."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from glanceclient import Client, exc  # type: ignore[import-untyped]  # comes without types

from tests.cloud.probes.services.disks import disk
from tests.cloud.probes.services.groups import IMAGE, ServiceColumn
from tests.cloud.probes.table import Outcome, Probes
from tests.portal import eventually

PROBES = Probes(IMAGE)
RAW = {"disk_format": "raw", "container_format": "bare"}


@dataclass
class GlanceColumn(ServiceColumn):
    """glanceclient: `glance` is demo's, `root` the administrator's."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.glance: Any = Client("2", session=self.demo.session)
        self.root: Any = Client("2", session=self.admin.session)


@contextlib.contextmanager
def _image(g: GlanceColumn, end: str, *, of: Any = None, **fields: Any) -> Iterator[Any]:
    """An image without data for a while."""
    images = (of or g.glance).images
    made = images.create(name=f"{g.own}-{end}", **RAW, **fields)
    yield made
    images.delete(made.id)


@PROBES.of("versions, schemas")
def _versions(g: GlanceColumn) -> None:
    assert {each["id"].split(".")[0] for each in g.glance.versions.list()} == {"v2"}
    assert g.glance.schemas.get("image").name == "image"


@PROBES.of("create, upload, download, delete")
def _create(g: GlanceColumn) -> None:
    content = disk(g).read_bytes()
    with _image(g, "one") as made:
        g.glance.images.upload(made.id, disk(g).open("rb"))
        shown = g.glance.images.get(made.id)
        assert (shown.status, shown.size) == ("active", len(content))
        assert b"".join(g.glance.images.data(made.id)) == content


@PROBES.of("properties, tags")
def _properties(g: GlanceColumn) -> None:
    with _image(g, "properties", os_distro="x") as made:
        changed = g.glance.images.update(made.id, remove_props=["os_distro"], min_ram=64)
        assert (changed.min_ram, "os_distro" in changed) == (64, False)
        g.glance.image_tags.update(made.id, "one")
        assert g.glance.images.get(made.id).tags == ["one"]
        g.glance.image_tags.delete(made.id, "one")


@PROBES.of("lists, filters")
def _lists(g: GlanceColumn) -> None:
    with _image(g, "listed") as made:
        found = g.glance.images.list(
            filters={"name": made.name, "status": "queued"}, sort="created_at:desc", page_size=1
        )
        assert [each.id for each in found] == [made.id]


@PROBES.of("visibility, members")
def _members(g: GlanceColumn) -> None:
    project = g.demo.current_project_id
    with _image(g, "shared", of=g.root, visibility="shared") as made:
        g.root.image_members.create(made.id, project)
        g.glance.image_members.update(made.id, project, "accepted")
        found = g.glance.images.list(filters={"visibility": "shared"})
        assert made.id in {each.id for each in found}
        assert [each.status for each in g.root.image_members.list(made.id)] == ["accepted"]
        g.root.image_members.delete(made.id, project)


@PROBES.of("deactivate, reactivate")
def _deactivate(g: GlanceColumn) -> None:
    with _image(g, "off") as made:
        g.glance.images.upload(made.id, disk(g).open("rb"))
        g.glance.images.deactivate(made.id)
        assert g.glance.images.get(made.id).status == "deactivated"
        g.glance.images.reactivate(made.id)


@PROBES.of("import: glance-direct")
def _direct(g: GlanceColumn) -> None:
    assert "glance-direct" in g.glance.images.get_import_info()["import-methods"]["value"]
    with _image(g, "staged") as made:
        g.glance.images.stage(made.id, disk(g).open("rb"))
        g.glance.images.image_import(made.id, "glance-direct")
        eventually(lambda: g.glance.images.get(made.id).status == "active", what="imported")


@PROBES.of("stores")
def _stores(g: GlanceColumn) -> Outcome:
    try:
        g.glance.images.get_stores_info()
    except exc.HTTPNotFound:
        return Outcome.ABSENT
    raise AssertionError("it was answered")


@PROBES.of("usage")
def _usage(g: GlanceColumn) -> None:
    assert g.glance.info.get_usage()
