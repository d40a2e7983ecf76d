"""The CPU and the machine of a guest, as its host's group names them and as the guest sees them."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator

import pytest

from tests.cloud import hosts
from tests.cloud.conftest import Cloud
from tests.portal import eventually

pytestmark = [pytest.mark.lab, pytest.mark.wire, pytest.mark.long]

ADMIN = "cloudportal-admin"
# Tells at each boot what CPU the guest has.
TELL = r"""#!/bin/sh
cat >/usr/lib/tiny/tell <<'END'
#!/bin/sh
echo "cpu is $(grep -m1 'model name' /proc/cpuinfo)" >/dev/console
END
chmod 700 /usr/lib/tiny/tell
echo '::once:/usr/lib/tiny/tell' >>/etc/inittab
/usr/lib/tiny/tell
"""


@pytest.fixture
def group(empty_cloud) -> Iterator[str]:
    """Hosts whose guests are older than need be: of them the first."""
    admin, name = empty_cloud.portal, f"old-{uuid.uuid4().hex[:6]}"
    host = empty_cloud.hosts[0]["name"]
    words = ("--property", "cloudportal:cpu_model=Nehalem")
    admin.openstack("aggregate", "create", *words, name, cloud=ADMIN)
    words = ("--property", "cloudportal:machine_type=pc-q35-7.1")
    admin.openstack("aggregate", "set", *words, name, cloud=ADMIN)
    admin.openstack("aggregate", "add", "host", name, host, cloud=ADMIN)
    yield name
    admin.openstack("aggregate", "remove", "host", name, host, cloud=ADMIN)
    admin.openstack("aggregate", "delete", name, cloud=ADMIN)


def test_a_guest_is_what_its_group_says_and_stays_so(empty_cloud, group, tmp_path):
    cloud, portal = empty_cloud, empty_cloud.portal
    first, second = (host["name"] for host in cloud.hosts[:2])
    script = tmp_path / "tell.sh"
    script.write_text(TELL)
    with hosts.only(cloud, first):
        asked = ("server", "create", "--image", "tiny", "--flavor", "m1.tiny", "--wait")
        name = f"typed-{uuid.uuid4().hex[:6]}"
        server = str(portal.openstack_json(*asked, "--user-data", str(script), name)["id"])

    assert platform(cloud, first, server) == ("Nehalem", "pc-q35-7.1")
    eventually(lambda: told(cloud, server) == 1, within_s=120, what="it has told its CPU")

    takes_back = ("aggregate", "unset", "--property", "cloudportal:cpu_model", group)
    portal.openstack(*takes_back, cloud=ADMIN)
    portal.openstack("server", "reboot", "--hard", "--wait", server)
    assert platform(cloud, first, server) == ("Nehalem", "pc-q35-7.1")
    eventually(lambda: told(cloud, server) == 2, within_s=120, what="its CPU is as it was")

    version = ("--os-compute-api-version", "2.30")
    move = ("server", "migrate", "--live-migration", "--host", second, "--wait", server)
    portal.openstack(*version, *move, cloud=ADMIN)
    assert hosts.show(cloud, server).compute_host == second
    assert platform(cloud, second, server) == ("Nehalem", "pc-q35-7.1")

    with hosts.only(cloud, second):
        other = hosts.create(cloud).id
        hosts.wait_for_status(cloud, other, "ACTIVE")
    assert platform(cloud, second, other) == ("qemu64", "pc-q35-7.2")

    for each in (server, other):
        hosts.delete(cloud, each)
        hosts.wait_gone(cloud, each)
    cloud.slate.assert_clean()


def told(cloud: Cloud, server: str) -> int:
    """How often the guest has said that its CPU is of that kind."""
    log = str(cloud.portal.openstack("console", "log", "show", server))
    return len(re.findall(r"cpu is model name.*Nehalem", log))


def platform(cloud: Cloud, host: str, server: str) -> tuple[str, str]:
    """The CPU model and the machine type in the definition that libvirt keeps."""
    words = ("virsh", "-q", "dumpxml", "--inactive", f"server-{server}")
    xml = cloud.lab.run("exec", host, "--", *words)
    model = re.search(r"<model fallback='forbid'>([^<]*)</model>", xml)
    machine = re.search(r"machine='([^']*)'", xml)
    assert model is not None, xml
    assert machine is not None, xml
    return model[1], machine[1]
