"""Write the page of the documentation that the declarations of servers' states make."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.management.base import BaseCommand

from servers.legal import ANY_TASK, LEGAL, Rule
from servers.states import STATUS, TaskState, VmState

COLUMNS = [state for state in VmState if state != VmState.DELETED]
INTRODUCTION = """\
# Servers: states, and what is legal in them

This page is made from `servers/legal.py` and `servers/states.py` by
`manage.py document_states > docs/server-states.md`; a test compares them.

## Actions

An action is refused with 409 unless the server is in one of its states, no task is under way but
those that it tolerates, and the server has run once where that is needed. The first obstacle is
named, in this order:

| obstacle | answer |
| --- | --- |
| an adopted guest | Cannot 'ACTION' instance ID: its guest was adopted, … |
| a lock, for all but administrators | Instance ID is locked |
| the state | Cannot 'ACTION' instance ID while it is in vm_state VALUE |
| a task | Cannot 'ACTION' instance ID while it is in task_state VALUE |
| never launched | Cannot 'ACTION' instance ID while it is in launched_at None |

*Lock*: the action heeds a lock. *Tasks*: those that may be under way. *Launched*: the server must
have run once. *Adopted*: servers have it too whose guests were adopted ([adopt.md](adopt.md)).
*Begins*: the task that the action sets. An action that is in this table and that this release does
not have is answered with 501.
"""
STATUSES = """\
## Status

What clients see as `status`, by the state of the server and the task that is under way.
"""


class Command(BaseCommand):
    """Prints the page in Markdown."""

    help = "Print docs/server-states.md, as the declarations have it."

    def handle(self, *args: Any, **options: Any) -> None:
        """Print it."""
        self.stdout.write("\n".join([INTRODUCTION, *_actions(), "", STATUSES, *_statuses()]))


def _actions() -> Iterable[str]:
    head = ["action", *(state.value for state in COLUMNS), "tasks", "launched", "lock", "adopted"]
    head += ["begins", "policy"]
    yield _row(head)
    yield _row(["---"] * len(head))
    for name, rule in LEGAL.items():
        states = ["yes" if state in rule.states else "" for state in COLUMNS]
        flags = [_word(rule.needs_launch), _word(rule.heeds_lock), _word(rule.for_adopted)]
        begins = rule.begins.value if rule.begins else ""
        yield _row([name, *states, _tasks(rule), *flags, begins, f"`{rule.policy}`"])


def _statuses() -> Iterable[str]:
    yield _row(["vm_state", "task_state", "status"])
    yield _row(["---"] * 3)
    for state, (usual, during) in STATUS.items():
        for status in dict.fromkeys(during.values()):
            tasks = [task.value for task, shown in during.items() if shown == status]
            yield _row([state.value, ", ".join(tasks), status])
        yield _row([state.value, "any other" if during else "any", usual])


def _tasks(rule: Rule) -> str:
    if rule.tasks == ANY_TASK:
        return "any"
    others = ANY_TASK - rule.tasks
    if len(others) < len(rule.tasks):
        return "any but " + _names(others)
    return _names(rule.tasks) or "none"


def _names(tasks: Iterable[TaskState]) -> str:
    return ", ".join(sorted(task.value for task in tasks))


def _word(claim: bool) -> str:
    return "yes" if claim else ""


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
