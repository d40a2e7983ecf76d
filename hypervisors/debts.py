"""What waits for a host is done as soon as the host is back, not when its pause is over."""

from __future__ import annotations

from django.utils import timezone

from hypervisors.look import HostLook
from operations.debts import hurry


def pay_soon(look: HostLook) -> None:
    """Wake the debts of a host that has just been found to be up."""
    if look.is_up and look.hypervisor.state_since == look.seen_at:
        hurry(look.hypervisor.pk, now=timezone.now())
