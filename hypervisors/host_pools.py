"""What the portal does with the storage pools of hosts: a part of `host.Host`."""

# ruff: noqa: D102 - the protocol says what each method is for

from __future__ import annotations

from typing import Protocol

from hypervisors.libvirt import blocks, pools
from hypervisors.libvirt.connection import Connection
from hypervisors.libvirt.pools import PoolSpec
from hypervisors.libvirt.spec import PoolInfo, VolumeInfo


class PoolsOfHost(Protocol):
    """A host whose pools are made, started and looked into."""

    def ensure_pool(self, spec: PoolSpec) -> PoolInfo:
        """Make the pool, start it, let it start by itself."""

    def start_pool(self, name: str) -> PoolInfo:
        """Start a pool that is there, and let it start by itself."""

    def look_anew(self, name: str) -> None:
        """See what other hosts have put into the pool."""

    def store_of(self, name: str) -> str:
        """The id by which all hosts that have these files know them."""

    def create_block(self, pool: str, name: str, size_bytes: int) -> VolumeInfo:
        """A block device of that size, whose content counts for nothing."""

    def fill_block(
        self, pool: str, name: str, size_bytes: int, source: tuple[str, str]
    ) -> VolumeInfo:
        """A block device that begins with all that another volume shows."""

    def delete_volume(self, pool: str, name: str) -> None:
        """Delete a volume; absent is fine. Nobody reads from a new one what was on it."""


class LibvirtPools:
    """Each method is the driver's function of that name."""

    connection: Connection

    def ensure_pool(self, spec: PoolSpec) -> PoolInfo:
        return pools.ensure_pool(self.connection, spec)

    def start_pool(self, name: str) -> PoolInfo:
        return pools.start_pool(self.connection, name)

    def look_anew(self, name: str) -> None:
        pools.look_anew(self.connection, name)

    def store_of(self, name: str) -> str:
        return pools.store_of(self.connection, name)

    def create_block(self, pool: str, name: str, size_bytes: int) -> VolumeInfo:
        return blocks.create_block(self.connection, pool, name, size_bytes)

    def fill_block(
        self, pool: str, name: str, size_bytes: int, source: tuple[str, str]
    ) -> VolumeInfo:
        return blocks.fill_block(self.connection, pool, name, size_bytes, source)

    def delete_volume(self, pool: str, name: str) -> None:
        blocks.delete_volume(self.connection, pool, name)
