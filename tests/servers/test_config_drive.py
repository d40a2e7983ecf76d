"""The config drive, read back as a guest would."""

import base64
import io
import json
from dataclasses import replace

import pycdlib
import pytest

from servers.config_drive import GuestFacts, config_drive, read_user_data

FACTS = GuestFacts(
    server_id="6a5c0f0e-0000-4000-8000-000000000001",
    name="one & only",
    hostname="one-only",
    project_id="p",
    availability_zone="nova",
    launch_index=2,
    metadata={"purpose": "test"},
    network_data={"links": [], "networks": [], "services": []},
    random_seed=b"seed",
)


class Drive:
    def __init__(self, facts: GuestFacts):
        self.image = pycdlib.PyCdlib()
        self.image.open_fp(io.BytesIO(config_drive(facts)))

    def read(self, path: str, by: str = "rr_path") -> bytes:
        out = io.BytesIO()
        self.image.get_file_from_iso_fp(out, **{by: f"/openstack/{path}"})
        return out.getvalue()

    def json(self, path: str):
        return json.loads(self.read(path))

    def names(self) -> set[str]:
        return {
            f"{folder}/{name}".lstrip("/")
            for folder, _, files in self.image.walk(rr_path="/")
            for name in files
        }


def test_it_carries_the_label_that_guests_look_for():
    drive = Drive(FACTS)

    assert drive.image.pvd.volume_identifier.decode().strip() == "config-2"


@pytest.mark.parametrize("by", ["rr_path", "joliet_path"])
def test_the_same_files_are_there_for_each_kind_of_reader(by):
    drive = Drive(FACTS)

    assert json.loads(drive.read("latest/meta_data.json", by))["hostname"] == "one-only"


def test_metadata_says_who_the_server_is():
    described = Drive(FACTS).json("2018-08-27/meta_data.json")

    assert described == {
        "uuid": FACTS.server_id,
        "name": "one & only",
        "hostname": "one-only",
        "project_id": "p",
        "availability_zone": "nova",
        "launch_index": 2,
        "meta": {"purpose": "test"},
        "random_seed": base64.b64encode(b"seed").decode(),
        "devices": [],
        "dedicated_cpus": [],
    }


def test_a_key_and_a_password_are_given_when_there_are_any():
    facts = replace(FACTS, key_name="k", public_key="ssh-ed25519 AAAA", admin_password="s3cret")

    described = Drive(facts).json("latest/meta_data.json")

    assert described["public_keys"] == {"k": "ssh-ed25519 AAAA"}
    assert described["keys"] == [{"name": "k", "type": "ssh", "data": "ssh-ed25519 AAAA"}]
    assert described["admin_pass"] == "s3cret"
    assert "s3cret" not in repr(facts)


def test_user_data_is_given_byte_for_byte_and_absent_without():
    script = b"#!/bin/sh\necho \xff\x00\n"

    assert Drive(replace(FACTS, user_data=script)).read("latest/user_data") == script
    assert "openstack/latest/user_data" not in Drive(FACTS).names()


def test_files_are_stored_by_number_and_named_in_the_metadata():
    drive = Drive(replace(FACTS, files=[("/etc/motd", b"hello"), ("/etc/x y", b"")]))

    assert drive.json("latest/meta_data.json")["files"] == [
        {"path": "/etc/motd", "content_path": "/content/0000"},
        {"path": "/etc/x y", "content_path": "/content/0001"},
    ]
    assert drive.read("content/0000") == b"hello"


def test_user_data_is_read_back():
    assert read_user_data(config_drive(replace(FACTS, user_data=b"#!/bin/sh\n\xff"))) == (
        b"#!/bin/sh\n\xff"
    )


def test_a_drive_without_user_data_has_none():
    assert read_user_data(config_drive(FACTS)) is None


@pytest.mark.parametrize("drive", [b"", b"no drive", b"\0" * 40960])
def test_what_is_no_config_drive_is_told(drive):
    with pytest.raises(ValueError, match="cannot be read"):
        read_user_data(drive)
