import pytest

from tests.authorisation import ADMINS, READERS, Endpoint, client_as, matrix
from tests.flavors.factories import make_flavor

pytestmark = pytest.mark.django_db
URL = "/compute/v2.1/flavors/{flavor}/os-extra_specs"


def message(answer):
    [fault] = answer.json().values()
    return fault["message"]


@pytest.mark.parametrize(
    ("endpoint", "who"),
    matrix(
        [
            Endpoint(
                "GET", URL, 200, READERS | {"foreign reader", "foreign member", "foreign manager"}
            ),
            Endpoint(
                "GET",
                URL + "/k",
                200,
                READERS | {"foreign reader", "foreign member", "foreign manager"},
            ),
            Endpoint("POST", URL, 200, ADMINS, {"extra_specs": {"a": "b"}}),
            Endpoint("PUT", URL + "/k", 200, ADMINS, {"k": "w"}),
            Endpoint("DELETE", URL + "/k", 200, ADMINS),
        ]
    ),
)
def test_who_may_do_what(endpoint, who):
    flavor = make_flavor(extra_specs={"k": "v"})

    assert endpoint.status(who, flavor=flavor.flavorid) == endpoint.expected(who)


def test_specs_are_merged_and_kept_as_text():
    flavor = make_flavor(extra_specs={"kept": "1", "changed": "old"})
    url = URL.format(flavor=flavor.flavorid)

    answer = client_as("admin").post(url, {"extra_specs": {"changed": "new", "number": 3}})

    assert answer.json() == {"extra_specs": {"changed": "new", "number": "3"}}
    assert client_as("member").get(url).json() == {
        "extra_specs": {"kept": "1", "changed": "new", "number": "3"}
    }


def test_one_spec_is_set_shown_and_removed():
    make_flavor(flavorid="1")
    url = URL.format(flavor="1") + "/hw:cpu_policy"
    client = client_as("admin")

    assert client.put(url, {"hw:cpu_policy": "shared"}).json() == {"hw:cpu_policy": "shared"}
    assert client.get(url).json() == {"hw:cpu_policy": "shared"}
    assert client.delete(url).status_code == 200
    gone = client.get(url)
    assert gone.status_code == 404
    assert message(gone) == "Flavor 1 has no extra specs with key hw:cpu_policy."
    assert client.delete(url).status_code == 404


def test_the_key_in_the_body_is_the_one_in_the_address():
    flavor = make_flavor()

    answer = client_as("admin").put(URL.format(flavor=flavor.flavorid) + "/a", {"b": "c"})

    assert (answer.status_code, message(answer)) == (400, "Request body and URI mismatch")


@pytest.mark.parametrize(
    ("microversion", "key", "value", "status"),
    [
        ("2.85", "hw:cpu_policy", "nonsense", 200),
        ("2.86", "hw:cpu_policy", "nonsense", 400),
        ("2.86", "hw:cpu_policy", "dedicated", 200),
        ("2.86", "hw:no_such_thing", "1", 400),
        ("2.86", "hw:maxphysaddr_bits", "40", 400),
        ("2.86", "unscoped", "anything", 200),
        ("2.86", "ours:anything", "anything", 200),
        ("2.86", "hw:numa_cpus.1", "0-3,^2", 200),
        ("2.86", "hw:numa_mem.0", "x", 400),
        ("2.86", "hw:cpu_max_threads", "2", 200),
        ("2.86", "hw:cpu_max_threads", "0", 400),
        ("2.86", "hw:mem_page_size", "2MB", 200),
        ("2.86", "hw:mem_page_size", "huge", 400),
        ("2.86", "hw:boot_menu", "True", 200),
        ("2.86", "hw:boot_menu", "maybe", 400),
        ("2.86", "hw:redirected_usb_ports", "16", 400),
        ("2.86", "quota:cpu_quota", "-1", 200),
        ("2.86", "quota:cpu_quota", "999", 400),
        ("2.86", "quota:cpu_period", "1000001", 400),
        ("2.86", "quota:disk_read_iops_sec", "100", 200),
        ("2.86", "quota:vif_inbound_peak", "-1", 400),
        ("2.86", "resources:VCPU", "0", 200),
        ("2.86", "resources1:VGPU", "1", 200),
        ("2.86", "resources:vcpu", "1", 400),
        ("2.86", "trait:HW_CPU_X86_AVX", "required", 200),
        ("2.86", "trait:HW_CPU_X86_AVX", "wanted", 400),
        ("2.86", "pci_passthrough:alias", "gpu:1,nic:2", 200),
        ("2.86", "pci_passthrough:alias", "gpu", 400),
        ("2.86", "capabilities:anything", "<in> x", 200),
        ("2.86", "aggregate_instance_extra_specs:ssd", "true", 200),
        ("2.1", "k" * 256, "v", 400),
        ("2.1", "käse", "v", 400),
        ("2.1", "k", "v" * 256, 400),
        ("2.1", "k", None, 400),
    ],
)
def test_known_specs_are_checked_since_2_86(microversion, key, value, status):
    flavor = make_flavor()
    client = client_as("admin", microversion)

    added = client.post(URL.format(flavor=flavor.flavorid), {"extra_specs": {key: value}})
    put = client.put(URL.format(flavor=flavor.flavorid) + f"/{key}", {key: value})

    assert (added.status_code, put.status_code) == (status, status), added.content


def test_a_flavor_that_is_not_there_is_a_404():
    assert client_as("admin").get(URL.format(flavor="no")).status_code == 404
