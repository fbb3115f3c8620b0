"""A power line that was flown along: a track with a silence in it, spans seen in part, a report that has changed."""

from __future__ import annotations

from datetime import datetime, timedelta

from cloud.history.identity import link_asset
from cloud.parts_seen import SEEN_SHARE
from cloud.planning import plans
from cloud.planning.wishes import Pattern, PlanRequest
from cloud.reporting import facts, signed
from cloud.tables import Asset, Drone, Finding, Flight, PartCoverage
from contracts.geo import Enu, LocalFrame
from contracts.parts import parts_of, towers_of
from contracts.places import SpanPlace
from contracts.powerline import LineTower, PowerLine
from contracts.vocabulary import DefectKind
from tests.factories import HOME, World

ASSET, FLIGHT = "line-220", "flt-line-flown"
_MINUTES = 7
_UNSEEN = {"span-0000": range(11, 17), "span-0002": range(4)}
_UNSEEN_SINCE = {"span-0003": range(20, 25)}
"""Cells of ten metres, when the report was fetched and after a segment was looked at again."""


def fill(world: World) -> None:
    """Have a line flown two days ago; Ada has fetched the report since, and less is seen now than it says."""
    session, started = world.session, world.now - timedelta(days=2, hours=1)
    frame = LocalFrame(HOME)
    feet = [frame.to_geo(Enu(-900.0 + 280 * n, -620.0 + 40 * (n % 2), 0.0)) for n in range(5)]
    line = PowerLine(towers=tuple(LineTower(name=f"N{n}", foot=foot) for n, foot in enumerate(feet)))
    world.add(
        Asset(
            asset_id=ASSET, site_id="nordmarsch", kind="power_line", name="Line 220", functional_location="NM-LINE-220",
            external_id=None, geometry=line.model_dump(mode="json"),
        )
    )  # fmt: skip
    world.geometries[ASSET] = world.geometries["t-01"]
    plan = plans.create(session, world.routes, PlanRequest(asset_id=ASSET, pattern=Pattern.CORRIDOR), "operator")[0]
    flight = world.add(
        Flight(
            flight_id=FLIGHT, asset_id=ASSET, drone_id="merlin-1", plan_id=plan.plan_id, plan_version=plan.version,
            route_hash=plan.content_hash, state="complete", created_by="operator", created_at=started,
            approved_by="operator", approved_at=started, started_at=started,
            landed_at=started + timedelta(minutes=_MINUTES), completed_at=started + timedelta(minutes=_MINUTES),
        )
    )  # fmt: skip
    flight.waypoint = len(world.routes.stored[plan.plan_id, plan.version].waypoints) - 1
    world.fly(flight, gap=(0.55, 0.6))
    world.command(flight, "take_off", session.get_one(Drone, "merlin-1").command_seq + 1, started)
    _see(world, line)
    _find(world, flight, line, started)
    link_asset(session, ASSET)
    signed.keep(session, facts.gather(session, FLIGHT), "ada", "en")
    for part, cells in _UNSEEN_SINCE.items():
        for cell in cells:
            session.get_one(PartCoverage, (FLIGHT, part, cell)).seen_share = 0.1
    session.flush()


def _see(world: World, line: PowerLine) -> None:
    for part in parts_of(line):
        for cell in part.cells:
            share = 0.2 if cell in _UNSEEN.get(part.part, ()) else SEEN_SHARE + 0.1
            told = {"best_gsd_mm_px": 2.1, "best_incidence_deg": 20.0, "best_sharpness": 300.0}
            world.session.add(PartCoverage(flight_id=FLIGHT, part=part.part, cell=cell, seen_share=share, **told))
    _see_a_tower(world, line)
    world.session.flush()


def _see_a_tower(world: World, line: PowerLine) -> None:
    """See three sides of tower N1 up to 24 m, one of them to its top, and its strings; of the others nothing."""
    top = {"face-0": 24, "face-1": 32, "face-3": 24, "string-0": 99, "string-1": 99, "string-2": 99}
    for part in towers_of(line, [1]):
        for cell in part.cells:
            if part.stretch(cell, cell + 1)[1] <= top.get(part.part.removeprefix("tower-0001-"), 0):
                told = {"best_gsd_mm_px": 3.1, "best_incidence_deg": 25.0, "best_sharpness": 300.0}
                world.session.add(PartCoverage(flight_id=FLIGHT, part=part.part, cell=cell, seen_share=1.0, **told))


def _find(world: World, flight: Flight, line: PowerLine, started: datetime) -> None:
    segments = [world.segment(flight, n, started + timedelta(seconds=15 + 12 * n)) for n in range(32)]
    flight.expected_segments = len(segments)
    for segment in segments:
        segment.counts_towers = True
    towers, chainages = [tower.name for tower in line.towers], line.chainages_m()
    for kind, span, distance_m, rank, second in (
        (DefectKind.DAMAGE, 1, 64.0, 4, 160),
        (DefectKind.CORROSION, 3, 120.0, 2, 330),
    ):
        at = started + timedelta(seconds=second)
        found = world.finding(
            flight, kind, blade=None, side=None, root_m=None, rank=rank, at=at, reviewed_by="ada", status="confirmed"
        )
        place = SpanPlace(
            span=span, from_tower=towers[span], to_tower=towers[span + 1], conductor=0, offset_m=4.0,
            distance_m=distance_m, chainage_m=chainages[span] + distance_m,
        )  # fmt: skip
        _put(found, line, place)
        world.evidence(found, segments[(second - 15) // 12], frame=30)


def _put(found: Finding, line: PowerLine, place: SpanPlace) -> None:
    from_m = line.chainages_m()[place.span]
    share = (place.chainage_m - from_m) / (line.chainages_m()[place.span + 1] - from_m)
    one, other = (line.towers[n].foot for n in (place.span, place.span + 1))
    found.place = place.model_dump(mode="json")
    found.lat_deg = one.lat_deg + share * (other.lat_deg - one.lat_deg)
    found.lon_deg = one.lon_deg + share * (other.lon_deg - one.lon_deg)
    found.alt_m = one.alt_m + 18.0
