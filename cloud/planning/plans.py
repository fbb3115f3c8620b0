"""Plans: the inputs of a route in Postgres, the route itself in DynamoDB, made again when that table lost it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cloud import audit
from cloud.logbook import log
from cloud.planning import assets, neighbours, patterns, planner, rules, site_zones, tracks, verdicts
from cloud.planning.flying import TAKE_OFF_UP_M, Planned
from cloud.planning.pattern import DEFAULT_CAMERA, BladesParams, PlanInputs
from cloud.planning.rules import Limits, Surroundings
from cloud.planning.surveys import CorridorParams, LineTowersParams, RightOfWayParams, SurveyInputs
from cloud.planning.terrain import Terrain
from cloud.planning.verdicts import Check
from cloud.planning.wishes import Pattern, PlanRequest
from cloud.planning.zones import SiteZone
from cloud.services import Routes
from cloud.tables import Asset, Plan
from contracts.errors import Conflict, NotFound, Unavailable
from contracts.ids import mint
from contracts.routes import Route

IMPORTED = "imported"
"""The pattern of a plan that another program made; its route stands in its parameters."""


def plan(session: Session, plan_id: str, version: int) -> Plan:
    """Return a plan version; NotFound when there is none."""
    row = session.get(Plan, (plan_id, version))
    if row is None:
        raise NotFound(f"No plan {plan_id!r} version {version}.", hint="List plans with GET /v1/plans.")
    return row


def create(
    session: Session, routes: Routes, wanted: PlanRequest, by: str, terrain: Terrain | None = None
) -> list[Plan]:
    """Plan the flights of a wish, check them, store them. A known ``plan_id`` gets its next version.

    One row for each battery-sized flight; the first has the plan's id, the others that id with ``-p02`` and so on.

    Raises:
        NotFound: No such asset, drone or plan.
        InvalidInput: The pattern does not fit the asset, or the parameters do not; the field is named.

    """
    plan_id, version = wanted.plan_id or mint("pln"), next_version(session, wanted.plan_id)
    inputs, zones, planned = _sketched(session, wanted, plan_id, version)
    rows = []
    for part, flight in enumerate(planned, start=1):
        row = _row(flight, inputs.model_copy(update={"part": part}), _Part(plan_id, part, len(planned)), by)
        row.checks = [one.model_dump(mode="json") for one in _judged(flight, zones, terrain)]
        rows.append(row)
    shelve(session, routes, rows, [flight.route for flight in planned], by)
    return rows


def shelve(session: Session, routes: Routes, rows: Sequence[Plan], made: Sequence[Route], by: str) -> None:
    """Store plans and their routes."""
    session.add_all(rows)
    session.flush()
    for row, route in zip(rows, made, strict=True):
        session.refresh(row)
        name = f"{row.plan_id}/{row.version}"
        audit.record(session, by, "plan.create", name, after={"content_hash": row.content_hash})
        _keep(routes, route)


def sketch(session: Session, wanted: PlanRequest, terrain: Terrain | None = None) -> list[Planned]:
    """Return the flights of a wish with every check, and store nothing: what an operator sees while choosing.

    Raises:
        NotFound: No such asset or drone.
        InvalidInput: As ``create``.

    """
    _, zones, planned = _sketched(session, wanted, "pln-sketch", 1)
    return [flight._replace(checks=tuple(_judged(flight, zones, terrain))) for flight in planned]


def _sketched(
    session: Session, wanted: PlanRequest, plan_id: str, version: int
) -> tuple[PlanInputs | SurveyInputs, tuple[SiteZone, ...], list[Planned]]:
    asset = assets.asset(session, wanted.asset_id)
    zones = site_zones.of_site(session, asset.site_id)
    inputs = _inputs(session, asset, wanted, zones)
    solids = neighbours.of_site(session, asset.site_id, but=asset.asset_id, area=neighbours.area_of(inputs))
    inputs = inputs.model_copy(update={"neighbours": solids})
    return inputs, zones, _made(inputs, plan_id, version)


def _inputs(
    session: Session, asset: Asset, wanted: PlanRequest, zones: tuple[SiteZone, ...]
) -> PlanInputs | SurveyInputs:
    camera = assets.camera_on_site(session, asset.site_id, wanted.drone_id) or DEFAULT_CAMERA
    at_site = assets.home_of(assets.site(session, asset.site_id))
    enforced = site_zones.for_the_drone(zones)
    if isinstance(wanted.params, BladesParams):
        return PlanInputs(
            asset_id=wanted.asset_id,
            geometry=assets.turbine(asset),
            home=wanted.home or at_site,
            camera=camera,
            blades=wanted.params,
            zones=enforced,
        )
    beside = isinstance(wanted.params, CorridorParams | LineTowersParams | RightOfWayParams)
    return SurveyInputs(
        asset_id=wanted.asset_id,
        geometry=assets.geometry_of(asset),
        home=wanted.home or (None if beside else at_site),
        camera=camera,
        params=wanted.params,
        zones=enforced,
    )


def _made(inputs: PlanInputs | SurveyInputs, plan_id: str, version: int) -> list[Planned]:
    """Return every flight of a wish."""

    def name(part: int) -> tuple[str, int]:
        return plan_id if part == 1 else f"{plan_id}-p{part:02d}", version

    return planner.flights(inputs, name) if isinstance(inputs, PlanInputs) else patterns.flights(inputs, name)


class _Part(NamedTuple):
    series_id: str
    part: int
    parts: int


def _row(flight: Planned, inputs: PlanInputs | SurveyInputs, of: _Part, by: str) -> Plan:
    return Plan(
        plan_id=flight.route.plan_id,
        version=flight.route.version,
        asset_id=inputs.asset_id,
        pattern=flight.route.pattern,
        params=inputs.model_dump(mode="json"),
        content_hash=flight.route.content_hash(),
        checks=[],
        estimates=flight.estimates.model_dump(mode="json"),
        series_id=of.series_id if of.parts > 1 else None,
        part=of.part,
        parts=of.parts,
        stretch=flight.stretch.model_dump(mode="json") if flight.stretch else None,
        created_by=by,
    )


def _judged(flight: Planned, zones: tuple[SiteZone, ...], terrain: Terrain | None) -> list[Check]:
    """Return the planner's checks together with those of the site's zones and ground, the graver of each name."""
    if not zones and terrain is None:
        return list(flight.checks)
    limits = Limits(max_alt_rel_m=flight.route.fence.max_alt_rel_m)
    around = Surroundings(zones=zones, terrain=terrain, limits=limits)
    return verdicts.graver(flight.checks, rules.judge(tracks.of_route(flight.route, TAKE_OFF_UP_M), around))


def series(session: Session, row: Plan) -> list[Plan]:
    """Return every part of the wish a plan belongs to."""
    if row.series_id is None:
        return [row]
    query = select(Plan).where(Plan.series_id == row.series_id, Plan.version == row.version).order_by(Plan.part)
    return list(session.scalars(query))


def next_version(session: Session, plan_id: str | None) -> int:
    """Return the version that a plan gets next, 1 for a new plan; NotFound when there is no such plan."""
    if plan_id is None:
        return 1
    newest = session.scalar(select(func.max(Plan.version)).where(Plan.plan_id == plan_id))
    if newest is None:
        raise NotFound(f"No plan {plan_id!r}.", hint="Leave plan_id out to make a new plan.", field="plan_id")
    return newest + 1


def _keep(routes: Routes, route: Route) -> None:
    try:
        routes.put(route)
    except Unavailable as error:
        log("route_not_stored", plan_id=route.plan_id, version=route.version, reason=str(error))


def route(session: Session, routes: Routes, plan_id: str, version: int) -> Route:
    """Return the route of a plan version, from the table or made again from the plan.

    Raises:
        NotFound: No such plan version.
        Conflict: The route made again is not the one that was planned (the planner has changed since).

    """
    row = plan(session, plan_id, version)
    try:
        stored = routes.get(plan_id, version)
    except Unavailable as error:
        log("routes_table_unavailable", plan_id=plan_id, reason=str(error))
        stored = None
    if stored is not None and stored.content_hash() == row.content_hash:
        return stored
    made = _again(row)
    if made.content_hash() != row.content_hash:
        raise Conflict(f"The planner makes another route of {plan_id} now.", hint="Plan it again and approve that.")
    _keep(routes, made)
    return made


def _again(row: Plan) -> Route:
    if row.pattern == IMPORTED:
        return Route.model_validate(row.params["route"])
    kind = PlanInputs if row.pattern == Pattern.BLADES.value else SurveyInputs
    inputs = kind.model_validate(row.params)
    return _made(inputs, row.series_id or row.plan_id, row.version)[row.part - 1].route
