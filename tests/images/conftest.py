"""Callers, clients and a folder for image data."""

import struct

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from identity.actors import Actor, with_implied
from images.create import create_image


@pytest.fixture(autouse=True)
def image_dir(settings, tmp_path):
    settings.IMAGE_DIR = tmp_path / "images"
    return settings.IMAGE_DIR


def actor_with(role, project_id="p1"):
    return Actor(f"u-{role}", role, project_id, project_id, with_implied([role] if role else []))


@pytest.fixture
def member():
    return actor_with("member")


@pytest.fixture
def admin():
    return actor_with("admin", "p-admin")


@pytest.fixture
def client_for():
    """A client that acts as this actor."""

    def make(actor):
        client = APIClient()
        client.force_authenticate(user=actor)
        return client

    return make


@pytest.fixture
def queued(db):
    """Makes a queued image of the actor's project."""

    def make(actor, **attributes):
        wanted = {"name": "one", "disk_format": "raw", "container_format": "bare", **attributes}
        return create_image(attributes=wanted, actor=actor, now=timezone.now())

    return make


def qcow2_bytes(
    *,
    version=3,
    backing=(0, 0),
    cluster_bits=16,
    size=1024**2,
    crypt=0,
    l1_entries=1,
    l1_offset=0x30000,
    features=0,
    extensions=b"",
    length=0x40000,
):
    """A qcow2 file with these header fields; without arguments a sound, empty one."""
    header = struct.pack(
        ">4sIQIIQIIQQIIQ",
        *(b"QFI\xfb", version, backing[0], backing[1], cluster_bits, size, crypt, l1_entries),
        *(l1_offset, 0x10000, 1, 0, 0),
    )
    if version >= 3:
        header += struct.pack(">QQQII", features, 0, 0, 4, 104)
    return (header + extensions).ljust(length, b"\0")
