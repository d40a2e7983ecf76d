"""Has the host the traits that flavor and image require, and none that they forbid?

A host has the traits of its processor's features and its architecture, of its firmware and the
TPMs that it emulates, and those among its labels, where an administrator writes CUSTOM_ traits.
"""

from __future__ import annotations

from django.db.models import Q, Value
from django.db.models.functions import StrIndex
from django.db.models.lookups import GreaterThan

from scheduling.filters import Filter
from scheduling.filters.facts import known
from scheduling.filters.operators import NOBODY
from scheduling.request_spec import RequestSpec

REQUIRED, FORBIDDEN = "required", "forbidden"
_CPU = "HW_CPU_X86_"
_ARCH = ("COMPUTE_ARCH_", "HW_ARCH_")
_CUSTOM = "CUSTOM_"
# What stands in a part of the host's capabilities, as JSON text: quotes are a name's ends.
_TOLD = {
    "COMPUTE_SECURITY_UEFI_SECURE_BOOT": ("has_secure_boot", "true"),
    "COMPUTE_SECURITY_TPM_1_2": ("tpms", ':1.2"'),
    "COMPUTE_SECURITY_TPM_2_0": ("tpms", ':2.0"'),
    "COMPUTE_SECURITY_TPM_TIS": ("tpms", '"tpm-tis:'),
    "COMPUTE_SECURITY_TPM_CRB": ("tpms", '"tpm-crb:'),
}
# Features that libvirt spells in another way than the trait.
_FEATURES = {
    "AESNI": "aes",
    "CLMUL": "pclmuldq",
    "SHA": "sha-ni",
    "SSE41": "sse4.1",
    "SSE42": "sse4.2",
}


def asked_traits(spec: RequestSpec) -> dict[str, str]:
    """Whether each named trait is required or forbidden."""
    found = {}
    for source in (spec.image_properties, spec.extra_specs):
        for name, wish in source.items():
            scope, colon, trait = name.partition(":")
            # Numbered groups of traits are for several devices; a host is one thing.
            if colon and scope.startswith("trait"):
                found[trait] = wish
    return found


def _has(trait: str) -> Q:
    if trait.startswith(_CUSTOM):
        return Q(labels__has_key=trait)
    if trait in _TOLD:
        part, text = _TOLD[trait]
        return Q(GreaterThan(StrIndex(known(part), Value(text)), 0))
    for prefix in _ARCH:
        if trait.startswith(prefix):
            return Q(arch=trait.removeprefix(prefix).lower())
    if not trait.startswith(_CPU):
        return NOBODY
    name = trait.removeprefix(_CPU)
    # The list is JSON text, so the quotes are the ends of a feature's name.
    feature = f'"{_FEATURES.get(name, name.lower())}"'
    return Q(GreaterThan(StrIndex(known("cpu_features"), Value(feature)), 0))


def _condition(spec: RequestSpec) -> Q | None:
    condition = Q()
    for trait, wish in asked_traits(spec).items():
        condition &= ~_has(trait) if wish == FORBIDDEN else _has(trait)
    return condition or None


TRAITS = Filter("traits", "Has the host the traits required, and none forbidden?", _condition)
