"""How the states of servers, images and hosts are said and coloured."""

from __future__ import annotations

from django.utils.translation import gettext as _

TONES = {
    "ACTIVE": "green",
    "BUILD": "azure",
    "REBOOT": "azure",
    "HARD_REBOOT": "azure",
    "ERROR": "red",
    "SHUTOFF": "secondary",
    "PAUSED": "yellow",
    "SUSPENDED": "yellow",
    "DELETED": "secondary",
    "UNKNOWN": "yellow",
    # Images.
    "active": "green",
    "queued": "secondary",
    "saving": "azure",
    "deactivated": "yellow",
    "killed": "red",
    # Events and steps.
    "Success": "green",
    "Error": "red",
    "success": "green",
    "error": "red",
    "done": "green",
    "failed": "red",
    "running": "azure",
}


def status_words(status: str) -> str:
    """A server's status in words; an unknown one as it is."""
    words = {
        "ACTIVE": _("Running"),
        "BUILD": _("Building"),
        "SHUTOFF": _("Stopped"),
        "PAUSED": _("Paused"),
        "SUSPENDED": _("Suspended"),
        "ERROR": _("Error"),
        "REBOOT": _("Rebooting"),
        "HARD_REBOOT": _("Rebooting"),
        "DELETED": _("Deleted"),
        "UNKNOWN": _("Unknown"),
    }
    return words.get(status, status)


def task_words(task_state: str | None) -> str:
    """What is being done to a server, in words; "" for nothing."""
    words = {
        "scheduling": _("choosing a host"),
        "networking": _("plugging in"),
        "block_device_mapping": _("preparing disks"),
        "spawning": _("starting"),
        "powering-off": _("stopping"),
        "powering-on": _("starting"),
        "deleting": _("deleting"),
    }
    if not task_state:
        return ""
    if task_state.startswith("reboot"):
        return _("rebooting")
    return words.get(task_state, task_state.replace("_", " "))
