"""What a drone's card says of the detector on board: looked at, sent ahead, given up and why, or off."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from cloud import language
from cloud.web import rendering
from contracts.health import FirstLookHealth

WEAK = "A look takes 9.4 s here (median of 5), 5.0 s is the slowest of use."
_COUNTS = {"looked": 412, "skipped": 23, "crops": 7, "held_back": 2}


@pytest.fixture(autouse=True)
def german() -> Iterator[None]:
    token = language._spoken.set("de")
    yield
    language._spoken.reset(token)


def card(**told: Any) -> str:
    look = FirstLookHealth.model_validate(_COUNTS | told) if told else None
    source = '{% import "_macros.html" as m %}{{ m.first_look(look) }}'
    said = rendering.environment().from_string(source).render(look=look)
    return " ".join(re.sub(r"<[^>]+>", "", said).split())


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({}, "aus"),
        ({"state": "starting"}, "startet"),
        ({"state": "looking"}, "412 Schlüsselbilder angesehen · 7 Ausschnitte vorausgeschickt · 23 übergangen"),
        ({"state": "gave_up", "why": WEAK}, "aufgegeben Ein Blick dauert hier 9.4 s (Median von 5)"),
        ({"state": "gave_up", "why": WEAK}, "412 Schlüsselbilder angesehen"),
    ],
)
def test_a_drones_card_says_how_its_first_look_does(told: dict[str, Any], said: str) -> None:
    assert said in card(**told)
