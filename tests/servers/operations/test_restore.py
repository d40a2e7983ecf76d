"""Servers come back into an empty database from their guests, and take nothing from anybody."""

from __future__ import annotations

import dataclasses
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from flavors.models import Flavor, FlavorAccess
from hypervisors.connections import connected
from hypervisors.guests import GuestMetadata
from hypervisors.models import Hypervisor
from identity.bootstrap import ensure_domain_and_roles
from identity.models import Project, Role, RoleAssignment, User
from images.inspect import Inspection
from images.models import Image
from images.storage import image_path
from networks.models import (
    FixedIP,
    GroupChange,
    Network,
    NetworkPlace,
    Port,
    PortPlace,
    SecurityGroup,
    Subnet,
)
from quotas.models import QuotaLimit, Reservation
from scheduling.models import Allocation
from servers.delete import delete_server
from servers.errors import GuestElsewhere, RecordUnusable, ServerWasDeleted
from servers.models import KeyPair, Server, ServerAction
from servers.record_sync import Round, sync_records
from servers.restore import Found, Restoration, restore, restore_server
from servers.states import PowerState, VmState
from tests.authorisation import FOREIGN_PROJECT, OWN_PROJECT, STRANGER, actor_named
from tests.hypervisors.fake_host import make_hypervisor
from tests.servers.operations.conftest import assert_nothing_left
from tests.servers.operations.lost import EVERYTHING, lose_everything, rows

pytestmark = pytest.mark.django_db(transaction=True)

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJk0d5wV0m5Hn5WqB0vG0kQk0Yt0W5qBq3o2mG1w7Zr1 ann"


@pytest.fixture
def owners(db):
    """The project and user that servers belong to, with names."""
    ensure_domain_and_roles()
    Project.objects.create(id=OWN_PROJECT, name="blüe", description="Ours.")
    Project.objects.create(id=FOREIGN_PROJECT, name="network people")
    User.objects.create_user("ann", "a password", id=STRANGER)
    KeyPair.objects.create(user_id=STRANGER, name="k", public_key=KEY, fingerprint="00:11")


@pytest.fixture(autouse=True)
def _images_are_fine(monkeypatch):
    """The file that the tests have for an image is none that QEMU could read."""
    fine = Inspection("qcow2", 2**29)
    monkeypatch.setattr("servers.restore_image.inspect_file", lambda path, format: fine)


@pytest.fixture
def server(one_host, owners, create, work) -> Server:
    """A server that runs, and whose guest knows all of it."""
    made = create(
        name="wéb", key_name="k", tags=("a", "b"), metadata={"rôle": "x y"}, description="",
        config_drive=True, access_ip_v4="10.0.0.9", hints={"different_host": [str(uuid4())]},
    )  # fmt: skip
    work(made.pk)
    Port.objects.update(name="left", tag="eth")
    sync_records(timezone.now(), Round())
    return Server.objects.get(pk=made.pk)


def found(server: Server) -> Found:
    """The guest as its host has it."""
    host = Hypervisor.objects.get(name="host1")
    with connected(host) as opened:
        return Found(host, opened.read_metadata(server.pk), opened.guest_info(server.pk))


def changed(guest: Found, **fields: Any) -> Found:
    return dataclasses.replace(guest, metadata=dataclasses.replace(guest.metadata, **fields))


def bring_back(guest: Found, **options: Any) -> Restoration:
    return restore(guest, now=timezone.now(), **options)


def test_everything_of_a_server_comes_back(server, hosts):
    kinds = [
        Server, Port, FixedIP, Network, Subnet, SecurityGroup, Allocation, Project, User, Flavor,
        RoleAssignment,
    ]  # fmt: skip
    RoleAssignment.objects.create(
        user_id=STRANGER,
        project_id=OWN_PROJECT,
        role=Role.objects.get(name="member"),
        created_at=timezone.now(),
    )
    before = {kind: rows(kind) for kind in kinds}
    reserved = {(row["subject"], row["resource"], row["amount"]) for row in rows(Reservation)}
    used = Hypervisor.objects.values_list("vcpus_used", "ram_mib_used", "disk_gib_used").get()
    calls = len(hosts["host1"].calls)
    guest = found(server)
    lose_everything()

    done = bring_back(guest)

    assert done.is_new
    assert done.notes == ()
    after = {kind: rows(kind) for kind in kinds}
    for row in [*before[RoleAssignment], *after[RoleAssignment]]:
        row.pop("created_at")
    assert after == before
    assert RoleAssignment.objects.get().role.name == "member"
    assert reserved <= {
        (row["subject"], row["resource"], row["amount"]) for row in rows(Reservation)
    }
    assert (
        Hypervisor.objects.values_list("vcpus_used", "ram_mib_used", "disk_gib_used").get() == used
    )
    assert not User.objects.get().has_usable_password()
    # Two looks of this test's own, and nothing else.
    assert hosts["host1"].calls[calls:] == ["read_metadata", "guest_info"]


def test_a_restored_server_needs_no_other_metadata(server, hosts):
    guest = found(server)
    lose_everything()

    bring_back(guest)

    assert sync_records(timezone.now(), Round()) == 0


def test_others_learn_of_what_came_back(server):
    guest = found(server)
    lose_everything()
    GroupChange.objects.all().delete()

    bring_back(guest)

    groups = set(SecurityGroup.objects.values_list("pk", flat=True))
    noted = GroupChange.objects.filter(is_of_members=True).values_list("group_id", flat=True)
    assert set(noted) == groups


def test_a_second_time_changes_nothing(server):
    guest = found(server)
    lose_everything()
    bring_back(guest)
    before = {kind: rows(kind) for kind in EVERYTHING}

    again = bring_back(guest)

    assert not again.is_new
    assert {kind: rows(kind) for kind in EVERYTHING} == before


def test_a_server_that_is_there_is_left_as_it_is(server):
    guest = changed(found(server), name="older")

    assert (
        restore_server(
            hypervisor=guest.hypervisor,
            metadata=guest.metadata,
            info=guest.info,
            now=timezone.now(),
        )
        == server
    )
    assert Server.objects.get().name == "wéb"


def test_a_restored_server_can_be_deleted_without_a_trace(server, hosts, work):
    guest = found(server)
    lose_everything()
    bring_back(guest)

    restored = Server.objects.get()
    delete_server(server=restored, actor=actor_named("admin"), now=timezone.now())
    work(restored.pk)

    kept = ["networks", "subnets", "images", "image_size_total"]
    Reservation.objects.filter(resource__in=kept).delete()
    assert_nothing_left(hosts)


@pytest.mark.parametrize(
    ("power", "is_saved", "vm_state"),
    [
        ("shutdown", False, VmState.STOPPED),
        ("shutdown", True, VmState.SUSPENDED),
        ("crashed", False, VmState.STOPPED),
        ("paused", False, VmState.PAUSED),
    ],
)
def test_the_state_is_the_guests(server, hosts, power, is_saved, vm_state):
    guest = found(server)
    info = dataclasses.replace(guest.info, power_state=power, is_saved=is_saved)
    guest = dataclasses.replace(guest, info=info)
    lose_everything()

    bring_back(guest)

    assert Server.objects.get().vm_state == vm_state


def test_an_address_that_another_port_has_is_not_taken_from_it(server):
    guest = found(server)
    network = guest.metadata.networks[0]
    lose_everything()
    bring_back(changed(guest, ports=()))
    [address] = guest.metadata.ports[0].fixed_ips
    for kind in (Server, ServerAction, Allocation):
        kind.objects.all().delete()
    other = Port.objects.create(
        network_id=UUID(network.id), project_id="other", mac_address="fa:16:3e:00:00:01"
    )
    FixedIP.objects.create(port=other, subnet_id=UUID(address.subnet_id), address=address.address)

    done = bring_back(guest)

    assert done.notes == (f"The address {address.address} is left out: another port has it.",)
    assert FixedIP.objects.get().port == other
    assert Port.objects.filter(device_id=str(server.pk)).exists()
    assert ServerAction.objects.get(server_id=server.pk).message == done.notes[0]


def test_a_card_address_that_another_port_has_is_not_taken_from_it(server):
    guest = found(server)
    port = guest.metadata.ports[0]
    lose_everything()
    bring_back(changed(guest, ports=()))
    Server.objects.all().delete()
    Port.objects.create(network_id=UUID(port.network_id), project_id="other", mac_address=port.mac)

    done = bring_back(guest)

    assert done.notes == (
        f"The port {port.id} is left out: another one on its network has {port.mac}.",
    )


def test_a_port_that_went_to_another_server_stays_there(server):
    guest = found(server)
    Server.objects.all().delete()
    Port.objects.update(device_id="another")

    assert bring_back(guest).notes == (
        f"The port {guest.metadata.ports[0].id} is left where it is: at another.",
    )


def test_a_port_that_is_free_is_the_servers_again(server):
    guest = found(server)
    Server.objects.all().delete()
    Port.objects.update(device_id="", device_owner="")

    assert bring_back(guest).notes == ()
    assert Port.objects.get().device_id == str(server.pk)


def test_a_private_flavor_comes_back_for_the_project(server):
    guest = found(server)
    flavor = dataclasses.replace(guest.metadata.flavor, is_public=False)
    lose_everything()

    bring_back(changed(guest, flavor=flavor))

    assert not Flavor.objects.get().is_public
    assert FlavorAccess.objects.get().project_id == OWN_PROJECT


def test_a_flavor_that_was_deleted_stays_so(server):
    Flavor.objects.all().delete()
    sync_records(timezone.now(), Round())
    guest = found(server)
    lose_everything()

    bring_back(guest)

    assert not Flavor.objects.exists()
    assert Server.objects.get().flavor == server.flavor


def test_names_that_are_taken_are_left_to_who_has_them(server):
    guest = found(server)
    lose_everything()
    Project.objects.create(name="blüe")
    User.objects.create_user("ann")
    Flavor.objects.create(flavorid="other", name="m1.tiny", vcpus=1, ram_mib=1, disk_gib=1)

    done = bring_back(guest)

    assert done.notes == (
        "The project is called blüe (00000000): blüe is another one.",
        "The user is called ann (aaaaaaaa): ann is another one.",
        "The flavor is called m1.tiny (1): m1.tiny is another one.",
    )
    assert Server.objects.get().project_id == OWN_PROJECT


def test_a_server_beyond_its_projects_quota_comes_back(server):
    guest = found(server)
    lose_everything()
    QuotaLimit.objects.create(project_id=OWN_PROJECT, resource="instances", limit=0)
    QuotaLimit.objects.create(project_id=OWN_PROJECT, resource="ports", limit=0)

    assert bring_back(guest).is_new
    assert Reservation.objects.filter(project_id=OWN_PROJECT, resource="instances").exists()


def test_a_host_without_room_still_has_the_guest(server):
    guest = found(server)
    lose_everything()
    Hypervisor.objects.update(vcpus=0, ram_mib=0)

    bring_back(guest)

    assert Hypervisor.objects.get().ram_mib_used == 256


def test_a_deleted_server_comes_back_only_when_asked(server):
    guest = found(server)
    Server.objects.update(deleted_at=timezone.now(), vm_state=VmState.DELETED)

    with pytest.raises(ServerWasDeleted):
        bring_back(guest)
    done = bring_back(guest, undelete=True)

    assert done.is_new
    assert Server.objects.get().status == "ACTIVE"
    assert Server.objects.get().power_state == PowerState.RUNNING


def test_a_server_that_is_elsewhere_is_not_brought_here(server, hosts):
    guest = found(server)
    other = make_hypervisor(hosts, "host2")
    Server.objects.update(hypervisor=other)

    with pytest.raises(GuestElsewhere):
        bring_back(guest)


def test_a_copy_of_a_guest_is_not_its_server(server):
    guest = found(server)
    lose_everything()
    copied = dataclasses.replace(guest.info, uuid=uuid4(), name="copy")

    with pytest.raises(RecordUnusable):
        bring_back(dataclasses.replace(guest, info=copied))
    assert not Server.objects.exists()


@pytest.mark.parametrize(
    "damage", [{"request_spec": "{"}, {"server_id": "no uuid"}, {"image_id": "no uuid"}]
)
def test_damaged_metadata_restores_nothing(server, damage):
    guest = changed(found(server), **damage)
    lose_everything()

    with pytest.raises(RecordUnusable):
        bring_back(guest)
    assert not Project.objects.exists()


def test_what_fails_half_way_leaves_nothing(server, monkeypatch):
    guest = found(server)
    lose_everything()
    monkeypatch.setattr("servers.restore.hold_server", lambda **_: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        bring_back(guest)

    for kind in (Project, User, Network, Port, Server, Flavor, Reservation):
        assert not kind.objects.exists()


def test_a_role_taken_away_on_purpose_comes_back_with_a_rebuild_only(server):
    guest = found(server)
    KeyPair.objects.all().delete()
    Server.objects.all().delete()

    bring_back(guest)
    assert not RoleAssignment.objects.exists()
    assert not KeyPair.objects.exists()

    Server.objects.all().delete()
    bring_back(guest, with_rights=True)
    assert RoleAssignment.objects.get().role.name == "member"
    assert KeyPair.objects.get().public_key == KEY


def test_an_image_comes_back_where_its_file_lies(server, image):
    guest = found(server)
    lose_everything()

    bring_back(guest)

    restored = Image.objects.get()
    assert (restored.pk, restored.status, restored.name) == (image.pk, "active", "tiny")
    assert (restored.sha256, restored.size) == (image.sha256, len(b"an image"))


def test_an_image_without_its_file_does_not(server, image):
    guest = found(server)
    lose_everything()
    image_path(image).unlink()

    assert bring_back(guest).notes == ()
    assert not Image.objects.exists()


def test_a_file_that_is_not_what_it_was_is_no_image(server, image):
    guest = found(server)
    lose_everything()
    image_path(image).write_bytes(b"something else")

    assert bring_back(guest).notes == (
        f"The image {image.pk} is left out: its file is not what it was.",
    )


def test_a_guest_of_the_first_release_comes_back(server):
    guest = found(server)
    known = guest.metadata
    old = GuestMetadata(
        server_id=known.server_id, name=known.name, project_id=known.project_id,
        project_name="blüe", user_id=known.user_id, user_name="ann", flavor=known.flavor,
        hostname=known.hostname, availability_zone="nova", created_at=known.created_at,
        image_id=known.image_id, ports=known.ports,
    )  # fmt: skip
    lose_everything()

    done = bring_back(dataclasses.replace(guest, metadata=old))

    [port] = known.ports
    assert done.notes == (
        f"The port {port.id} is left out: nobody knows its network {port.network_id}.",
    )
    assert Allocation.objects.get().ram_mib == 256


def test_user_data_is_what_the_config_drive_holds(server):
    guest = dataclasses.replace(found(server), user_data=b"#!/bin/sh\n")
    lose_everything()

    bring_back(guest)

    assert Server.objects.get().user_data == "IyEvYmluL3NoCg=="


def test_no_secret_is_in_the_metadata(one_host, owners, create, work):
    server = create(admin_password="s3cret-pass", user_data="czNjcmV0LWRhdGE=", config_drive=True)
    work(server.pk)

    text = repr(found(server).metadata)

    assert "s3cret-pass" not in text
    assert "czNjcmV0LWRhdGE=" not in text
    assert "s3cret-data" not in text


def test_what_networks_lie_on_comes_back_and_hosts_are_told(server):
    Network.objects.update(type="vxlan", segment=42, mtu=1450)
    Subnet.objects.update(dhcp_address="10.20.0.254")
    sync_records(timezone.now(), Round())
    guest = found(server)
    before = rows(Network), rows(Subnet)
    NetworkPlace.objects.all().delete()
    PortPlace.objects.all().delete()
    lose_everything()

    assert bring_back(guest).notes == ()

    assert (rows(Network), rows(Subnet)) == before
    place = NetworkPlace.objects.get()
    assert (place.network_id, place.hypervisor.name) == (Network.objects.get().pk, "host1")
    assert PortPlace.objects.get().port_id == Port.objects.get().pk


def test_a_free_port_that_comes_back_to_its_server_is_on_its_host_again(server):
    Network.objects.update(type="vxlan", segment=42)
    guest = found(server)
    Server.objects.all().delete()
    Port.objects.update(device_id="", device_owner="")

    bring_back(guest)

    assert PortPlace.objects.get().port_id == Port.objects.get().pk
    assert NetworkPlace.objects.get().hypervisor.name == "host1"


def test_a_network_whose_number_was_given_away_is_left_out(server):
    Network.objects.update(type="vxlan", segment=42)
    sync_records(timezone.now(), Round())
    guest = found(server)
    lose_everything()
    Network.objects.create(project_id=OWN_PROJECT, type="vxlan", segment=42)

    notes = bring_back(guest).notes

    assert "another one has what it lies on (vxlan  42)" in notes[0]
    assert Network.objects.count() == 1
