"""The fence command of a host: it switches the host off for certain, and succeeds only then.

An administrator's own program with its arguments, run on a worker's machine without a shell. It is
kept sealed, for a password may be among its words; neither logs nor errors show more of it than
the program's name. It may be run again at any time, also on a host that is off already.
"""

from __future__ import annotations

import json
import os
import re
import selectors
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import IO

from django.core.exceptions import ValidationError

from hypervisors import ssh
from hypervisors.errors import (
    FenceFailed,
    HostUnreachable,
    InvalidFenceCommand,
    InvalidHypervisorUri,
)
from hypervisors.models import Hypervisor
from hypervisors.uris import ssh_address

MAX_WORDS = 64
MAX_WORD_LENGTH = 1024
OUTPUT_CHARS = 400
# A program that does not end when told to is killed so much later, and a little later given up.
KILL_AFTER_S = 5
_GRACE_S = 10.0
_TIMED_OUT = (124, 137)
_PLACE = re.compile(r"\{(\w+)\}")
_SECRET_LENGTH = 4


def parse_line(line: str) -> tuple[str, ...]:
    """The words of a command as a shell would divide them; nothing else of a shell is honoured.

    Raises:
        InvalidFenceCommand: a quotation mark has no partner.
    """
    try:
        return tuple(shlex.split(line))
    except ValueError as error:
        raise InvalidFenceCommand(f"The fence command cannot be read: {error}.") from error


def check_words(hypervisor: Hypervisor, words: Sequence[str]) -> None:
    """See whether this could be the fence command of a host; no words at all are none.

    Raises:
        InvalidFenceCommand: it could not; the text says why and repeats none of the words.
    """
    if not words:
        return
    try:
        if ssh_address(hypervisor.uri) is None:
            raise InvalidFenceCommand("The portal does not switch off the machine it runs on.")
    except InvalidHypervisorUri as error:
        raise InvalidFenceCommand(error.message) from error
    if not PurePosixPath(words[0]).is_absolute():
        raise InvalidFenceCommand("The fence command begins with the whole path of its program.")
    if len(words) > MAX_WORDS or any(len(word) > MAX_WORD_LENGTH for word in words):
        raise InvalidFenceCommand(
            f"A fence command has at most {MAX_WORDS} words of {MAX_WORD_LENGTH} characters."
        )
    if not all(word.isprintable() for word in words):
        raise InvalidFenceCommand("The fence command has a character that cannot be printed.")
    known = _places(hypervisor)
    unknown = sorted({name for word in words for name in _PLACE.findall(word)} - known.keys())
    if unknown:
        raise InvalidFenceCommand(
            f"There is no {{{unknown[0]}}} for a fence command; there are "
            f"{', '.join(f'{{{name}}}' for name in known)}."
        )


@dataclass(frozen=True)
class Fencing:
    """How a host is switched off when it does not answer; without `words` it is not."""

    words: tuple[str, ...] = field(default=(), repr=False)
    timeout_s: int = 60
    after_s: int = 180


def set_fencing(hypervisor: Hypervisor, wanted: Fencing) -> None:
    """Keep what switches the host off, in place of what did.

    Raises:
        InvalidFenceCommand: the command cannot be one, or a time is out of its bounds.
    """
    check_words(hypervisor, wanted.words)
    times = {"fence_timeout_s": wanted.timeout_s, "fence_after_s": wanted.after_s}
    others = {column.name for column in Hypervisor._meta.fields} - times.keys()
    try:
        Hypervisor(**times).clean_fields(exclude=others)
    except ValidationError as error:
        raise InvalidFenceCommand(f"The times of a fence command: {error.messages[0]}") from error
    fields = {"sealed_fence_command": seal_words(wanted.words), **times}
    for name, value in fields.items():
        setattr(hypervisor, name, value)
    Hypervisor.objects.filter(pk=hypervisor.pk).update(**fields)


def seal_words(words: Sequence[str]) -> str:
    """What is kept in the host's row; "" for no command."""
    return ssh.seal(json.dumps(list(words)).encode()) if words else ""


def words_of(hypervisor: Hypervisor) -> tuple[str, ...]:
    """The host's command as it was given; empty where there is none.

    Raises:
        FenceFailed: it was sealed under another signing key.
    """
    if not hypervisor.sealed_fence_command:
        return ()
    try:
        return tuple(json.loads(ssh.unseal(hypervisor.sealed_fence_command)))
    except HostUnreachable as error:
        raise FenceFailed(
            "The fence command was stored under another signing key (SECRET_KEY_FILE)."
        ) from error


def run_fence_command(hypervisor: Hypervisor) -> str:
    """Switch the host off; what the command printed, in short.

    Raises:
        FenceFailed: there is no command, or it did not succeed in its time.
    """
    words = words_of(hypervisor)
    if not words:
        raise FenceFailed("The host has no fence command.")
    places = _places(hypervisor)
    filled = [_PLACE.sub(lambda found: places.get(found[1], found[0]), word) for word in words]
    program = PurePosixPath(filled[0]).name
    if not os.access(filled[0], os.X_OK):
        raise FenceFailed(f"The fence command {program} is not there, or cannot be run.")
    # `timeout` ends it also when this process is killed meanwhile, so that nothing switches the
    # host off long after it was mended.
    limit = shutil.which("timeout") or "/usr/bin/timeout"
    limits = [limit, "-k", str(KILL_AFTER_S), str(hypervisor.fence_timeout_s)]
    status, output = _run([*limits, *filled], hypervisor.fence_timeout_s + KILL_AFTER_S + _GRACE_S)
    said = _without_secrets(output, words[1:])
    if status == 0:
        return said
    how = f"ended with status {status}"
    if status is None or status in _TIMED_OUT:
        how = f"did not end within {hypervisor.fence_timeout_s} s"
    raise FenceFailed(f"The fence command {program} {how}{f': {said}' if said else ''}.")


def _places(hypervisor: Hypervisor) -> dict[str, str]:
    address = ssh_address(hypervisor.uri)
    return {
        "host": address.host if address else "",
        "name": hypervisor.name,
        "hostname": hypervisor.hostname or hypervisor.name,
        "uuid": str(hypervisor.uuid),
    }


def _run(command: list[str], limit_s: float) -> tuple[int | None, str]:
    """The exit status, None when it goes on for ever, and the end of what it printed."""
    try:
        process = subprocess.Popen(  # noqa: S603 - an administrator's words, and no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd="/",
            # The portal's own environment holds secrets.
            env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
            start_new_session=True,
        )
    except OSError as error:
        raise FenceFailed(f"The fence command cannot be run: {error.strerror}.") from error
    ends_at = time.monotonic() + limit_s
    assert process.stdout is not None  # noqa: S101 - asked for above
    with process.stdout as stream:
        output = _read(process, stream, ends_at)
    try:
        return process.wait(max(0.0, ends_at - time.monotonic())), output
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return None, output


def _read(process: subprocess.Popen[bytes], stream: IO[bytes], ends_at: float) -> str:
    """Read on to the end of the program; what it left running may hold the stream open."""
    kept = b""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while time.monotonic() < ends_at:
            if selector.select(0.2):
                piece = os.read(stream.fileno(), 65536)
                if not piece:
                    break
                kept = (kept + piece)[-4 * OUTPUT_CHARS :]
            elif process.poll() is not None:
                break
    return kept.decode(errors="replace")


def _without_secrets(output: str, words: Sequence[str]) -> str:
    """One printable line, without any of the arguments, which may be passwords."""
    # With its option or without: --password=…, -p…
    parts = {part for word in words for part in (word, word.partition("=")[2], word[2:])}
    for part in sorted(parts, key=len, reverse=True):
        if len(part) >= _SECRET_LENGTH and not _PLACE.search(part):
            output = output.replace(part, "***")
    line = " ".join("".join(c if c.isprintable() else " " for c in output).split())
    return line if len(line) <= OUTPUT_CHARS else f"…{line[-OUTPUT_CHARS:]}"
