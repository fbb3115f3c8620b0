"""What the planning page says of a slider that the planner refuses: its own words and the range, in its language."""

from __future__ import annotations

import pytest

from cloud import language
from cloud.planning.wishes import Pattern
from cloud.web.plan_wishes import Asked
from contracts.errors import InvalidInput


@pytest.mark.parametrize(
    ("spoken", "said", "hint"),
    [
        ("en", "Standoff: 2 m cannot be planned.", "Choose a value from 6 to 30 m."),
        ("de", "Abstand: 2 m lässt sich nicht planen.", "Wählen Sie einen Wert von 6 bis 30 m."),
    ],
)
def test_a_refused_slider_is_named_as_on_the_page_with_its_range(
    spoken: str, said: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(language, "spoken", lambda: spoken)
    with pytest.raises(InvalidInput) as refused:
        Asked(asset="t-01", standoff_m=2.0).wish(Pattern.BLADES)
    assert (refused.value.message, refused.value.hint, refused.value.field) == (said, hint, "standoff_m")


def test_a_share_without_a_unit_is_said_without_one() -> None:
    with pytest.raises(InvalidInput) as refused:
        Asked(asset="t-01", front_overlap=3.0).wish(Pattern.TOWER)
    assert refused.value.message == "Overlap ahead, share of a frame: 3 cannot be planned."
    assert refused.value.hint == "Choose a value from 0 to 0.95."
