"""What repairs refuse to do."""

from cloudportal.errors import Conflict


class CopyNeeded(Conflict):
    """A guest that seemed to be of no use is needed."""


class ImageInUse(Conflict):
    """Disks lie over the base image, or one that is being made is going to."""


class NotRepaired(Conflict):
    """Something that was to be repaired is as it was."""
