"""What openstacksdk is asked, at the microversions that it negotiates by itself."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from openstack import exceptions as errors

from tests.cloud import blink
from tests.cloud.probes.table import Column, NotOffered, Probes
from tests.portal import eventually

PROBES = Probes()
NOWHERE = "00000000-0000-4000-8000-00000000dead"


class SdkColumn(Column):
    """The SDK's compute proxy: `nova` is demo's, `root` the administrator's."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.nova = self.demo.compute
        self.root = self.admin.compute


@contextlib.contextmanager
def understood(*kinds: type[Exception]) -> Iterator[None]:
    """The call is refused for the state of things, not for how it was made."""
    try:
        yield
    except kinds:
        return
    raise AssertionError("it was not refused")


@PROBES.of("versions")
def _versions(s: SdkColumn) -> None:
    assert s.nova.get_endpoint_data().max_microversion == (2, 104)


@PROBES.of("extensions")
def _extensions(s: SdkColumn) -> None:
    assert "os-keypairs" in {each.alias for each in s.nova.extensions()}
    assert s.nova.find_extension("os-keypairs")


@PROBES.of("servers: create, show, change, delete")
def _server(s: SdkColumn) -> None:
    fields = {
        "image_id": s.demo.image.find_image(blink.NAME).id,
        "flavor_id": s.nova.find_flavor("m1.tiny").id,
        "networks": "auto",
    }
    made = s.nova.create_server(name=s.own, metadata={"a": "b"}, tags=["probe"], **fields)
    s.server = made.id
    s.becomes("ACTIVE")
    changed = s.nova.update_server(s.server, name=f"{s.own}-one", description="Made by a probe.")
    assert (changed.name, changed.description) == (f"{s.own}-one", "Made by a probe.")
    assert s.nova.find_server(f"{s.own}-one").id == s.server
    short = s.nova.create_server(name=f"{s.own}-two", **fields)
    s.nova.delete_server(short)
    s.nova.wait_for_delete(short, interval=1)


@PROBES.of("servers: lists, filters, pages")
def _lists(s: SdkColumn) -> None:
    found = list(s.nova.servers(name=f"^{s.own}", status="ACTIVE", sort_key="created_at", limit=1))
    assert [each.id for each in found] == [s.server]
    assert s.server in {each.id for each in s.root.servers(all_projects=True)}
    assert s.server in {each.id for each in s.nova.servers(details=False)}


@PROBES.of("metadata")
def _metadata(s: SdkColumn) -> None:
    s.nova.set_server_metadata(s.server, color="red")
    assert s.nova.fetch_server_metadata(s.server).metadata == {"a": "b", "color": "red"}
    s.nova.delete_server_metadata(s.server, ["color"])
    assert s.nova.get_server(s.server).metadata == {"a": "b"}


@PROBES.of("tags")
def _tags(s: SdkColumn) -> None:
    server = s.nova.get_server(s.server)
    s.nova.add_tag_to_server(server, "green")
    assert "green" in s.nova.get_server(s.server).tags
    s.nova.remove_tag_from_server(server, "green")
    s.nova.remove_tags_from_server(server)
    assert s.nova.get_server(s.server).tags == []


@PROBES.of("addresses")
def _addresses(s: SdkColumn) -> None:
    assert {each.network_label for each in s.nova.server_ips(s.server)} == {"default"}


@PROBES.of("security groups of a server")
def _security_groups(s: SdkColumn) -> None:
    server = s.nova.get_server(s.server)
    s.nova.fetch_server_security_groups(server)
    assert [each["name"] for each in server.security_groups] == ["default"]
    s.nova.remove_security_group_from_server(s.server, "default")
    s.nova.add_security_group_to_server(s.server, "default")


@PROBES.of("interfaces")
def _interfaces(s: SdkColumn) -> None:
    [first] = s.nova.server_interfaces(s.server)
    with s.off():
        made = s.nova.create_server_interface(s.server, net_id=first.net_id)
        assert s.nova.get_server_interface(made, s.server).port_id == made.port_id
        s.nova.delete_server_interface(made, s.server)
        eventually(
            lambda: len(list(s.nova.server_interfaces(s.server))) == 1, what="the second is gone"
        )


@PROBES.of("volume attachments")
def _volumes(s: SdkColumn) -> None:
    assert list(s.nova.volume_attachments(s.server)) == []
    with understood(errors.NotFoundException):
        s.nova.create_volume_attachment(s.server, volume_id=NOWHERE)
    with understood(errors.NotFoundException):
        s.nova.delete_volume_attachment(s.server, NOWHERE, ignore_missing=False)


@PROBES.of("diagnostics")
def _diagnostics(s: SdkColumn) -> None:
    assert s.root.get_server_diagnostics(s.server).driver == "libvirt"


@PROBES.of("console output")
def _console_output(s: SdkColumn) -> None:
    eventually(
        lambda: blink.UP in s.nova.get_server_console_output(s.server)["output"],
        what="the guest says that it is up",
    )


@PROBES.of("remote consoles")
def _consoles(s: SdkColumn) -> None:
    try:
        made = [s.nova.create_console(s.server, kind) for kind in ("novnc", "serial")]
    except errors.BadRequestException as error:
        if "Unavailable console type" in str(error):
            raise NotOffered from error
        raise
    for each in made:
        assert "token" in each["url"]


@PROBES.of("password")
def _password(s: SdkColumn) -> None:
    assert s.nova.get_server_password(s.server) == ""
    s.nova.clear_server_password(s.server)


@PROBES.of("topology")
def _topology(s: SdkColumn) -> None:
    # The SDK's own method sends no microversion, which a call that came with 2.78 needs.
    answer = s.root.get(f"/servers/{s.server}/topology", microversion="2.78")
    assert "nodes" in answer.json()


@PROBES.of("shares")
def _shares(s: SdkColumn) -> None:
    assert list(s.nova.share_attachments(s.server)) == []


@PROBES.of("instance actions")
def _actions(s: SdkColumn) -> None:
    listed = list(s.root.server_actions(s.server))
    assert "create" in {each.action for each in listed}
    assert s.root.get_server_action(listed[0].request_id, s.server).events


@PROBES.of("migrations")
def _migrations(s: SdkColumn) -> None:
    listed = list(s.root.migrations(instance_uuid=s.server))
    assert all(each.server_id == s.server for each in listed)


@PROBES.of("migrations of a server")
def _server_migrations(s: SdkColumn) -> None:
    assert list(s.root.server_migrations(s.server)) == []
    with understood(errors.NotFoundException):
        s.root.get_server_migration(s.server, 987654, ignore_missing=False)
