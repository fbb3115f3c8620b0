"""docs/formats.md says what the writers do: each "yes" arrives, each "no" is booked or refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.errors import InvalidInput
from interchange import conversion
from interchange.altitudes import Aircraft, Given
from interchange.formats import CODECS, Format
from interchange.mission import (
    Altitude,
    AltitudeReference,
    FenceCircle,
    Hover,
    Item,
    Land,
    LatLon,
    Loiter,
    LookAt,
    Mission,
    Orbit,
    Place,
    PointCamera,
    ReturnToLaunch,
    SetHeading,
    SetSpeed,
    StartPhotos,
    StartVideo,
    StopPhotos,
    StopVideo,
    TakeOff,
    TakePhoto,
    Waypoint,
    Zoom,
)

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "formats.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("|") and not line.startswith("|---")
]
COLUMNS = [Format(cell.strip("`")) for cell in next(row for row in ROWS if row[0] == "format name")[1:]]
HERE = LatLon(lat_deg=47.4, lon_deg=8.5)
UP = Altitude(value_m=40, reference=AltitudeReference.TAKE_OFF)
POINT = Waypoint(point=HERE, altitude=UP)
ITEMS: dict[str, Item] = {
    item.kind: item
    for item in (
        TakeOff(altitude=UP),
        Land(),
        ReturnToLaunch(),
        POINT,
        Loiter(point=HERE, altitude=UP, turns=2, radius_m=20),
        Orbit(point=HERE, altitude=UP, turns=2, radius_m=20),
        SetSpeed(speed_mps=3),
        SetHeading(heading_deg=90, clockwise=True),
        PointCamera(pitch_deg=-30),
        LookAt(point=HERE),
        TakePhoto(),
        StartPhotos(every_s=2),
        StopPhotos(),
        StartVideo(),
        StopVideo(),
        Zoom(focal_length_mm=48),
        Hover(time_s=3),
    )
}
WORDS = {
    "above mean sea level": AltitudeReference.AMSL,
    "above take-off": AltitudeReference.TAKE_OFF,
    "above the ground": AltitudeReference.TERRAIN,
    "above the ellipsoid": AltitudeReference.ELLIPSOID,
}


def cells(name: str) -> dict[Format, bool]:
    row = next(row for row in ROWS if row[0] == name)
    return {column: cell == "yes" for column, cell in zip(COLUMNS, row[1:], strict=True)}


def test_every_format_has_a_column_with_its_suffixes() -> None:
    assert set(COLUMNS) == set(Format)
    row = next(row for row in ROWS if row[0] == "suffix")
    for column, cell in zip(COLUMNS, row[1:], strict=True):
        assert tuple(cell.replace("`", "").split()) == CODECS[column].suffixes


@pytest.mark.parametrize("kind", ITEMS)
def test_the_items_of_the_table_arrive_or_are_booked(kind: str) -> None:
    start = [StartPhotos(every_s=1), POINT] if kind == "stop_photos" else []
    end = [] if kind in ("land", "return_to_launch") else [POINT]
    items = [*([] if kind == "take_off" else [POINT]), *start, ITEMS[kind], *end]
    mission = Mission(speed_mps=5, items=tuple(items))
    for column, said in cells(f"`{kind}`").items():
        content, losses = conversion.write(mission, column, Given(aircraft=Aircraft.M30))
        back, _ = conversion.read(content, column)
        assert (kind in {item.kind for item in back.items}) is said, column
        assert said or kind in {loss.kind for loss in losses}, column


@pytest.mark.parametrize("words", WORDS)
def test_the_references_of_the_table_arrive_or_are_refused(words: str) -> None:
    altitude = Altitude(value_m=40, reference=WORDS[words])
    mission = Mission(speed_mps=5, items=(Waypoint(point=HERE, altitude=altitude),))
    for column, said in cells(words).items():
        try:
            content, losses = conversion.write(mission, column, Given(aircraft=Aircraft.M30))
        except InvalidInput as refusal:
            assert (said, refusal.field) == (False, "items[0].altitude"), column  # noqa: PT017 - one of two answers
            continue
        (waypoint,) = [item for item in conversion.read(content, column)[0].items if isinstance(item, Waypoint)]
        assert (waypoint.altitude == altitude) is said, column
        assert said or "altitude" in {loss.field for loss in losses}, column


def test_fences_and_rally_points_arrive_or_are_booked() -> None:
    fence = FenceCircle(centre=HERE, radius_m=100, inside=True)
    rally = Place(lat_deg=47.4, lon_deg=8.5, altitude=UP)
    mission = Mission(speed_mps=5, items=(POINT,), fences=(fence,), rally_points=(rally,))
    for name, field, value in (("fences", "fences", (fence,)), ("rally points", "rally_points", (rally,))):
        for column, said in cells(name).items():
            content, losses = conversion.write(mission, column, Given(aircraft=Aircraft.M30))
            back, _ = conversion.read(content, column)
            assert (getattr(back, field) == value) is said, column
            assert said or field in {loss.field for loss in losses}, column
