"""The files of the state folder that the set-up makes: keys and passwords, for their owner only."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

import yaml

FOLDERS = ("run", "log", "cache", "images", "static")
_PASSWORD_BYTES = 18
_KEY_BYTES = 48


def make_folders(var: Path) -> bool:
    """Make the state folder and what is in it, closed to others; returns whether it is new."""
    is_new = not var.exists()
    var.mkdir(parents=True, exist_ok=True)
    if var.stat().st_uid == os.getuid():
        var.chmod(0o700)
    for name in FOLDERS:
        (var / name).mkdir(mode=0o700, exist_ok=True)
    return is_new


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, at once or not at all."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def ensure_secret_key(path: Path) -> str:
    """The signing key, made if there is none."""
    if not path.is_file():
        write_private(path, secrets.token_urlsafe(_KEY_BYTES) + "\n")
    return path.read_text().strip()


def ensure_passwords(path: Path, names: tuple[str, ...]) -> dict[str, str]:
    """The first password of each user; those not yet in the file are made and added."""
    known = _read_passwords(path)
    missing = [name for name in names if name not in known]
    if missing:
        known |= {name: secrets.token_urlsafe(_PASSWORD_BYTES) for name in missing}
        lines = ["# The users' first passwords. Changing this file changes no password."]
        lines += [f"{name} {password}" for name, password in known.items()]
        write_private(path, "\n".join(lines) + "\n")
    return known


def _read_passwords(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    lines = (line.split() for line in path.read_text().splitlines() if not line.startswith("#"))
    return {words[0]: words[1] for words in lines if len(words) == 2}


def write_clouds(
    path: Path, auth_url: str, region: str, clouds: Mapping[str, Mapping[str, str]]
) -> None:
    """Write the clients' configuration; `clouds` has username, password and project of each."""
    entries = {
        name: {
            "auth": {
                "auth_url": auth_url,
                "username": who["username"],
                "password": who["password"],
                "project_name": who["project"],
                "user_domain_id": "default",
                "project_domain_id": "default",
            },
            "region_name": region,
            "identity_api_version": 3,
        }
        for name, who in clouds.items()
    }
    text = yaml.safe_dump({"clouds": entries}, sort_keys=False)
    if not path.is_file() or path.read_text() != text:
        write_private(path, text)
