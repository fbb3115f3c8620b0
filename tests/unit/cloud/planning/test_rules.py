"""Go or no-go looks at whole legs and circles, not at waypoints; shapely and pyproj are the oracle."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pyproj import Geod, Transformer
from rasterio.transform import from_origin
from shapely.geometry import LineString, Point, Polygon

from cloud.planning import imported, rules
from cloud.planning.datums import separation_m
from cloud.planning.rules import Limits, Surroundings
from cloud.planning.terrain import Datum, Terrain
from cloud.planning.tracks import Circle, Leg, Track, chords, geodetic
from cloud.planning.verdicts import Check
from cloud.planning.zones import SiteZone, breaches, outline
from contracts.errors import InvalidInput
from contracts.geo import Enu, GeoPoint, LocalFrame
from contracts.routes import Corner, ZoneKind
from interchange import conversion
from interchange.formats import Format
from interchange.mission import Altitude, AltitudeReference, LatLon, Loiter, Mission, Place, TakeOff, Waypoint

HOME = GeoPoint(lat_deg=47.0, lon_deg=11.0, alt_m=650.0)
FRAME = LocalFrame(HOME)
METRES = st.floats(-400.0, 400.0)
WHOLE_METRES = st.integers(-400, 400)
FAR = Point(0.0, 0.0).buffer(2000.0)


def corner(east_m: float, north_m: float) -> Corner:
    place = FRAME.to_geo(Enu(east_m, north_m, 0.0))
    return Corner(lat_deg=place.lat_deg, lon_deg=place.lon_deg)


def area(*corners: tuple[float, float], kind: ZoneKind = ZoneKind.KEEP_OUT, **heights: Any) -> SiteZone:
    return SiteZone(name="prison", kind=kind, corners=tuple(corner(*c) for c in corners), **heights)


def at(east_m: float, north_m: float, up_m: float = 50.0) -> Waypoint:
    place = FRAME.to_geo(Enu(east_m, north_m, 0.0))
    altitude = Altitude(value_m=up_m, reference=AltitudeReference.TAKE_OFF)
    return Waypoint(point=LatLon(lat_deg=place.lat_deg, lon_deg=place.lon_deg), altitude=altitude)


def mission(*items: object, up_m: float = 20.0) -> Mission:
    take_off = TakeOff(altitude=Altitude(value_m=up_m, reference=AltitudeReference.TAKE_OFF))
    altitude = Altitude(value_m=HOME.alt_m, reference=AltitudeReference.ELLIPSOID)
    home = Place(lat_deg=HOME.lat_deg, lon_deg=HOME.lon_deg, altitude=altitude)
    return Mission.model_validate({"home": home, "items": (take_off, *items)})


def judged(plan: Mission, **around: object) -> dict[str, Check]:
    surroundings = Surroundings(**around)  # type: ignore[arg-type]
    flown = imported.flown(plan, terrain=surroundings.terrain)
    return {check.name: check for check in rules.judge(flown.track, surroundings)}


WALL = area((90, -30), (110, -30), (110, 30), (90, 30))


def test_a_segment_that_crosses_a_no_fly_zone_is_blocked_though_its_waypoints_are_legal() -> None:
    check = judged(mission(at(0, 0), at(200, 0)), zones=(WALL,))["no_fly"]
    assert check.verdict == "block"
    assert check.worst is not None
    assert check.worst.segment == 2
    assert check.worst.metre == pytest.approx(90.0, abs=0.5)
    assert "segment 2" in check.sentence
    assert "metre" in check.sentence
    assert check.value == pytest.approx(20.0, abs=0.01)


def test_a_loiter_circle_that_crosses_a_no_fly_zone_is_blocked_though_its_centre_is_legal() -> None:
    centre = at(60, 0)
    circle = Loiter(point=centre.point, altitude=centre.altitude, radius_m=40.0, turns=2)
    blocked = judged(mission(circle), zones=(WALL,))["no_fly"]
    assert (blocked.verdict.value, blocked.worst is not None and blocked.worst.segment) == ("block", 1)
    assert "circle of segment 1" in blocked.sentence
    clear = Loiter(point=centre.point, altitude=centre.altitude, radius_m=25.0, turns=2)
    assert judged(mission(clear), zones=(WALL,))["no_fly"].verdict == "pass"


@pytest.mark.parametrize(
    ("heights", "verdict"),
    [
        ({}, "block"),
        ({"floor_alt_m": 720.0}, "pass"),
        ({"ceiling_alt_m": 690.0}, "pass"),
        ({"floor_alt_m": 699.0}, "block"),
    ],
)
def test_a_zone_binds_between_its_floor_and_its_ceiling(heights: dict[str, Any], verdict: str) -> None:
    zone = area((90, -30), (110, -30), (110, 30), (90, 30), **heights)
    assert judged(mission(at(0, 0), at(200, 0)), zones=(zone,))["no_fly"].verdict == verdict


def test_a_leg_that_cuts_a_corner_outside_the_fence_is_blocked() -> None:
    notch = ((-50, -50), (50, -50), (50, 50), (25, 0), (0, 50), (-50, 50))
    fence = area(*notch, kind=ZoneKind.STAY_IN)
    check = judged(mission(at(-20, 40), at(45, 40)), zones=(fence,))["fence"]
    assert check.verdict == "block"
    assert check.worst is not None
    assert check.worst.segment == 2
    assert judged(mission(at(-20, 40), at(-20, -40), at(40, -40)), zones=(fence,))["fence"].verdict == "pass"


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(WHOLE_METRES, WHOLE_METRES), min_size=3, max_size=8),
    st.lists(st.tuples(WHOLE_METRES, WHOLE_METRES), min_size=2, max_size=6),
)
def test_shapely_agrees_on_every_crossing(ring: list[tuple[int, int]], way: list[tuple[int, int]]) -> None:
    ground = Polygon(ring)
    assume(ground.is_valid and ground.area > 1.0 and all(math.dist(*leg) > 1.0 for leg in pairwise(way)))
    legs = [Leg(n, 0.0, Enu(*a, 50.0), Enu(*b, 50.0), 700.0, 700.0, 5.0) for n, (a, b) in enumerate(pairwise(way))]
    track = Track(FRAME, tuple(legs))
    lines = [LineString([one, other]) for one, other in pairwise(way)]
    # A centimetre inside an edge must be found; a centimetre outside must not.
    for kind, clear in ((ZoneKind.KEEP_OUT, -0.01), (ZoneKind.STAY_IN, 0.01)):
        found = breaches(track, (area(*ring, kind=kind),), kind)
        sure, possible = (_broken(lines, ground.buffer(grown), kind) for grown in (clear, -clear))
        assert bool(found) >= bool(sure)
        if found:
            assert possible[0] <= found[0].leg.segment <= min([*sure, len(lines)])
            here = Point(found[0].point.east, found[0].point.north)
            assert here.distance(ground if kind is ZoneKind.KEEP_OUT else FAR.difference(ground)) < 0.01


def _broken(lines: list[LineString], ground: Polygon, kind: ZoneKind) -> list[int]:
    def part(line: LineString) -> LineString:
        return line.intersection(ground) if kind is ZoneKind.KEEP_OUT else line.difference(ground)

    return [number for number, line in enumerate(lines) if not part(line).is_empty]


@settings(max_examples=100, deadline=None)
@given(METRES, METRES, st.floats(2.0, 250.0))
def test_chords_of_a_circle_enclose_it_within_five_centimetres(east_m: float, north_m: float, radius_m: float) -> None:
    centre = FRAME.to_geo(Enu(east_m, north_m, 50.0))
    ring = chords(FRAME, Circle(0, centre, radius_m, 1.0, 5.0))
    middle = FRAME.to_enu(centre)
    gaps = [
        LineString([leg.start[:2], leg.end[:2]]).distance(Point(middle.east, middle.north)) - radius_m for leg in ring
    ]
    corners = [math.dist(leg.start[:2], middle[:2]) - radius_m for leg in ring]
    assert min(gaps) >= -1e-6
    assert max(corners) <= 0.051


@settings(max_examples=60, deadline=None)
@given(st.floats(-70, 70), st.floats(-179, 179), st.floats(0, 359), st.floats(1.0, 8000.0), st.floats(2.0, 2000.0))
def test_distances_to_a_round_zone_agree_with_the_geodesic(
    lat_deg: float, lon_deg: float, bearing_deg: float, away_m: float, radius_m: float
) -> None:
    home = GeoPoint(lat_deg=lat_deg, lon_deg=lon_deg, alt_m=0.0)
    lon, lat, _ = Geod(ellps="WGS84").fwd(lon_deg, lat_deg, bearing_deg, away_m)
    zone = SiteZone(name="mast", kind=ZoneKind.KEEP_OUT, centre=Corner(lat_deg=lat, lon_deg=lon), radius_m=radius_m)
    gap_m = outline(zone, LocalFrame(home)).distance(Point(0.0, 0.0))
    assert gap_m == pytest.approx(max(0.0, away_m - radius_m), abs=0.06 + 2e-5 * away_m)


@settings(max_examples=60, deadline=None)
@given(st.floats(-70, 70), st.floats(-179, 179), st.floats(-5000, 5000), st.floats(-5000, 5000), st.floats(-100, 500))
def test_latitudes_of_samples_agree_with_pyproj(lat: float, lon: float, east: float, north: float, up: float) -> None:
    frame = LocalFrame(GeoPoint(lat_deg=lat, lon_deg=lon, alt_m=200.0))
    got_lat, got_lon = geodetic(frame, np.array([[east, north, up]]))
    steps = (
        f"+inv +proj=topocentric +ellps=WGS84 +lat_0={lat} +lon_0={lon} +h_0=200",
        "+inv +proj=cart +ellps=WGS84",
        "+proj=unitconvert +xy_in=rad +xy_out=deg",
    )
    pipeline = Transformer.from_pipeline("+proj=pipeline " + " ".join(f"+step {step}" for step in steps))
    want_lon, want_lat, _ = pipeline.transform(east, north, up)
    assert got_lat[0] == pytest.approx(want_lat, abs=1e-9)
    assert got_lon[0] == pytest.approx(want_lon, abs=1e-9)


@pytest.mark.parametrize(
    ("lat_deg", "lon_deg", "published_m"),
    [(38.6281550, 269.7791550, -31.628), (-14.6212170, 305.0211140, -2.969), (46.8743190, 102.4487290, -43.575),
     (-23.6174460, 133.8747120, 15.871), (38.6254730, 359.9995000, 50.066), (-0.4667440, 0.0023000, 17.329)],
)  # fmt: skip
def test_the_geoid_agrees_with_the_test_points_published_with_egm96(
    lat_deg: float, lon_deg: float, published_m: float
) -> None:
    longitude = lon_deg - 360.0 if lon_deg > 180.0 else lon_deg
    assert separation_m(lat_deg, longitude) == pytest.approx(published_m, abs=0.25)


def dem(path: Path, crs: str, height_of: object, *, step_deg: float = 0.0005, cells: int = 41) -> Path:
    rows, columns = np.mgrid[0:cells, 0:cells]
    lat = HOME.lat_deg + (cells // 2 - rows) * step_deg
    lon = HOME.lon_deg + (columns - cells // 2) * step_deg
    heights = height_of(lat, lon).astype("float32")  # type: ignore[operator]
    half = (cells // 2 + 0.5) * step_deg
    origin = from_origin(HOME.lon_deg - half, HOME.lat_deg + half, step_deg, step_deg)
    with rasterio.open(
        path, "w", driver="GTiff", width=cells, height=cells, count=1, dtype="float32", crs=crs, transform=origin
    ) as file:
        file.write(heights, 1)
    return path


def ridge(top_m: float) -> object:
    """A ridge that runs north, 152 m east of home, down to the ground 80 m on either side."""
    east_deg = 4 * 0.0005

    def height_of(_: np.ndarray, lon: np.ndarray) -> np.ndarray:
        share = np.clip(1.0 - np.abs(lon - HOME.lon_deg - east_deg) / 0.001, 0.0, 1.0)
        return HOME.alt_m + top_m * share

    return height_of


def test_a_plan_three_metres_under_a_ridge_between_two_waypoints_is_blocked(tmp_path: Path) -> None:
    terrain = Terrain([dem(tmp_path / "ridge.tif", "EPSG:4979", ridge(63.0))])
    check = judged(mission(at(0, 0, 60.0), at(300, 0, 60.0)), terrain=terrain)["terrain"]
    assert check.verdict == "block", check.sentence
    assert check.value == pytest.approx(-3.0, abs=0.3)
    assert check.worst is not None
    assert check.worst.segment == 2
    assert check.worst.metre == pytest.approx(152.0, abs=6.0)
    assert f"segment 2 at metre {check.worst.metre:.1f}" in check.sentence
    assert judged(mission(at(0, 0, 80.0), at(300, 0, 80.0)), terrain=terrain)["terrain"].verdict == "pass"


def test_heights_above_the_sea_and_above_the_ellipsoid_differ_by_the_geoid(tmp_path: Path) -> None:
    def flat(lats: Any, _: Any) -> Any:
        return np.full(lats.shape, 600.0)

    above_sea = Terrain([dem(tmp_path / "sea.tif", "EPSG:4326", flat)], Datum.EGM96)
    above_ellipsoid = Terrain([dem(tmp_path / "ellipsoid.tif", "EPSG:4979", flat)])
    here = (np.array([HOME.lat_deg]), np.array([HOME.lon_deg]))
    assert above_ellipsoid.heights_m(*here)[0] == pytest.approx(600.0, abs=0.01)
    assert above_sea.heights_m(*here)[0] == pytest.approx(
        600.0 + separation_m(HOME.lat_deg, HOME.lon_deg),
        abs=0.01,
    )


def test_an_elevation_file_without_a_stated_datum_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="does not say what its heights are measured from"):
        Terrain([dem(tmp_path / "unsaid.tif", "EPSG:4326", ridge(10.0))])


def test_an_srtm_tile_counts_from_sea_level(tmp_path: Path) -> None:
    path = tmp_path / "N46E010.hgt"
    np.full((1201, 1201), 500, dtype=">i2").tofile(path)
    heights = Terrain([path]).heights_m(np.array([46.5, 47.5]), np.array([10.5, 10.5]))
    assert heights[0] == pytest.approx(500.0 + separation_m(46.5, 10.5), abs=0.01)
    assert math.isnan(heights[1])


@settings(max_examples=40, deadline=None)
@given(st.floats(46.992, 47.008), st.floats(10.992, 11.008))
def test_ground_between_the_points_of_a_plane_is_the_plane(
    tmp_path_factory: pytest.TempPathFactory, lat: float, lon: float
) -> None:
    def slope(lats: Any, lons: Any) -> Any:
        return 1000.0 * (lats - 47.0) + 2000.0 * (lons - 11.0) + 300.0

    path = dem(tmp_path_factory.mktemp("plane") / "plane.tif", "EPSG:4979", slope)
    got = Terrain([path]).heights_m(np.array([lat]), np.array([lon]))[0]
    assert got == pytest.approx(float(slope(lat, lon)), abs=0.01)


def test_ground_that_no_file_knows_is_said(tmp_path: Path) -> None:
    terrain = Terrain([dem(tmp_path / "small.tif", "EPSG:4979", ridge(5.0))])
    check = judged(mission(at(0, 0), at(3000, 0)), terrain=terrain)["terrain"]
    assert (check.verdict.value, check.worst is not None and check.worst.segment) == ("warn", 2)


@pytest.mark.parametrize(("radius_m", "verdict"), [(20.0, "pass"), (3.0, "block")])
def test_a_circle_too_tight_for_its_speed_is_blocked(radius_m: float, verdict: str) -> None:
    place = at(100, 0)
    plan = mission(Loiter(point=place.point, altitude=place.altitude, radius_m=radius_m, turns=1))
    fast = plan.model_copy(update={"speed_mps": 6.0})
    assert judged(fast)["loiter_radius"].verdict == verdict


def test_the_way_home_through_a_no_fly_zone_is_warned_of() -> None:
    check = judged(mission(at(0, 100), at(200, 100), at(200, 0)), zones=(WALL,))["return_path"]
    assert check.verdict == "warn"
    assert "prison" in check.sentence


def test_a_plan_too_high_is_blocked_at_its_worst_place() -> None:
    check = judged(mission(at(0, 0), at(100, 0, 140.0)), limits=Limits(max_alt_rel_m=120.0))["altitude"]
    assert (check.verdict.value, check.value, check.limit) == ("block", 140.0, 120.0)


@pytest.mark.parametrize(
    ("altitude", "field"),
    [(Altitude(value_m=50, reference=AltitudeReference.TERRAIN), "items.1.altitude")],
)
def test_an_altitude_that_cannot_be_known_is_refused_by_its_item(altitude: Altitude, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        imported.flown(mission(Waypoint(point=at(1, 1).point, altitude=altitude)))
    assert caught.value.field == field


def test_altitudes_above_the_sea_become_altitudes_above_the_ellipsoid() -> None:
    there = at(50, 0)
    above_sea = Waypoint(point=there.point, altitude=Altitude(value_m=700.0, reference=AltitudeReference.AMSL))
    leg = imported.flown(mission(above_sea)).track.legs[-1]
    assert leg.end_alt_m == pytest.approx(700.0 + separation_m(there.point.lat_deg, there.point.lon_deg))


def test_a_command_nobody_understands_is_named_not_passed_over() -> None:
    rows = (
        "QGC WPL 110",
        "0\t1\t0\t16\t0\t0\t0\t0\t47.0\t11.0\t600\t1",
        "1\t0\t3\t16\t0\t0\t0\t0\t47.001\t11.0\t50\t1",
        "2\t0\t3\t31000\t0\t0\t0\t0\t0\t0\t0\t1",
    )
    plan, _ = conversion.read("\n".join(rows).encode(), Format.QGC_WPL)
    assert len(imported.flown(plan).unjudged) == 1
