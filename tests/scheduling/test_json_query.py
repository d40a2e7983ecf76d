"""The JSON query of the hints: the database answers as the same query would in plain Python."""

import json
import operator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hypervisors.models import Hypervisor
from scheduling.filters.facts import FACTS
from scheduling.filters.json_query import MalformedQuery, compile_query, parse_query
from tests.scheduling.hosts import make_host

pytestmark = pytest.mark.django_db

PLAIN = {
    "free_ram_mb": lambda host: host.ram_mib - host.reserved_ram_mib - host.ram_mib_used,
    "free_disk_mb": lambda host: (
        1024 * (host.disk_gib - host.reserved_disk_gib - host.disk_gib_used)
    ),
    "total_usable_ram_mb": lambda host: host.ram_mib,
    "total_usable_disk_gb": lambda host: host.disk_gib,
    "vcpus": lambda host: host.vcpus,
    "vcpus_total": lambda host: host.vcpus,
    "vcpus_used": lambda host: host.vcpus_used,
    "num_instances": lambda host: host.running_servers,
    "failed_builds": lambda host: host.build_failures,
    "cpu_allocation_ratio": lambda host: host.cpu_ratio,
    "ram_allocation_ratio": lambda host: host.ram_ratio,
    "disk_allocation_ratio": lambda host: host.disk_ratio,
    "hypervisor_version": lambda host: host.qemu_version,
    "hypervisor_hostname": lambda host: host.hostname,
    "nodename": lambda host: host.hostname,
    "host": lambda host: host.name,
    "host_ip": lambda host: host.host_ip,
}
ORDER = {
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
    "=": operator.eq,
}


def answer(query, host):
    """What the query says of one host, without a database."""
    word, operands = query[0], query[1:]
    if word in ("and", "or", "not"):
        said = [answer(each, host) for each in operands]
        return {"and": all(said), "or": any(said), "not": not all(said)}[word]
    first, *others = (
        PLAIN[each[1:]](host) if isinstance(each, str) and each.startswith("$") else each
        for each in operands
    )
    if word == "in":
        return first in others
    return all(ORDER[word](first, other) for other in others)


NUMBERS = st.sampled_from(sorted(f"${name}" for name, fact in FACTS.items() if fact.is_number))
TEXTS = st.sampled_from(sorted(f"${name}" for name, fact in FACTS.items() if not fact.is_number))
NUMBER = NUMBERS | st.integers(-2000, 9000) | st.sampled_from([0.5, 1.0, 4.0, 1.5, -512, 7680])
TEXT = TEXTS | st.sampled_from(["a.lab", "A.LAB", "b.lab", "", "10.0.0.1", "%", "'", "\\", "é"])
LEAF = st.one_of(
    st.tuples(st.sampled_from([*ORDER, "in"]), st.lists(NUMBER, min_size=2, max_size=4)),
    st.tuples(st.sampled_from(["=", "in"]), st.lists(TEXT, min_size=2, max_size=4)),
).map(lambda pair: [pair[0], *pair[1]])
QUERY = st.recursive(
    LEAF,
    lambda inner: st.tuples(
        st.sampled_from(["and", "or", "not"]), st.lists(inner, min_size=1, max_size=3)
    ).map(lambda pair: [pair[0], *pair[1]]),
    max_leaves=8,
)


@pytest.fixture
def hosts():
    return [
        make_host(name="one", hostname="a.lab", host_ip="10.0.0.1", ram_mib_used=512),
        make_host(name="two", hostname="b.lab", vcpus=4, vcpus_used=4, cpu_ratio=4.0),
        make_host(name="full", hostname="A.LAB", ram_mib=1024, reserved_ram_mib=1536),
        make_host(name="bad", build_failures=3, disk_ratio=1.5, disk_gib_used=101, qemu_version=7),
    ]


def test_every_variable_is_tried():
    assert set(PLAIN) == set(FACTS)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(query=QUERY)
def test_the_database_answers_as_python_does(hosts, query):
    try:
        parsed = parse_query(json.dumps(query))
    except MalformedQuery as error:
        assert "deep" in str(error)  # noqa: PT017 - the only reason that these may be refused for
        return

    found = Hypervisor.objects.filter(compile_query(parsed)).values_list("name", flat=True)

    assert sorted(found) == sorted(host.name for host in hosts if answer(query, host))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not JSON"),
        ("[1", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("7", "not a list"),
        ('["xor", ["=", 1, 1]]', "a list begins with"),
        ("[[]]", "a list begins with"),
        ('["=", 1]', "at least two"),
        ('["and"]', "joins lists"),
        ('["not", true]', "joins lists"),
        ('["=", "$nope", 1]', r"no variable \$nope"),
        ('["=", "$host", 1]', "a number is compared with a text"),
        ('["<", "$host", "a"]', "compares numbers"),
        ('["=", true, true]', "only numbers"),
        ('["=", null, 1]', "only numbers"),
        ('["=", 1e999, 1]', "too large"),
        ('["=", NaN, 1]', "too large"),
        (f'["=", {10**400}, 1]', "too large"),
        ('["=", "$host", "\\u0000"]', "NUL"),
        ('["=", "$host", "\\ud800"]', "half a character"),
        ('["not", ' * 20 + '["=", 1, 1]' + "]" * 20, "too deeply"),
        (json.dumps(["in", *range(300)]), "too long"),
    ],
)
def test_a_query_that_asks_nothing_sensible_is_malformed(text, words):
    with pytest.raises(MalformedQuery, match=words):
        parse_query(text)


def test_an_empty_list_is_no_query():
    assert parse_query("[]") == []
