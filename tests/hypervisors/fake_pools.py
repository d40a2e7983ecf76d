"""The storage half of a fake host, and how its calls are counted and made to fail."""

import dataclasses
import functools
import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from hypervisors.libvirt.errors import (
    AlreadyThere,
    Corrupted,
    DriverError,
    HostUnreachable,
    NotThere,
    PoolFull,
    TooSmall,
    Unsupported,
)
from hypervisors.libvirt.pools import (
    STORE_PREFIX,
    LogicalPoolSpec,
    NetworkPoolSpec,
    PoolSpec,
    source_of,
)
from hypervisors.libvirt.spec import PoolInfo, VolumeInfo
from hypervisors.libvirt.storage import VolumeFormat
from tests.hypervisors.fake_memory import Memory

GIB, MIB = 1024**3, 1024**2
F = TypeVar("F", bound=Callable[..., Any])
# What belongs to this process only.
_NOT_KEPT = ("memory", "on_point", "on_upload", "on_migrate")


@dataclasses.dataclass
class FakeVolume:
    """A volume; `content` is what was uploaded or put."""

    name: str
    format: str
    capacity: int
    content: bytes = b""
    backing: str | None = None


@dataclasses.dataclass
class FakePool:
    """A pool; one of `type` logical has no thin volumes and no overlays.

    With a `room` what does not fit is refused.
    """

    path: str
    is_active: bool = True
    type: str = "dir"
    source: str = ""
    room: int | None = None
    volumes: dict[str, FakeVolume] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Failure:
    """What to raise: before the call has its effect, or after it, as when the answer is lost."""

    error: DriverError
    is_after: bool = False


def _fake_pool(spec: PoolSpec) -> FakePool:
    if isinstance(spec, LogicalPoolSpec):
        return FakePool(f"/dev/{spec.group}", type="logical", source=spec.group)
    kind = "netfs" if isinstance(spec, NetworkPoolSpec) else "dir"
    return FakePool(spec.path, type=kind, source=source_of(spec))


def counted_call(method: F) -> F:
    """Count the call, refuse it when the host is down, fail it when that was planned."""

    @functools.wraps(method)
    def counted(self: "FakePools", *args: Any, **kwargs: Any) -> Any:
        self._pass(f"before {method.__name__}")
        with self._opened():
            failure = self._begin(method.__name__)
            if failure is not None and not failure.is_after:
                raise failure.error
            answer = method(self, *args, **kwargs)
            if failure is not None:
                raise failure.error
        self._pass(f"after {method.__name__}")
        return answer

    return counted  # type: ignore[return-value]  # the same signature


class FakePools:
    """Pools and volumes. `calls` are the names of what was asked, in order.

    `on_point` is told of every moment at which a caller may be interrupted: before and after each
    call, and inside an upload. With a `memory` the host is kept in a file.
    """

    def __init__(self) -> None:
        self.is_down = False
        self.calls: list[str] = []
        self.pools: dict[str, FakePool] = {}
        self.on_upload: Callable[[], None] | None = None
        self.on_point: Callable[[str], None] | None = None
        self.memory: Memory | None = None
        self._refused: dict[str, Failure] = {}
        self._by_number: dict[int, Failure] = {}
        self._by_name: dict[str, list[Failure]] = {}

    def fail_at(
        self, number: int, error: DriverError | None = None, *, after: bool = False
    ) -> None:
        """Let the call of this number fail, counted from 1 from now on."""
        at = len(self.calls) + number
        self._by_number[at] = Failure(error or DriverError("told to fail"), after)

    def fail_on(
        self, name: str, error: DriverError | None = None, *, times: int = 1, after: bool = False
    ) -> None:
        """Let the next calls of this method fail."""
        failure = Failure(error or DriverError("told to fail"), after)
        with self._opened():
            self._by_name.setdefault(name, []).extend([failure] * times)

    def refuse(self, name: str, error: DriverError | None = None, *, after: bool = False) -> None:
        """Let all calls of this method fail until `heal`."""
        with self._opened():
            self._refused[name] = Failure(error or DriverError("told to fail"), after)

    def heal(self) -> None:
        """Let nothing fail any more."""
        with self._opened():
            self.is_down = False
            for planned in (self._refused, self._by_name, self._by_number):
                planned.clear()

    def be_down(self, is_down: bool = True) -> None:
        """Go away, or come back."""
        with self._opened():
            self.is_down = is_down

    def kept(self) -> dict[str, Any]:
        """What outlives a process."""
        return {key: value for key, value in self.__dict__.items() if key not in _NOT_KEPT}

    def _opened(self) -> AbstractContextManager[None]:
        return self.memory.opened() if self.memory is not None else nullcontext()

    def _pass(self, point: str) -> None:
        if self.on_point is not None:
            self.on_point(point)

    def _begin(self, name: str) -> Failure | None:
        self.calls.append(name)
        if self.is_down:
            raise HostUnreachable("The host did not answer within 10 s.")
        planned = self._by_name.get(name)
        if planned:
            return planned.pop(0)
        if name in self._refused:
            return self._refused[name]
        return self._by_number.pop(len(self.calls), None)

    @counted_call
    def ensure_pool(self, spec: PoolSpec) -> PoolInfo:
        pool = self.pools.setdefault(spec.name, _fake_pool(spec))
        wanted = _fake_pool(spec)
        if (pool.type, pool.source, pool.path) != (wanted.type, wanted.source, wanted.path):
            raise AlreadyThere(f"A storage pool {spec.name} exists at {pool.path}.")
        pool.is_active = True
        return self._pool_info(spec.name)

    @counted_call
    def start_pool(self, name: str) -> PoolInfo:
        self._pool(name).is_active = True
        return self._pool_info(name)

    @counted_call
    def look_anew(self, name: str) -> None:
        self._pool(name)

    @counted_call
    def store_of(self, name: str) -> str:
        volumes = self._pool(name).volumes
        marks = [each for each in volumes if each.startswith(STORE_PREFIX)]
        if not marks:
            marks = [f"{STORE_PREFIX}{uuid4()}"]
            volumes[marks[0]] = FakeVolume(marks[0], "raw", 0)
        return marks[0].removeprefix(STORE_PREFIX)

    @counted_call
    def pool_info(self, name: str) -> PoolInfo:
        return self._pool_info(name)

    @counted_call
    def list_pools(self) -> list[PoolInfo]:
        return [self._pool_info(name) for name in sorted(self.pools)]

    @counted_call
    def list_volumes(self, pool: str, prefix: str = "") -> list[VolumeInfo]:
        volumes = self._pool(pool).volumes
        names = sorted(name for name in volumes if name.startswith(prefix))
        return [self._volume_info(pool, name) for name in names]

    @counted_call
    def is_verified(self, pool: str, name: str) -> bool:
        volumes = self.pools[pool].volumes if pool in self.pools else {}
        return name in volumes and f"{name}.verified" in volumes

    @counted_call
    def upload_image(
        self, pool: str, name: str, source: Path, *, kind: VolumeFormat, sha256: str | None
    ) -> VolumeInfo:
        volumes = self._pool(pool).volumes
        if name in volumes and f"{name}.verified" in volumes:
            return self._volume_info(pool, name)
        content = source.read_bytes()
        # Half of it is there before anybody notices that something is wrong.
        volumes[name] = FakeVolume(name, kind, len(content), content[: len(content) // 2])
        if self.memory is not None:
            self.memory.write()
        self._pass("inside upload_image")
        if self.on_upload is not None:
            self.on_upload()
        if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
            raise Corrupted(f"The file for volume {name} does not have the checksum {sha256}.")
        volumes[name].content = content
        volumes[f"{name}.verified"] = FakeVolume(f"{name}.verified", "raw", 0)
        return self._volume_info(pool, name)

    @counted_call
    def create_block(self, pool: str, name: str, size_bytes: int) -> VolumeInfo:
        if name not in self._pool(pool).volumes:
            self._take_room(pool, size_bytes)
        volumes = self._pool(pool).volumes
        volume = volumes.setdefault(name, FakeVolume(name, "raw", size_bytes))
        if volume.capacity < size_bytes:
            raise Unsupported(f"The volume {name} cannot grow.")
        return self._volume_info(pool, name)

    @counted_call
    def fill_block(
        self, pool: str, name: str, size_bytes: int, source: tuple[str, str]
    ) -> VolumeInfo:
        original, volumes = self._volume(*source), self._pool(pool).volumes
        size = size_bytes or original.capacity
        if size < original.capacity:
            raise TooSmall(f"{size} bytes are too small.")
        if f"{name}.verified" not in volumes:
            volumes.pop(name, None)
            self._take_room(pool, size)
            # Half of it is there before anybody notices that something is wrong.
            volumes[name] = FakeVolume(name, "raw", size)
            if self.memory is not None:
                self.memory.write()
            self._pass("inside fill_block")
            volumes[name].content = original.content
            volumes[f"{name}.verified"] = FakeVolume(f"{name}.verified", "raw", 4 * MIB)
        return self._volume_info(pool, name)

    @counted_call
    def create_overlay(self, pool: str, name: str, backing: str, size_gib: int) -> VolumeInfo:
        volumes = self._pool(pool).volumes
        self._check_files(pool)
        if backing not in volumes:
            raise NotThere(f"no storage vol with matching name '{backing}'")
        size = size_gib * GIB or volumes[backing].capacity
        if size < volumes[backing].capacity:
            raise TooSmall(f"{size} bytes are too small.")
        volume = volumes.setdefault(name, FakeVolume(name, "qcow2", size, backing=backing))
        if volume.backing != backing:
            raise AlreadyThere(f"The volume {name} lies over {volume.backing}.")
        return self._volume_info(pool, name)

    @counted_call
    def create_blank(self, pool: str, name: str, size_bytes: int, kind: VolumeFormat) -> VolumeInfo:
        volumes = self._pool(pool).volumes
        self._check_files(pool)
        volume = volumes.setdefault(name, FakeVolume(name, kind, size_bytes))
        volume.capacity = max(volume.capacity, size_bytes)
        return self._volume_info(pool, name)

    @counted_call
    def put_content(self, pool: str, name: str, content: bytes) -> VolumeInfo:
        self._check_files(pool)
        self._pool(pool).volumes[name] = FakeVolume(name, "raw", len(content), content)
        return self._volume_info(pool, name)

    @counted_call
    def get_content(self, pool: str, name: str) -> bytes:
        return self._volume(pool, name).content

    @counted_call
    def delete_volume(self, pool: str, name: str) -> None:
        if pool in self.pools:
            self.pools[pool].volumes.pop(f"{name}.verified", None)
            self.pools[pool].volumes.pop(name, None)

    def _check_files(self, name: str) -> None:
        if self._pool(name).type == "logical":
            raise Unsupported(f"The volumes of the pool {name} are no files.")

    def _take_room(self, name: str, size_bytes: int) -> None:
        """What is thick takes all its room at once."""
        pool = self._pool(name)
        used = sum(volume.capacity for volume in pool.volumes.values())
        if pool.room is not None and used + size_bytes > pool.room:
            raise PoolFull("insufficient free space")

    def _pool(self, name: str) -> FakePool:
        if name not in self.pools:
            raise NotThere(f"no storage pool with matching name '{name}'")
        return self.pools[name]

    def _volume(self, pool: str, name: str) -> FakeVolume:
        volumes = self._pool(pool).volumes
        if name not in volumes:
            raise NotThere(f"no storage vol with matching name '{name}'")
        return volumes[name]

    def _pool_info(self, name: str) -> PoolInfo:
        pool = self._pool(name)
        used = sum(len(volume.content) for volume in pool.volumes.values())
        size = 200 * GIB
        return PoolInfo(
            *(name, pool.type, pool.is_active, True, pool.path, size, used, size - used),
            source=pool.source,
        )

    def _volume_info(self, pool: str, name: str) -> VolumeInfo:
        volume = self._volume(pool, name)
        path = self._pool(pool).path
        return VolumeInfo(
            name=name,
            path=f"{path}/{name}",
            format=volume.format,
            capacity_bytes=volume.capacity,
            allocation_bytes=len(volume.content),
            backing_path=f"{path}/{volume.backing}" if volume.backing else None,
        )
