from uuid import uuid4

import pytest

from hypervisors.models import StoragePool
from tests.authorisation import ADMINS, Endpoint, client_as, matrix
from tests.hypervisors.factories import make_hypervisor, put_server_on

pytestmark = pytest.mark.django_db
URL = "/compute/v2.1/os-hypervisors"


def admin(microversion="2.1"):
    return client_as("admin", microversion)


def names(answer):
    return [host["hypervisor_hostname"] for host in answer.json()["hypervisors"]]


@pytest.mark.parametrize(
    ("endpoint", "who"),
    matrix(
        [
            Endpoint("GET", URL, 200, ADMINS),
            Endpoint("GET", URL + "/detail", 200, ADMINS),
            Endpoint("GET", URL + "/{uuid}", 200, ADMINS),
            Endpoint("GET", URL + "/statistics", 200, ADMINS, microversion="2.87"),
            Endpoint("GET", URL + "/{number}/uptime", 501, ADMINS, microversion="2.52"),
            Endpoint("GET", URL + "/host/search", 200, ADMINS, microversion="2.52"),
            Endpoint("GET", URL + "/host/servers", 200, ADMINS, microversion="2.52"),
        ]
    ),
)
def test_who_may_do_what(endpoint, who):
    host = make_hypervisor()

    assert endpoint.status(who, uuid=host.uuid, number=host.pk) == endpoint.expected(who)


@pytest.mark.parametrize(
    ("microversion", "shown", "hidden"),
    [
        ("2.27", {"cpu_info", "vcpus"}, {"uptime"}),
        ("2.87", {"cpu_info", "vcpus", "free_ram_mb", "disk_available_least"}, {"uptime"}),
        ("2.88", {"uptime", "host_ip", "service"}, {"cpu_info", "vcpus", "memory_mb_used"}),
    ],
)
def test_fields_come_and_go_with_the_version(microversion, shown, hidden):
    make_hypervisor()

    [host] = admin(microversion).get(f"{URL}/detail").json()["hypervisors"]

    assert shown <= set(host)
    assert not hidden & set(host)


def test_figures_count_claims_and_reserves():
    host = make_hypervisor(ram_mib_used=1024, reserved_ram_mib=512, disk_gib_used=30)
    StoragePool.objects.create(hypervisor=host, name="p", is_default=True, available=5 * 1024**3)

    shown = admin("2.52").get(f"{URL}/{host.pk}").json()["hypervisor"]

    assert (shown["memory_mb_used"], shown["free_ram_mb"]) == (1536, 16384 - 1536)
    assert (shown["free_disk_gb"], shown["disk_available_least"]) == (70, 5)
    assert (shown["id"], shown["current_workload"]) == (host.pk, 0)


@pytest.mark.parametrize(("microversion", "kind"), [("2.27", str), ("2.28", dict)])
def test_cpu_info_is_an_object_since_2_28(microversion, kind):
    make_hypervisor()

    [host] = admin(microversion).get(f"{URL}/detail").json()["hypervisors"]

    assert isinstance(host["cpu_info"], kind)


def test_ids_are_uuids_since_2_53():
    host = make_hypervisor()

    assert admin("2.52").get(URL).json()["hypervisors"][0]["id"] == host.pk
    assert admin("2.53").get(URL).json()["hypervisors"][0]["id"] == str(host.uuid)
    assert admin("2.52").get(f"{URL}/{host.pk}").status_code == 200
    assert admin("2.52").get(f"{URL}/{host.uuid}").status_code == 404
    assert admin("2.53").get(f"{URL}/{host.uuid}").status_code == 200
    assert admin("2.53").get(f"{URL}/{host.pk}").status_code == 400
    assert admin("2.53").get(f"{URL}/{uuid4()}").status_code == 404
    assert admin("2.52").get(f"{URL}/{'9' * 40}").status_code == 404


def test_a_host_that_is_forced_down_is_down():
    make_hypervisor(is_forced_down=True, is_enabled=False)

    [host] = admin().get(URL).json()["hypervisors"]

    assert (host["state"], host["status"]) == ("down", "disabled")


def test_pages_since_2_33():
    hosts = [make_hypervisor(name=name) for name in "abc"]

    first = admin("2.33").get(URL, {"limit": 2})
    second = admin("2.33").get(URL, {"limit": 2, "marker": hosts[1].pk})
    by_uuid = admin("2.53").get(URL, {"limit": 1, "marker": hosts[1].uuid})

    assert names(first) == ["a", "b"]
    assert f"marker={hosts[1].pk}" in first.json()["hypervisors_links"][0]["href"]
    assert (names(second), names(by_uuid)) == (["c"], ["c"])
    assert names(admin("2.32").get(URL, {"limit": 1})) == ["a", "b", "c"]
    assert admin("2.53").get(URL, {"marker": str(uuid4())}).status_code == 400


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"hypervisor_hostname_pattern": "OST"}, 200),
        ({"hypervisor_hostname_pattern": "elsewhere"}, 404),
        ({"hypervisor_hostname_pattern": "a%b"}, 400),
        ({"hypervisor_hostname_pattern": "host", "limit": 1}, 400),
        ({"whatever": 1}, 400),
        ({"with_servers": "perhaps"}, 400),
        ({"limit": ["1", "2"]}, 400),
    ],
)
def test_queries_are_strict_since_2_53(query, status):
    make_hypervisor(name="host")

    assert admin("2.53").get(URL, query).status_code == status


def test_servers_are_told_when_asked_for():
    full, _empty = make_hypervisor(), make_hypervisor()
    server = put_server_on(full)

    old = admin("2.74").get(URL, {"with_servers": "true"}).json()["hypervisors"]
    new = admin("2.75").get(f"{URL}/detail", {"with_servers": "true"}).json()["hypervisors"]
    unasked = admin("2.75").get(URL).json()["hypervisors"]
    one = admin("2.75").get(f"{URL}/{full.uuid}", {"with_servers": "1"}).json()["hypervisor"]

    told = [{"uuid": str(server.id), "name": server.domain_name}]
    assert old[0]["servers"] == new[0]["servers"] == one["servers"] == told
    assert "servers" not in old[1]
    assert new[1]["servers"] == []
    assert "servers" not in unasked[0]


def test_the_older_searches_end_with_2_52():
    host = make_hypervisor(name="alpha")
    put_server_on(host)

    assert names(admin("2.52").get(f"{URL}/lph/search")) == ["alpha"]
    [found] = admin("2.52").get(f"{URL}/alpha/servers").json()["hypervisors"]
    assert len(found["servers"]) == 1
    assert admin("2.52").get(f"{URL}/beta/search").status_code == 404
    assert admin("2.53").get(f"{URL}/lph/search").status_code == 404


def test_statistics_sum_the_enabled_hosts_until_2_87():
    make_hypervisor(vcpus_used=2)
    make_hypervisor(vcpus_used=3)
    make_hypervisor(is_enabled=False)

    sums = admin("2.87").get(f"{URL}/statistics").json()["hypervisor_statistics"]

    assert (sums["count"], sums["vcpus"], sums["vcpus_used"]) == (2, 16, 5)
    assert admin("2.88").get(f"{URL}/statistics").status_code == 404


def test_uptime_is_not_on_offer():
    up, down = make_hypervisor(), make_hypervisor(is_forced_down=True)

    assert admin().get(f"{URL}/{up.pk}/uptime").status_code == 501
    assert admin().get(f"{URL}/{down.pk}/uptime").status_code == 400
    assert admin("2.88").get(f"{URL}/{up.uuid}/uptime").status_code == 404


@pytest.mark.parametrize("number", [2, 12])
def test_a_list_costs_two_queries_however_long(number, django_assert_num_queries):
    for _ in range(number):
        put_server_on(make_hypervisor())

    with django_assert_num_queries(2):
        answer = admin("2.87").get(f"{URL}/detail", {"with_servers": "true"})

    assert len(names(answer)) == number


def test_a_host_goes_by_its_own_name_where_that_is_known():
    host = make_hypervisor(name="alpha", hostname="alpha.lab")

    found = admin("2.53").get(f"{URL}/detail", {"hypervisor_hostname_pattern": "lab"})

    assert names(found) == ["alpha.lab"]
    assert found.json()["hypervisors"][0]["service"]["host"] == host.name
