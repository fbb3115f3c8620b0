"""What must hold in every template, whatever changes: a function per rule, each naming the resource that breaks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from infra.aws.gates import compute_rules, data_rules, network_rules, watch_rules
from infra.aws.gates.templates import Templates
from infra.aws.place import Place

Rule = Callable[[Templates, Place], Iterator[str]]

RULES: Mapping[str, Rule] = MappingProxyType(
    {
        **data_rules.RULES,
        **network_rules.RULES,
        **compute_rules.RULES,
        **watch_rules.RULES,
    }
)


def findings(templates: Templates, place: Place) -> list[str]:
    """Return what breaks which rule, each as ``rule: stack/resource: sentence``."""
    return [f"{name}: {said}" for name, rule in RULES.items() for said in rule(templates, place)]
