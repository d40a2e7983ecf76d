"""Build a server: place it, bring its image, plug its ports, make its disks, define and start it.

Each round works on one host. A round that fails is undone there, and the next one chooses anew
without the hosts tried before: three rounds in all. Every name made on a host derives from the
server's id, so the undo of a step needs no output of its do.
"""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from hypervisors import capacity, disks, guests
from hypervisors.models import Hypervisor
from hypervisors.platforms import wish_of
from networks import server_ports, wiring
from operations.errors import Wait
from operations.kinds import Context, Kind, Step
from scheduling.errors import NoValidHost
from scheduling.place import place_server, release_server
from scheduling.request_spec import RequestSpec
from servers import history
from servers.config_drive import config_drive
from servers.guest_spec import disk_plan, guest_facts, guest_spec
from servers.models import Server
from servers.operations import base_image
from servers.operations.build_volumes import (
    drop_halves,
    let_volumes_go,
    prepare_volumes,
    volumes_queue,
)
from servers.operations.cleanup import enqueue_cleanup
from servers.operations.facts import PLACE, chosen_host, server_of
from servers.options import places_for
from servers.states import PowerState, TaskState, VmState

ROUNDS = 3
EVENT = "compute__do_build_and_run_instance"
SCHEDULE_EVENT = "conductor_schedule_and_build_instances"


def _host(context: Context) -> Hypervisor:
    host = chosen_host(context)
    if host is None:
        raise NoValidHost("The host chosen for this server has been removed.")
    return host


def _task(context: Context, task: TaskState) -> None:
    Server.objects.filter(vm_state=VmState.BUILDING).change(context.subject, task_state=task)


def place(context: Context) -> dict[str, Any]:
    """Choose a host and claim its resources."""
    server = server_of(context)
    now = timezone.now()
    allocation = place_server(
        server_id=server.pk,
        spec=RequestSpec.from_json(server.request_spec),
        without=[each["host"] for each in context.rounds if each.get("host")],
        operation_id=context.operation_id,
        request_id=context.request_id,
        now=now,
    )
    host = allocation.hypervisor
    Server.objects.change(
        server.pk, hypervisor=host, availability_zone=zone_of(host), task_state=None
    )
    history.begin_event(
        server_id=server.pk,
        request_id=context.request_id,
        event=EVENT,
        host=host.name,
        now=now,
    )
    return {"hypervisor": host.pk, "host": host.name}


def unplace(context: Context) -> None:
    """Give the claim back; those on hosts that still owe their part of earlier rounds stay."""
    owing = [each["host"] for each in context.rounds if each.get("host")]
    with transaction.atomic():
        release_server(server_id=context.subject, but_on=owing)
        Server.objects.change(context.subject, hypervisor=None, availability_zone="")


def take_slot(context: Context) -> None:
    """Wait for one of the host's build slots."""
    host = _host(context)
    if not capacity.take_build_slot(
        hypervisor_id=host.pk, operation_id=context.operation_id, now=timezone.now()
    ):
        waiting = Server.objects.alive().filter(hypervisor=host, vm_state=VmState.BUILDING).count()
        pause_s = capacity.pause_s(waiting=waiting, places=host.max_concurrent_builds)
        raise Wait(f"{host} builds as many servers as it may.", seconds=pause_s)


def free_slot(context: Context) -> None:
    """Give the build slot back."""
    capacity.free_build_slot(operation_id=context.operation_id)


def bring_image(context: Context) -> dict[str, Any]:
    """Have the image in the host's pool; whoever comes second waits for the first."""
    server = server_of(context)
    return {"volume": base_image.bring_own(context, server, _host(context))}


def drop_half_image(context: Context) -> None:
    """Take half an image off the host again; a whole one stays for the next server."""
    host = chosen_host(context)
    if host is not None:
        disks.drop_half_uploads(host, context.subject)


def _image_queue(context: Context) -> str:
    server = server_of(context)
    return base_image.queue_to_bring(server, _host(context), server.image_id)


def disk_queue(context: Context) -> str:
    """Disks over their image are made at once; copies of it take a while."""
    return base_image.queue_of_disks(server_of(context), chosen_host(context))


def prepare_host(context: Context) -> dict[str, Any]:
    """Networks and filters of the ports, and the disks, side by side."""
    _task(context, TaskState.NETWORKING)
    server = server_of(context)
    host = _host(context)
    places = places_for(server, host)
    plan = disk_plan(
        server,
        base_volume=context.outputs["bring_image"]["volume"],
        config_drive=config_drive(guest_facts(server)) if server.has_config_drive else None,
    )
    with ThreadPoolExecutor(1) as beside:
        # Only this one goes into the thread, since it needs no database.
        making = beside.submit(disks.create_disks, host, places, server.pk, plan)
        wired = wiring.wire_ports(hypervisor=host, server_id=server.pk)
        made = making.result()
    return {
        "ports": [port.to_json() for port in wired],
        "disks": [dataclasses.asdict(disk) for disk in made],
    }


def clear_host(context: Context) -> None:
    """Take DHCP entries, filters and volumes off the host."""
    host = chosen_host(context)
    if host is not None:
        wiring.unwire_ports(hypervisor=host, facts=wiring.port_facts(context.subject))
        disks.delete_disks(host, context.subject)


def define_guest(context: Context) -> None:
    """Define the guest, with all that is needed to know it again."""
    _task(context, TaskState.SPAWNING)
    host = _host(context)
    prepared = context.outputs["prepare_host"]
    spec = guest_spec(
        server_of(context),
        host,
        disks=[guests.DiskSpec(**each) for each in prepared["disks"]],
        wired=[wiring.WiredPort.from_json(each) for each in prepared["ports"]],
        wish=wish_of(host),
    )
    guests.define_guest(host, spec)


def remove_guest(context: Context) -> None:
    """Stop and undefine the guest."""
    host = chosen_host(context)
    if host is not None:
        guests.remove_guest(host, context.subject)


def start_guest(context: Context) -> None:
    """Start the guest and have its addresses given by DHCP; returns when libvirt says it runs.

    libvirt takes almost half a second for a DHCP entry, since it writes the network's firewall
    rules anew; a guest that starts meanwhile asks seconds later.
    """
    server = server_of(context)
    host = _host(context)
    leases = wiring.leases_of(server.pk)
    with ThreadPoolExecutor(1) as beside:
        leasing = beside.submit(
            wiring.lease_addresses, hypervisor=host, leases=leases, hostname=server.hostname
        )
        guests.start_guest(host, server.pk)
        leasing.result()


def mark_active(context: Context) -> None:
    """The server is there."""
    now = timezone.now()
    host = _host(context)
    with transaction.atomic():
        Server.objects.filter(vm_state=VmState.BUILDING).change(
            context.subject,
            vm_state=VmState.ACTIVE,
            task_state=None,
            power_state=PowerState.RUNNING,
            progress=0,
            launched_at=now,
            sealed_admin_password="",
            updated_at=now,
        )
        server_ports.mark_ports_active(server_id=context.subject, host=host.name, now=now)
        capacity.free_build_slot(operation_id=context.operation_id)
        Hypervisor.objects.filter(pk=host.pk, build_failures__gt=0).update(build_failures=0)
        history.end_event(
            server_id=context.subject,
            request_id=context.request_id,
            event=EVENT,
            host=host.name,
            now=now,
        )


def after_undo(context: Context, error: dict[str, Any]) -> bool:
    """Try another host, unless there is none, the trouble is the request's, or it is enough."""
    now = timezone.now()
    host = chosen_host(context)
    if host is not None:
        # Kept with the failure: the next round leaves this host out.
        error["host"] = host.name
        Hypervisor.objects.filter(pk=host.pk).update(build_failures=F("build_failures") + 1)
        history.end_event(
            server_id=context.subject,
            request_id=context.request_id,
            event=EVENT,
            host=host.name,
            now=now,
            error=error.get("message", ""),
        )
    # With the host's part put off, its undo was too.
    capacity.free_build_slot(operation_id=context.operation_id)
    Server.objects.change(context.subject, hypervisor=None, availability_zone="")
    if host is None or len(context.rounds) + 1 >= ROUNDS or _is_the_requests(error):
        return False
    Server.objects.filter(vm_state=VmState.BUILDING).change(
        context.subject, task_state=TaskState.SCHEDULING
    )
    return True


def _is_the_requests(error: dict[str, Any]) -> bool:
    """What no other host would do better."""
    return error.get("type") in {
        "GuestPropertyRefused",
        "DiskTooSmall",
        "ServerNotFound",
        "DeadlineExceeded",
    }


def on_failed(context: Context, error: dict[str, Any]) -> None:
    """The server goes to ERROR, with the reason."""
    now = timezone.now()
    message = _fault_message(context, error)
    Server.objects.change(
        context.subject,
        vm_state=VmState.ERROR,
        task_state=None,
        power_state=PowerState.NOSTATE,
        hypervisor=None,
        availability_zone="",
        sealed_admin_password="",
        updated_at=now,
    )
    tries = [*context.rounds, error]
    details = "\n".join(
        f"{each.get('host', 'no host')}: {each.get('step')}: {each.get('message')} "
        f"({each.get('detail', '')})"
        for each in tries
    )
    history.record_fault(server_id=context.subject, message=message, now=now, details=details)
    if not error.get("host"):
        history.end_event(
            server_id=context.subject,
            request_id=context.request_id,
            event=SCHEDULE_EVENT,
            now=now,
            error=message,
        )
    history.mark_action_failed(server_id=context.subject, request_id=context.request_id, now=now)
    server_ports.mark_ports_down(server_id=context.subject, now=now)
    let_volumes_go(context, [str(each["host"]) for each in tries if each.get("host")])


def _fault_message(context: Context, error: dict[str, Any]) -> str:
    message = str(error.get("message", ""))
    if context.rounds and error.get("type") == "NoValidHost":
        tried = ", ".join(f"{each.get('host')}: {each.get('message')}" for each in context.rounds)
        return f"No host was able to build the server. {tried}. {message}"
    if len(context.rounds) + 1 >= ROUNDS:
        return f"Exceeded maximum number of retries. Last error: {message}"
    return message


def postpone(context: Context) -> None:
    """The host is away: what is on it is cleaned up when it is back."""
    host = chosen_host(context)
    if host is not None:
        enqueue_cleanup(
            server_id=context.subject,
            hypervisor=host,
            ports=wiring.port_facts(context.subject),
            request_id=context.request_id,
        )


def zone_of(host: Hypervisor) -> str:
    """The availability zone a host is in."""
    zones = host.aggregates.exclude(availability_zone="").order_by("name")
    return zones.values_list("availability_zone", flat=True).first() or "nova"


BUILD = Kind(
    "server.build",
    steps=[
        Step(PLACE, place, unplace, on_host=True),
        Step("take_slot", take_slot, free_slot),
        Step("bring_image", bring_image, drop_half_image, on_host=True, queue=_image_queue),
        Step("prepare_volumes", prepare_volumes, drop_halves, on_host=True, queue=volumes_queue),
        Step("prepare_host", prepare_host, clear_host, on_host=True, queue=disk_queue),
        Step("define_guest", define_guest, remove_guest, on_host=True),
        Step("start_guest", start_guest, remove_guest, on_host=True),
        # Nothing outside the rows changes, and nothing follows it.
        Step("mark_active", mark_active),
    ],
    retries=3,
    deadline_s=3600,
    after_undo=after_undo,
    on_failed=on_failed,
    postpone=postpone,
)
