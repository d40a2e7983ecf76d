"""The error kinds under all floors: what a caller can do about a failure.

`str(error)` is written for the tenant and may be shown to anyone; `detail` goes to the log only.
"""

from typing import ClassVar


class CloudError(Exception):
    """A failure that the portal understands."""

    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail


class Invalid(CloudError):
    """The request itself is wrong; sent again unchanged it fails again."""


class Unauthenticated(CloudError):
    """Nobody knows who is asking."""


class Forbidden(CloudError):
    """The caller is known and may not do this."""


class NotFound(CloudError):
    """There is no such thing, or the caller may not know that there is."""


class Gone(CloudError):
    """There was such a thing once; it will not come back."""


class Conflict(CloudError):
    """The thing is in a state that does not allow this now."""


class PreconditionFailed(CloudError):
    """The thing is not as the caller last saw it."""


class OverQuota(CloudError):
    """The project's limit would be exceeded."""


class NoCapacity(CloudError):
    """No host can take it."""


class TooLarge(CloudError):
    """More bytes than the portal accepts."""


class UnsupportedMediaType(CloudError):
    """The body is of a type, or its content of a format, that is not accepted."""


class NotAcceptable(CloudError):
    """The API version asked for is not on offer."""


class NotOffered(CloudError):
    """The operation exists in the field but this cloud does not offer it."""


class Unavailable(CloudError):
    """Something needed does not answer at the moment."""

    retryable = True
