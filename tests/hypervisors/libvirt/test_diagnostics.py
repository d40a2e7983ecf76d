from uuid import UUID, uuid4

import pytest

from hypervisors.libvirt.connection import open_connection
from hypervisors.libvirt.diagnostics import diagnose, parse_diagnosis
from hypervisors.libvirt.errors import NotThere

SERVER = UUID("6695eb01-f6a4-8304-79aa-97f2502e193f")
XML = """<domain><devices>
<interface type='network'><mac address='fa:16:3e:00:00:01'/><target dev='vnet0'/></interface>
<interface type='network'><mac address='fa:16:3e:00:00:02'/></interface>
</devices></domain>"""


@pytest.fixture
def connection():
    opened = open_connection("test:///default")
    yield opened
    opened.close()


def test_a_running_guest_is_described(connection):
    found = diagnose(connection, SERVER)

    assert found.usage.power_state == "running"
    assert found.mac_addresses == {"testnet0": "aa:bb:cc:dd:ee:ff"}


def test_a_guest_that_is_not_there_is_named_so(connection):
    with pytest.raises(NotThere):
        diagnose(connection, uuid4())


def test_counters_keep_the_numbers_of_their_vcpus():
    record = {"vcpu.maximum": 3, "vcpu.current": 2, "vcpu.0.time": 5, "vcpu.2.time": 7}

    found = parse_diagnosis(SERVER, "one", record, XML)

    assert found.vcpu_times_ns == {0: 5, 2: 7}
    assert found.usage.vcpus == 2


def test_a_card_without_a_place_on_the_host_is_left_out():
    found = parse_diagnosis(SERVER, "one", {"balloon.current": 4096, "cpu.time": 1}, XML)

    assert found.mac_addresses == {"vnet0": "fa:16:3e:00:00:01"}
    assert found.memory_kib == {"current": 4096}
