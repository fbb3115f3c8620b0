"""Places on towers: in words, on coverage's faces, and found again where a tower closes on itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from cloud import places
from cloud.history.absences import GONE, NOT_VISIBLE, absence
from cloud.history.matching import match
from cloud.history.pairs import Known, Shift
from cloud.history.sightings import Sighting, sighting_of
from cloud.merging import merged, same_defect
from cloud.tables import Asset, Finding
from cloud.ticket_care import tower_in_words
from cloud.web import labels, language, schematic
from contracts.findings import Detection
from contracts.geo import GeoPoint
from contracts.places import TowerPlace
from contracts.shafts import shaft_of
from contracts.shapes import AnyShape
from contracts.tower import TelecomTower
from contracts.turbine import TurbineGeometry
from contracts.vocabulary import DefectKind
from tests.sightings import detection

FOOT = GeoPoint(lat_deg=54.78, lon_deg=8.86, alt_m=3.0)
TURBINE = TurbineGeometry(foot=FOOT)
MAST = TelecomTower(foot=FOOT, face_bearing_deg=20.0)
AT = datetime(2026, 11, 20, tzinfo=UTC)


def on_tower(height_m: float, bearing_deg: float, geometry: TurbineGeometry | TelecomTower = TURBINE) -> TowerPlace:
    return shaft_of(geometry).place(height_m, bearing_deg)


def finding(place: TowerPlace | None = None, *, name: str = "fnd-1", days: int = 0, **more: object) -> Finding:
    values: dict[str, object] = {
        "finding_id": name, "number": 7, "kind": "corrosion", "length_mm": 200.0, "width_mm": 100.0,
        "size_sigma_mm": 8.0, "detected_at": AT + timedelta(days=days),
    }  # fmt: skip
    found = Finding(**(values | more))
    if place is not None:
        places.keep(found, place)
    return found


def look(name: str, place: TowerPlace, kind: DefectKind = DefectKind.CORROSION) -> Detection:
    return detection(name, kind=kind, root_m=None).model_copy(update={"place": place})


def sighting(place: TowerPlace, name: str, days: int = 0, geometry: AnyShape = TURBINE) -> Sighting:
    seen = sighting_of(finding(place, name=name, days=days), geometry)
    assert seen is not None
    return seen


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (finding(on_tower(42.34, 225.0)), "tower, south-west face, 42.3 m up"),
        (finding(on_tower(3.0, 0.0, MAST)), "tower, north face, 3.0 m up"),
        (finding(blade="A", side="LE", distance_to_root_m=17.43), "blade A LE 17.4 m"),
        (finding(lat_deg=54.7812, lon_deg=8.861), "not on the asset's model, at 54.78120°, 8.86100°"),
        (finding(), "place not determined"),
    ],
    ids=["tower", "mast", "blade", "position", "nothing"],
)
def test_a_place_in_words(found: Finding, said: str) -> None:
    assert places.where(found) == said


def test_a_place_comes_back_from_its_row() -> None:
    place = on_tower(42.3, 359.0)
    kept = finding(place)
    assert places.tower_place(kept) == place
    assert (kept.blade, kept.side, kept.distance_to_root_m) == (None, None, None)
    assert places.cell_of(kept) == ("face-0", 42)


@pytest.mark.parametrize(
    ("spoken", "said"), [("en", "Tower, south-west face, 42.3 m up"), ("de", "Turm, Südwestseite, 42.3 m hoch")]
)
def test_a_place_on_a_page(spoken: str, said: str) -> None:
    token = language._spoken.set(spoken)
    try:
        assert labels.tower_place(finding(on_tower(42.34, 225.0))) == said
    finally:
        language._spoken.reset(token)


def test_a_detection_that_waits_is_shown_where_it_lies() -> None:
    assert places.where(places.as_found(look("a", on_tower(3.0, 90.0)))) == "tower, east face, 3.0 m up"
    assert places.where(places.as_found(detection("b", root_m=None))).startswith("not on the asset's model, at 54.78")


def test_what_an_order_asks_for_fits_its_operation() -> None:
    tall = TURBINE.model_copy(update={"hub_height_m": 160.0})
    said = f"Inspect {tower_in_words(finding(on_tower(142.3, 225.0, tall)))}"
    assert said == "Inspect tower, south-west face, 142.3 m"
    assert len(said) <= 40
    assert tower_in_words(finding()) == "the place"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [((20.0, 359.0), (20.1, 2.0), True), ((20.0, 359.0), (20.0, 90.0), False), ((20.0, 10.0), (23.0, 10.0), False)],
    ids=["across north", "another face", "higher up"],
)
def test_looks_on_a_tower_are_one_defect(one: tuple[float, float], other: tuple[float, float], *, same: bool) -> None:
    assert same_defect(look("a", on_tower(*one)), look("b", on_tower(*other))) is same


def test_what_looks_across_north_show_lies_between_them() -> None:
    place = merged([look("a", on_tower(20.0, 358.0)), look("b", on_tower(20.0, 4.0))]).place
    assert isinstance(place, TowerPlace)
    assert place.bearing_deg == pytest.approx(1.0, abs=0.1)
    assert place.face == 0


@pytest.mark.parametrize(("bearing", "linked"), [(2.0, True), (90.0, False)], ids=["across north", "another face"])
def test_a_defect_is_found_again_where_the_tower_closes(bearing: float, *, linked: bool) -> None:
    before = (sighting(on_tower(20.0, 357.0), "old"), sighting(on_tower(20.1, 1.0), "old again", 100))
    known = [Known("old", before, (0, 1))]
    said = match(known, [sighting(on_tower(20.0, bearing), "new", 200)], Shift(np.zeros(9), 0.01 * np.eye(9)))
    assert ("new" in said.links) is linked


def test_the_mean_of_sightings_across_north_lies_in_the_north() -> None:
    defect = Known("old", (sighting(on_tower(20.0, 356.0), "a"), sighting(on_tower(20.0, 6.0), "b")), (0, 0))
    ring = defect.latest.ring
    assert ring is not None
    round_m = float(defect.mean(3)[0][1])
    assert 360.0 * round_m / ring.girth_m == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(
    ("faces", "state"),
    [((0, 1, 7), GONE), ((0, 1), NOT_VISIBLE), ((2, 3, 4, 5, 6), NOT_VISIBLE)],
    ids=["its faces", "one of them not", "the others"],
)
def test_gone_is_said_where_every_face_it_may_lie_on_was_seen(faces: tuple[int, ...], state: str) -> None:
    defect = Known("old", (sighting(on_tower(20.0, 338.0), "old"),), (0,))
    seen = {(f"face-{face}", metre): 1.0 for face in faces for metre in range(50)}
    assert absence(defect, Shift(np.zeros(6), 1e-4 * np.eye(6)), seen, repaired=False).state == state


def test_a_mast_is_matched_by_its_own_faces() -> None:
    ring = sighting(on_tower(20.0, 20.0, MAST), "a", geometry=MAST).ring
    assert ring is not None
    here_m = np.radians(20.0) * ring.girth_m / (2 * np.pi)
    assert ring.parts(here_m - 0.1, here_m + 0.1) == ("face-0",)


def test_a_flight_off_to_the_east_moves_what_it_sees_in_the_north_round_the_tower() -> None:
    seen = sighting(on_tower(20.0, 0.0), "a")
    up, across = seen.lever @ np.array([1.0, 5.0, 2.0])
    assert up == 2.0
    assert across == pytest.approx(seen.ring.girth_m / (2 * np.pi * on_tower(20.0, 0.0).radius_m) if seen.ring else 0)


def test_a_finding_on_a_blade_is_in_no_cell_of_a_tower() -> None:
    assert places.cell_of(finding(blade="A", side="LE", distance_to_root_m=17.43)) is None


def test_a_masts_strips_name_their_faces_as_places_do_and_hold_what_lies_on_them() -> None:
    asset = Asset(asset_id="mast-7", kind="telecom_tower", geometry=MAST.model_dump(mode="json"))
    there = on_tower(31.0, 110.0, MAST)
    drawn = schematic.strips(asset, [finding(there, severity_rank=3)])
    assert drawn is not None
    assert [strip.name for strip in drawn.strips] == ["North face", "East face", "South face", "West face"]
    assert [len(strip.dots) for strip in drawn.strips] == [0, 1, 0, 0], "though it has no position in the world"
    assert drawn.strips[1].dots[0].x == pytest.approx(100 * 31.0 / MAST.height_m, abs=0.01)
    assert labels.tower_place(finding(there)) == "Tower, east face, 31.0 m up"
