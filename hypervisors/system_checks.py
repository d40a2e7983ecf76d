"""System check: this machine's signing key opens what another one sealed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.db import Error as DatabaseFailure

from cloudportal.checks import STATE, WORK
from hypervisors.errors import HostUnreachable
from hypervisors.models import SshIdentity
from hypervisors.ssh import unseal


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
