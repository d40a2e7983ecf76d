"""The config drive: what a guest is told about itself, as an ISO image.

Layout and keys: OpenStack metadata, version 2018-08-27, as cloud-init's ConfigDrive source reads
them. Pure: facts in, bytes out.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pycdlib
from pycdlib.pycdlibexception import PyCdlibException, PyCdlibInvalidInput

LABEL = "config-2"
VERSIONS = ("2018-08-27", "latest")


@dataclass(frozen=True)
class GuestFacts:
    """What goes on the drive. `user_data` is the decoded bytes; `files` are (path, contents)."""

    server_id: str
    name: str
    hostname: str
    project_id: str
    availability_zone: str
    launch_index: int
    metadata: Mapping[str, str]
    network_data: Mapping[str, Any]
    random_seed: bytes
    key_name: str = ""
    public_key: str = ""
    admin_password: str = field(default="", repr=False)
    user_data: bytes | None = field(default=None, repr=False)
    vendor_data: Mapping[str, Any] = field(default_factory=dict, repr=False)
    files: Sequence[tuple[str, bytes]] = field(default=(), repr=False)


def config_drive(facts: GuestFacts) -> bytes:
    """An ISO 9660 image (Rock Ridge and Joliet) labelled config-2."""
    contents: dict[str, bytes] = {}
    for version in VERSIONS:
        base = f"openstack/{version}"
        contents[f"{base}/meta_data.json"] = _json(_meta_data(facts))
        contents[f"{base}/network_data.json"] = _json(facts.network_data)
        contents[f"{base}/vendor_data.json"] = _json(facts.vendor_data)
        contents[f"{base}/vendor_data2.json"] = b"{}"
        if facts.user_data is not None:
            contents[f"{base}/user_data"] = facts.user_data
    for number, (_, data) in enumerate(facts.files):
        contents[f"openstack/content/{number:04d}"] = data
    return _iso(contents)


def read_user_data(drive: bytes) -> bytes | None:
    """The user data on a config drive; None when there is none.

    Raises:
        ValueError: it is not a config drive.
    """
    image = pycdlib.PyCdlib()
    content = io.BytesIO()
    try:
        image.open_fp(io.BytesIO(drive))
        try:
            image.get_file_from_iso_fp(content, joliet_path="/openstack/latest/user_data")
        except PyCdlibInvalidInput:
            return None  # no such file
        finally:
            image.close()
    except PyCdlibException as error:
        raise ValueError(f"The config drive cannot be read: {error}") from error
    return content.getvalue()


def _meta_data(facts: GuestFacts) -> dict[str, Any]:
    described: dict[str, Any] = {
        "uuid": facts.server_id,
        "name": facts.name,
        "hostname": facts.hostname,
        "project_id": facts.project_id,
        "availability_zone": facts.availability_zone,
        "launch_index": facts.launch_index,
        "meta": dict(facts.metadata),
        "random_seed": base64.b64encode(facts.random_seed).decode(),
        "devices": [],
        "dedicated_cpus": [],
    }
    if facts.public_key:
        described["public_keys"] = {facts.key_name: facts.public_key}
        described["keys"] = [{"name": facts.key_name, "type": "ssh", "data": facts.public_key}]
    if facts.admin_password:
        described["admin_pass"] = facts.admin_password
    if facts.files:
        described["files"] = [
            {"path": path, "content_path": f"/content/{number:04d}"}
            for number, (path, _) in enumerate(facts.files)
        ]
    return described


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True).encode()


def _iso(contents: Mapping[str, bytes]) -> bytes:
    image = pycdlib.PyCdlib()
    image.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=LABEL)
    plain = _PlainNames()
    made: set[str] = set()
    for path, data in contents.items():
        folders = path.split("/")[:-1]
        for depth in range(1, len(folders) + 1):
            folder = "/".join(folders[:depth])
            if folder not in made:
                made.add(folder)
                image.add_directory(
                    plain.of(folder, is_folder=True),
                    rr_name=folders[depth - 1],
                    joliet_path=f"/{folder}",
                )
        image.add_fp(
            io.BytesIO(data),
            len(data),
            plain.of(path, is_folder=False),
            rr_name=path.rsplit("/", 1)[-1],
            joliet_path=f"/{path}",
        )
    written = io.BytesIO()
    image.write_fp(written)
    image.close()
    return written.getvalue()


class _PlainNames:
    """ISO 9660's own short names, unique by number; readers use the Rock Ridge or Joliet ones."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {"": ""}

    def of(self, path: str, *, is_folder: bool) -> str:
        """The plain path of a file or folder whose parent was asked for before."""
        parent = path.rpartition("/")[0]
        name = f"D{len(self._known):07d}" if is_folder else f"F{len(self._known):07d}.;1"
        self._known.setdefault(path, f"{self._known[parent]}/{name}")
        return self._known[path]
