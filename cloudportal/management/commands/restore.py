"""`manage.py restore FILE`: a backup becomes the portal's database again."""

from __future__ import annotations

import tarfile
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import Error, connection
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

from cloudportal import backup, state
from cloudportal.database import first_line
from cloudportal.management.commands.backup import image_files, is_image
from cloudportal.restored import settle
from images.models import Image
from servers.models import Server

UNKNOWN = "unknown"


class Command(BaseCommand):
    """Restore a backup; the portal must be stopped, on all machines."""

    help = "Loads a backup: database, signing key, first passwords, and images if it has them."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Read which one, and whether what is there may go."""
        parser.add_argument("file", type=Path, help="what manage.py backup has written")
        parser.add_argument(
            "--replace", action="store_true", help="throw away what is in the database now"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Check everything, then replace everything."""
        try:
            with backup.opened(options["file"]) as (archive, manifest):
                state.make_folders(settings.VAR_DIR)
                self._check(manifest, is_replacing=options["replace"])
                self._load(archive, manifest)
        except backup.BackupError as error:
            raise CommandError(str(error)) from error
        except Error as error:
            raise CommandError(f"The database does not do its work: {first_line(error)}") from error
        self.stdout.write(
            "Next: manage.py setup --no-hypervisor; start the portal; and, before users come back, "
            "manage.py integrity --repair, which asks the hosts what has happened since."
        )

    def _check(self, manifest: backup.Manifest, *, is_replacing: bool) -> None:
        if manifest.engine != connection.vendor:
            raise backup.BackupError(
                f"The backup is of {manifest.engine}, and DATABASE_URL names {connection.vendor}."
            )
        known = set(MigrationLoader(None).disk_migrations)
        newer = sorted(set(manifest.migrations) - known)
        if newer:
            raise backup.BackupError(
                f"The backup was made by a newer version, with the migration {'.'.join(newer[0])}."
            )
        if backup.others_at_work():
            raise backup.BackupError(
                "Something uses the database. Stop the portal first, on all machines: make stop"
            )
        if not is_replacing and "identity_user" in connection.introspection.table_names():
            raise backup.BackupError(
                f"The database is not empty: it has {_count_servers()} servers. To throw all of it "
                "away: --replace"
            )

    def _load(self, archive: tarfile.TarFile, manifest: backup.Manifest) -> None:
        backup.load_database(archive, settings.VAR_DIR)
        self.stdout.write(f"database: as of {manifest.made_at}")
        self._load_key(archive)
        if (text := backup.read_member(archive, backup.CREDENTIALS)) is not None:
            state.write_private(settings.VAR_DIR / "credentials", text.decode())
        call_command("migrate", interactive=False, verbosity=0)
        settled = settle(now=timezone.now())
        self.stdout.write(
            f"operations: {settled.cancelled} cancelled, {settled.resumed} will go on"
        )
        self._load_images(archive)

    def _load_key(self, archive: tarfile.TarFile) -> None:
        text = backup.read_member(archive, backup.SECRET_KEY)
        if text is None:
            self.stdout.write("signing key: not in the backup")
            return
        path: Path = settings.SECRET_KEY_FILE
        old = path.read_text() if path.is_file() else ""
        if old and old != text.decode():
            kept = path.with_name(f"{path.name}.before-restore")
            state.write_private(kept, old)
            self.stdout.write(f"signing key: replaced; the one before is in {kept}")
        state.write_private(path, text.decode())
        settings.SECRET_KEY = text.decode().strip()

    def _load_images(self, archive: tarfile.TarFile) -> None:
        folder = Path(settings.IMAGE_DIR)
        folder.mkdir(parents=True, exist_ok=True)
        members = [each for each in backup.image_members(archive) if is_image(Path(each.name).name)]
        for member in members:
            backup.copy_member(archive, member.name, folder / Path(member.name).name)
        known = {str(each) for each in Image.objects.values_list("pk", flat=True)}
        strangers = [path for path in image_files() if path.name not in known]
        # The sweep would take them for what dead uploads have left.
        for path in strangers:
            (folder / UNKNOWN).mkdir(mode=0o700, exist_ok=True)
            path.rename(folder / UNKNOWN / path.name)
        words = f", {len(strangers)} newer than the backup moved to {folder / UNKNOWN}"
        self.stdout.write(f"images: {len(members)} restored{words if strangers else ''}")


def _count_servers() -> int:
    try:
        return Server.objects.alive().count()
    except Error:
        return 0
