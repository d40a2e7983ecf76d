"""What can go wrong with images."""

from cloudportal.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    TooLarge,
    Unavailable,
    UnsupportedMediaType,
)


class ImageNotFound(NotFound):
    """No image of that id, or none that the caller may see."""


class DuplicateImages(Invalid):
    """An image is named twice in a request."""


class ImageNotUsable(Invalid):
    """No server can start from the image."""


class ImageIdTaken(Conflict):
    """The chosen id belongs to another image, perhaps a deleted one."""


class ImageBusy(Conflict):
    """The image's status does not allow this."""


class ImageProtected(Forbidden):
    """The image is protected from deletion."""


class FormatsMissing(Invalid):
    """Data can only be stored once disk and container format are known."""


class IncompleteUpload(Invalid):
    """The data ended before its announced length."""


class ImageTooLarge(TooLarge):
    """More data than the portal accepts for one image."""


class WrongContent(UnsupportedMediaType):
    """The data is not of the image's format, or of a kind that no host may open."""


class PropertyConflict(Conflict):
    """A change names a property that is not there, or adds one that is."""


class AttributeFixed(Forbidden):
    """The attribute is read-only, reserved, or cannot change any more."""


class ImageDataMissing(Unavailable):
    """The image's file is not where this machine looks for it."""


class NotShared(Forbidden):
    """Only shared images have members."""


class MemberExists(Conflict):
    """The image is shared with that project."""


class MemberNotFound(NotFound):
    """The image is not shared with that project."""


class TooManyMembers(TooLarge):
    """The image is shared with as many projects as it may be."""


class SourceRefused(Invalid):
    """No image is fetched from there."""


class SourceUnavailable(Unavailable):
    """The server with the image does not answer now."""


class SourceTooSlow(Invalid):
    """The server with the image takes longer than it may."""


class ImportMethodUnknown(Invalid):
    """Images are not imported in this way here."""


class ImageNotReady(Conflict):
    """The image lacks something that an import needs."""


class StatusForbids(Forbidden):
    """The image's status does not allow the action."""


class WrongOffset(Conflict):
    """A piece of data does not begin where the last one ended."""
