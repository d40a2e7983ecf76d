"""Which of a server's backups are beyond the number that is kept."""

from __future__ import annotations

from django.db.models import Q

from images.models import Image, ImageStatus

_PROPERTIES = ("instance_uuid", "backup_type", "image_type")


def surplus_backups(newest: Image, *, keep: int) -> list[Image]:
    """The backups of the same server, type and project as this one, but for the newest ones.

    Of projects other than the backup's own none: anybody may write such properties.
    """
    rows = Image.objects.filter(owner=newest.owner).exclude(status=ImageStatus.DELETED)
    for name in _PROPERTIES:
        rows = rows.filter(Q(properties__has_pair=(name, newest.properties.get(name, ""))))
    oldest = rows.order_by("-created_at", "-id")[keep:]
    return [backup for backup in oldest if not backup.is_protected]
