"""The older view of hosts and their switches, until 2.42."""

import pytest

from hypervisors.models import Aggregate, Hypervisor
from tests.authorisation import ADMINS, FOREIGN_PROJECT, OWN_PROJECT, Endpoint, client_as, matrix
from tests.hypervisors.factories import make_hypervisor, put_server_on

pytestmark = pytest.mark.django_db
HOSTS = "/compute/v2.1/os-hosts"
SMALL = {"vcpus": 1, "ram_mib": 512, "disk_gib": 5, "ephemeral_gib": 1}
LARGE = {"vcpus": 4, "ram_mib": 4096, "disk_gib": 40, "ephemeral_gib": 0}


def admin(microversion="2.42"):
    return client_as("admin", microversion)


def endpoint(method, path, ok, body=None):
    return Endpoint(method, HOSTS + path, ok, ADMINS, body, microversion="2.42")


@pytest.mark.parametrize(
    ("endpoint", "who"),
    matrix(
        [
            endpoint("GET", "", 200),
            endpoint("GET", "/alpha", 200),
            endpoint("PUT", "/alpha", 200, {"status": "disable"}),
            endpoint("GET", "/alpha/startup", 501),
            endpoint("GET", "/alpha/shutdown", 501),
            endpoint("GET", "/alpha/reboot", 501),
        ]
    ),
)
def test_who_may_do_what(endpoint, who):
    make_hypervisor(name="alpha")

    assert endpoint.status(who) == endpoint.expected(who)


def test_enabled_services_are_listed_by_host_and_zone():
    east = make_hypervisor(name="alpha")
    make_hypervisor(name="beta")
    make_hypervisor(name="off", is_enabled=False)
    Aggregate.objects.create(name="e", availability_zone="east").hypervisors.add(east)

    everything = admin().get(HOSTS).json()["hosts"]
    in_zone = admin().get(HOSTS, {"zone": "east"}).json()["hosts"]

    assert everything == [
        {"host_name": "alpha", "service": "compute", "zone": "east"},
        {"host_name": "beta", "service": "compute", "zone": "nova"},
        {"host_name": "cloudportal", "service": "conductor", "zone": "internal"},
        {"host_name": "cloudportal", "service": "scheduler", "zone": "internal"},
    ]
    assert in_zone == everything[:1]
    assert admin().get(HOSTS, {"zone": ""}).json()["hosts"] == everything
    assert admin().get(HOSTS, {"zone": "nowhere"}).json()["hosts"] == []


def test_a_host_shows_its_resources_and_those_of_each_project():
    host = make_hypervisor(name="alpha", vcpus_used=6, ram_mib_used=5120, disk_gib_used=52)
    put_server_on(host, flavor=SMALL)
    put_server_on(host, flavor=LARGE, project_id=FOREIGN_PROJECT)
    put_server_on(host, flavor=SMALL)

    rows = admin().get(f"{HOSTS}/alpha").json()["host"]

    def row(project, cpu, memory, disk):
        figures = {"cpu": cpu, "memory_mb": memory, "disk_gb": disk}
        return {"resource": {"host": "alpha", "project": project, **figures}}

    assert rows == [
        row("(total)", 8, 16384, 100),
        row("(used_now)", 6, 5120 + host.reserved_ram_mib, 52),
        row("(used_max)", 6, 5120, 52),
        row(OWN_PROJECT, 2, 1024, 12),
        row(FOREIGN_PROJECT, 4, 4096, 40),
    ]


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ({"status": "disable"}, {"status": "disabled"}),
        ({"status": "Enable"}, {"status": "enabled"}),
        ({"maintenance_mode": "enable"}, {"maintenance_mode": "on_maintenance"}),
        (
            {"status": "enable", "maintenance_mode": "disable"},
            {"status": "enabled", "maintenance_mode": "off_maintenance"},
        ),
    ],
)
def test_switches_are_turned(body, answer):
    make_hypervisor(name="alpha")

    changed = admin().put(f"{HOSTS}/alpha", body)

    host = Hypervisor.objects.get()
    assert (changed.status_code, changed.json()) == (200, {"host": "alpha", **answer})
    assert host.is_enabled is (answer.get("status") != "disabled")
    assert host.in_maintenance is (answer.get("maintenance_mode") == "on_maintenance")


@pytest.mark.parametrize(
    "body", [{}, {"status": "stop"}, {"maintenance_mode": "x"}, {"status": "enable", "x": 1}]
)
def test_switches_that_are_none_are_refused(body):
    make_hypervisor(name="alpha")

    assert admin().put(f"{HOSTS}/alpha", body).status_code == 400


@pytest.mark.parametrize("path", ["", "/startup", "/shutdown", "/reboot"])
@pytest.mark.parametrize("name", ["nowhere", "cloudportal"])
def test_what_is_no_host_is_not_found(name, path):
    assert admin().get(f"{HOSTS}/{name}{path}").status_code == 404
    assert admin().put(f"{HOSTS}/{name}", {"status": "enable"}).status_code == 404


@pytest.mark.parametrize("path", ["", "/alpha", "/alpha/reboot"])
def test_all_of_it_ends_with_2_42(path):
    make_hypervisor(name="alpha")

    assert admin("2.43").get(HOSTS + path).status_code == 404
    assert admin("2.43").put(f"{HOSTS}/alpha", {"status": "enable"}).status_code == 404
