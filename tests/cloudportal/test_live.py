"""The live process itself: it answers, tells no secret, and ends when told to."""

import contextlib
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.cloudportal.portal import PROJECT, environment, free_port, manage, state_folder

pytestmark = [pytest.mark.wire, pytest.mark.once]
PATIENCE_S = 60
TOKEN = "a-token-that-nobody-has"


@pytest.fixture(scope="module")
def live():
    """A running live process that logs all it can; its address and its log."""
    with state_folder() as var:
        env = environment(var, free_port(), CLOUDPORTAL_LOG_LEVEL="DEBUG")
        manage(env, "setup", "--no-hypervisor")
        log = var / "live.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "manage.py", "live"],
                cwd=PROJECT,
                env=env,
                stdout=file,
                stderr=file,
            )
        address = f"127.0.0.1:{env['CLOUDPORTAL_LIVE_PORT']}"
        try:
            wait_for(lambda: is_healthy(address))
            yield process, address, log
        finally:
            process.kill()
            process.wait()


def wait_for(condition):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_healthy(address):
    with contextlib.suppress(OSError):
        return urllib.request.urlopen(f"http://{address}/live/healthz", timeout=5).status == 200
    return False


def test_no_token_of_an_address_is_logged(live):
    _, address, log = live

    with (
        connect(f"ws://{address}/live/console?token={TOKEN}") as opened,
        pytest.raises(ConnectionClosed) as ended,
    ):
        opened.recv(timeout=PATIENCE_S)
    for bad in (f"/live/console?token={TOKEN}", f"/other?token={TOKEN}"):
        with pytest.raises(InvalidStatus):
            connect(f"ws://{address}{bad}", origin=Origin("https://elsewhere.example"))
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"http://{address}/live/console?token={TOKEN}", timeout=5)

    assert ended.value.rcvd is not None
    assert ended.value.rcvd.code == 4403
    assert log.stat().st_size > 0
    assert TOKEN not in log.read_text()


def test_it_ends_when_told_to_whoever_is_connected(live):
    process, address, _ = live
    host, port = address.split(":")
    half_open = socket.create_connection((host, int(port)))

    process.send_signal(signal.SIGTERM)

    assert process.wait(timeout=PATIENCE_S) in (0, -signal.SIGTERM)
    half_open.close()
