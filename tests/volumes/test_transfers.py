"""Volumes that are handed from project to project with a key."""

from __future__ import annotations

import pytest

from quotas.models import QuotaLimit, Reservation
from tests.authorisation import FOREIGN_PROJECT, OWN_PROJECT
from tests.volumes.conftest import ask, client_of, make, show, work
from volumes.models import Snapshot, Transfer, Volume


@pytest.fixture
def stranger():
    """A member of another project."""
    return client_of("foreign member")


def offer(client, volume, version="3.71", base="os-volume-transfer", **fields):
    body = {"transfer": {"volume_id": volume["id"], **fields}}
    answer = ask(client, "post", base, body, version=version)
    assert answer.status_code == 202, answer.json()
    return answer.json()["transfer"]


def accept(client, transfer, key=None, base="os-volume-transfer"):
    body = {"accept": {"auth_key": key or transfer["auth_key"]}}
    return ask(client, "post", f"{base}/{transfer['id']}/accept", body)


def snapshot(client, volume):
    answer = ask(client, "post", "snapshots", {"snapshot": {"volume_id": volume["id"]}})
    assert answer.status_code == 202, answer.json()
    return answer.json()["snapshot"]


def holders():
    rows = Reservation.objects.filter(resource__in=["volumes", "gigabytes", "snapshots"])
    return sorted(rows.values_list("project_id", "resource", "amount"))


@pytest.mark.parametrize("base", ["os-volume-transfer", "volume-transfers"])
def test_a_volume_goes_to_whoever_has_the_key_and_its_quota_with_it(world, client, stranger, base):
    volume = make(client, name="gift")
    taken = snapshot(client, volume)

    transfer = offer(client, volume, base=base, name="present")

    assert (transfer["name"], transfer["volume_id"]) == ("present", volume["id"])
    assert (transfer["no_snapshots"], transfer["accepted"]) == (False, False)
    assert transfer["source_project_id"] == OWN_PROJECT
    assert show(client, volume)["status"] == "awaiting-transfer"
    answer = accept(stranger, transfer, base=base)
    assert answer.status_code == 202, answer.json()
    assert answer.json()["transfer"]["volume_id"] == volume["id"]
    assert ask(client, "get", f"volumes/{volume['id']}").status_code == 404
    moved = show(stranger, volume)
    assert moved["status"] == "available"
    assert moved["os-vol-tenant-attr:tenant_id"] == FOREIGN_PROJECT
    assert Snapshot.objects.get(pk=taken["id"]).project_id == FOREIGN_PROJECT
    assert holders() == [
        (FOREIGN_PROJECT, "gigabytes", 1),
        (FOREIGN_PROJECT, "gigabytes", 1),
        (FOREIGN_PROJECT, "snapshots", 1),
        (FOREIGN_PROJECT, "volumes", 1),
    ]
    assert not Transfer.objects.exists()


def test_the_key_is_told_once_and_kept_as_a_hash(world, client):
    transfer = offer(client, make(client))
    kept = Transfer.objects.get()

    shown = ask(client, "get", f"os-volume-transfer/{transfer['id']}").json()["transfer"]
    [listed] = ask(client, "get", "os-volume-transfer/detail").json()["transfers"]

    assert shown == listed == {key: transfer[key] for key in transfer if key != "auth_key"}
    assert transfer["auth_key"] not in kept.key_hash
    assert transfer["auth_key"] not in repr(kept)


def test_a_wrong_key_takes_nothing(world, client, stranger):
    volume = make(client)
    transfer = offer(client, volume)

    answer = accept(stranger, transfer, key="guess")

    assert answer.status_code == 400
    assert "auth key" in answer.json()["badRequest"]["message"]
    assert show(client, volume)["status"] == "awaiting-transfer"
    assert {project for project, *_ in holders()} == {OWN_PROJECT}


def test_a_volume_is_accepted_once(world, client, stranger):
    transfer = offer(client, make(client))

    assert accept(stranger, transfer).status_code == 202
    assert accept(client, transfer).status_code == 404


def test_what_does_not_fit_into_the_other_projects_quota_stays(world, client, stranger):
    QuotaLimit.objects.create(project_id=FOREIGN_PROJECT, resource="volumes", limit=0)
    volume = make(client)
    transfer = offer(client, volume)

    answer = accept(stranger, transfer)

    assert answer.status_code == 413
    assert "overLimit" in answer.json()
    assert show(client, volume)["status"] == "awaiting-transfer"
    assert {project for project, *_ in holders()} == {OWN_PROJECT}
    assert Transfer.objects.exists()


def test_a_transfer_that_is_withdrawn_frees_the_volume(world, client, stranger):
    volume = make(client)
    transfer = offer(client, volume)

    assert ask(client, "delete", f"volumes/{volume['id']}").status_code == 400
    assert ask(client, "delete", f"os-volume-transfer/{transfer['id']}").status_code == 202

    assert show(client, volume)["status"] == "available"
    assert accept(stranger, transfer).status_code == 404


def test_only_a_free_volume_is_offered_and_only_once(world, client):
    volume = make(client)
    offer(client, volume)

    body = {"transfer": {"volume_id": volume["id"]}}
    answer = ask(client, "post", "os-volume-transfer", body)

    assert answer.status_code == 400
    assert Transfer.objects.count() == 1


def test_snapshots_stay_where_they_are_not_to_go(world, client, stranger):
    volume = make(client)
    kept = snapshot(client, volume)
    transfer = offer(client, volume, no_snapshots=True)

    assert accept(stranger, transfer).status_code == 202

    assert Snapshot.objects.get(pk=kept["id"]).project_id == OWN_PROJECT
    assert (OWN_PROJECT, "snapshots", 1) in holders()
    # The new owner cannot delete what is not its own.
    for cascade in ("", "?cascade=true"):
        assert ask(stranger, "delete", f"volumes/{volume['id']}{cascade}").status_code == 400
    assert ask(client, "delete", f"snapshots/{kept['id']}").status_code == 202
    work()
    assert ask(stranger, "delete", f"volumes/{volume['id']}").status_code == 202


@pytest.mark.parametrize(
    ("version", "fields"),
    [
        ("3.54", set()),
        ("3.55", {"no_snapshots"}),
        ("3.57", {"no_snapshots", "source_project_id", "destination_project_id", "accepted"}),
    ],
)
def test_a_transfer_shows_what_its_microversion_knows(world, client, version, fields):
    transfer = offer(client, make(client), version=version)

    always = {"id", "name", "volume_id", "links", "created_at", "auth_key"}
    assert set(transfer) == always | fields


def test_the_newer_address_is_there_since_3_55(world, client):
    assert ask(client, "get", "volume-transfers", version="3.54").status_code == 404
    assert ask(client, "get", "volume-transfers", version="3.55").status_code == 200
    body = {"transfer": {"volume_id": make(client)["id"], "no_snapshots": True}}
    assert ask(client, "post", "os-volume-transfer", body, version="3.54").status_code == 400


def test_a_status_that_is_set_by_hand_ends_the_offer(world, client, stranger):
    volume = make(client)
    transfer = offer(client, volume)
    body = {"os-reset_status": {"status": "available"}}

    ask(client_of("admin"), "post", f"volumes/{volume['id']}/action", body)

    assert accept(stranger, transfer).status_code == 404
    assert show(client, volume)["status"] == "available"


def test_transfers_are_listed_by_name_and_paged(world, client, stranger):
    made = [offer(client, make(client), name=f"t{number}")["id"] for number in range(3)]

    page = ask(client, "get", "os-volume-transfer?limit=2&sort=name:asc").json()
    named = ask(client, "get", "os-volume-transfer/detail?name=t1").json()["transfers"]

    assert [each["id"] for each in page["transfers"]] == made[:2]
    assert page["transfers_links"]
    assert [each["id"] for each in named] == [made[1]]
    assert ask(stranger, "get", "os-volume-transfer").json()["transfers"] == []
    everything = ask(client_of("foreign admin"), "get", "os-volume-transfer?all_tenants=1").json()
    assert len(everything["transfers"]) == 3


def test_forced_to_be_deleted_a_volume_takes_its_offer_along(world, client, stranger):
    volume = make(client)
    transfer = offer(client, volume)

    body = {"os-force_delete": {}}
    assert (
        ask(client_of("admin"), "post", f"volumes/{volume['id']}/action", body).status_code == 202
    )

    assert accept(stranger, transfer).status_code == 400
    work()
    assert not Volume.objects.exists()
    assert not Transfer.objects.exists()
