"""The supervisor's configuration."""

import os
from configparser import RawConfigParser
from pathlib import Path

import pytest
from django.conf import settings

from cloudportal.processes import Process, processes, supervisor_config
from deploy.supervise import Portal


def parsed(*, var="/srv/var", programs=()):
    parser = RawConfigParser()
    parser.read_string(
        supervisor_config(var=Path(var), project=Path("/srv/portal"), programs=programs)
    )
    return parser


def test_the_supervisor_listens_on_a_private_socket_only():
    config = parsed()

    assert "inet_http_server" not in config
    assert dict(config["unix_http_server"]) == {
        "file": "/srv/var/run/supervisor.sock",
        "chmod": "0700",
    }


def test_odd_paths_keep_their_meaning():
    program = Process("web", ["/a b/python", "50%"], {"NAME": "100%"})

    section = parsed(var="/srv/v%r", programs=[program])["program:web"]

    assert section["command"] == "'/a b/python' 50%%"
    assert section["environment"] == 'NAME="100%%"'
    assert section["stdout_logfile"] == "/srv/v%%r/log/web.log"


def test_the_transfer_queue_has_a_cluster_of_its_own():
    found = processes(python=Path("/p"), project=Path("/srv"), bind="127.0.0.1", port=8000)

    assert [program.name for program in found] == ["web", "worker", "transfer", "keeper", "live"]
    assert found[2].environment["Q_CLUSTER_NAME"] == "transfer"


@pytest.mark.parametrize(
    ("bind", "address"), [("127.0.0.1", "127.0.0.1:8000"), ("::1", "[::1]:8000")]
)
def test_the_web_process_listens_where_it_is_told(bind, address):
    web = processes(python=Path("/p"), project=Path("/srv"), bind=bind, port=8000)[0]

    assert web.command[web.command.index("--bind") + 1] == address


def test_the_runner_reads_the_environment_as_the_settings_do(monkeypatch):
    for name in list(os.environ):
        if name.startswith("CLOUDPORTAL_") and name != "CLOUDPORTAL_VAR":
            monkeypatch.delenv(name)

    portal = Portal.from_environment()

    assert portal == Portal(
        settings.VAR_DIR, settings.BIND, settings.PORT, settings.PUBLIC_URL, settings.LIVE_PORT
    )
