"""Reads many rows of a model at once, in a third of the time that the model's own way takes.

That way sets each column by its descriptor, tells signals of it and decodes each JSON text anew.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from functools import cache
from typing import TypeVar

from django.db.models import JSONField, Model, QuerySet, TextField
from django.db.models.base import ModelState
from django.db.models.functions import Cast

M = TypeVar("M", bound=Model)


def load(rows: QuerySet[M], columns: Collection[str]) -> list[M]:
    """The rows with these columns (`hypervisor_id`, not `hypervisor`); others are read when asked.

    Rows with the same JSON share what was decoded, so they are for showing, not for changing. What
    the query set would select, prefetch or annotate besides is not there.
    """
    model, database = rows.model, rows.db
    fields = [field for field in model._meta.concrete_fields if field.attname in columns]
    names = [field.attname for field in fields]
    found = rows.values_list(
        *(
            Cast(field.attname, TextField()) if isinstance(field, JSONField) else field.attname
            for field in fields
        )
    )
    decoded = cache(json.loads)
    by_column = [
        [text and decoded(text) for text in values] if isinstance(field, JSONField) else values
        for field, values in zip(fields, zip(*found, strict=True), strict=False)
    ]
    instances = []
    for values in zip(*by_column, strict=True):
        instance = model.__new__(model)
        state = ModelState()
        state.adding = False
        state.db = database
        instance.__dict__.update(zip(names, values, strict=True), _state=state)
        instances.append(instance)
    return instances
