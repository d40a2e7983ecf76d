"""`manage.py backup FILE`: everything that cannot be made anew, in one file, while all runs."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from cloudportal import backup


class Command(BaseCommand):
    """Take a backup."""

    help = "Writes database, signing key and first passwords (and images) to one file."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Read where to, and whether images go with it."""
        parser.add_argument("file", type=Path, help="tar file; replaced if it is there")
        parser.add_argument("--images", action="store_true", help="with the data of all images")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write it."""
        path: Path = options["file"].resolve()
        applied = MigrationRecorder(connection).applied_migrations()
        files = {
            backup.SECRET_KEY: settings.SECRET_KEY_FILE,
            backup.CREDENTIALS: settings.VAR_DIR / "credentials",
        }
        try:
            backup.write_backup(
                path,
                manifest=backup.manifest_now(now=timezone.now(), migrations=applied),
                files=files,
                images=image_files() if options["images"] else [],
            )
        except (backup.BackupError, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"backup: {path} ({path.stat().st_size / 2**20:.1f} MiB)")
        self.stdout.write("It holds secrets: whoever reads it can act as the portal.")


def image_files() -> list[Path]:
    """The files of whole images."""
    folder = Path(settings.IMAGE_DIR)
    found = folder.iterdir() if folder.is_dir() else []
    return sorted(path for path in found if path.is_file() and is_image(path.name))


def is_image(name: str) -> bool:
    """Whether a file is named as the data of an image is."""
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False
