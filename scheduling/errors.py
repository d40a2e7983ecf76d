"""Why a server gets no host."""

from cloudportal.errors import NoCapacity


class NoValidHost(NoCapacity):
    """No host passed the filters, or every claim was lost."""
