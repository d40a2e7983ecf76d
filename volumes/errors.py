"""What can be wrong with a request about volumes."""

from __future__ import annotations

from cloudportal.errors import Conflict, Invalid, NoCapacity, NotFound, OverQuota


class VolumeNotFound(NotFound):
    """No such volume, or not one the caller may know of."""

    @classmethod
    def of(cls, volume_id: object) -> VolumeNotFound:
        """In the wire's words."""
        return cls(f"Volume {volume_id} could not be found.")


class SnapshotNotFound(NotFound):
    """No such snapshot, or not one the caller may know of."""


class AttachmentNotFound(NotFound):
    """No such attachment, or not one the caller may know of."""


class VolumeTypeNotFound(NotFound):
    """No such volume type."""


class MetadataNotFound(NotFound):
    """The volume has no metadata of that key."""

    @classmethod
    def of(cls, volume_id: object, key: str) -> MetadataNotFound:
        """In the wire's words."""
        return cls(f"Volume {volume_id} has no metadata with key {key}.")


class TransferNotFound(NotFound):
    """No such transfer."""

    @classmethod
    def of(cls, transfer_id: object) -> TransferNotFound:
        """In the wire's words."""
        return cls(f"Transfer {transfer_id} could not be found.")


class MessageNotFound(NotFound):
    """No such message, or not one the caller may know of."""


class InvalidAuthKey(Invalid):
    """The key is not the transfer's."""


class InvalidVolume(Invalid):
    """The volume's status does not allow this."""


class InvalidVolumeRequest(Invalid):
    """A volume or snapshot cannot be made or changed as asked."""


class AttachmentOfServer(Conflict):
    """A server has the volume: the compute service takes it away."""


class VolumeTypeAccessNotFound(NotFound):
    """The project has no access of its own to the type."""


class VolumeTypeAccessExists(Conflict):
    """The project may use the type already."""


class VolumeTypeInUse(Invalid):
    """Volumes are of this type."""


class VolumeTypeExists(Conflict):
    """The name is taken by another type."""


class VolumeTooLarge(OverQuota):
    """Larger than a single volume may be."""


class NoRoom(NoCapacity):
    """No host can take the volume."""
