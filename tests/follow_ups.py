"""A critical finding as it comes in, and what must have come of it at the end: one ticket, one message, one summary."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from pydantic import SecretStr
from sqlalchemy import select

from cloud import consume
from cloud.backends.sap import SapOData
from cloud.composition import build_services
from cloud.services import Services
from cloud.settings import Settings
from cloud.tables import Finding, Notification, Summary, Ticket, TicketDecision, WorkflowRun
from contracts.events import BatchReady
from tests.factories import World
from tests.sap_server import PASSWORD, USER, SapServer
from tests.sightings import batch, detection


def wait_for(holds: Callable[[], bool], within_s: float = 60.0) -> None:
    """Wait until something holds."""
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end, "the condition never held"
        time.sleep(0.05)


@contextmanager
def on_sap(database_url: str, sap: SapServer) -> Iterator[Services]:
    """Compose the services as a program does, over an SAP."""
    services = build_services(
        Settings(database_url=SecretStr(database_url), sap_url=sap.url, sap_user=USER, sap_password=SecretStr(PASSWORD))
    )
    yield services
    services.database.close()
    assert isinstance(services.maintenance, SapOData)
    services.maintenance.close()


def fly(services: Services, length_mm: float = 600.0, functional_location: str = "KES-T-01") -> BatchReady:
    """Store a flight's segment whose batch shows one crack, and return vision's message about it."""
    with services.database.session() as session:
        world = World(session, datetime.now(UTC))
        world.site()
        asset = world.asset("T-01", 260.0, 0.0)
        asset.functional_location = functional_location
        flight = world.flight(asset, world.drone(), datetime.now(UTC), state="landed")
        segment = world.segment(flight, 0, datetime.now(UTC), state="queued")
    body = batch(segment.segment_id, detection("d1", segment=segment.segment_id, length_mm=length_mm))
    key = f"detections/{segment.segment_id}/x.json"
    services.objects.put(key, body.model_dump_json().encode(), "application/json")
    return BatchReady(segment_id=segment.segment_id, batch_key=key)


def arrive(services: Services, ready: BatchReady) -> str:
    """Handle vision's message and return the id of the one finding."""
    consume.on_detections(services, ready.model_dump_json())
    with services.database.session() as session:
        return session.scalars(select(Finding.finding_id)).one()


def runs(services: Services) -> list[WorkflowRun]:
    """Return all runs, oldest first."""
    with services.database.session() as session:
        return list(session.scalars(select(WorkflowRun).order_by(WorkflowRun.created_at)))


def ended(services: Services, name: str) -> bool:
    """Tell whether a run is over."""
    with services.database.session() as session:
        return session.get_one(WorkflowRun, name).ended_at is not None


def assert_all_once(services: Services, sap: SapServer, finding_id: str) -> str:
    """Return the one ticket's number; SAP and the database hold everything once."""
    held = sap.notifications(finding_id)
    with services.database.session() as session:
        ticket = session.scalars(select(Ticket)).one()
        assert ticket.finding_id == finding_id
        assert [n["MaintenanceNotification"] for n in held] == [ticket.number]
        assert session.scalars(select(Notification)).one().finding_id == finding_id
        summary = session.get_one(Summary, finding_id)
        assert 2 <= len(summary.sentences) <= 4
        return str(ticket.number)


def waiting(services: Services) -> list[TicketDecision]:
    """Return the questions that wait for a person."""
    with services.database.session() as session:
        return list(session.scalars(select(TicketDecision).where(TicketDecision.state == "waiting")))
