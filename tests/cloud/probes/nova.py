"""What novaclient is asked at each of the microversions that its users set."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import novaclient.client
import novaclient.exceptions as errors

from tests.cloud import blink
from tests.cloud.probes.table import Column, NotOffered, Probes
from tests.portal import eventually

PROBES = Probes()
NOWHERE = "00000000-0000-4000-8000-00000000dead"


class NovaColumn(Column):
    """novaclient at one microversion; `nova` is demo's, `root` the administrator's."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.nova = self._client(self.demo)
        self.root = self._client(self.admin)
        self.one: Any = None

    def _client(self, connection: Any) -> Any:
        return novaclient.client.Client(
            self.version, session=connection.session, region_name="RegionOne"
        )


@contextlib.contextmanager
def understood(*kinds: type[Exception]) -> Iterator[None]:
    """The call is refused for the state of things, not for how it was made."""
    try:
        yield
    except kinds:
        return
    raise AssertionError("it was not refused")


@PROBES.of("versions")
def _versions(n: NovaColumn) -> None:
    assert n.nova.versions.get_current().version
    assert n.nova.versions.list()


@PROBES.of("servers: create, show, change, delete")
def _server(n: NovaColumn) -> None:
    image = n.demo.image.find_image(blink.NAME).id
    flavor = n.nova.flavors.find(name="m1.tiny")
    more: dict[str, Any] = {"nics": "auto"} if n.at("2.37") else {}
    if n.at("2.19"):
        more["description"] = "Made by a probe."
    if n.at("2.52"):
        more["tags"] = ["probe"]
    made = n.nova.servers.create(
        n.own, image, flavor, meta={"a": "b"}, security_groups=["default"], **more
    )
    n.server = made.id
    n.becomes("ACTIVE")
    n.nova.servers.update(made, name=f"{n.own}-one")
    n.one = n.nova.servers.get(made.id)
    assert n.one.name == f"{n.own}-one"
    assert n.one.metadata == {"a": "b"}
    short = n.nova.servers.create(f"{n.own}-two", image, flavor, **more)
    short.delete()
    wait_gone(n, short.id)


def wait_gone(n: NovaColumn, server: str) -> None:
    """Until novaclient finds it no more."""

    def is_gone() -> bool:
        with contextlib.suppress(errors.NotFound):
            n.nova.servers.get(server)
            return False
        return True

    eventually(is_gone, what=f"{n.name}: it is deleted")


@PROBES.of("servers: lists, filters, pages")
def _lists(n: NovaColumn) -> None:
    mine = {"name": f"^{n.own}"}
    assert [each.id for each in n.nova.servers.list(search_opts=mine)] == [n.server]
    found = n.nova.servers.list(
        detailed=False, search_opts={**mine, "status": "ACTIVE"}, limit=1,
        sort_keys=["created_at"], sort_dirs=["asc"],
    )  # fmt: skip
    assert [each.id for each in found] == [n.server]
    assert n.server in {each.id for each in n.root.servers.list(search_opts={"all_tenants": 1})}
    assert n.server not in {each.id for each in n.nova.servers.list(marker=n.server)}


@PROBES.of("metadata")
def _metadata(n: NovaColumn) -> None:
    n.nova.servers.set_meta(n.server, {"color": "red"})
    n.nova.servers.set_meta_item(n.server, "size", "small")
    assert n.nova.servers.get(n.server).metadata == {"a": "b", "color": "red", "size": "small"}
    n.nova.servers.delete_meta(n.server, ["color", "size"])
    assert n.nova.servers.get(n.server).metadata == {"a": "b"}


@PROBES.of("tags", since="2.26")
def _tags(n: NovaColumn) -> None:
    n.nova.servers.set_tags(n.server, ["blue"])
    n.nova.servers.add_tag(n.server, "green")
    assert n.nova.servers.tag_list(n.server) == ["blue", "green"]
    n.nova.servers.delete_tag(n.server, "green")
    n.nova.servers.delete_all_tags(n.server)
    assert n.nova.servers.tag_list(n.server) == []


@PROBES.of("addresses")
def _addresses(n: NovaColumn) -> None:
    assert list(n.nova.servers.ips(n.one)) == ["default"]


@PROBES.of("security groups of a server")
def _security_groups(n: NovaColumn) -> None:
    assert [each.name for each in n.nova.servers.list_security_group(n.server)] == ["default"]
    n.nova.servers.remove_security_group(n.server, "default")
    n.nova.servers.add_security_group(n.server, "default")
    assert [each.name for each in n.nova.servers.list_security_group(n.server)] == ["default"]


@PROBES.of("interfaces")
def _interfaces(n: NovaColumn) -> None:
    [first] = n.nova.servers.interface_list(n.server)
    network = n.demo.network.find_network("default").id
    tag = {"tag": "second"} if n.at("2.49") else {}
    with n.off():
        made = n.nova.servers.interface_attach(n.server, None, network, None, **tag)
        assert len(n.nova.servers.interface_list(n.server)) == 2
        n.nova.servers.interface_detach(n.server, made.port_id)
        eventually(
            lambda: [each.id for each in n.nova.servers.interface_list(n.server)] == [first.id],
            what=f"{n.name}: the second is gone",
        )


@PROBES.of("volume attachments")
def _volumes(n: NovaColumn) -> None:
    assert n.nova.volumes.get_server_volumes(n.server) == []
    with understood(errors.NotFound):
        n.nova.volumes.create_server_volume(n.server, NOWHERE)
    with understood(errors.NotFound):
        n.nova.volumes.delete_server_volume(n.server, NOWHERE)


@PROBES.of("diagnostics")
def _diagnostics(n: NovaColumn) -> None:
    _, found = n.root.servers.diagnostics(n.server)
    assert found.get("driver") == "libvirt" if n.at("2.48") else "memory" in found


@PROBES.of("console output")
def _console_output(n: NovaColumn) -> None:
    eventually(
        lambda: blink.UP in n.nova.servers.get_console_output(n.server),
        what=f"{n.name}: the guest says that it is up",
    )
    n.nova.servers.get_console_output(n.server, length=1)


@PROBES.of("remote consoles")
def _consoles(n: NovaColumn) -> None:
    try:
        answers = [n.nova.servers.get_console_url(n.server, kind) for kind in ("novnc", "serial")]
    except errors.BadRequest as error:
        if "Unavailable console type" in str(error):
            raise NotOffered from error
        raise
    for answer in answers:
        [console] = answer.values()
        assert "token" in console["url"]


@PROBES.of("password")
def _password(n: NovaColumn) -> None:
    assert n.nova.servers.get_password(n.server) == ""
    n.nova.servers.clear_password(n.server)


@PROBES.of("topology", since="2.78")
def _topology(n: NovaColumn) -> None:
    assert "nodes" in n.root.servers.topology(n.server)


@PROBES.of("instance actions")
def _actions(n: NovaColumn) -> None:
    listed = n.nova.instance_action.list(n.server)
    assert "create" in {each.action for each in listed}
    one = n.root.instance_action.get(n.server, listed[0].request_id)
    assert one.events


@PROBES.of("migrations")
def _migrations(n: NovaColumn) -> None:
    listed = n.root.migrations.list(instance_uuid=n.server)
    assert all(each.instance_uuid == n.server for each in listed)


@PROBES.of("migrations of a server", since="2.23")
def _server_migrations(n: NovaColumn) -> None:
    assert n.root.server_migrations.list(n.server) == []
    with understood(errors.NotFound):
        n.root.server_migrations.get(n.server, 987654)
    if n.at("2.24"):
        with understood(errors.NotFound, errors.Conflict):
            n.root.server_migrations.live_migration_abort(n.server, 987654)
