"""Running the portal's processes: ready, ended wholly, and after a crash."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from deploy.supervise import Portal, SuperviseError, check
from tests.cloudportal.portal import PROJECT, environment, free_port, manage, state_folder

pytestmark = pytest.mark.wire
PATIENCE_S = 90


@pytest.fixture
def portal():
    with state_folder() as var:
        port = free_port()
        env = environment(var, port)
        manage(env, "setup", "--no-hypervisor")
        live_port = int(env["CLOUDPORTAL_LIVE_PORT"])
        yield Portal(var, "127.0.0.1", port, f"http://127.0.0.1:{port}", live_port), env


def start(env):
    return subprocess.Popen(
        [sys.executable, "deploy/supervise.py", "run"],
        cwd=PROJECT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_ready(process, portal):
    line = process.stdout.readline()
    assert line == f"cloudportal is ready: {portal.url}/\n"


def until(condition):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_it_runs_until_interrupted_and_leaves_no_process(portal):
    here, env = portal
    process = start(env)
    wait_ready(process, here)
    running = len(set(here.marked()))

    with pytest.raises(SuperviseError, match="runs already"):
        check(here)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE_S)

    assert running > 5
    assert process.returncode == 0
    assert not set(here.marked())


def test_stop_ends_one_that_runs_elsewhere(portal):
    here, env = portal
    process = start(env)
    wait_ready(process, here)

    done = subprocess.run(
        ["deploy/stop.sh"], cwd=PROJECT, env=env, capture_output=True, text=True, timeout=PATIENCE_S
    )
    said, _ = process.communicate(timeout=PATIENCE_S)

    assert done.stdout == "The portal has ended.\n"
    assert "stopped from elsewhere" in said
    assert not set(here.marked())


def test_what_a_killed_run_left_is_ended_by_the_next(portal):
    here, env = portal
    process = start(env)
    wait_ready(process, here)
    process.kill()
    process.communicate()
    os.kill(here.supervisor(), signal.SIGKILL)
    until(lambda: here.supervisor() is None)
    assert set(here.marked())

    again = start(env)
    assert again.stdout.readline().startswith("processes: ended ")
    wait_ready(again, here)
    again.send_signal(signal.SIGTERM)
    again.communicate(timeout=PATIENCE_S)

    assert not set(here.marked())


def test_a_process_that_dies_is_started_again(portal):
    here, env = portal
    process = start(env)
    wait_ready(process, here)
    # The web answers first: a keeper may be a fork that is not yet called one.
    until(lambda: any(b"keeper" in command(pid) for pid in here.marked()))
    keeper = next(pid for pid in here.marked() if b"keeper" in command(pid))

    os.kill(keeper, signal.SIGKILL)

    until(lambda: any(b"keeper" in command(pid) for pid in here.marked() if pid != keeper))
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE_S)


def command(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read()
    except OSError:
        return b""


@pytest.mark.parametrize("which", ["PORT", "LIVE_PORT"])
def test_a_taken_port_is_named_with_its_remedy(tmp_path, which):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ports = (port, free_port()) if which == "PORT" else (free_port(), port)
        other = port + 2 if which == "PORT" else port + 1

        with pytest.raises(SuperviseError, match=f"port {port}: .*CLOUDPORTAL_{which}={other}"):
            check(Portal(tmp_path, "127.0.0.1", ports[0], "http://127.0.0.1", ports[1]))


def test_stopping_what_does_not_run_says_so(tmp_path):
    done = subprocess.run(
        [sys.executable, "deploy/supervise.py", "stop"],
        cwd=PROJECT,
        env=environment(tmp_path, free_port()),
        capture_output=True,
        text=True,
    )

    assert (done.returncode, done.stdout) == (0, "The portal does not run.\n")
