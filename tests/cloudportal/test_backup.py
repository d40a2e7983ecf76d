"""A backup is whole and for its owner alone; restored, it is the portal as it was, and harmless."""

import contextlib
import json
import shutil
import sqlite3
import stat
import subprocess
import sys
import tarfile
import textwrap
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cloudportal.portal import PROJECT, environment, free_port, manage, state_folder
from tests.postgres import DATABASE, OWNER, Cluster, stoppable_cluster
from tests.postgres import run as start

MAKE_WORK = """
import uuid
from django.utils import timezone
from operations.enqueue import enqueue, supersede
from operations.models import Operation
from servers.models import Server
from servers.states import VmState
from images.models import Image
from images.storage import image_path
now = timezone.now()
def server(name, **fields):
    return Server.objects.create(project_id="p", user_id="u", name=name, hostname=name, flavor={},
        reservation_id="r-1", **fields)
def work(kind, server):
    return enqueue(kind, subject=server.pk, params={}, request_id="req-1", now=now)
active = {"vm_state": VmState.ACTIVE}
rebooting = server("rebooting", task_state="rebooting", **active)
building = server("building", task_state="spawning")
deleting = server("deleting", task_state="deleting", **active)
doomed = server("doomed", task_state="deleting")
work("server.reboot", rebooting)
work("server.build", building)
work("server.delete", deleting)
held = work("server.build", doomed)
Operation.objects.filter(pk=held.pk).update(lease_owner="gone", lease_until=now)
Operation.objects.filter(pk=held.pk).update(
    successor={"kind": "server.delete", "params": {}, "request_id": "req-2"})
image = Image.objects.create(name="kept", owner="p", status="active", disk_format="raw",
                             container_format="bare")
image_path(image).write_bytes(b"the data")
"""

AFTERWARDS = """
import uuid
from servers.models import Server
from images.models import Image
from images.storage import image_path
from identity.models import User
Server.objects.filter(name="rebooting").delete()
Server.objects.create(project_id="p", user_id="u", name="later", hostname="later", flavor={},
                      reservation_id="r-2")
image_path(Image.objects.get(name="kept")).unlink()
newer = Image.objects.create(name="newer", owner="p", status="active", disk_format="raw",
                             container_format="bare")
image_path(newer).write_bytes(b"newer data")
"""

LOOK = """
import json
from django.contrib.sessions.models import Session
from django_q.models import OrmQ
from operations.models import Operation
from servers.models import Server
from images.models import Image
from images.storage import image_path
names = {each.pk: each.name for each in Server.objects.all()}
print(json.dumps({
    "servers": {each.name: [each.vm_state, each.task_state] for each in Server.objects.all()},
    "operations": sorted([names.get(each.subject, ""), each.kind, each.state, each.lease_owner]
                         for each in Operation.objects.all()),
    "jobs": OrmQ.objects.count(),
    "images": [[each.name, image_path(each).read_text()] for each in Image.objects.all()],
}))
"""


@dataclass
class Site:
    """A portal that was set up, with unfinished work of every sort, and a backup of it."""

    var: Path
    env: dict[str, str]
    file: Path
    cluster: Cluster | None = None

    def copy(self, var: Path) -> "Site":
        """The same in another folder and another database."""
        shutil.copytree(self.var, var)
        env = {**self.env, "CLOUDPORTAL_VAR": str(var)}
        if self.cluster is not None:
            env["DATABASE_URL"] = self.database(self.cluster, "--template", DATABASE)
        return Site(var, env, self.file, self.cluster)

    @staticmethod
    def database(cluster: Cluster, *words: str) -> str:
        """A further database in the cluster; its URL."""
        name = f"copy_{uuid.uuid4().hex}"
        start(cluster.tools / "createdb", "-h", cluster.folder, "-U", OWNER, *words, name)
        return f"postgres://{OWNER}@/{cluster.folder}/{name}"


ON_BOTH = pytest.mark.parametrize("original", ["sqlite", "postgresql"], indirect=True)
ON_SQLITE_FIRST = pytest.mark.parametrize(
    "original", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)], indirect=True
)


@pytest.fixture(scope="module")
def original(request):
    with contextlib.ExitStack() as stack:
        var = stack.enter_context(state_folder())
        env, cluster = environment(var, free_port()), None
        if request.param == "postgresql":
            cluster = stack.enter_context(stoppable_cluster())
            env["DATABASE_URL"] = cluster.url
        manage(env, "setup", "--no-hypervisor")
        run(env, MAKE_WORK)
        file = var.parent / "portal.tar"
        manage(env, "backup", str(file), "--images")
        yield Site(var, env, file, cluster)


@pytest.fixture
def site(original):
    with state_folder() as var:
        yield original.copy(var)


def run(env, program):
    return manage(env, "shell", "-v0", "-c", textwrap.dedent(program)).stdout


def look(env):
    return json.loads(run(env, LOOK).splitlines()[-1])


@ON_BOTH
def test_what_was_is_again_and_unfinished_work_does_no_harm(site):
    var, env, file = site.var, site.env, site.file
    before = look(env)

    run(env, AFTERWARDS)
    key = (var / "secret_key").read_text()
    (var / "secret_key").write_text("another key, " + "z" * 40)
    (var / "credentials").unlink()
    said = manage(env, "restore", str(file), "--replace").stdout
    after = look(env)

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (var / "secret_key").read_text() == key
    assert stat.S_IMODE((var / "secret_key").stat().st_mode) == 0o600
    assert (var / "secret_key.before-restore").read_text().startswith("another key")
    assert (var / "credentials").read_text().count("\n") >= 3
    # The same servers; of those with unfinished work, each as its kind needs it. The one that was
    # being built is forgotten: if a host has it, it is taken in again from there.
    assert set(after["servers"]) == set(before["servers"]) - {"building"}
    assert after["servers"] == {
        "rebooting": ["active", None],
        "deleting": ["active", "deleting"],
        "doomed": ["building", "deleting"],
    }
    assert after["operations"] == [
        ["", "server.build", "cancelled", ""],
        ["deleting", "server.delete", "pending", ""],
        ["doomed", "server.build", "cancelled", ""],
        ["doomed", "server.delete", "pending", ""],
        ["rebooting", "server.reboot", "cancelled", ""],
    ]
    assert after["jobs"] == 2
    # An image's data is there again; a newer one's is kept out of the sweep's way.
    assert after["images"] == [["kept", "the data"]]
    [unknown] = (var / "images" / "unknown").iterdir()
    assert unknown.read_text() == "newer data"
    assert "operations: 2 cancelled, 2 will go on" in said
    # The set-up finds nothing to do.
    assert "made" not in manage(env, "setup", "--no-hypervisor").stdout


@ON_SQLITE_FIRST
def test_a_database_that_holds_something_is_not_replaced_unasked(site):
    env, file = site.env, site.file
    run(env, AFTERWARDS)

    done = manage(env, "restore", str(file), check=False)

    assert done.returncode == 1
    assert "The database is not empty: it has 4 servers." in done.stderr
    assert "later" in look_names(env)


def look_names(env):
    program = "from servers.models import Server; print(list(Server.objects.values_list('name')))"
    return run(env, program)


@ON_SQLITE_FIRST
def test_nothing_is_restored_under_a_running_portal(site):
    env, file = site.env, site.file
    hold = (
        "import os, django; django.setup(); from django.db import connection as c; "
        "c.cursor().execute('SELECT * FROM identity_user'); print('held', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold],
        cwd=PROJECT,
        env={**env, "DJANGO_SETTINGS_MODULE": "cloudportal.settings"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"

        done = manage(env, "restore", str(file), "--replace", check=False)

        holder.communicate("\n", timeout=30)
    assert done.returncode == 1
    assert "Stop the portal first, on all machines" in done.stderr


@ON_SQLITE_FIRST
def test_a_new_machine_needs_nothing_but_the_backup(site):
    shutil.rmtree(site.var)
    env = (
        site.env
        if site.cluster is None
        else {
            **site.env,
            "DATABASE_URL": site.database(site.cluster),
        }
    )

    manage(env, "restore", str(site.file))

    assert set(look(env)["servers"]) == {"rebooting", "deleting", "doomed"}
    assert stat.S_IMODE(site.var.stat().st_mode) == 0o700


@ON_SQLITE_FIRST
def test_a_backup_that_cannot_be_loaded_changes_nothing(site):
    env, file = site.env, site.file
    file = shutil.copy(file, site.var.parent)
    spoil(Path(file))
    run(env, AFTERWARDS)

    done = manage(env, "restore", str(file), "--replace", check=False)

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "later" in look_names(env)


def spoil(file: Path) -> None:
    """Cut the second half off the database in a backup."""
    spoilt = file.with_suffix(".spoilt")
    with tarfile.open(file) as source, tarfile.open(spoilt, "w") as target:
        for member in source.getmembers():
            content = source.extractfile(member)
            if member.name.startswith("database"):
                member.size //= 2
            target.addfile(member, content)
    spoilt.replace(file)


@pytest.fixture
def small(tmp_path):
    """The smallest archive that could be a backup."""

    def make(**changes):
        manifest = {"format": 1, "engine": "sqlite", "made_at": "now", "migrations": []} | changes
        text = tmp_path / "manifest.json"
        text.write_text(json.dumps(manifest))
        path = tmp_path / "small.tar"
        with tarfile.open(path, "w") as archive:
            archive.add(text, "manifest.json")
        return path

    return make


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"engine": "postgresql"}, "The backup is of postgresql"),
        ({"format": 2}, "this version reads 1"),
        ({"migrations": [["servers", "9999_later"]]}, "a newer version"),
    ],
)
def test_a_backup_of_another_world_is_refused_in_words(small, changes, words):
    with state_folder() as var:
        env = environment(var, free_port())
        var.mkdir()

        done = manage(env, "restore", str(small(**changes)), check=False)

    assert done.returncode == 1
    assert words in done.stderr


def test_a_file_that_is_no_backup_is_refused(tmp_path):
    with state_folder() as var:
        var.mkdir()
        (tmp_path / "file").write_text("no tar at all")

        done = manage(environment(var, free_port()), "restore", str(tmp_path / "file"), check=False)

    assert done.returncode == 1
    assert "cannot be read as a backup" in done.stderr


def test_a_backup_while_the_portal_writes_is_of_one_moment(tmp_path):
    with state_folder() as var:
        env = environment(var, free_port())
        manage(env, "setup", "--no-hypervisor")
        writer = (
            "import sqlite3, sys, time\n"
            "db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)\n"
            "db.execute('CREATE TABLE pair (a int, b int)')\n"
            "db.execute('INSERT INTO pair VALUES (0, 0)')\n"
            "print('writing', flush=True)\n"
            "n = 0\n"
            "while True:\n"
            "    n += 1\n"
            "    db.execute('BEGIN IMMEDIATE')\n"
            "    db.execute('UPDATE pair SET a = ?', [n])\n"
            "    db.execute('UPDATE pair SET b = ?', [n])\n"
            "    db.execute('COMMIT')\n"
            "    time.sleep(0.001)\n"
        )
        with subprocess.Popen(
            [sys.executable, "-c", writer, str(var / "cloudportal.sqlite3")],
            stdout=subprocess.PIPE,
            text=True,
        ) as writing:
            assert writing.stdout is not None
            assert writing.stdout.readline() == "writing\n"
            manage(env, "backup", str(tmp_path / "b.tar"))
            writing.kill()
    with tarfile.open(tmp_path / "b.tar") as archive:
        member = archive.extractfile("database.sqlite3")
        assert member is not None
        (tmp_path / "database.sqlite3").write_bytes(member.read())
    database = sqlite3.connect(tmp_path / "database.sqlite3")
    [(first, second)] = database.execute("SELECT a, b FROM pair").fetchall()
    database.close()

    assert first == second > 0
