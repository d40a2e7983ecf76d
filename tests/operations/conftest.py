"""A world of its own for each test, and a kind of three steps in it."""

import uuid

import pytest

from operations.kinds import Kind, register
from tests.operations.world import World


@pytest.fixture
def world():
    return World()


@pytest.fixture
def kind(world):
    name = f"test.{uuid.uuid4().hex}"
    return register(Kind(name, [world.step(letter) for letter in "abc"]))
