"""The table of legal states: it is the reference's, and each part of the portal keeps to it."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest
from django.core.management import call_command
from django.utils import timezone

from cloudportal.settings import BASE_DIR
from identity.policy import declared
from servers.begin import check_legal
from servers.errors import ServerAdopted
from servers.legal import ANY_TASK, LEGAL
from servers.models import Server
from servers.states import STATUS, TaskState, VmState, states_of, status_of
from tests.authorisation import actor_named

NOW = timezone.now()
# By column: active, building, stopped, paused, suspended, rescued, resized, error, soft-delete,
# shelved, shelved_offloaded. Source: the compute API's states, section 3.
COLUMNS = [VmState(name) for name in (
    "active", "building", "stopped", "paused", "suspended", "rescued", "resized", "error",
    "soft-delete", "shelved", "shelved_offloaded",
)]  # fmt: skip
REFERENCE = {
    "start": "..Y........",
    "stop": "Y......Y...",
    "reboot": "Y..........",
    "hard reboot": "Y.YYY..Y...",
    "pause": "Y..........",
    "unpause": "...Y.......",
    "suspend": "Y..........",
    "resume": "....Y......",
    "rescue": "Y.Y....Y...",
    "unrescue": ".....Y.....",
    "resize": "Y.Y........",
    "migrate": "Y.Y........",
    "confirmResize": "......Y....",
    "revertResize": "......Y....",
    "rebuild": "Y.Y....Y...",
    "createImage": "Y.YYY......",
    "createBackup": "Y.YYY......",
    "changePassword": "Y..........",
    "shelve": "Y.YYY......",
    "shelveOffload": ".........Y.",
    "unshelve": ".........YY",
    "restore": "........Y..",
    "delete": "YYYYYYYYYYY",
    "forceDelete": "YYYYYYYYYYY",
    "trigger_crash_dump": "Y..Y.YYY...",
    "os-migrateLive": "Y..Y.......",
    "evacuate": "Y.Y....Y...",
    "lock": "YYYYYYYYYYY",
    "unlock": "YYYYYYYYYYY",
    "resetState": "YYYYYYYYYYY",
    "attach_volume": "Y.YY..Y.YYY",
    "detach_volume": "Y.YY..Y.YYY",
    "swap_volume": "Y..Y..Y....",
    "attach_interface": "Y.YY.......",
    "detach_interface": "Y.YY.......",
    "update metadata": "Y.YYY......",
    "delete metadata": "Y.YYY......",
    "update tag(s)": "Y.YYY......",
    "delete tag(s)": "Y.YYY......",
    "update": "YYYYYYYYYYY",
    "console": "YYYYYYYYYY.",
    "console output": "YYYYYYYYYY.",
}
ANY_TASK_FINE = {
    *("delete", "forceDelete", "evacuate", "lock", "unlock", "resetState", "update"),
    *("update metadata", "delete metadata", "update tag(s)", "delete tag(s)", "console output"),
    *("injectNetworkInfo", "addFixedIp", "removeFixedIp", "addFloatingIp", "removeFloatingIp"),
    *("addSecurityGroup", "removeSecurityGroup"),
}
NOT_LOCKED_OUT = {
    *("createImage", "createBackup", "lock", "unlock", "evacuate", "resetState", "update"),
    *("update tag(s)", "delete tag(s)", "addSecurityGroup", "removeSecurityGroup", "console"),
    *("console output", "addFloatingIp", "removeFloatingIp"),
}


@pytest.mark.parametrize("name", REFERENCE)
def test_states_are_those_of_the_reference(name):
    allowed = "".join("Y" if state in LEGAL[name].states else "." for state in COLUMNS)

    assert allowed == REFERENCE[name]


def test_tasks_and_locks_are_those_of_the_reference():
    assert {name for name, rule in LEGAL.items() if rule.tasks == ANY_TASK} == ANY_TASK_FINE
    assert {name for name, rule in LEGAL.items() if not rule.heeds_lock} == NOT_LOCKED_OUT
    assert {name for name, rule in LEGAL.items() if rule.tasks and rule.tasks != ANY_TASK} == {
        "hard reboot",
        "console",
    }


def test_an_adopted_guest_has_what_needs_no_disk_or_card_of_ours():
    assert {name for name, rule in LEGAL.items() if rule.for_adopted} == {
        *("start", "stop", "reboot", "hard reboot", "pause", "unpause", "suspend", "resume"),
        *("trigger_crash_dump", "lock", "unlock", "resetState", "update", "console", "release"),
        *("update metadata", "delete metadata", "update tag(s)", "delete tag(s)"),
    }


@pytest.mark.django_db
def test_every_other_action_refuses_an_adopted_one_in_whatever_state():
    server = Server(
        project_id="p", user_id="u", name="s", hostname="s", flavor={}, reservation_id="r",
        adopted_name="legacy",
    )  # fmt: skip
    server.save()
    refused = [name for name, rule in LEGAL.items() if not rule.for_adopted]

    for name, state in itertools.product(refused, VmState):
        server.vm_state = state
        Server.objects.filter(pk=server.pk).update(vm_state=state, launched_at=NOW)
        with pytest.raises(ServerAdopted, match="was adopted"):
            check_legal(server, name, actor_named("admin"))
        with pytest.raises(ServerAdopted, match="was adopted"):
            Server.objects.begin_task(server, LEGAL[name], passes_lock=True)
    assert Server.objects.get().task_state is None


def test_nothing_is_legal_on_a_deleted_server():
    assert not any(VmState.DELETED in rule.states for rule in LEGAL.values())


def test_every_rule_names_a_declared_policy():
    assert {rule.policy for rule in LEGAL.values()} <= set(declared())


def test_the_first_attribute_in_the_way_is_named():
    rule = LEGAL["pause"]
    worst = SimpleNamespace(vm_state="stopped", task_state="pausing", launched_at=None)

    assert rule.obstacle(worst) == ("vm_state", "stopped")
    worst.vm_state = "active"
    assert rule.obstacle(worst) == ("task_state", "pausing")
    worst.task_state = None
    assert rule.obstacle(worst) == ("launched_at", "None")


@pytest.mark.django_db
def test_rows_and_single_servers_are_judged_alike():
    servers = Server.objects.bulk_create(
        Server(
            project_id="p", user_id="u", name="s", hostname="s", flavor={}, reservation_id="r",
            vm_state=state, task_state=task, launched_at=launched,
        )
        for state, task, launched in itertools.product(
            VmState, [None, *TaskState], [None, NOW]
        )
    )  # fmt: skip

    for name, rule in LEGAL.items():
        found = set(Server.objects.filter(rule.condition()).values_list("pk", flat=True))
        assert found == {each.pk for each in servers if rule.obstacle(each) is None}, name


@pytest.mark.parametrize(
    ("vm_state", "task_state", "status"),
    [
        ("active", None, "ACTIVE"),
        ("active", "reboot_pending", "REBOOT"),
        ("active", "reboot_pending_hard", "HARD_REBOOT"),
        ("active", "updating_password", "PASSWORD"),
        ("active", "rebuild_spawning", "REBUILD"),
        ("active", "migrating", "MIGRATING"),
        ("active", "resize_finish", "RESIZE"),
        ("active", "powering-off", "ACTIVE"),
        ("building", "spawning", "BUILD"),
        ("stopped", "resize_prep", "RESIZE"),
        ("stopped", "rebuilding", "REBUILD"),
        ("stopped", "rebooting_hard", "SHUTOFF"),
        ("resized", "resize_reverting", "REVERT_RESIZE"),
        ("resized", None, "VERIFY_RESIZE"),
        ("paused", "migrating", "MIGRATING"),
        ("paused", "unpausing", "PAUSED"),
        ("suspended", "resuming", "SUSPENDED"),
        ("rescued", None, "RESCUE"),
        ("error", "rebuilding", "REBUILD"),
        ("error", "powering-off", "ERROR"),
        ("deleted", None, "DELETED"),
        ("soft-delete", None, "SOFT_DELETED"),
        ("shelved", None, "SHELVED"),
        ("shelved_offloaded", "unshelving", "SHELVED_OFFLOADED"),
        ("upside down", None, "UNKNOWN"),
    ],
)
def test_status(vm_state, task_state, status):
    assert status_of(vm_state, task_state) == status


def test_states_are_found_by_the_status_they_show_as():
    for state, task in itertools.product(STATUS, [None, *TaskState]):
        status = status_of(state, task)
        pairs = dict(states_of(status.lower()) or [])
        tasks = pairs[state]
        assert tasks is None or task in tasks
    assert states_of("UNKNOWN") is None


def test_the_page_of_the_docs_is_what_the_declaration_says(capsys):
    call_command("document_states")

    page = (BASE_DIR / "docs" / "server-states.md").read_text()
    assert capsys.readouterr().out == page, (
        "write it anew: manage.py document_states > docs/server-states.md"
    )
