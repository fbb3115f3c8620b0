"""The page about the edge's safety says what the code's tables say."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from contracts.commands import MAX_LIFE_S
from contracts.errors import PlatformError
from contracts.vocabulary import AircraftState, CommandKind
from edge import refusals
from edge.legality import LEGAL
from edge.monitor import HOLD_GRACE_S
from edge.rules import RULES, Rule
from edge.safety import MIN_ALT_REL_M, MIN_STANDOFF_M
from edge.verification import NONCE_LIFE_S

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "edge-safety.md").read_text()
CODES = [kind for kind in vars(refusals).values() if inspect.isclass(kind) and kind.__module__ == refusals.__name__]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_every_rule_has_its_row_in_the_order_of_gravity(rule: Rule) -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| `")]
    assert rows[RULES.index(rule)] == f"| `{rule.code}` | {rule.when} | {rule.action} | {rule.why} |"


@pytest.mark.parametrize("kind", CommandKind)
def test_every_command_has_its_row(kind: CommandKind) -> None:
    legal = LEGAL[kind]
    states = ", ".join(f"`{state}`" for state in AircraftState if state in legal)
    said = "any" if legal == frozenset(AircraftState) else states
    assert f"| `{kind}` | {MAX_LIFE_S[kind]:.0f} s | {said} |" in PAGE


@pytest.mark.parametrize("kind", CODES, ids=lambda kind: kind.__name__)
def test_every_refusal_has_its_row(kind: type[PlatformError]) -> None:
    assert f"| `{kind.code}` | {inspect.getdoc(kind)} |" in PAGE


def test_the_numbers_in_the_text_are_the_codes() -> None:
    for words in (
        f"obeyed for {HOLD_GRACE_S:.0f} s",
        f"at least {MIN_ALT_REL_M:.0f} m above home",
        f"at least {MIN_STANDOFF_M:.0f} m;",
        f"good once and for {NONCE_LIFE_S:.0f} s",
    ):
        assert words in PAGE
