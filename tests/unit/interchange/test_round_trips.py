"""What a format can say comes back the same and books nothing; what it cannot say is booked."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from contracts.errors import PlatformError
from interchange import conversion
from interchange.altitudes import Aircraft, Given
from interchange.formats import CODECS, Format
from interchange.mission import Altitude, AltitudeReference, Mission
from tests.unit.interchange import missions

LONG = int(os.environ.get("KESTREL_EXAMPLES", "0"))
QUICK = settings(
    max_examples=LONG or 15,
    derandomize=not LONG,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink] if LONG else [Phase.generate],
)
EXPRESSIBLE: dict[Format, Any] = {
    Format.QGC_PLAN: missions.PLAN,
    Format.QGC_WPL: missions.WPL,
    Format.WPML: missions.wpml(),
    Format.KML: missions.kml(),
    Format.GEOJSON: missions.anything(),
    Format.LITCHI: missions.litchi(),
}
FILLED = {
    # A format must name these, whatever the mission says.
    Format.QGC_PLAN: {"firmwareType"},
    Format.WPML: {"link_lost", "transitional_speed", "template"},
}
KNOWN = Given(
    geoid_separation_m=48.25,
    home_altitude=Altitude(value_m=400, reference=AltitudeReference.AMSL),
    altitude=Altitude(value_m=30, reference=AltitudeReference.TAKE_OFF),
    aircraft=Aircraft.M3E,
)


@pytest.mark.parametrize("target", Format)
def test_what_a_format_can_say_comes_back_without_a_loss(target: Format) -> None:
    @QUICK
    @given(EXPRESSIBLE[target])
    def holds(mission: Mission) -> None:
        content, losses = conversion.write(mission, target, Given(aircraft=Aircraft.M30))
        assert [loss for loss in losses if loss.field not in FILLED.get(target, set())] == []
        back, on_reading = conversion.read(content, target)
        assert on_reading == ()
        assert back.plain() == mission

    holds()


@pytest.mark.parametrize("target", Format)
@pytest.mark.parametrize("source", Format)
def test_through_another_format_only_what_is_booked_changes(source: Format, target: Format) -> None:
    @settings(QUICK, max_examples=LONG or 3)
    @given(EXPRESSIBLE[source])
    def holds(mission: Mission) -> None:
        try:
            content, _ = conversion.write(mission, source, KNOWN)
            there = conversion.convert(content, source, target, KNOWN)
        except PlatformError as refusal:
            assert refusal.field or refusal.hint  # noqa: PT017 - refusals are allowed, and name what is missing
            return
        back, _ = conversion.read(there.content, target)
        before, after = (Counter(item.kind for item in m.items) for m in (there.mission, back))
        booked = {loss.kind for loss in there.report.losses}
        # What lasts until it is changed (speed, look, series) has no effect where it is changed again at one place.
        lasting = {"start_photos", "stop_photos", "set_speed", "look_at"}
        assert {kind for kind in before - after if kind not in booked} - lasting == set()

    holds()


@QUICK
@given(missions.anything(), st.sampled_from(list(Format)))
def test_any_mission_is_written_or_refused_and_what_is_written_can_be_read(mission: Mission, target: Format) -> None:
    try:
        content, losses = conversion.write(mission, target, KNOWN)
    except PlatformError as refusal:
        assert refusal.field is not None  # noqa: PT017 - a refusal is allowed; it names what is missing
        return
    back, _ = conversion.read(content, target)
    if not losses:
        assert back.plain() == mission
    assert conversion.write(mission, target, KNOWN)[0] == content


@pytest.mark.parametrize("target", Format)
def test_reading_and_writing_again_gives_the_same_bytes(target: Format) -> None:
    @settings(QUICK, max_examples=LONG or 6)
    @given(EXPRESSIBLE[target])
    def holds(mission: Mission) -> None:
        first, _ = conversion.write(mission, target, KNOWN)
        again, _ = conversion.write(conversion.read(first, target)[0], target, KNOWN)
        assert again == first

    holds()


def test_every_format_is_tried() -> None:
    assert set(EXPRESSIBLE) == set(CODECS) == set(Format)
