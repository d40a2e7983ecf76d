"""What flavors' extra specs and images ask of hosts and their aggregates."""

import pytest

from hypervisors.models import Aggregate
from scheduling.choose import choose_hosts
from scheduling.filters.operators import is_met
from scheduling.request_spec import RequestSpec
from tests.scheduling.hosts import make_host

pytestmark = pytest.mark.django_db
SCOPE = "aggregate_instance_extra_specs"


def left(**fields):
    """The names of the hosts left, and what removed the others."""
    choice = choose_hosts(RequestSpec(**{**AMOUNTS, **fields}), without=[])
    removed = {each["name"]: each["removed"] for each in choice.filters if each["removed"]}
    assert len(choice.candidates) + sum(removed.values()) == choice.asked
    return sorted(each.host for each in choice.candidates), removed


AMOUNTS = {"vcpus": 1, "ram_mib": 1, "disk_gib": 1}


def aggregate(name, *hosts, zone="", **metadata):
    made = Aggregate.objects.create(name=name, metadata=metadata, availability_zone=zone)
    made.hypervisors.add(*hosts)


@pytest.fixture
def disks():
    """Hosts whose aggregates say what disks they have."""
    ssd, hdd, both, _ = (make_host(name=name) for name in ("ssd", "hdd", "both", "plain"))
    aggregate("fast", ssd, both, disk="ssd", iops="900")
    aggregate("slow", hdd, both, disk="hdd, tape")
    aggregate("empty", ssd)


@pytest.mark.parametrize(
    ("specs", "names"),
    [
        ({f"{SCOPE}:disk": "ssd"}, ["both", "ssd"]),
        ({f"{SCOPE}:disk": "tape"}, ["both", "hdd"]),
        ({f"{SCOPE}:disk": "<or> hdd <or> ssd"}, ["both", "hdd", "ssd"]),
        ({f"{SCOPE}:disk": "s!= ssd"}, ["both", "hdd"]),
        ({f"{SCOPE}:disk": "<in> ss"}, ["both", "ssd"]),
        ({f"{SCOPE}:iops": ">= 500"}, ["both", "ssd"]),
        ({f"{SCOPE}:iops": ">= 1000"}, []),
        ({f"{SCOPE}:disk": ">= 500"}, []),
        ({f"{SCOPE}:disk": "ssd", f"{SCOPE}:iops": "== 900"}, ["both", "ssd"]),
        ({f"{SCOPE}:colour": "red"}, []),
        ({"disk": "ssd"}, ["both", "ssd"]),
        # No aggregate knows it, so it is a note of somebody's.
        ({"colour": "red"}, ["both", "hdd", "plain", "ssd"]),
        ({"other:disk": "ssd"}, ["both", "hdd", "plain", "ssd"]),
    ],
)
def test_aggregates_have_what_extra_specs_ask(disks, specs, names):
    found, removed = left(extra_specs=specs)

    assert found == names
    assert removed.get("aggregate_extra_specs", 0) == 4 - len(names)


def test_the_zone_of_an_aggregate_counts_as_its_metadata():
    aggregate("north", make_host(name="a"), zone="north")
    make_host(name="b")

    assert left(extra_specs={"availability_zone": "north"})[0] == ["a"]


def test_hosts_kept_for_images_take_no_others():
    aggregate("windows", make_host(name="windows"), os_distro="windows, reactos")
    make_host(name="any")

    assert left(image_properties={"os_distro": "windows"})[0] == ["any", "windows"]
    assert left(image_properties={"os_distro": "debian"}) == (
        ["any"],
        {"aggregate_image_properties": 1},
    )
    # An image that says nothing of it is taken.
    assert left()[0] == ["any", "windows"]


def test_hosts_kept_for_projects_take_no_others():
    aggregate("a", make_host(name="kept"), filter_tenant_id="p1,p2", filter_tenant_id2="p3")
    make_host(name="any")

    assert left(project_id="p1")[0] == left(project_id="p3")[0] == ["any", "kept"]
    assert left(project_id="p4") == (["any"], {"aggregate_tenants": 1})


@pytest.fixture
def processors():
    topology = {"sockets": 1, "cores": 8, "threads": 2}
    make_host(
        name="amd",
        ram_mib=4096,
        qemu_version=7002000,
        labels={"CUSTOM_QUIET": True},
        capabilities={
            **{"cpu_model": "EPYC", "cpu_vendor": "AMD", "topology": topology},
            **{"cpu_features": ["aes", "avx", "avx2", "sse4.1"]},
            "machines": {"pc": "pc-i440fx-7.2", "q35": "pc-q35-7.2"},
            **{"has_secure_boot": True, "tpms": ["tpm-crb:2.0"]},
        },
    )
    make_host(
        name="intel",
        arch="x86_64",
        capabilities={
            **{"cpu_model": "Haswell", "cpu_vendor": "Intel", "cpu_features": ["avx"]},
            "machines": {"pc": "pc-i440fx-8.0"},
            **{"has_secure_boot": False, "tpms": ["tpm-tis:1.2", "tpm-tis:2.0"]},
        },
    )
    make_host(name="new", arch="aarch64")


@pytest.mark.parametrize(
    ("specs", "names"),
    [
        ({"cpu_info:model": "EPYC"}, ["amd"]),
        ({"cpu_info:model": "s!= EPYC"}, ["intel", "new"]),
        ({"cpu_info:vendor": "<or> AMD <or> Intel"}, ["amd", "intel"]),
        ({"cpu_info:features": "<in> avx"}, ["amd", "intel"]),
        ({"cpu_info:features": "<all-in> avx aes"}, ["amd"]),
        ({"cpu_info:arch": "aarch64"}, ["new"]),
        ({"cpu_info:topology:cores": ">= 4"}, ["amd"]),
        ({"hypervisor_type": "QEMU"}, ["amd", "intel", "new"]),
        ({"hypervisor_type": "xen"}, []),
        ({"hypervisor_version": ">= 7000000"}, ["amd"]),
        ({"free_ram_mb": "= 8000"}, ["intel", "new"]),
        ({"free_ram_mb": "< 8000"}, ["amd"]),
        ({"free_ram_mb": "!= 4096"}, ["intel", "new"]),
        ({"free_ram_mb": "<or> 4096 <or> 1"}, ["amd"]),
        ({"free_ram_mb": "4096"}, ["amd"]),
        ({"free_ram_mb": ">= much"}, []),
        ({"free_ram_mb": "!= much"}, []),
        ({"free_ram_mb": "< inf"}, []),
        ({"free_ram_mb": "!= nan"}, []),
        ({"beauty": "high"}, []),
    ],
)
def test_capabilities_are_compared_with_the_host(processors, specs, names):
    found, removed = left(extra_specs={f"capabilities:{name}": v for name, v in specs.items()})

    assert found == names
    assert removed.get("capabilities", 0) == 3 - len(names)


@pytest.mark.parametrize(
    ("specs", "names"),
    [
        ({"trait:HW_CPU_X86_AVX": "required"}, ["amd", "intel"]),
        ({"trait:HW_CPU_X86_AVX2": "required"}, ["amd"]),
        ({"trait:HW_CPU_X86_AVX2": "forbidden"}, ["intel", "new"]),
        ({"trait:HW_CPU_X86_AESNI": "required", "trait1:HW_CPU_X86_SSE41": "required"}, ["amd"]),
        ({"trait:CUSTOM_QUIET": "required"}, ["amd"]),
        ({"trait:CUSTOM_QUIET": "forbidden"}, ["intel", "new"]),
        ({"trait:COMPUTE_ARCH_AARCH64": "required"}, ["new"]),
        ({"trait:COMPUTE_SECURITY_UEFI_SECURE_BOOT": "required"}, ["amd"]),
        ({"trait:COMPUTE_SECURITY_UEFI_SECURE_BOOT": "forbidden"}, ["intel", "new"]),
        ({"trait:COMPUTE_SECURITY_TPM_2_0": "required"}, ["amd", "intel"]),
        ({"trait:COMPUTE_SECURITY_TPM_1_2": "required"}, ["intel"]),
        ({"trait:COMPUTE_SECURITY_TPM_CRB": "required"}, ["amd"]),
        ({"trait:COMPUTE_SECURITY_TPM_TIS": "forbidden"}, ["amd", "new"]),
        ({"trait:COMPUTE_MAGIC": "required"}, []),
        ({"trait:COMPUTE_MAGIC": "forbidden"}, ["amd", "intel", "new"]),
    ],
)
def test_traits_are_required_or_forbidden_by_flavor_and_image_alike(processors, specs, names):
    assert left(extra_specs=specs)[0] == names
    assert left(image_properties=specs)[0] == names


@pytest.mark.parametrize(
    ("machine", "names"), [("q35", ["amd"]), ("pc-i440fx-8.0", ["intel"]), ("pc-q35", [])]
)
def test_the_images_machine_type_is_there(processors, machine, names):
    assert left(machine_type=machine)[0] == names


def test_a_resource_class_that_no_host_has_is_found_nowhere():
    make_host()

    assert left(extra_specs={"resources:CUSTOM_GPU": "1"}) == ([], {"resource_classes": 1})
    assert left(extra_specs={"resources1:VCPU": "1"})[0] == []
    assert left(extra_specs={"resources:CUSTOM_GPU": "0", "resources:VCPU": "4"})[0]


@pytest.mark.parametrize(
    ("value", "asked", "met"),
    [
        ("a", "a", True),
        ("a b", "a b", True),
        ("", "", True),
        ("4", "= 3", True),
        ("4", "== 4.0", True),
        ("4", "!= 4", False),
        ("4", "> 4", False),
        ("x", "= 3", False),
        ("4", "=", False),
        ("b", "s> a", True),
        ("abc", "<in> bc", True),
        ("abc", "<all-in> a c", True),
        ("abc", "<all-in>", False),
        ("b", "<or> a <or> b", True),
        ("b", "<or>", False),
        ("=3", "=3", True),
    ],
)
def test_operators(value, asked, met):
    assert is_met(value, asked) is met
