"""What else stands on a site: the parts of its other assets that a flight must keep away from, with their names.

A neighbour may run while another asset is flown: of a turbine all that its rotor may reach counts, at any yaw.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from shapely.geometry import LineString, MultiPoint, Point
from shapely.geometry.base import BaseGeometry
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.planning import assets, bodies
from cloud.planning.bodies import NEAR_M, conductor_pieces, line_cones, swept
from cloud.planning.obstacles import Cone
from cloud.planning.pattern import MOST_NEIGHBOURS, PlanInputs
from cloud.planning.rules import Limits
from cloud.planning.surveys import AnyGeometry, GridParams, SurveyInputs, places_of
from cloud.tables import Asset
from contracts.errors import InvalidInput
from contracts.geo import Enu, GeoPoint, LocalFrame
from contracts.powerline import PowerLine
from contracts.routes import Solid
from contracts.tower import TelecomTower
from contracts.turbine import TurbineGeometry
from contracts.vocabulary import AssetKind

_SOLID = (AssetKind.WIND_TURBINE.value, AssetKind.TELECOM_TOWER.value, AssetKind.POWER_LINE.value)
_WAY_ROUND_M = 100.0
"""How far from what it looks at, and from home, a flight may go on its way round things."""
_WIDEST_M = 400.0
"""No mast with its guys and no rotor reaches farther from its foot."""
_NAME = 40


class Area(NamedTuple):
    """Ground that a flight may be over, in metres of a frame."""

    frame: LocalFrame
    ground: BaseGeometry

    def away_m(self, *places: Enu) -> float:
        """Return how far a place, or the line over several, is from the area; level."""
        flat = [(place.east, place.north) for place in places]
        return float(self.ground.distance(Point(flat[0]) if len(flat) == 1 else LineString(flat)))


def area_of(inputs: PlanInputs | SurveyInputs) -> Area | None:
    """Return where the flights of a wish may be; None of an asset without a shape, which no pattern fits."""
    if isinstance(inputs, PlanInputs):
        frame, geometry = inputs.geometry.frame(), inputs.geometry
        reach_m = geometry.root_radius_m + geometry.blade_length_m + 2 * inputs.blades.standoff_m
        foot = Point(0.0, 0.0).buffer(min(reach_m, inputs.blades.fence_radius_m))
        return Area(frame, foot.union(_flat(frame, [inputs.home])).convex_hull)
    points = [*(places_of(inputs.geometry) if inputs.geometry else ()), *([inputs.home] if inputs.home else [])]
    if isinstance(inputs.params, GridParams):
        alt_m = points[-1].alt_m if points else 0.0
        corners = inputs.params.corners
        points = [GeoPoint(lat_deg=c.lat_deg, lon_deg=c.lon_deg, alt_m=alt_m) for c in corners] + points[-1:]
    if not points:
        return None
    frame = LocalFrame(points[0])
    if inputs.home is None and len(points) > 1:  # each flight takes off beside its stretch
        level = [frame.to_enu(point) for point in points]
        return Area(frame, LineString([(place.east, place.north) for place in level]).buffer(_WAY_ROUND_M))
    return Area(frame, _flat(frame, points).convex_hull.buffer(_WAY_ROUND_M))


def area_over(frame: LocalFrame, places: Sequence[Enu]) -> Area:
    """Return the ground below a path and every straight way between its places."""
    return Area(frame, MultiPoint([place[:2] for place in places]).convex_hull)


def _flat(frame: LocalFrame, points: Sequence[GeoPoint]) -> MultiPoint:
    return MultiPoint([frame.to_enu(point)[:2] for point in points])


def of_site(session: Session, site_id: str, *, but: str | None, area: Area | None = None) -> tuple[Solid, ...]:
    """Return the solid parts of a site's assets, within ``NEAR_M`` of an area.

    Args:
        session: Reads the site's assets.
        site_id: Whose.
        but: The asset that is flown. None where nobody says which: every asset then counts as it stands, not turning.
        area: None: the whole site.

    Raises:
        InvalidInput: There are more than a plan keeps.

    """
    query = select(Asset).where(Asset.site_id == site_id, Asset.kind.in_(_SOLID)).order_by(Asset.asset_id)
    found: list[Solid] = []
    for row in session.scalars(query):
        if row.asset_id == but or not row.geometry or _is_far(row, area):
            continue
        geometry = assets.geometry_of(row)
        frame, cones = _parts(geometry, area, turning=but is not None)
        named = (cone._replace(name=_named(row.name or row.asset_id, cone.name)) for cone in cones)
        found += bodies.solids_of(named, frame, Limits().clearance_m)
    if len(found) > MOST_NEIGHBOURS:
        raise InvalidInput(
            f"{len(found)} parts of other assets stand round the flight; {MOST_NEIGHBOURS} are kept.",
            hint="Fly a smaller stretch or area at a time.",
            field="params",
        )
    return tuple(found)


def _named(asset: str, part: str) -> str:
    return f"{asset[: max(0, _NAME - 1 - len(part))]} {part}"[:_NAME]


def _is_far(row: Asset, area: Area | None) -> bool:
    """Say so of what stands at one point without reading all of its geometry: a park has hundreds."""
    foot = row.geometry.get("foot")
    if area is None or not isinstance(foot, dict):
        return False
    return area.away_m(area.frame.to_enu(GeoPoint.model_validate(foot))) > NEAR_M + _WIDEST_M


def _parts(geometry: AnyGeometry | None, area: Area | None, *, turning: bool) -> tuple[LocalFrame, list[Cone]]:
    """Return the parts of an asset that are near the area, in a frame of its own."""
    match geometry:
        case PowerLine():
            frame = LocalFrame(geometry.towers[0].foot)
            return frame, list(_of_line(geometry, frame, area))
        case TurbineGeometry() if turning:
            frame, cones = geometry.frame(), swept(geometry)
        case TurbineGeometry() | TelecomTower():
            frame, cones = geometry.frame(), bodies.body_of(geometry).cones
        case _:
            return LocalFrame(GeoPoint(lat_deg=0.0, lon_deg=0.0, alt_m=0.0)), []
    return frame, [cone for cone in cones if area is None or _away_m(cone, frame, area) <= NEAR_M]


def _away_m(cone: Cone, frame: LocalFrame, area: Area) -> float:
    end = cone.start.plus(cone.axis, cone.length_m)
    ends = [area.frame.to_enu(frame.to_geo(place)) for place in (cone.start, end)]
    return area.away_m(*ends) - max(cone.start_radius_m, cone.end_radius_m)


def _of_line(line: PowerLine, frame: LocalFrame, area: Area | None) -> Iterator[Cone]:
    feet = [(area.frame if area else frame).to_enu(tower.foot) for tower in line.towers]
    spans = [
        number
        for number, ends in enumerate(pairwise(feet))
        if area is None or area.away_m(*ends) - line.half_width_m <= NEAR_M
    ]
    pieces = {number: conductor_pieces(line.span(number)) for number in spans}
    seen: set[str] = set()
    for number in spans:
        for cone in line_cones(line, pieces, range(number, number + 1), frame):
            if cone.name.startswith("span ") or cone.name not in seen:
                seen.add(cone.name)
                yield cone
