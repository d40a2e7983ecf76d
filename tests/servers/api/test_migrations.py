"""`/os-migrations` as clients see it, at each of its microversions."""

from datetime import timedelta
from uuid import uuid4

import pytest

from servers.models import Migration
from tests.authorisation import OWN_PROJECT, client_as

pytestmark = pytest.mark.django_db

LIST = "/compute/v2.1/os-migrations"


@pytest.fixture
def make(host, now):
    count = iter(range(1000))

    def migration(**fields) -> Migration:
        at = now + timedelta(seconds=next(count))
        known = {
            "server_id": uuid4(), "type": "resize", "status": "finished", "source": host,
            "source_name": "alpha", "source_node": "alpha.lab", "destination_name": "beta",
            "destination_node": "beta.lab", "destination_address": "192.0.2.2",
            "old_flavor_id": 1, "new_flavor_id": 2, "user_id": "u", "project_id": OWN_PROJECT,
            "created_at": at, "updated_at": at,
        }  # fmt: skip
        return Migration.objects.create(**{**known, **fields})

    return migration


def listed(query="", version="2.1", who="admin"):
    answer = client_as(who, version).get(LIST + query)
    assert answer.status_code == 200, answer.content
    return answer.json()


def ids(query="", version="2.80", who="admin"):
    return [each["id"] for each in listed(query, version, who)["migrations"]]


def test_what_is_shown_grows_with_the_microversion(make):
    row = make()
    first = {
        "id": row.pk, "instance_uuid": str(row.server_id), "status": "finished",
        "old_instance_type_id": 1, "new_instance_type_id": 2,
        "source_compute": "alpha", "source_node": "alpha.lab", "dest_compute": "beta",
        "dest_host": "192.0.2.2", "dest_node": "beta.lab",
        "created_at": "2026-05-04T12:30:15.123456", "updated_at": "2026-05-04T12:30:15.123456",
    }  # fmt: skip
    typed = {**first, "migration_type": "resize"}
    named = {**typed, "uuid": str(row.uuid)}

    assert listed(version="2.22") == {"migrations": [first]}
    assert listed(version="2.23") == {"migrations": [typed]}
    assert listed(version="2.59") == {"migrations": [named]}
    assert listed(version="2.80") == {
        "migrations": [{**named, "user_id": "u", "project_id": OWN_PROJECT}]
    }


def test_a_live_migration_under_way_has_links(make):
    row = make(type="live-migration", status="running")
    make(type="live-migration", status="completed")

    [over, running] = listed(version="2.23")["migrations"]

    assert "links" not in over
    assert [each["rel"] for each in running["links"]] == ["self", "bookmark"]
    assert running["links"][0]["href"].endswith(f"/servers/{row.server_id}/migrations/{row.pk}")
    assert "links" not in listed(version="2.22")["migrations"][1]


def test_filters_choose(make):
    one = make(source_name="gamma", status="error")
    two = make(type="migration", is_hidden=True, user_id="other", project_id="p" * 32)

    assert ids() == [two.pk, one.pk]
    assert ids("?host=gamma") == [one.pk]
    assert ids("?host=beta") == [two.pk, one.pk]
    assert ids("?source_compute=gamma") == [one.pk]
    assert ids("?status=error") == [one.pk]
    assert ids("?migration_type=migration") == [two.pk]
    assert ids("?hidden=True") == [two.pk]
    assert ids(f"?instance_uuid={one.server_id}") == [one.pk]
    assert ids("?instance_uuid=x") == []
    assert ids("?user_id=other") == [two.pk]
    assert ids(f"?project_id={'p' * 32}") == [two.pk]
    assert ids("?user_id=other", "2.58") == [two.pk, one.pk]


def test_changes_are_chosen_by_their_time(make):
    one, two = make(), make()

    assert ids("?changes-since=2026-05-04T12:30:16Z") == [two.pk]
    assert ids("?changes-before=2026-05-04T12:30:16Z") == [one.pk]
    answer = client_as("admin", "2.66").get(
        f"{LIST}?changes-since=2026-05-05T00:00:00Z&changes-before=2026-05-04T00:00:00Z"
    )
    assert answer.status_code == 400


def test_pages_are_linked_from_2_59_on(make):
    rows = [make() for _ in range(5)][::-1]

    page = listed("?limit=2", "2.59")
    assert [each["id"] for each in page["migrations"]] == [row.pk for row in rows[:2]]
    [link] = page["migrations_links"]
    assert link["rel"] == "next"
    following = client_as("admin", "2.59").get(link["href"]).json()
    assert [each["id"] for each in following["migrations"]] == [row.pk for row in rows[2:4]]
    last = listed(f"?limit=2&marker={rows[3].uuid}", "2.59")
    assert [each["id"] for each in last["migrations"]] == [rows[4].pk]
    assert "migrations_links" not in last
    assert len(listed("?limit=2", "2.58")["migrations"]) == 5
    unknown = client_as("admin", "2.59").get(f"{LIST}?marker={uuid4()}")
    assert unknown.status_code == 400


def test_a_manager_sees_those_of_the_own_project_without_hosts(make):
    own = make()
    make(project_id="p" * 32)

    assert client_as("manager", "2.80").get(LIST).status_code == 403
    found = listed(f"?project_id={OWN_PROJECT}", "2.80", "manager")["migrations"]

    assert [each["id"] for each in found] == [own.pk]
    assert {found[0][key] for key in ("source_compute", "dest_compute", "dest_host")} == {None}
    assert client_as("member", "2.80").get(f"{LIST}?project_id={OWN_PROJECT}").status_code == 403
