"""Small disks to upload."""

from __future__ import annotations

import os
from pathlib import Path

from tests.cloud.probes.services.groups import ServiceColumn

SIZE_BYTES = 1024 * 1024


def disk(column: ServiceColumn) -> Path:
    """A raw disk of noise that no two columns share."""
    path = Path(column.portal.var, f"{column.own}.raw")
    if not path.exists():
        path.write_bytes(os.urandom(SIZE_BYTES))
    return path
