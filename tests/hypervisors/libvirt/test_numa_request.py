"""What flavors and images may ask of a host's cells, and the words of the refusals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypervisors.libvirt.features import guest_features
from hypervisors.libvirt.numa import NumaNode, NumaRequest, format_cpus
from hypervisors.libvirt.numa_request import InvalidNumaRequest, numa_request
from hypervisors.libvirt.properties import InvalidProperty


def ask(specs, properties=None, *, vcpus=4, ram_mib=2048):
    return numa_request(specs, properties or {}, vcpus=vcpus, ram_mib=ram_mib)


ONE = (NumaNode((0, 1, 2, 3), 2048),)
HALVES = (NumaNode((0, 1), 1024), NumaNode((2, 3), 1024))


@pytest.mark.parametrize(
    ("specs", "properties", "wanted"),
    [
        ({}, {}, None),
        ({"hw:cpu_policy": "shared"}, {}, None),
        ({"hw:cpu_policy": "dedicated"}, {}, NumaRequest(ONE, is_dedicated=True)),
        ({}, {"hw_cpu_policy": "dedicated"}, NumaRequest(ONE, is_dedicated=True)),
        ({"hw:cpu_policy": "dedicated"}, {"hw_cpu_policy": "shared"},
         NumaRequest(ONE, is_dedicated=True)),
        ({"hw:mem_page_size": "large"}, {}, NumaRequest(ONE, "large")),
        ({"hw:mem_page_size": "any"}, {"hw_mem_page_size": "2MB"}, NumaRequest(ONE, 2048)),
        ({"hw:mem_page_size": "1GB"}, {}, NumaRequest(ONE, 1024**2)),
        ({"hw:mem_page_size": "2048"}, {}, NumaRequest(ONE, 2048)),
        ({"hw:mem_page_size": "16Mbit"}, {}, NumaRequest(ONE, 2048)),
        ({"hw:numa_nodes": "2"}, {}, NumaRequest(HALVES)),
        ({}, {"hw_numa_nodes": "2"}, NumaRequest(HALVES)),
        ({"hw:numa_nodes": "2", "hw:numa_cpus.0": "0", "hw:numa_mem.0": "48",
          "hw:numa_cpus.1": "1-3", "hw:numa_mem.1": "2000"}, {},
         NumaRequest((NumaNode((0,), 48), NumaNode((1, 2, 3), 2000)))),
        ({"hw:cpu_policy": "dedicated", "hw:cpu_thread_policy": "prefer"},
         {"hw_cpu_thread_policy": "isolate"}, NumaRequest(ONE, None, True, "isolate")),
    ],
)  # fmt: skip
def test_a_wish_is_understood(specs, properties, wanted):
    assert ask(specs, properties) == wanted


PINNED = {"hw:cpu_policy": "dedicated"}
SPLIT = {"hw:numa_nodes": "2", "hw:numa_mem.0": "1024", "hw:numa_mem.1": "1024"}


@pytest.mark.parametrize(
    ("specs", "properties", "words"),
    [
        ({"hw:cpu_policy": "mixed"}, {}, "hw:cpu_policy = 'mixed'"),
        ({"hw:cpu_policy": "shared"}, {"hw_cpu_policy": "dedicated"},
         "Image property 'hw_cpu_policy' is not permitted to override"),
        ({**PINNED, "hw:cpu_thread_policy": "require"}, {"hw_cpu_thread_policy": "isolate"},
         "Image property 'hw_cpu_thread_policy' is not permitted to override"),
        ({**PINNED, "hw:cpu_thread_policy": "often"}, {}, "Invalid CPU thread policy"),
        ({"hw:cpu_thread_policy": "isolate"}, {}, "Cannot set cpu thread pinning policy"),
        ({"hw:numa_nodes": "2"}, {"hw_numa_nodes": "2"},
         "Image property 'hw_numa_nodes' is not permitted to override NUMA"),
        ({"hw:numa_nodes": "0"}, {}, "The property 'numa_nodes' cannot be '0'."),
        ({"hw:numa_nodes": "3"}, {}, "cannot be evenly distributed"),
        ({}, {"hw_mem_page_size": "large"}, "Page size large forbidden against '<empty>'"),
        ({"hw:mem_page_size": "small"}, {"hw_mem_page_size": "2MB"},
         "Page size 2MB forbidden against 'small'"),
        ({"hw:mem_page_size": "2M"}, {}, "Invalid memory page size '2M'"),
        ({"hw:mem_page_size": "0"}, {}, "Invalid memory page size '0'"),
        (SPLIT, {}, "must be provided for all NUMA nodes"),
        ({**SPLIT, "hw:numa_cpus.0": "0,1", "hw:numa_cpus.1": "2-4"}, {},
         "CPU number 4 is larger than max 3"),
        ({**SPLIT, "hw:numa_cpus.0": "0,1", "hw:numa_cpus.1": "1-3"}, {},
         "CPU number 1 is assigned to two nodes"),
        ({**SPLIT, "hw:numa_cpus.0": "0", "hw:numa_cpus.1": "2-3"}, {},
         "is not assigned to any node"),
        ({**SPLIT, "hw:numa_mem.1": "1", "hw:numa_cpus.0": "0,1", "hw:numa_cpus.1": "2-3"}, {},
         "1025 MB of memory assigned, but expected 2048 MB"),
        ({**SPLIT, "hw:numa_cpus.0": "x", "hw:numa_cpus.1": "2-3"}, {}, "'x' is no list of CPUs"),
        ({**SPLIT, "hw:numa_cpus.0": "0-3,^0-3", "hw:numa_cpus.1": "2"}, {}, "names none"),
        ({**SPLIT, "hw:numa_cpus.0": "0,1", "hw:numa_cpus.1": "2-3"}, {"hw_numa_cpus.0": "0"},
         "Image property 'hw_numa_cpus' is not permitted"),
        ({"hw:numa_cpus.0": "0"}, {}, "without the number of NUMA nodes"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_the_words_of_the_compute_api(specs, properties, words):
    with pytest.raises(InvalidNumaRequest) as caught:
        ask(specs, properties)

    assert words in str(caught.value)


@given(st.integers(1, 16), st.integers(1, 64), st.integers(1, 8192))
def test_an_even_split_gives_every_vcpu_and_all_memory_once(nodes, vcpus, ram_mib):
    try:
        found = ask({"hw:numa_nodes": str(nodes)}, vcpus=vcpus, ram_mib=ram_mib)
    except InvalidNumaRequest:
        assert vcpus % nodes or ram_mib % nodes
        return

    assert found is not None
    assert sorted(cpu for node in found.nodes for cpu in node.vcpus) == list(range(vcpus))
    assert sum(node.ram_mib for node in found.nodes) == ram_mib
    assert NumaRequest.from_json(found.to_json()) == found


@given(st.lists(st.integers(0, 3), min_size=4, max_size=12), st.data())
def test_any_split_of_all_vcpus_is_kept_as_it_was_written(owners, data):
    owners = [*range(4), *owners]
    of = [[cpu for cpu, owner in enumerate(owners) if owner == node] for node in range(4)]
    memory = [data.draw(st.integers(1, 4096)) for _ in of]
    specs = {"hw:numa_nodes": "4"}
    for node, cpus in enumerate(of):
        specs |= {
            f"hw:numa_cpus.{node}": format_cpus(cpus),
            f"hw:numa_mem.{node}": str(memory[node]),
        }

    found = ask(specs, vcpus=len(owners), ram_mib=sum(memory))

    assert found is not None
    assert [(list(node.vcpus), node.ram_mib) for node in found.nodes] == list(
        zip(of, memory, strict=True)
    )


_KEYS = st.sampled_from(
    ["cpu_policy", "cpu_thread_policy", "numa_nodes", "mem_page_size", "numa_cpus.0", "numa_mem.0"]
)
_VALUES = st.one_of(
    st.text("0123456789,-^ .aGMBk", max_size=12),
    st.sampled_from(["dedicated", "shared", "isolate", "1", "2", "large", "2MB", "0-1", "1024"]),
)


@given(st.dictionaries(_KEYS, _VALUES), st.dictionaries(_KEYS, _VALUES))
def test_whatever_is_written_is_understood_or_refused(flavor, image):
    specs = {f"hw:{key}": value for key, value in flavor.items()}
    properties = {f"hw_{key}": value for key, value in image.items()}

    try:
        found = ask(specs, properties)
    except InvalidNumaRequest:
        return

    assert found is None or sum(len(node.vcpus) for node in found.nodes) == 4


@pytest.mark.parametrize(
    "key", ["hw:cpu_dedicated_mask", "hw:emulator_threads_policy", "hw:cpu_realtime"]
)
def test_what_is_not_offered_beside_it_is_refused_by_name(key):
    with pytest.raises(InvalidProperty) as caught:
        guest_features({"hw:cpu_policy": "dedicated", key: "1"}, {})

    assert caught.value.key == key
