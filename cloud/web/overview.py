"""The whole operations page: one flight, its findings, tickets, coverage and time axis."""

from __future__ import annotations

from typing import NamedTuple

from pydantic import BaseModel, Field
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cloud.language import _
from cloud.reporting import blades
from cloud.reporting.blades import Schematic
from cloud.services import Routes
from cloud.tables import Asset, Drone, Finding, Flight, Site
from cloud.telemetry_store.past import Shelf
from cloud.web import finding_view, flight_view, mapping, schematic, timeline
from cloud.web.finding_view import Card, Cards
from cloud.web.flight_view import FlightView
from cloud.web.schematic import Strips
from cloud.web.timeline import Timeline
from contracts.errors import NotFound

MAX_FLIGHTS = 12


class Overview(NamedTuple):
    """What the page shows. Without any flight ``flight`` is None and the page says how to start."""

    site_name: str
    flight: FlightView | None
    flights: tuple[tuple[Flight, str], ...]
    stretches: dict[str, str]
    """Of those flights that are for a part of their asset, which."""
    assets: tuple[Asset, ...]
    drones: tuple[Drone, ...]
    cards: Cards
    tickets: tuple[Card, ...]
    timeline: Timeline | None
    schematic: Schematic | None
    strips: Strips | None
    open_finding: str | None


class Shown(BaseModel):
    """What the address asks for."""

    flight: str | None = Field(default=None, max_length=80)
    finding: str | None = Field(default=None, max_length=80)
    asset: str | None = Field(default=None, max_length=80)
    rank: int | None = Field(default=None, ge=1, le=5)


def build(session: Session, routes: Routes, shelf: Shelf, asked: Shown) -> Overview:
    """Return the page's content; a finding in the address brings its own flight.

    Raises:
        NotFound: The flight or finding in the address does not exist.

    """
    flight_id = asked.flight
    if asked.finding is not None:
        flight_id = session.scalar(select(Finding.flight_id).where(Finding.finding_id == asked.finding))
        if flight_id is None:
            raise NotFound(f"There is no finding {asked.finding!r}.")
    flight = flight_view.current(session, flight_id, asked.asset)
    if flight_id is not None and flight is None:
        raise NotFound(f"There is no flight {flight_id!r}.")
    route = mapping.route_of(session, routes, flight)
    site_id = session.get_one(Asset, flight.asset_id).site_id if flight else None
    site = session.get(Site, site_id) if site_id else session.scalars(select(Site).order_by(Site.name).limit(1)).first()
    shown = flight.flight_id if flight else None
    latest = _flights(session)
    return Overview(
        site_name=site.name if site else _("No site yet"),
        flight=flight_view.build(session, flight, route) if flight else None,
        flights=latest,
        stretches=flight_view.stretches(session, [one.flight_id for one, _name in latest]),
        assets=tuple(session.scalars(select(Asset).order_by(Asset.name).limit(mapping.MAX_ASSETS))),
        drones=tuple(session.scalars(select(Drone).order_by(Drone.name).limit(mapping.MAX_ASSETS))),
        cards=finding_view.cards(session, shown, asked.rank),
        tickets=finding_view.tickets(session, shown),
        timeline=timeline.build(session, shelf, flight, route) if flight else None,
        schematic=blades.build(session, flight) if flight else None,
        strips=schematic.of_flight(session, flight) if flight else None,
        open_finding=asked.finding,
    )


def _flights(session: Session) -> tuple[tuple[Flight, str], ...]:
    when = func.coalesce(Flight.started_at, Flight.created_at)
    statement = select(Flight, Asset.name).join(Asset, Asset.asset_id == Flight.asset_id)
    return tuple((f, name) for f, name in session.execute(statement.order_by(when.desc()).limit(MAX_FLIGHTS)))
