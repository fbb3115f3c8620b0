"""The health index: by parts of every class of asset, and never of what nobody looked at."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cloud import health_components, language, places
from cloud.health_components import Seen
from cloud.health_index import Health, of_asset, of_component, of_site
from cloud.tables import Asset, Finding
from cloud.web import labels
from contracts.geo import Enu, GeoPoint, LocalFrame
from contracts.pipeline import Pipeline
from contracts.places import ChainagePlace, LineTowerPlace, PartPlace, SpanPlace
from contracts.powerline import LineTower, PowerLine
from contracts.shafts import shaft_of
from contracts.shapes import AnyShape
from contracts.tower import TelecomTower
from contracts.turbine import TurbineGeometry

FOOT = GeoPoint(lat_deg=54.78, lon_deg=8.86, alt_m=3.0)
_EAST = [LocalFrame(FOOT).to_geo(Enu(metres, 0.0, 0.0)) for metres in (0.0, 205.0, 410.0, 2410.0)]
TURBINE, MAST = TurbineGeometry(foot=FOOT), TelecomTower(foot=FOOT, height_m=40.0)
LINE = PowerLine(towers=tuple(LineTower(name=f"M{n}", foot=foot) for n, foot in enumerate(_EAST[:3])))
PIPE = Pipeline(centre_line=(_EAST[0], _EAST[3]), start_chainage_m=1234.0)
SPAN = SpanPlace(
    span=1, from_tower="M1", to_tower="M2", conductor=0, offset_m=0.0, distance_m=4.0, chainage_m=209.0
)  # fmt: skip


def asset(shape: AnyShape) -> Asset:
    kind = shape.model_dump().get("kind", "wind_turbine")
    return Asset(asset_id="a", kind=kind, geometry=shape.model_dump(mode="json"))


def finding(rank: int = 3, place: PartPlace | None = None, **more: object) -> Finding:
    found = Finding(
        number=7, kind="corrosion", severity_rank=rank, detected_at=datetime(2026, 11, 20, tzinfo=UTC), **more
    )
    if place is not None:
        places.keep(found, place)
    return found


@pytest.mark.parametrize(
    ("shape", "found", "key", "name"),
    [
        (LINE, finding(place=SPAN), "span-0001", "span M1–M2"),
        (LINE, finding(place=LineTowerPlace(tower=2, tower_name="M2", height_m=9.0)), "tower-0002", "tower M2"),
        (PIPE, finding(place=ChainagePlace(chainage_m=3300.0, offset_m=0.0)), "section-00002", "km 3.234 to 3.644"),
        (PIPE, finding(place=ChainagePlace(chainage_m=9999.0, offset_m=0.0)), "section-00002", "km 3.234 to 3.644"),
        (MAST, finding(place=shaft_of(MAST).place(10.0, 92.0)), "face-1", "tower, east face"),
        (TURBINE, finding(place=shaft_of(TURBINE).place(10.0, 92.0)), "tower", "tower"),
        (TURBINE, finding(blade="B", side="LE", distance_to_root_m=3.0), "B", "B"),
        (LINE, finding(), "whole", "whole"),
    ],
)
def test_a_finding_counts_on_the_part_it_lies_on(shape: AnyShape, found: Finding, key: str, name: str) -> None:
    assert health_components.key_of(found, shape) == key
    assert health_components.name_of(key, shape) == name
    assert key == "whole" or key in {one.key for one in health_components.of_asset(asset(shape), Seen({}, {}))}


@pytest.mark.parametrize(
    ("shape", "told", "shares"),
    [
        (LINE, Seen({}, {"a": frozenset(("span-0000", n) for n in range(7))}),
         {"span-0000": 7 / 21, "span-0001": 0.0, "tower-0000": None, "tower-0001": None, "tower-0002": None}),
        (PIPE, Seen({}, {"a": frozenset(("pipe", n) for n in range(223, 365))}),
         {"section-00000": 1 / 101, "section-00001": 1.0, "section-00002": 1.0}),
        (MAST, Seen({}, {"a": frozenset(("face-2", n) for n in range(10))}),
         {"face-0": 0.0, "face-1": 0.0, "face-2": 0.25, "face-3": 0.0}),
        (TURBINE, Seen({("a", "B"): 50}, {}), {"A": 0.0, "B": 0.5, "C": 0.0, "tower": 0.0}),
    ],
    ids=["line", "pipe", "mast", "turbine"],
)  # fmt: skip
def test_each_part_says_how_much_of_it_was_ever_seen(
    shape: AnyShape, told: Seen, shares: dict[str, float | None]
) -> None:
    found = {one.key: one.seen_share for one in health_components.of_asset(asset(shape), told)}
    assert found == pytest.approx(shares, nan_ok=True) if None not in shares.values() else found == shares


@pytest.mark.parametrize(
    ("defects", "seen_share", "looked_at", "score"),
    [
        ([], 0.9, False, 100.0), ([], 0.0, False, None), ([], None, False, None), ([], 0.0, True, 100.0),
        ([(finding(3), False)], 0.0, True, 88.0), ([(finding(3), True)], None, True, 85.0),
    ],
    ids=["seen", "unseen", "not counted", "repaired", "a defect", "one that grows"],
)  # fmt: skip
def test_what_nobody_looked_at_has_no_index(
    defects: list[tuple[Finding, bool]], seen_share: float | None, score: float | None, *, looked_at: bool
) -> None:
    found = of_component(defects, seen_share, looked_at=looked_at)
    assert (found.score if found else None) == score


def test_an_asset_or_site_nobody_looked_at_has_none_and_counts_in_none() -> None:
    assert of_asset({}) is None
    assert of_site({}, 3) is None
    site = of_site({"a": Health(60.0, (), 0.5)}, 2)
    assert site is not None
    assert (site.score, site.seen_share) == (60.0, 0.25)


@pytest.mark.parametrize(
    ("grows", "why", "english", "german"),
    [
        (False, "corrosion of rank 4", "corrosion of rank 4", "Korrosion, Rang 4"),
        (True, "corrosion of rank 4, growing", "corrosion of rank 4, growing", "Korrosion, Rang 4, wächst"),
    ],
)
def test_why_a_component_lost_points_is_data_that_a_page_says_in_its_reader_s_language(
    why: str, english: str, german: str, *, grows: bool
) -> None:
    health = of_component([(finding(4), grows)])
    assert health is not None
    [part] = health.derivation()["parts"]
    assert (part["subject"], part["why"]) == ("F-7", why)
    assert part["defect"] == {"kind": "corrosion", "rank": 4, "growing": grows}
    for spoken, said in (("en", english), ("de", german)):
        token = language._spoken.set(spoken)
        assert labels.points_off(part) == said
        language._spoken.reset(token)
