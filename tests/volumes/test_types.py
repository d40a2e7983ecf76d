"""Types of volumes: who may use them, which is a project's default, and what limits they have."""

from __future__ import annotations

import pytest

from identity.models import Domain, Project
from quotas.models import QuotaLimit
from tests.authorisation import FOREIGN_PROJECT, OWN_PROJECT
from tests.volumes.conftest import ask, client_of, make, show, work
from tests.volumes.test_transfers import accept, offer
from tests.volumes.test_volumes import attach
from volumes.models import DefaultVolumeType, Volume, VolumeType


@pytest.fixture
def admin():
    return client_of("admin")


@pytest.fixture
def projects(db):
    domain, _ = Domain.objects.get_or_create(id="default", defaults={"name": "Default"})
    for number, key in enumerate((OWN_PROJECT, FOREIGN_PROJECT)):
        Project.objects.get_or_create(id=key, defaults={"name": f"p{number}", "domain": domain})


def make_type(admin, name="fast", **fields):
    answer = ask(admin, "post", "types", {"volume_type": {"name": name, **fields}})
    assert answer.status_code == 200, answer.json()
    return answer.json()["volume_type"]


def make_private(admin, name="secret"):
    return make_type(admin, name, **{"os-volume-type-access:is_public": False})


def act(client, thing, name, body, path="types"):
    return ask(client, "post", f"{path}/{thing['id']}/action", {name: body})


def test_a_private_type_is_for_those_projects_that_were_let_in(world, projects, client, admin):
    kind = make_private(admin)
    wanted = {"volume": {"size": 1, "volume_type": "secret"}}

    assert ask(client, "post", "volumes", wanted).status_code == 404
    assert ask(client, "get", f"types/{kind['id']}").status_code == 404
    assert act(admin, kind, "addProjectAccess", {"project": OWN_PROJECT}).status_code == 202

    assert ask(client, "post", "volumes", wanted).status_code == 202
    names = [each["name"] for each in ask(client, "get", "types").json()["volume_types"]]
    assert sorted(names) == ["__DEFAULT__", "secret"]
    listed = ask(admin, "get", f"types/{kind['id']}/os-volume-type-access").json()
    assert listed == {
        "volume_type_access": [{"volume_type_id": kind["id"], "project_id": OWN_PROJECT}]
    }
    again = act(admin, kind, "addProjectAccess", {"project": OWN_PROJECT})
    assert again.status_code == 409

    assert act(admin, kind, "removeProjectAccess", {"project": OWN_PROJECT}).status_code == 202
    assert act(admin, kind, "removeProjectAccess", {"project": OWN_PROJECT}).status_code == 404
    assert ask(client, "post", "volumes", wanted).status_code == 404


def test_a_public_type_has_no_list_of_projects(world, projects, admin):
    kind = make_type(admin)

    assert act(admin, kind, "addProjectAccess", {"project": OWN_PROJECT}).status_code == 400
    assert ask(admin, "get", f"types/{kind['id']}/os-volume-type-access").status_code == 404


def test_no_project_that_does_not_exist_is_let_in(world, admin):
    kind = make_private(admin)

    assert act(admin, kind, "addProjectAccess", {"project": "nobody"}).status_code == 400


def test_a_project_has_a_default_type_of_its_own(world, projects, client, admin):
    kind = make_type(admin)
    body = {"default_type": {"volume_type": "fast"}}

    answer = ask(admin, "put", f"default-types/{OWN_PROJECT}", body, version="3.62")

    shown = {"project_id": OWN_PROJECT, "volume_type_id": kind["id"]}
    assert answer.json() == {"default_type": shown}
    assert ask(admin, "get", "default-types").json() == {"default_types": [shown]}
    assert ask(admin, "get", f"default-types/{OWN_PROJECT}").json() == {"default_type": shown}
    assert ask(client, "get", "types/default").json()["volume_type"]["name"] == "fast"
    assert make(client)["volume_type"] == "fast"
    assert make(client_of("foreign member"))["volume_type"] == "__DEFAULT__"
    assert ask(admin, "delete", f"types/{kind['id']}").status_code == 400

    assert ask(admin, "delete", f"default-types/{OWN_PROJECT}").status_code == 204
    assert ask(admin, "get", f"default-types/{OWN_PROJECT}").status_code == 404
    assert make(client)["volume_type"] == "__DEFAULT__"


def test_default_types_came_with_3_62(world, admin):
    assert ask(admin, "get", "default-types", version="3.61").status_code == 404


def test_a_type_that_a_project_may_not_use_is_no_default_of_it(world, projects, admin):
    make_private(admin)
    body = {"default_type": {"volume_type": "secret"}}

    assert ask(admin, "put", f"default-types/{OWN_PROJECT}", body).status_code == 400
    assert not DefaultVolumeType.objects.exists()


def test_an_extra_spec_is_set_shown_and_taken_out(world, admin):
    path = f"types/{make_type(admin, extra_specs={'a': 'b'})['id']}/extra_specs"

    assert ask(admin, "put", f"{path}/a", {"a": "c"}).json() == {"a": "c"}
    assert ask(admin, "put", f"{path}/a", {"b": "c"}).status_code == 400
    assert ask(admin, "get", path).json() == {"extra_specs": {"a": "c"}}
    assert ask(admin, "delete", f"{path}/a").status_code == 202
    assert ask(admin, "get", f"{path}/a").status_code == 404


def test_the_default_type_keeps_its_name_and_is_for_all(world, client, admin):
    kind = ask(client, "get", "types/default").json()["volume_type"]

    for change in ({"name": "other"}, {"is_public": False}):
        answer = ask(admin, "put", f"types/{kind['id']}", {"volume_type": change})
        assert answer.status_code == 400
    answer = ask(admin, "put", f"types/{kind['id']}", {"volume_type": {"description": "all"}})
    assert answer.status_code == 200
    assert ask(admin, "delete", f"types/{kind['id']}").status_code == 400


@pytest.mark.parametrize("policy", ["never", "on-demand", None])
def test_a_volume_becomes_one_of_another_type_where_it_lies(world, client, admin, policy):
    make_type(admin)
    volume = make(client)
    body = {"new_type": "fast", **({"migration_policy": policy} if policy else {})}

    assert act(client, volume, "os-retype", body, "volumes").status_code == 202

    assert (show(client, volume)["volume_type"], show(client, volume)["status"]) == (
        "fast", "available",
    )  # fmt: skip
    assert act(client, volume, "os-retype", body, "volumes").status_code == 400


def test_also_a_volume_that_a_server_has_is_retyped_but_none_that_is_worked_on(
    world, client, admin
):
    make_type(admin)
    server, volume = world.make_active(), make(client)
    attach(client, server, volume)

    assert act(client, volume, "os-retype", {"new_type": "fast"}, "volumes").status_code == 400
    work()
    assert act(client, volume, "os-retype", {"new_type": "fast"}, "volumes").status_code == 202
    assert show(client, volume)["status"] == "in-use"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"new_type": "none such"}, 404),
        ({"new_type": "secret"}, 404),
        ({"new_type": "fast", "migration_policy": "always"}, 400),
        ({}, 400),
    ],
)
def test_what_no_volume_is_retyped_to(world, client, admin, body, status):
    make_type(admin)
    make_private(admin)

    assert act(client, make(client), "os-retype", body, "volumes").status_code == status


# Limits of types


def limit(admin, **limits):
    answer = ask(admin, "put", f"os-quota-sets/{OWN_PROJECT}", {"quota_set": limits})
    assert answer.status_code == 200, answer.json()
    return answer.json()["quota_set"]


def test_a_type_has_limits_of_its_own(world, projects, client, admin):
    make_type(admin)

    shown = limit(admin, volumes_fast=1, gigabytes_fast=2)

    assert (shown["volumes_fast"], shown["gigabytes_fast"], shown["snapshots_fast"]) == (1, 2, -1)
    volume = make(client, volume_type="fast")
    second = ask(client, "post", "volumes", {"volume": {"size": 1, "volume_type": "fast"}})
    assert second.status_code == 413
    assert (
        "volumes_fast: Requested 1, but already used 1 of 1"
        in (second.json()["overLimit"]["message"])
    )
    assert Volume.objects.count() == 1
    other = make(client)
    retype = act(client, other, "os-retype", {"new_type": "fast"}, "volumes")
    assert retype.status_code == 413
    grow = act(client, volume, "os-extend", {"new_size": 3}, "volumes")
    assert grow.status_code == 413
    assert act(client, volume, "os-extend", {"new_size": 2}, "volumes").status_code == 202
    taken = ask(client, "post", "snapshots", {"snapshot": {"volume_id": volume["id"]}})
    assert taken.status_code == 413
    used = ask(admin, "get", f"os-quota-sets/{OWN_PROJECT}?usage=True").json()["quota_set"]
    assert used["gigabytes_fast"] == {"limit": 2, "in_use": 2, "reserved": 0, "allocated": 0}
    assert used["volumes_fast"]["in_use"] == 1
    assert used["volumes___DEFAULT__"]["in_use"] == 1
    assert used["volumes"]["in_use"] == 2


def test_a_types_limits_hold_for_what_is_accepted_from_others(world, projects, client, admin):
    make_type(admin)
    limit(admin, gigabytes_fast=0)
    giver = client_of("foreign member")
    transfer = offer(giver, make(giver, volume_type="fast"))

    assert accept(client, transfer).status_code == 413
    limit(admin, gigabytes_fast=-1)
    assert accept(client, transfer).status_code == 202


def test_a_volume_of_a_type_that_a_project_may_not_use_is_not_accepted(
    world, projects, client, admin
):
    kind = make_private(admin)
    act(admin, kind, "addProjectAccess", {"project": OWN_PROJECT})
    transfer = offer(client, make(client, volume_type="secret"))

    assert accept(client_of("foreign member"), transfer).status_code == 400


def test_limits_follow_a_types_name_and_end_with_it(world, projects, admin):
    kind = make_type(admin)
    limit(admin, volumes_fast=7)

    ask(admin, "put", f"types/{kind['id']}", {"volume_type": {"name": "rapid"}})

    shown = ask(admin, "get", f"os-quota-sets/{OWN_PROJECT}").json()["quota_set"]
    assert shown["volumes_rapid"] == 7
    assert "volumes_fast" not in shown
    assert ask(admin, "delete", f"types/{kind['id']}").status_code == 202
    assert not QuotaLimit.objects.exists()
    assert not VolumeType.objects.filter(name="rapid").exists()


def test_limits_go_back_to_their_defaults(world, projects, admin):
    make_type(admin)
    limit(admin, volumes_fast=7, volumes=3)

    assert ask(admin, "delete", f"os-quota-sets/{OWN_PROJECT}").status_code == 200

    shown = ask(admin, "get", f"os-quota-sets/{OWN_PROJECT}").json()["quota_set"]
    assert (shown["volumes_fast"], shown["volumes"]) == (-1, 10)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"volumes_none": 1}, "Bad key(s) in quota set: volumes_none"),
        ({"odd": 1}, "odd"),
        ({"volumes": -2}, "volumes"),
        ({"volumes": "many"}, "many"),
        ({"volumes": 0, "skip_validation": False}, "already used"),
        ({"volumes_fast": 0, "skip_validation": False}, "used of the type"),
    ],
)
def test_what_no_limit_is(world, projects, client, admin, limits, words):
    make_type(admin)
    make(client, volume_type="fast")

    answer = ask(admin, "put", f"os-quota-sets/{OWN_PROJECT}", {"quota_set": limits})

    assert answer.status_code == 400
    assert words in answer.json()["badRequest"]["message"]


def test_the_class_default_is_that_of_all_projects(world, projects, client, admin):
    make_type(admin)
    body = {"quota_class_set": {"volumes": 4, "volumes_fast": 0}}

    answer = ask(admin, "put", "os-quota-class-sets/default", body)

    assert answer.status_code == 200, answer.json()
    shown = ask(admin, "get", "os-quota-class-sets/default").json()["quota_class_set"]
    assert (shown["id"], shown["volumes"], shown["volumes_fast"]) == ("default", 4, 0)
    own = ask(client, "get", f"os-quota-sets/{OWN_PROJECT}").json()["quota_set"]
    assert (own["volumes"], own["volumes_fast"]) == (4, 0)
    wanted = {"volume": {"size": 1, "volume_type": "fast"}}
    assert ask(client, "post", "volumes", wanted).status_code == 413
    defaults = ask(client, "get", f"os-quota-sets/{OWN_PROJECT}/defaults").json()["quota_set"]
    assert defaults["volumes"] == 4
