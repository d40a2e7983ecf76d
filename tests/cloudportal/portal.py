"""A portal of the tests' own, in a folder of its own, set up by the real command."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent


def free_port():
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return trial.getsockname()[1]


def environment(var, port, **more):
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CLOUDPORTAL_", "DATABASE_URL", "SECRET_KEY", "DJANGO_", "COV_"))
    }
    own = {
        "CLOUDPORTAL_VAR": str(var),
        "CLOUDPORTAL_PORT": str(port),
        "CLOUDPORTAL_LIVE_PORT": str(free_port()),
    }
    return {**kept, **own, **more}


def manage(env, *words, check=True):
    done = subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=PROJECT,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0 or not check, done.stdout + done.stderr
    return done


@contextmanager
def state_folder():
    # Short, for the sockets in it.
    folder = Path(tempfile.mkdtemp(prefix="cp-"))
    try:
        yield folder / "var"
    finally:
        shutil.rmtree(folder)
