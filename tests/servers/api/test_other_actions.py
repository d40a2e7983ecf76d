"""States set by hand, and the actions that the field knows and this release does not have."""

import pytest

from operations.models import Operation
from servers.api.actions import ACTIONS
from servers.models import ServerAction
from servers.states import TaskState, VmState
from tests.authorisation import client_as

pytestmark = pytest.mark.django_db
NIL = "00000000-0000-0000-0000-000000000001"


def act(server, body, who="admin", version="2.1"):
    return client_as(who, version).post(f"/compute/v2.1/servers/{server.pk}/action", body)


@pytest.mark.parametrize("state", ["active", "error"])
def test_a_state_is_set_by_hand_and_nothing_else(active, state):
    server = active(vm_state=VmState.PAUSED, task_state=TaskState.UNPAUSING, locked_by="owner")

    assert act(server, {"os-resetState": {"state": state}}).status_code == 202

    server.refresh_from_db()
    assert (server.vm_state, server.task_state, server.power_state) == (state, None, 1)
    assert not Operation.objects.exists()
    assert not ServerAction.objects.get(action="resetState").events.exists()


@pytest.mark.parametrize("value", [None, {}, {"state": "stopped"}, {"state": "error", "x": 1}])
def test_a_state_that_cannot_be_set_is_refused(active, value):
    assert act(active(), {"os-resetState": value}).status_code == 400


def test_only_administrators_set_states(active):
    assert act(active(), {"os-resetState": {"state": "error"}}, who="manager").status_code == 403


def test_nothing_was_ever_soft_deleted(active):
    server = active()

    answer = act(server, {"restore": None}, who="member")

    message = f"Cannot 'restore' instance {server.pk} while it is in vm_state active"
    assert answer.json() == {"conflictingRequest": {"code": 409, "message": message}}


@pytest.mark.parametrize(
    ("name", "version", "value"),
    [
        ("rescue", "2.1", {"image": NIL}),
        ("resize", "2.1", {}),
        ("rebuild", "2.1", {"imageRef": "http://x/y"}),
        ("rebuild", "2.89", {"imageRef": NIL, "hostname": "new"}),
        ("rebuild", "2.57", {"imageRef": NIL, "personality": []}),
        ("createBackup", "2.1", {"name": "x", "backup_type": "d", "rotation": -1}),
        ("unshelve", "2.77", {"host": "alpha"}),
        ("unshelve", "2.77", {"availability_zone": None}),
        ("migrate", "2.56", {"x": 1}),
        ("os-migrateLive", "2.25", {"host": None, "block_migration": "no", "disk_over_commit": 0}),
        ("os-migrateLive", "2.24", {"host": None, "block_migration": "auto"}),
        ("os-migrateLive", "2.29", {"host": "x", "block_migration": "auto", "force": True}),
        ("os-migrateLive", "2.68", {"host": "x", "block_migration": "auto", "force": True}),
        ("evacuate", "2.13", {"host": "x"}),
        ("evacuate", "2.14", {"onSharedStorage": True}),
        ("evacuate", "2.28", {"host": "x", "force": True}),
        ("evacuate", "2.68", {"host": "x", "force": True}),
        ("trigger_crash_dump", "2.17", {}),
        ("os-getVNCConsole", "2.5", {"type": "spice-html5"}),
        ("os-getRDPConsole", "2.5", {"type": "rdp-html5"}),
    ],
)
def test_bodies_are_those_of_the_microversion(active, name, version, value):
    assert act(active(), {name: value}, version=version).status_code == 400


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("trigger_crash_dump", "2.16"),
        *((name, "2.44") for name in ("addFixedIp", "removeFixedIp")),
        *((name, "2.44") for name in ("addFloatingIp", "removeFloatingIp")),
        *((f"os-get{kind}Console", "2.6") for kind in ("VNC", "SPICE", "Serial", "RDP")),
    ],
)
def test_an_action_outside_its_microversions_is_not_there(active, name, version):
    answer = act(active(), {name: None}, version=version)

    assert answer.json()["itemNotFound"]["message"] == "The resource could not be found."


def test_what_is_gone_is_gone(active):
    assert act(active(), {"resetNetwork": None}).status_code == 410


def test_every_action_of_the_field_is_known():
    assert {
        *("addFloatingIp", "removeFloatingIp"),
        *("os-start", "os-stop", "reboot", "pause", "unpause", "suspend", "resume", "lock"),
        *("unlock", "trigger_crash_dump", "forceDelete", "restore", "os-resetState"),
        *("os-getConsoleOutput", "resetNetwork", "rebuild", "rescue", "unrescue", "changePassword"),
        *("addSecurityGroup", "removeSecurityGroup", "injectNetworkInfo", "addFixedIp"),
        *("removeFixedIp", "os-migrateLive", "evacuate", "migrate", "resize", "confirmResize"),
        *("revertResize", "createImage", "createBackup", "shelve", "shelveOffload", "unshelve"),
        *(f"os-get{kind}Console" for kind in ("VNC", "SPICE", "Serial", "RDP")),
        # This cloud's own.
        "cloudportal:release",
    } == set(ACTIONS)
