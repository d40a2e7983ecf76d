"""The matrix's world: fake hosts kept in a file, and a fresh cloud on them."""

import pytest

from tests.hypervisors.fake_host import installed
from tests.matrix.world import World


@pytest.fixture
def world(monkeypatch, transactional_db, settings, tmp_path) -> World:
    settings.IMAGE_DIR = tmp_path / "images"
    hosts = installed(monkeypatch)
    hosts.keep_in(tmp_path)
    return World(hosts)
