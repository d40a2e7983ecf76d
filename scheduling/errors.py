"""Why a server gets no host, or none is asked."""

from cloudportal.errors import Invalid, NoCapacity


class NoValidHost(NoCapacity):
    """No host passed the filters, or every claim was lost."""


class PciAliasUnknown(Invalid):
    """A flavor asks for devices by a name that no administrator gave to any."""
