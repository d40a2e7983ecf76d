"""The matrix's world: fake hosts kept in a file, and a fresh cloud on them."""

import random
from pathlib import Path

import pytest

from tests.hypervisors.fake_host import installed
from tests.matrix.seeds import SEED
from tests.matrix.world import World


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of every second step the seed chooses what happens before or after it; the rest is for later.

    That is a quarter of all.
    """
    for item in items:
        call = getattr(item, "callspec", None)
        if item.path.parent != Path(__file__).parent or call is None:
            continue
        if "is_after" in call.params:
            name = item.nodeid.partition("[")[0].rpartition("::")[2]
            chance = random.Random(f"{SEED} {name} {call.params['case']} {call.params['step']}")
            chosen = chance.choice([False, True])
            if call.params["is_after"] != chosen or chance.choice([False, True]):
                item.add_marker(pytest.mark.long)


@pytest.fixture
def world(monkeypatch, transactional_db, settings, tmp_path) -> World:
    settings.IMAGE_DIR = tmp_path / "images"
    hosts = installed(monkeypatch)
    hosts.keep_in(tmp_path)
    return World(hosts)
