"""The cloud that the pages show, and browsers without a browser, logged in."""

import pytest
from django.test import Client

from tests.dashboard.world import make_world


@pytest.fixture
def world(db):
    return make_world()


@pytest.fixture
def browse(world):
    """Log somebody in; `csrf` enforces the form token as in production."""

    def log_in(user, *, csrf=False):
        client = Client(enforce_csrf_checks=csrf)
        client.force_login(user)
        return client

    return log_in


@pytest.fixture
def member(browse, world):
    return browse(world.member)


@pytest.fixture
def reader(browse, world):
    return browse(world.reader)


@pytest.fixture
def admin(browse, world):
    return browse(world.admin)


@pytest.fixture
def outsider(browse, world):
    return browse(world.outsider)
