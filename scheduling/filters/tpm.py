"""Does the host emulate the TPM that the server asks for?"""

from django.db.models import Q, Value
from django.db.models.functions import StrIndex
from django.db.models.lookups import GreaterThan

from scheduling.filters import Filter
from scheduling.filters.facts import known
from scheduling.request_spec import RequestSpec


def _condition(spec: RequestSpec) -> Q | None:
    if not spec.tpm:
        return None
    # The list is JSON text, so the quotes are the ends of a name.
    return Q(GreaterThan(StrIndex(known("tpms"), Value(f'"{spec.tpm}"')), 0))


TPM = Filter("tpm", "Does the host emulate the model and version of a TPM asked for?", _condition)
