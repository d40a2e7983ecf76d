"""Which flavors a list shows, in which order, from the query string."""

from __future__ import annotations

from django.db.models import F, TextField, Value
from django.db.models.functions import Coalesce
from django.http import QueryDict

from cloudportal.api import paging
from cloudportal.api.microversions import Versioned
from cloudportal.api.query import ANY, NON_NEGATIVE_TEXT, QuerySchema
from cloudportal.errors import Invalid
from flavors.find import flavors_for
from flavors.models import Flavor, FlavorQuerySet
from identity.actors import Actor

SORT_COLUMNS = {
    "created_at": "created_at",
    "description": "sorted_description",
    "disabled": "is_disabled",
    "ephemeral_gb": "ephemeral_gib",
    "flavorid": "flavorid",
    "id": "id",
    "is_public": "is_public",
    "memory_mb": "ram_mib",
    "name": "name",
    "root_gb": "disk_gib",
    "rxtx_factor": "rxtx_factor",
    "swap": "swap_mib",
    # A flavor's size never changes, and nobody ever weighed its processors.
    "updated_at": "created_at",
    "vcpu_weight": "id",
    "vcpus": "vcpus",
}
_UNTIL_2_101 = {"disabled", "rxtx_factor"}
_VALUES = {
    "limit": NON_NEGATIVE_TEXT,
    "marker": ANY,
    "is_public": ANY,
    "minRam": ANY,
    "minDisk": ANY,
    "sort_key": {"type": "string", "enum": sorted(SORT_COLUMNS)},
    "sort_dir": {"type": "string", "enum": ["asc", "desc"]},
}
_VALUES_2_102 = {
    **_VALUES,
    "name": ANY,
    "sort_key": {"type": "string", "enum": sorted(set(SORT_COLUMNS) - _UNTIL_2_101)},
}
LIST = Versioned(
    {
        "2.1": QuerySchema(_VALUES),
        "2.75": QuerySchema(_VALUES, closed=True),
        "2.102": QuerySchema(_VALUES_2_102, closed=True),
    }
)
_TRUE = {"1", "t", "true", "on", "y", "yes"}
_FALSE = {"0", "f", "false", "off", "n", "no"}


def list_flavors(query: QueryDict, actor: Actor) -> list[Flavor]:
    """The page of flavors that a checked query asks for.

    Raises:
        Invalid: a filter or the marker makes no sense.
    """
    flavors = flavors_for(actor, is_public=_parse_is_public(query, actor))
    flavors = _filtered(flavors, query)
    flavors = flavors.annotate(
        sorted_description=Coalesce(F("description"), Value(""), output_field=TextField())
    )
    descending = query.get("sort_dir") == "desc"
    column = SORT_COLUMNS[query.get("sort_key") or "flavorid"]
    order = [paging.SortKey(name, descending) for name in dict.fromkeys([column, "id"])]
    return paging.after(flavors, order, _marker(query, actor), paging.parse_limit(query))


def _filtered(flavors: FlavorQuerySet, query: QueryDict) -> FlavorQuerySet:
    if "minRam" in query:
        flavors = flavors.filter(ram_mib__gte=_parse_minimum(query, "minRam"))
    if "minDisk" in query:
        flavors = flavors.filter(disk_gib__gte=_parse_minimum(query, "minDisk"))
    if "name" in query:
        flavors = flavors.filter(name=query["name"])
    return flavors


def _marker(query: QueryDict, actor: Actor) -> Flavor | None:
    marker = query.get("marker")
    if not marker:
        return None
    found = flavors_for(actor, is_public=None).filter(flavorid=marker).first()
    if found is None:
        raise Invalid(f"marker [{marker}] not found")
    return found


def _parse_minimum(query: QueryDict, key: str) -> int:
    text = query.get(key, "")
    try:
        value = int(text)
    except ValueError:
        raise Invalid(f"Invalid {key} filter [{text}]") from None
    # What no column can hold compares like the largest it can.
    return max(-1, min(value, 2**31 - 1))


def _parse_is_public(query: QueryDict, actor: Actor) -> bool | None:
    text = query.get("is_public")
    if text is None or not actor.is_admin:
        return True
    word = text.strip().lower()
    if word == "none":
        return None
    if word not in _TRUE | _FALSE:
        raise Invalid(f"Invalid is_public filter [{text}]")
    return word in _TRUE
