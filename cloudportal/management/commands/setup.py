"""`manage.py setup`: makes or completes all that a running portal needs; safe to repeat."""

from __future__ import annotations

import socket
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, transaction
from django.utils import timezone

from cloudportal import state
from cloudportal.checks import missing_migrations, problems, refuse_misfit
from cloudportal.contents import ensure_flavors, ensure_image, ensure_shared_network
from cloudportal.errors import CloudError
from cloudportal.free_range import free_range
from cloudportal.processes import processes, supervisor_config
from hypervisors.errors import HypervisorNotReady
from hypervisors.models import Hypervisor
from hypervisors.register import add_hypervisor
from hypervisors.ssh import public_key
from hypervisors.uris import LOCAL_URI
from identity import bootstrap
from identity.catalog import REGION
from identity.models import Project

NETWORK = "default"
IMAGE = "tiny"


class Command(BaseCommand):
    """Set the portal up, or complete what an earlier run began."""

    help = "Makes keys, database, first users, flavors, network, image and hypervisor."
    # It makes what the checks look for.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Read what to leave out, and where the guest image lies."""
        parser.add_argument("--image", type=Path, help="qcow2 file to become the image tiny")
        parser.add_argument(
            "--no-hypervisor", action="store_true", help="do not register this machine's libvirt"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Go through all parts in the order in which they need each other."""
        self._files()
        self._database()
        self._machine()
        admin_project = self._people()
        try:
            made = ensure_flavors(now=timezone.now())
            self._say("flavors", f"{made} made" if made else "are there")
            cidr = free_range()
            is_new = ensure_shared_network(
                name=NETWORK, cidr=cidr, project_id=admin_project.id, now=timezone.now()
            )
            self._say("network", f"{NETWORK} ({cidr}) made" if is_new else f"{NETWORK} is there")
            if options["image"]:
                self._image(options["image"], admin_project)
            if not options["no_hypervisor"]:
                self._hypervisor()
        except CloudError as error:
            raise CommandError(f"{error} {error.detail}".strip()) from error
        self._processes()
        self._check()

    def _say(self, part: str, words: str) -> None:
        self.stdout.write(f"{part}: {words}")
        self.stdout.flush()

    def _files(self) -> None:
        is_new = state.make_folders(settings.VAR_DIR)
        self._say("state", f"{settings.VAR_DIR} {'made' if is_new else 'is there'}")
        # This process began without the key; what it signs from here on must be signed with it.
        settings.SECRET_KEY = state.ensure_secret_key(settings.SECRET_KEY_FILE)

    def _database(self) -> None:
        try:
            missing = missing_migrations()
            # Even with nothing to do the command takes a second: it compares every permission.
            if missing:
                call_command("migrate", interactive=False, verbosity=0)
        except DatabaseError as error:
            raise CommandError(
                f"The database does not do its work: {error} See DATABASE_URL."
            ) from error
        self._say("database", f"{missing} migrations done" if missing else "is up to date")

    def _machine(self) -> None:
        """A further machine that lacks what the first one has must not change anything for all."""
        try:
            refuse_misfit()
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error
        # Made now, it is what tells a wrong signing key from the right one.
        public_key()

    def _people(self) -> Project:
        bootstrap.ensure_domain_and_roles()
        admin_project = bootstrap.ensure_project("admin", "Administers the cloud.")
        demo_project = bootstrap.ensure_project("demo", "To try things out.")
        credentials = settings.VAR_DIR / "credentials"
        is_lost = not credentials.is_file()
        passwords = state.ensure_passwords(credentials, ("admin", "demo"))
        # All or nobody: a user without the roles would never get them from a later run.
        with transaction.atomic():
            admin, is_new = bootstrap.ensure_user(
                "admin", passwords["admin"], project=admin_project
            )
            demo, _ = bootstrap.ensure_user("demo", passwords["demo"], project=demo_project)
            if is_new:
                bootstrap.make_staff(admin)
                bootstrap.ensure_grant(admin, "admin", admin_project)
                bootstrap.ensure_grant(admin, "admin", demo_project)
                bootstrap.ensure_grant(demo, "member", demo_project)
            elif is_lost:
                bootstrap.reset_password(admin, passwords["admin"])
                bootstrap.reset_password(demo, passwords["demo"])
        words = "made" if is_new else "have new passwords" if is_lost else "are there"
        self._say("people", f"admin and demo {words}")
        state.write_clouds(
            settings.VAR_DIR / "clouds.yaml",
            f"{settings.PUBLIC_URL}/identity",
            REGION,
            {
                "cloudportal-admin": {
                    "username": "admin",
                    "password": passwords["admin"],
                    "project": "admin",
                },
                "cloudportal": {
                    "username": "demo",
                    "password": passwords["demo"],
                    "project": "demo",
                },
            },
        )
        return admin_project

    def _image(self, path: Path, owner: Project) -> None:
        is_new = ensure_image(name=IMAGE, path=path, project_id=owner.id, now=timezone.now())
        self._say("image", f"{IMAGE} {'made of ' + str(path) if is_new else 'is there'}")

    def _hypervisor(self) -> None:
        known = Hypervisor.objects.filter(uri=LOCAL_URI).first()
        if known is not None:
            self._say("hypervisor", f"{known.name} ({LOCAL_URI}) is there")
            return
        name = socket.gethostname()
        self._say("hypervisor", f"looking at this machine's libvirt ({LOCAL_URI})")
        try:
            host = add_hypervisor(name=name, uri=LOCAL_URI, now=timezone.now()).hypervisor
        except HypervisorNotReady as error:
            for check in error.checks:
                if check.remedy:
                    self._say(
                        "hypervisor", f"{check.name}: {check.message} To mend: {check.remedy}"
                    )
            raise
        self._say("hypervisor", f"{name} added: {host.vcpus} vCPUs, {host.ram_mib} MiB RAM")

    def _processes(self) -> None:
        programs = processes(
            python=Path(sys.executable),
            project=settings.BASE_DIR,
            bind=settings.BIND,
            port=settings.PORT,
        )
        text = supervisor_config(var=settings.VAR_DIR, project=settings.BASE_DIR, programs=programs)
        state.write_private(settings.VAR_DIR / "run" / "supervisord.conf", text)

    def _check(self) -> None:
        found = problems()
        for words in found:
            self._say("check", words)
        if found:
            raise CommandError("The portal is not ready; see above.")
        self._say("set-up", "done")
