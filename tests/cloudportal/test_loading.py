"""Rows that are read at once are what the model itself would have read."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cloudportal.loading import load
from hypervisors.models import Hypervisor
from servers.models import Server

pytestmark = pytest.mark.django_db
ALL = [field.attname for field in Server._meta.concrete_fields]


@pytest.fixture
def rows():
    host = Hypervisor.objects.create(name="kvm1", uri="qemu+ssh://kvm1/system")
    for name in ("a", "b"):
        Server.objects.create(
            name=name,
            hostname=name,
            project_id="p",
            user_id="u",
            flavor={"name": "größe", "extra_specs": {"a": [1, None, 2.5]}, "big": 10**30},
            metadata={"name": name},
            tags=[],
            hypervisor=host if name == "a" else None,
            access_ip_v4="192.0.2.1",
            launched_at="2026-05-04T12:30:15.123456Z",
        )
    return Server.objects.order_by("name")


def columns_of(server):
    return {name: value for name, value in vars(server).items() if name != "_state"}


def test_each_row_has_the_values_that_the_model_reads(rows):
    found = load(rows, ALL)

    assert [columns_of(each) for each in found] == [columns_of(each) for each in rows]
    assert found == list(rows)
    assert found[0].hypervisor == rows[0].hypervisor


def test_a_column_that_was_left_out_is_read_when_it_is_asked_for(rows):
    with CaptureQueriesContext(connection) as queries:
        [server] = load(rows[1:], ["id", "name"])
        assert server.name == "b"
    assert len(queries) == 1

    assert server.metadata == {"name": "b"}


def test_a_row_can_be_saved(rows):
    [server, _] = load(rows, ALL)

    server.name = "c"
    server.save()

    assert sorted(rows.values_list("name", flat=True)) == ["b", "c"]


def test_no_rows_are_none(rows):
    assert load(rows.filter(name="c"), ALL) == []
    assert load(rows.none(), ALL) == []
