"""Kinds of damage, done for real: by virsh on the hosts, and by hand in the database.

Each kind takes the servers or hosts it needs, in an order that a seed decides, and says what the
portal has to find. What is done is collected first, so that all of it happens within seconds.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.cloud.scene import VIRSH, Expected, Scene

KINDS: list[Callable[[Scene], None]] = []


def kind(harm: Callable[[Scene], None]) -> Callable[[Scene], None]:
    """Put a kind of damage on the list, in the order of this file."""
    KINDS.append(harm)
    return harm


@kind
def network_stopped(scene: Scene) -> None:
    host = scene.hosts[0]
    scene.virsh(host, f"net-destroy {scene.network}")
    scene.expected.append(Expected("network_missing", host=host))


@kind
def server_that_the_database_lost(scene: Scene) -> None:
    server, where = scene.take(without=scene.hosts[0])
    scene.statements.append(
        "from networks.models import Port\n"
        "from quotas.models import Reservation\n"
        "from scheduling.place import release_server\n"
        "from servers.models import Server\n"
        f"release_server(server_id={server!r})\n"
        f"Reservation.objects.filter(subject__in=[{server!r}, {where['port']!r}]).delete()\n"
        f"Port.objects.filter(pk={where['port']!r}).delete()\n"
        f"Server.objects.filter(pk={server!r}).delete()"
    )
    scene.expected.append(Expected("domain_unknown", host=where["host"]))


@kind
def dhcp_entry_of_a_server_removed(scene: Scene) -> None:
    server, where = scene.take(without=scene.hosts[0])
    entry = f"<host mac='{where['mac']}' ip='{where['address']}'/>"
    scene.virsh(
        where["host"],
        f'net-update {scene.network} delete ip-dhcp-host "{entry}" --live --config',
    )
    scene.expected.append(Expected("dhcp_missing", server))


@kind
def definition_gone_while_the_guest_runs(scene: Scene) -> None:
    server, where = scene.take()
    scene.virsh(where["host"], f"undefine {server} --keep-nvram")
    scene.expected.append(Expected("domain_missing", server))


@kind
def domain_changed_by_hand(scene: Scene) -> None:
    server, where = scene.take()
    count = scene.random.randrange(2, 5)
    path = scene.folder / "edited.xml"
    edits = (
        f"-e 's#<vcpu[^>]*>1</vcpu>#<vcpu>{count}</vcpu>#' -e \"s#sockets='1'#sockets='{count}'#\""
    )
    scene.on(where["host"], f"{VIRSH} dumpxml --inactive {server} | sed {edits} > {path}")
    scene.virsh(where["host"], f"define {path}")
    scene.virsh(where["host"], f"setmaxmem {server} {count * 96}M --config")
    scene.virsh(where["host"], f"desc {server} --config 'changed by hand'")
    scene.expected.append(Expected("domain_changed", server))


@kind
def filter_of_a_server_altered(scene: Scene) -> None:
    server, where = scene.take()
    name, path = f"cp-port-{where['port']}", scene.folder / "altered.xml"
    rule = '<rule action="accept" direction="inout" priority="-900"/>'
    scene.on(
        where["host"],
        f"{VIRSH} nwfilter-dumpxml {name} | sed 's#</filter>#{rule}</filter>#' > {path}",
    )
    scene.virsh(where["host"], f"nwfilter-define {path}")
    scene.expected.append(Expected("filter_changed", server))


@kind
def foreign_domain(scene: Scene) -> None:
    host, number = scene.random.choice(scene.hosts), scene.new_id()
    scene.define(
        host,
        "define",
        f"<domain type='qemu'><name>of-another-{scene.seed}</name><uuid>{number}</uuid>"
        "<memory unit='MiB'>64</memory><os><type arch='x86_64'>hvm</type></os></domain>",
    )
    scene.foreign.append((host, f"domain {number}"))
    scene.expected.append(Expected("domain_foreign", host=host))


@kind
def foreign_volume(scene: Scene) -> None:
    host = scene.random.choice(scene.hosts)
    scene.virsh(host, f"vol-create-as {scene.facts['pools'][host]} of-another.img 1M")
    scene.foreign.append((host, "volume of-another.img"))
    scene.expected.append(Expected("volume_foreign", host=host))


@kind
def volume_of_a_deleted_server(scene: Scene) -> None:
    host = scene.random.choice(scene.hosts)
    name = f"{scene.facts['deleted']}-root"
    scene.virsh(host, f"vol-create-as {scene.facts['pools'][host]} {name} 1M")
    scene.expected.append(Expected("volume_stray", host=host))


@kind
def stale_dhcp_entry(scene: Scene) -> None:
    host, mac = scene.random.choice(scene.hosts[1:]), scene.new_mac()
    address = scene.facts["cidr"].rpartition(".")[0] + ".251"
    entry = f"<host mac='{mac}' ip='{address}'/>"
    scene.virsh(host, f'net-update {scene.network} add ip-dhcp-host "{entry}" --live --config')
    scene.expected.append(Expected("dhcp_stale", host=host, text=mac))


@kind
def stale_filter(scene: Scene) -> None:
    host, port = scene.random.choice(scene.hosts), scene.new_id()
    rule = "<rule action='drop' direction='out' priority='500'/>"
    xml = f"<filter name='cp-port-{port}' chain='root'>{rule}</filter>"
    scene.define(host, "nwfilter-define", xml)
    scene.expected.append(Expected("filter_stale", host=host))


@kind
def allocation_without_a_server(scene: Scene) -> None:
    host = scene.random.choice(scene.hosts[1:])
    scene.statements.append(
        "from django.db.models import F\n"
        "from hypervisors.models import Hypervisor\n"
        "from scheduling.models import Allocation\n"
        f"host = Hypervisor.objects.filter(name={host!r})\n"
        "host.update(vcpus_used=F('vcpus_used') + 1, ram_mib_used=F('ram_mib_used') + 64)\n"
        f"Allocation.objects.create(server_id={scene.new_id()!r}, hypervisor=host.get(), vcpus=1, "
        "ram_mib=64, disk_gib=0)"
    )
    scene.expected.append(Expected("allocation_leaked", host=host))


@kind
def counters_of_a_host_off(scene: Scene) -> None:
    host = scene.hosts[0]
    scene.statements.append(
        "from django.db.models import F\n"
        "from hypervisors.models import Hypervisor\n"
        f"Hypervisor.objects.filter(name={host!r}).update("
        f"vcpus_used=F('vcpus_used') + {scene.random.randrange(1, 9)})"
    )
    scene.expected.append(Expected("counters_differ", host=host))


@kind
def quota_without_an_owner(scene: Scene) -> None:
    owner = scene.new_id()
    scene.statements.append(
        "from quotas.models import Reservation\n"
        "some = Reservation.objects.filter(resource='cores').first()\n"
        f"Reservation.objects.create(project_id=some.project_id, resource='cores', amount=2, "
        f"subject={owner!r})"
    )
    scene.expected.append(Expected("quota_leaked"))


@kind
def quota_of_a_server_missing(scene: Scene) -> None:
    server, _ = scene.take()
    scene.statements.append(
        "from quotas.models import Reservation\n"
        f"Reservation.objects.filter(subject={server!r}, resource='ram').delete()"
    )
    scene.expected.append(Expected("quota_missing", text=server))


@kind
def build_slot_of_nobody(scene: Scene) -> None:
    host = scene.random.choice(scene.hosts)
    scene.statements.append(
        "from hypervisors.models import BuildSlot, Hypervisor\n"
        f"BuildSlot.objects.create(operation={scene.new_id()!r}, "
        f"hypervisor=Hypervisor.objects.get(name={host!r}))"
    )
    scene.expected.append(Expected("slot_leaked"))


@kind
def port_of_a_server_that_never_was(scene: Scene) -> None:
    port, server, mac = scene.new_id(), scene.new_id(), scene.new_mac()
    address = scene.facts["cidr"].rpartition(".")[0] + ".252"
    scene.statements.append(
        "from networks.models import FixedIP, Port\n"
        "from quotas.models import Reservation\n"
        "some = Port.objects.exclude(device_id='').first()\n"
        f"port = Port.objects.create(id={port!r}, network=some.network, device_id={server!r}, "
        f"project_id=some.project_id, mac_address={mac!r}, device_owner=some.device_owner, "
        "made_for_server=True)\n"
        f"FixedIP.objects.create(port=port, subnet=some.fixed_ips.get().subnet, "
        f"address={address!r})\n"
        "Reservation.objects.create(project_id=some.project_id, resource='ports', amount=1, "
        "subject=port.pk)"
    )
    scene.expected.append(Expected("port_stray"))


@kind
def server_at_work_without_work(scene: Scene) -> None:
    server, _ = scene.take()
    scene.statements.append(
        "from datetime import timedelta\n"
        "from django.utils import timezone\n"
        "from servers.models import Server\n"
        f"Server.objects.filter(pk={server!r}).update(task_state='rebooting', "
        "updated_at=timezone.now() - timedelta(minutes=5))"
    )
    scene.expected.append(Expected("server_stuck", server))
