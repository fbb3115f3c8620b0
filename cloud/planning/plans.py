"""Plans: the inputs of a route in Postgres, the route itself in DynamoDB, made again when that table lost it."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cloud import audit
from cloud.logbook import log
from cloud.planning import assets, planner
from cloud.planning.pattern import DEFAULT_CAMERA, PlanInputs, PlanRequest
from cloud.services import Routes
from cloud.tables import Plan
from contracts.errors import Conflict, NotFound, Unavailable
from contracts.ids import mint
from contracts.routes import Route


def plan(session: Session, plan_id: str, version: int) -> Plan:
    """Return a plan version; NotFound when there is none."""
    row = session.get(Plan, (plan_id, version))
    if row is None:
        raise NotFound(f"No plan {plan_id!r} version {version}.", hint="List plans with GET /v1/plans.")
    return row


def create(session: Session, routes: Routes, wanted: PlanRequest, by: str) -> Plan:
    """Plan a route round an asset's blades, check it, store it. A known ``plan_id`` gets its next version.

    Raises:
        NotFound: No such asset, drone or plan.
        InvalidInput: The asset is no wind turbine, or the parameters do not fit it; the field is named.

    """
    asset = assets.asset(session, wanted.asset_id)
    camera = assets.camera_on_site(session, asset.site_id, wanted.drone_id)
    inputs = PlanInputs(
        asset_id=wanted.asset_id,
        geometry=assets.turbine(asset),
        home=wanted.home or assets.home_of(assets.site(session, asset.site_id)),
        camera=camera or DEFAULT_CAMERA,
        blades=wanted.params,
    )
    version = _next_version(session, wanted.plan_id)
    planned = planner.plan(inputs, wanted.plan_id or mint("pln"), version)
    row = Plan(
        plan_id=planned.route.plan_id,
        version=version,
        asset_id=wanted.asset_id,
        pattern=planned.route.pattern,
        params=inputs.model_dump(mode="json"),
        content_hash=planned.route.content_hash(),
        checks=[check.model_dump(mode="json") for check in planned.checks],
        estimates=planned.estimates.model_dump(mode="json"),
        created_by=by,
    )
    session.add(row)
    session.flush()
    session.refresh(row)
    audit.record(session, by, "plan.create", f"{row.plan_id}/{version}", after={"content_hash": row.content_hash})
    _keep(routes, planned.route)
    return row


def _next_version(session: Session, plan_id: str | None) -> int:
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
    made = planner.plan(PlanInputs.model_validate(row.params), plan_id, version).route
    if made.content_hash() != row.content_hash:
        raise Conflict(f"The planner makes another route of {plan_id} now.", hint="Plan it again and approve that.")
    _keep(routes, made)
    return made
