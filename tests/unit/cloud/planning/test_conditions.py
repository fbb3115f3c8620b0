"""Go or no-go at a time, and of plans of other programs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cloud.planning import conditions, missions
from cloud.planning.estimates import Estimates
from contracts.geo import GeoPoint
from interchange.mission import (
    Altitude,
    AltitudeReference,
    FenceCircle,
    Foreign,
    Hover,
    LatLon,
    Loiter,
    Mission,
    Place,
    PointCamera,
    ReturnToLaunch,
    Step,
    TakeOff,
    Waypoint,
)

HOME = GeoPoint(lat_deg=54.9, lon_deg=8.3, alt_m=45.0)
FIGURES = Estimates(
    duration_s=600.0, distance_m=2000.0, video_s=300.0, battery_percent=45.0, storage_bytes=2_000_000_000,
    gsd_mm_px=3.0, motion_blur_px=0.5, inspected_m=100.0,
)  # fmt: skip
UP = Altitude(value_m=40.0, reference=AltitudeReference.TAKE_OFF)


def mission(*items: Step, **more: object) -> Mission:
    ground = Altitude(value_m=45.0, reference=AltitudeReference.ELLIPSOID)
    home = Place(lat_deg=HOME.lat_deg, lon_deg=HOME.lon_deg, altitude=ground)
    return Mission.model_validate({"home": home, "items": (TakeOff(altitude=UP), *items), **more})


def verdicts(plan: Mission, wind_mps: float = 0.0) -> dict[str, str]:
    return {check.name: check.verdict.value for check in missions.judge(plan, (), None, wind_mps=wind_mps)}


THERE = LatLon(lat_deg=54.905, lon_deg=8.3)


@pytest.mark.parametrize(
    ("at", "verdict"),
    [
        (datetime(2026, 6, 21, 11, 0, tzinfo=UTC), "pass"),
        (datetime(2026, 12, 21, 15, 12, tzinfo=UTC), "warn"),
        (datetime(2026, 12, 21, 18, 0, tzinfo=UTC), "block"),
        (datetime(2026, 12, 21, 3, 0, tzinfo=UTC), "block"),
    ],
    ids=["noon", "dusk", "night", "before dawn"],
)
def test_daylight(at: datetime, verdict: str) -> None:
    check = conditions.daylight(HOME.lat_deg, HOME.lon_deg, at, timedelta(minutes=10))
    assert check.verdict == verdict, check.sentence
    assert (check.mend == "") == (verdict == "pass")


@pytest.mark.parametrize(("charge", "verdict"), [(100.0, "pass"), (80.0, "warn"), (60.0, "block")])
def test_battery_of_the_day(charge: float, verdict: str) -> None:
    assert conditions.battery(charge, FIGURES).verdict == verdict


def test_a_charge_that_nobody_knows_warns() -> None:
    check = conditions.charge_unknown(datetime(2026, 11, 28, 9, 5, tzinfo=UTC))
    assert (check.name, check.verdict) == ("battery", "warn")
    assert "is not known: the autopilot told none at 2026-11-28 09:05 UTC" in check.sentence


@pytest.mark.parametrize(("free", "verdict"), [(2_000_000_000, "pass"), (1_999_999_999, "block")])
def test_storage(free: int, verdict: str) -> None:
    assert conditions.storage(free, FIGURES).verdict == verdict


@pytest.mark.parametrize(("wind_mps", "verdict"), [(8.0, "pass"), (8.1, "warn"), (12.1, "block")])
def test_wind(wind_mps: float, verdict: str) -> None:
    assert conditions.wind(wind_mps).verdict == verdict


def test_a_sound_plan_of_another_program_is_only_warned_of_its_unknown_ground() -> None:
    found = verdicts(mission(Waypoint(point=THERE, altitude=UP), ReturnToLaunch()))
    assert {name for name, verdict in found.items() if verdict != "pass"} == {"terrain"}


@pytest.mark.parametrize(
    ("item", "name", "verdict"),
    [
        (Foreign(dialect="mavlink", name="31000"), "unjudged_items", "warn"),
        (PointCamera(pitch_deg=80.0), "camera_limits", "block"),
        (PointCamera(pitch_deg=-90.0), "camera_limits", "pass"),
        (Loiter(point=THERE, altitude=UP, radius_m=60.0), "loiter_turns", "warn"),
        (Hover(time_s=1500.0), "battery", "block"),
        (Waypoint(point=LatLon(lat_deg=54.99, lon_deg=8.3), altitude=UP), "battery", "block"),
    ],
)
def test_what_is_wrong_with_an_imported_plan_is_said(item: Step, name: str, verdict: str) -> None:
    assert verdicts(mission(Waypoint(point=THERE, altitude=UP), item))[name] == verdict


def test_wind_costs_battery() -> None:
    far = mission(Waypoint(point=LatLon(lat_deg=54.916, lon_deg=8.3), altitude=UP), ReturnToLaunch(), speed_mps=6.0)
    calm, windy = (
        next(check for check in missions.judge(far, (), None, wind_mps=wind) if check.name == "battery")
        for wind in (0.0, 14.0)
    )
    assert calm.value is not None
    assert windy.value is not None
    assert windy.value < calm.value


def test_a_plans_own_fence_is_kept_to_over_its_segments() -> None:
    circle = FenceCircle(centre=LatLon(lat_deg=54.9, lon_deg=8.3), radius_m=300.0, inside=True)
    found = verdicts(mission(Waypoint(point=THERE, altitude=UP), fences=(circle,)))
    assert found["fence"] == "block"
