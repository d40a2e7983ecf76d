"""System checks: what must be so on every machine that works on the same hosts."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.db import Error as DatabaseFailure

from cloudportal.checks import STATE, WORK
from hypervisors.errors import HostUnreachable
from hypervisors.models import Hypervisor, SshIdentity
from hypervisors.ssh import unseal
from hypervisors.uris import LOCAL_URI

LONGEST_PRE_COPY_S = 86_400.0


@register(STATE, WORK, deploy=True)
def check_identity(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E010: the SSH key in the database was sealed under the signing key that is here."""
    try:
        sealed = list(SshIdentity.objects.values_list("sealed_private_key", flat=True))
    except DatabaseFailure:
        return []  # another check says that it does not answer, or has no tables
    try:
        for each in sealed:
            unseal(each)
    except HostUnreachable:
        return [
            Error(
                f"The signing key in {settings.SECRET_KEY_FILE} is not the one that this database "
                "was used with: what is stored encrypted cannot be read.",
                hint="Copy the file from the machine where the portal was set up; it must be the "
                "same on all machines.",
                id="cloudportal.E010",
            )
        ]
    return []


@register(STATE, WORK, deploy=True)
def check_local_host(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E011: the hypervisor that is "this machine" is no other machine than this one."""
    here = _short(socket.gethostname())
    try:
        known = list(Hypervisor.objects.filter(uri=LOCAL_URI).exclude(hostname=""))
    except DatabaseFailure:
        return []  # another check says that it does not answer, or has no tables
    return [
        Error(
            f"The hypervisor {each.name} is {LOCAL_URI}, the libvirt of the machine "
            f"{each.hostname}; this machine is {here}, whose libvirt is another one.",
            hint="With several machines every host is reached by qemu+ssh://: change its URI in "
            "the admin. If the machine was only renamed: "
            f"manage.py hypervisor check {each.name}",
            id="cloudportal.E011",
        )
        for each in known
        if _short(each.hostname) != here
    ]


@register(STATE, WORK)
def check_post_copy(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E012: the time after which guests are switched to post-copy is one."""
    after_s = settings.LIVE_MIGRATION_POSTCOPY_AFTER_S
    if 1 <= after_s <= LONGEST_PRE_COPY_S:
        return []
    return [
        Error(
            f"CLOUDPORTAL_LIVE_MIGRATION_POSTCOPY_S is {after_s:g}.",
            hint=f"Seconds from 1 to {LONGEST_PRE_COPY_S:g}.",
            id="cloudportal.E012",
        )
    ]


def _short(hostname: str) -> str:
    return hostname.partition(".")[0].lower()
