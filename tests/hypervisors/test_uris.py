import pytest

from hypervisors.errors import InvalidHypervisorUri
from hypervisors.uris import SshAddress, ssh_address


def test_this_machine_has_no_ssh_address():
    assert ssh_address("qemu:///system") is None


@pytest.mark.parametrize(
    ("uri", "address", "known_as"),
    [
        ("qemu+ssh://host1/system", SshAddress("host1"), "host1"),
        ("qemu+ssh://root@10.0.0.1:2222/system", SshAddress("10.0.0.1", 2222, "root"),
         "[10.0.0.1]:2222"),
        ("qemu+ssh://root@[fd00::1]/system?socket=/run/x", SshAddress("fd00::1", 22, "root"),
         "fd00::1"),
    ],
)  # fmt: skip
def test_ssh_address_is_read_from_the_uri(uri, address, known_as):
    assert ssh_address(uri) == address
    assert address.known_hosts_name == known_as


@pytest.mark.parametrize(
    "uri",
    [
        "qemu+ssh://root@host/system?no_verify=1",
        "qemu+ssh://root@host/system?known_hosts_verify=ignore",
        "qemu+ssh://root@host/system?command=/bin/sh",
        "qemu+ssh://root@host/system?keyfile=/root/key",
        "qemu+ssh://root:secret@host/system",
        "qemu+ssh://-oProxyCommand=sh/system",
        "qemu+ssh://ro ot@host/system",
        "qemu+ssh://host:notaport/system",
        "qemu+ssh://host/session",
        "qemu+ssh:///system",
        "qemu://host/system",
        "test:///default",
        "",
    ],
)
def test_unsafe_or_foreign_uri_is_refused(uri):
    with pytest.raises(InvalidHypervisorUri):
        ssh_address(uri)
