from hypervisors.libvirt.host import dotted, parse_domain_stats
from tests.hypervisors.libvirt import specs


def test_versions_are_written_with_dots():
    assert dotted(9000000) == "9.0.0"
    assert dotted(7002022) == "7.2.22"


def test_what_a_host_does_not_send_is_none():
    usage = parse_domain_stats(specs.SERVER, "one", {"state.state": 5})

    assert usage.power_state == "shutdown"
    assert usage.cpu_time_ns is None
    assert usage.ram_mib is None
    assert usage.disks == ()


def test_record_is_read_with_its_devices():
    record = {
        "state.state": 1,
        "cpu.time": 7,
        "vcpu.current": 2,
        "balloon.current": 65536,
        "balloon.available": 61440,
        "balloon.usable": 20480,
        "balloon.rss": 51200,
        "block.count": 1,
        "block.0.name": "vda",
        "block.0.rd.bytes": 5,
        "net.count": 1,
        "net.0.name": "tap1",
        "net.0.tx.bytes": 9,
    }

    usage = parse_domain_stats(specs.SERVER, "one", record)

    assert (usage.ram_mib, usage.ram_used_mib, usage.ram_rss_mib) == (64, 40, 50)
    assert (usage.disks[0].device, usage.disks[0].read_bytes) == ("vda", 5)
    assert usage.disks[0].write_bytes is None
    assert (usage.interfaces[0].device, usage.interfaces[0].tx_bytes) == ("tap1", 9)
