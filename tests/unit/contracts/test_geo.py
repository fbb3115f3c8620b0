"""Places: the local frame agrees with an independent geodesy library and returns what it was given."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pyproj import Transformer

from contracts.geo import Enu, GeoPoint, LocalFrame, interpolate_yaw_deg

points = st.builds(
    GeoPoint,
    lat_deg=st.floats(-80, 80),
    lon_deg=st.floats(-179, 179),
    alt_m=st.floats(-100, 5000),
)
metres = st.floats(-20_000, 20_000)
GEODETIC_TO_ECEF = Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True)


@given(points, st.builds(Enu, metres, metres, st.floats(-50, 2000)))
def test_a_vector_survives_the_way_to_wgs84_and_back(origin: GeoPoint, vector: Enu) -> None:
    frame = LocalFrame(origin)
    assert frame.to_enu(frame.to_geo(vector)).minus(vector).norm() < 1e-4


@given(points, st.floats(-0.05, 0.05), st.floats(-0.05, 0.05))
def test_distances_agree_with_pyproj(origin: GeoPoint, dlat_deg: float, dlon_deg: float) -> None:
    other = GeoPoint(lat_deg=origin.lat_deg + dlat_deg, lon_deg=origin.lon_deg + dlon_deg, alt_m=origin.alt_m)
    ecef = [Enu(*GEODETIC_TO_ECEF.transform(p.lon_deg, p.lat_deg, p.alt_m)) for p in (origin, other)]
    assert LocalFrame(origin).to_enu(other).norm() == pytest.approx(ecef[1].minus(ecef[0]).norm(), abs=1e-3)


@pytest.mark.parametrize(("name", "value"), [("lat_deg", float("nan")), ("lon_deg", 181.0), ("alt_m", float("inf"))])
def test_a_point_off_the_earth_is_refused_with_its_field(name: str, value: float) -> None:
    with pytest.raises(ValidationError, match=name):
        GeoPoint.model_validate({"lat_deg": 1.0, "lon_deg": 1.0, "alt_m": 1.0} | {name: value})


@pytest.mark.parametrize(
    ("start", "end", "share", "expected"),
    [(350, 10, 0.5, 0), (10, 350, 0.5, 0), (90, 180, 0.25, 112.5), (0, 0, 0.7, 0)],
)
def test_yaw_turns_the_short_way_round(start: float, end: float, share: float, expected: float) -> None:
    assert interpolate_yaw_deg(start, end, share) == pytest.approx(expected)
