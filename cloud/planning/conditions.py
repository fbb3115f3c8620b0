"""Go or no-go at a time, with a drone: daylight, its other flights, its health, battery, storage, wind, camera."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from astral import Observer
from astral.sun import elevation
from pydantic import Field, StrictFloat, StrictInt
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud import flights
from cloud.moments import Moment
from cloud.planning import verdicts
from cloud.planning.estimates import Estimates
from cloud.planning.verdicts import Check, Row, Verdict, grade, holds
from cloud.tables import Asset, Drone, Flight, Plan, Site, Telemetry
from contracts.errors import NotFound
from contracts.geo import Frozen
from contracts.health import Health
from contracts.routes import Route
from contracts.vocabulary import FlightState

_CIVIL_TWILIGHT_DEG = -6.0
_SUNRISE_DEG = -0.833
"""The sun's centre when its upper edge touches the horizon, refraction included."""
_RESERVE_PERCENT, _WARN_RESERVE_PERCENT = 30.0, 40.0
_WIND_WARN_MPS, _WIND_BLOCK_MPS = 8.0, 12.0
_FRESH = timedelta(minutes=2)
_TURNAROUND = timedelta(minutes=10)
_LIVE = (FlightState.PLANNED, FlightState.APPROVED, FlightState.FLYING, FlightState.PAUSED, FlightState.RETURNING)


class Conditions(Frozen):
    """When, with which drone, and what is known of that day; what is left out is taken from telemetry or unchecked."""

    drone_id: str = Field(max_length=63, examples=["kite-01"])
    start_at: Moment
    wind_mps: StrictFloat | None = Field(default=None, ge=0, le=60, description="forecast for the time of the flight")
    battery_percent: StrictFloat | None = Field(default=None, ge=0, le=100, description="default: as last reported")
    storage_free_bytes: StrictInt | None = Field(
        default=None, ge=0, description="default: as its computer last reported"
    )


def judge(session: Session, route: Route, figures: Estimates, when: Conditions) -> list[Check]:
    """Return the checks of a route at a time.

    Raises:
        NotFound: No such drone.

    """
    drone = session.get(Drone, when.drone_id)
    if drone is None:
        raise NotFound(f"No drone {when.drone_id!r} is registered.", hint="Register it with POST /v1/drones.")
    read = Health.model_validate(drone.health) if drone.health else None
    last = session.scalars(
        select(Telemetry).where(Telemetry.drone_id == drone.drone_id).order_by(Telemetry.captured_at.desc()).limit(1)
    ).first()
    found = [
        daylight(route.home.lat_deg, route.home.lon_deg, when.start_at, timedelta(seconds=figures.duration_s)),
        _schedule(session, when, timedelta(seconds=figures.duration_s)),
        _health(drone, read),
    ]
    charge = when.battery_percent if when.battery_percent is not None else last.battery_percent if last else None
    if charge is not None:
        found.append(battery(charge, figures))
    elif last is not None:
        found.append(charge_unknown(last.captured_at))
    free = when.storage_free_bytes if when.storage_free_bytes is not None else read.storage_free_bytes if read else None
    if free is not None:
        found.append(storage(free, figures))
    if when.wind_mps is not None:
        found.append(wind(when.wind_mps))
    return found


def of_flight(session: Session, flight_id: str) -> list[Check]:
    """Return what a flight is approved by: its plan's checks, and while it is planned for an hour, those of that hour.

    Raises:
        NotFound: No such flight.

    """
    flight = flights.flight(session, flight_id)
    plan = session.get_one(Plan, (flight.plan_id, flight.plan_version))
    of_plan = [Check.model_validate(check) for check in plan.checks]
    return verdicts.graver(of_plan, _at_its_hour(session, flight, plan))


def _at_its_hour(session: Session, flight: Flight, plan: Plan) -> list[Check]:
    if flight.due_at is None or flight.state != FlightState.PLANNED.value:
        return []
    lasts = timedelta(seconds=float(plan.estimates.get("duration_s", 0.0)))
    site = session.get_one(Site, session.get_one(Asset, plan.asset_id).site_id)
    when = Conditions(drone_id=flight.drone_id, start_at=flight.due_at)
    return [
        daylight(site.home_lat_deg, site.home_lon_deg, flight.due_at, lasts),
        _schedule(session, when, lasts, but=flight.flight_id),
    ]


def daylight(lat_deg: float, lon_deg: float, start_at: datetime, duration: timedelta) -> Check:
    """Say how high the sun stands at the darker end of the flight: below the horizon warns, after dusk blocks."""
    observer = Observer(latitude=lat_deg, longitude=lon_deg)
    ends = (start_at.astimezone(UTC), (start_at + duration).astimezone(UTC))
    lowest, at = min((elevation(observer, end, with_refraction=False), end) for end in ends)
    row = Row(
        "daylight", lowest, _CIVIL_TWILIGHT_DEG, "deg",
        f"At {at:%H:%M} UTC the sun stands {{value:.1f}} degrees above the horizon; civil twilight ends at"
        " {limit:.0f}.",
        "Fly between sunrise and sunset.",
    )  # fmt: skip
    return row.decided(grade(-lowest, -_SUNRISE_DEG, -_CIVIL_TWILIGHT_DEG))


def _schedule(session: Session, when: Conditions, duration: timedelta, but: str | None = None) -> Check:
    start, end = when.start_at - _TURNAROUND, when.start_at + duration + _TURNAROUND
    query = (
        select(Flight, Plan)
        .join(Plan, (Plan.plan_id == Flight.plan_id) & (Plan.version == Flight.plan_version))
        .where(Flight.drone_id == when.drone_id, Flight.state.in_([state.value for state in _LIVE]))
    )
    for flight, plan in session.execute(query):
        begins = flight.started_at or flight.due_at
        if begins is None or flight.flight_id == but:
            continue
        ends = begins + timedelta(seconds=float(plan.estimates.get("duration_s", 0.0)))
        if begins < end and ends > start:
            return Check(
                name="schedule",
                verdict=Verdict.BLOCK,
                sentence=f"The drone flies {flight.flight_id} from {begins:%H:%M} to {ends:%H:%M} UTC; ten minutes are"
                " kept between flights.",
                mend="Choose another time or another drone.",
            )
    return Check(name="schedule", verdict=Verdict.PASS, sentence="The drone has no other flight at that time.")


def _health(drone: Drone, read: Health | None) -> Check:
    now = datetime.now(UTC)
    if read is not None and (complaints := read.complaints()):
        return Check(
            name="drone_health",
            verdict=Verdict.WARN,
            sentence=f"The computer of {drone.drone_id} reports: {' '.join(complaints)}",
            mend="Mend that first; the reading is renewed every minute while the drone is online.",
        )
    if drone.online and drone.last_seen_at is not None and now - drone.last_seen_at <= _FRESH:
        return Check(name="drone_health", verdict=Verdict.PASS, sentence="The drone is online and reports.")
    at = drone.last_seen_at
    seen = f"was last heard of at {at:%Y-%m-%d %H:%M} UTC" if at else "was never heard of"
    return Check(
        name="drone_health",
        verdict=Verdict.WARN,
        sentence=f"The drone {drone.drone_id} {seen}.",
        mend="Switch it on and wait until it reports before you approve the flight.",
    )


def battery(charge_percent: float, figures: Estimates) -> Check:
    """Say what the flight leaves of the charge there is."""
    left = charge_percent - figures.battery_percent
    row = Row(
        "battery", left, _RESERVE_PERCENT, "%",
        f"The battery holds {charge_percent:.0f} % and the flight takes {figures.battery_percent:.0f} %:"
        " {value:.0f} % are left, {limit:.0f} % must be.",
        "Charge it, or plan a shorter flight.",
    )  # fmt: skip
    return row.decided(grade(-left, -_WARN_RESERVE_PERCENT, -_RESERVE_PERCENT))


def charge_unknown(at: datetime) -> Check:
    """Say that nobody knows what the battery holds: its drone was heard of, and told no charge."""
    return Check(
        name="battery",
        verdict=Verdict.WARN,
        sentence=f"What charge the battery holds is not known: the autopilot told none at {at:%Y-%m-%d %H:%M} UTC.",
        mend="Measure the battery, and judge the flight with the charge it holds.",
    )


def storage(free_bytes: int, figures: Estimates) -> Check:
    """Say whether the recording fits on the aircraft."""
    row = Row(
        "storage", figures.storage_bytes / 1e9, free_bytes / 1e9, "GB",
        "The recording takes {value:.1f} GB; {limit:.1f} GB are free.",
        "Upload and free what the aircraft still holds.",
    )  # fmt: skip
    return row.decided(holds(figures.storage_bytes <= free_bytes))


def wind(forecast_mps: float) -> Check:
    """Say whether the wind allows the flight."""
    sentence = "The forecast wind is {value:.1f} m/s; the limit is {limit:.0f} m/s."
    row = Row("wind", forecast_mps, _WIND_BLOCK_MPS, "m/s", sentence, "Wait for less wind.")
    return row.decided(grade(forecast_mps, _WIND_WARN_MPS, _WIND_BLOCK_MPS))
