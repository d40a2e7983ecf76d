"""What lists of volumes are narrowed down by, and what is said of all volumes together."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from quotas.models import QuotaLimit
from tests.authorisation import OWN_PROJECT
from tests.volumes.conftest import ask, client_of, make
from volumes.models import Attachment, Message, Snapshot, Transfer, Volume, VolumeType


def named(client, version="3.71", path="volumes", **query):
    answer = ask(client, "get", f"{path}?{urlencode(query)}", version=version)
    assert answer.status_code == 200, answer.json()
    return sorted(each["name"] for each in answer.json()[path.partition("/")[0]])


@pytest.fixture
def three(world, client):
    made = [
        make(client, name="web-1", metadata={"color": "red", "tier": "1"}),
        make(client, name="web-2", metadata={"color": "blue"}, size=2),
        make(client, name="db", metadata={"odd__key": "x"}),
    ]
    Volume.objects.filter(pk=made[2]["id"]).update(is_bootable=True, status="error")
    return made


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"name": "db"}, ["db"]),
        ({"name~": "web"}, ["web-1", "web-2"]),
        ({"status": "error"}, ["db"]),
        ({"bootable": "true"}, ["db"]),
        ({"bootable": "False"}, ["web-1", "web-2"]),
        ({"metadata": "{'color': 'red'}"}, ["web-1"]),
        ({"metadata": "{'color': 'red', 'tier': '2'}"}, []),
        ({"metadata": '{"odd__key": "x"}'}, ["db"]),
        ({"availability_zone": "nova"}, ["db", "web-1", "web-2"]),
        ({"availability_zone": "elsewhere"}, []),
        ({"encrypted": "False"}, ["db", "web-1", "web-2"]),
        ({"multiattach": "true"}, []),
        ({"snapshot_id": "none"}, []),
        ({"created_at": "gt:2020-01-01T00:00:00,lt:2020-01-02T00:00:00"}, []),
        ({"created_at": "gte:2020-01-01T00:00:00"}, ["db", "web-1", "web-2"]),
        ({"created_at": "neq:2020-01-01T00:00:00"}, ["db", "web-1", "web-2"]),
    ],
)
def test_volumes_are_found_by_what_they_are(three, client, query, names):
    assert named(client, **query) == names
    assert named(client, path="volumes/detail", **query) == names


@pytest.mark.parametrize(
    "query",
    [{"metadata": "{"}, {"metadata": "[1]"}, {"created_at": "gt:soon"}, {"odd": "1"},
     {"created_at": "2020-13-45T00:00:00"}],
)  # fmt: skip
def test_what_no_list_is_narrowed_down_by(three, client, query):
    assert ask(client, "get", f"volumes?{urlencode(query)}").status_code == 400


def test_older_clients_may_ask_for_filters_that_there_are_none_of(three, client):
    assert len(named(client, version="3.30", odd="1")) == 3
    # Searching came with 3.34, times with 3.60.
    assert len(named(client, version="3.30", **{"name~": "web"})) == 3
    assert len(named(client, version="3.59", created_at="lt:2020-01-01T00:00:00")) == 3


def test_snapshots_are_found_the_same_way(three, client):
    for number, volume in enumerate(three[:2]):
        wanted = {"volume_id": volume["id"], "name": f"s{number}", "metadata": {"a": str(number)}}
        ask(client, "post", "snapshots", {"snapshot": wanted})

    assert named(client, path="snapshots", metadata="{'a': '1'}") == ["s1"]
    assert named(client, path="snapshots", volume_id=three[0]["id"]) == ["s0"]
    assert named(client, path="snapshots/detail", **{"name~": "s"}) == ["s0", "s1"]


def test_pages_may_be_asked_for_by_their_number(three, client):
    answer = ask(client, "get", "volumes?sort=name:asc&limit=1&offset=1&with_count=true").json()

    assert [each["name"] for each in answer["volumes"]] == ["web-1"]
    assert answer["count"] == 3


def test_the_sum_of_all_volumes_is_told_with_their_metadata_from_3_36_on(three, client):
    early = ask(client, "get", "volumes/summary", version="3.35").json()
    late = ask(client, "get", "volumes/summary", version="3.36").json()

    assert early == {"volume-summary": {"total_size": 4, "total_count": 3}}
    assert late["volume-summary"]["metadata"] == {
        "color": ["blue", "red"],
        "odd__key": ["x"],
        "tier": ["1"],
    }
    stranger = client_of("foreign member")
    empty = ask(stranger, "get", "volumes/summary").json()["volume-summary"]
    assert (empty["total_size"], empty["total_count"]) == (0, 0)
    everything = ask(client_of("foreign admin"), "get", "volumes/summary?all_tenants=1").json()
    assert everything["volume-summary"]["total_count"] == 3


def test_the_names_of_filters_are_told(world, client):
    shown = ask(client, "get", "resource_filters?resource=volume").json()["resource_filters"]

    [volumes] = shown
    assert {"name", "name~", "metadata", "created_at"} <= set(volumes["filters"])
    assert ask(client, "get", "resource_filters?resource=none").status_code == 400
    assert ask(client, "get", "resource_filters", version="3.32").status_code == 404


@pytest.mark.parametrize(
    "path",
    ["backups", "backups/detail", "groups/detail", "group_types", "consistencygroups",
     "group_snapshots", "cgsnapshots", "clusters", "workers", "os-hosts", "qos-specs",
     "manageable_volumes", "os-volume-manage", "snapshot_manage"],
)  # fmt: skip
def test_what_is_not_offered_is_not_found(world, client, path):
    answer = ask(client, "get", path)

    assert answer.status_code == 404
    assert answer.json()["itemNotFound"]["code"] == 404


@pytest.mark.parametrize(
    "path",
    ["volumes", "volumes/detail", "volumes/summary", "snapshots/detail", "attachments/detail",
     "os-volume-transfer/detail", "messages", "types", "os-quota-sets/{project}?usage=True"],
)  # fmt: skip
def test_a_list_makes_as_many_queries_for_few_rows_as_for_many(world, client, path):
    path = path.format(project=OWN_PROJECT)
    QuotaLimit.objects.create(project_id=OWN_PROJECT, resource="volumes", limit=-1)

    def counted(rows):
        for number in range(rows):
            kind = VolumeType.objects.create(name=f"{rows}-{number}")
            volume = Volume.objects.get(pk=make(client, volume_type=kind.name)["id"])
            held = Volume.objects.get(pk=make(client)["id"])
            Attachment.objects.create(volume=held, by_compute=False, status="attached")
            common = {"project_id": OWN_PROJECT, "user_id": ""}
            Snapshot.objects.create(volume=volume, size_gib=1, status="available", **common)
            Transfer.objects.create(volume=volume, source_project_id=OWN_PROJECT)
            Message.objects.create(
                project_id=OWN_PROJECT, resource_type="VOLUME", resource_id=volume.pk
            )
        with CaptureQueriesContext(connection) as queries:
            assert ask(client_of("admin"), "get", path).status_code == 200
        return len(queries)

    assert counted(2) == counted(5)
