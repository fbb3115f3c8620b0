"""A notification's life after it was opened: closed, opened again, cancelled or gone in the customer's system."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from cloud import executions, outages, ticket_life
from cloud.reconcile import Reconciler
from cloud.services import Services
from cloud.tables import Audit, Finding, Ticket, WorkflowRun
from contracts.errors import SapUnavailable
from contracts.vocabulary import DefectKind
from tests import platform
from tests.clean_database import empty
from tests.factories import World
from tests.stand_ins import MemorySap

NOW = datetime.now(UTC)
CLOSED = {"status": "closed", "phase": "Completed", "order": "4000001", "completed_at": NOW}
OPEN_AGAIN = {"status": "open", "phase": "In process", "order": "4000001"}


@pytest.fixture(scope="module")
def built(database_url: str) -> Iterator[Services]:
    services = platform.build(database_url)
    yield services
    services.database.close()


@pytest.fixture
def services(built: Services) -> Services:
    empty(built.database)
    return built


class Notification:
    """A finding with its ticket, and the SAP that holds it."""

    def __init__(self, services: Services, statuses: tuple[str, ...] = ("open",)) -> None:
        self.services, self.sap = services, MemorySap()
        with services.database.session() as session:
            world = World(session, NOW)
            world.site()
            flight = world.flight(world.asset("T-01", 260.0, 0.0), world.drone(), NOW)
            found = [world.finding(flight, DefectKind.CRACK, rank=5, at=NOW, status=status) for status in statuses]
            for finding in found:
                finding.link_group = found[0].finding_id
            self.findings = [finding.finding_id for finding in found]
            self.ticket_id = world.ticket(found[0], number="10000001").ticket_id
            session.get_one(Ticket, self.ticket_id).system = "sap"
        self.sap.held[self.findings[0]] = None  # type: ignore[assignment]

    def becomes(self, **change: Any) -> str | None:
        """Let people change it in SAP, and read it back."""
        self.sap.changed["10000001"] = change
        with self.services.database.session() as session:
            return ticket_life.read_back(session, self.sap, self.ticket_id)

    def statuses(self) -> list[str]:
        with self.services.database.session() as session:
            return [session.get_one(Finding, finding_id).status for finding_id in self.findings]

    def ticket(self) -> Ticket:
        with self.services.database.session() as session:
            return session.get_one(Ticket, self.ticket_id)


def test_closed_in_sap_is_repaired_here_and_opened_again_is_as_it_was(services: Services) -> None:
    it = Notification(services, ("confirmed", "open", "rejected"))
    assert it.becomes(**CLOSED) == "closed"
    assert it.statuses() == ["repaired", "repaired", "rejected"]
    assert (it.ticket().status, it.ticket().phase, it.ticket().order_number) == ("closed", "Completed", "4000001")
    assert it.becomes(**CLOSED) is None
    assert it.becomes(**OPEN_AGAIN) == "reopened"
    assert it.statuses() == ["confirmed", "open", "rejected"]
    assert it.ticket().completed_at is None
    with services.database.session() as session:
        actions = session.scalars(select(Audit.action).where(Audit.object == it.findings[0]).order_by(Audit.id)).all()
    assert actions == ["ticket.close", "ticket.reopen"]


def test_what_was_seen_after_its_completion_is_not_repaired(services: Services) -> None:
    it = Notification(services, ("open", "open"))
    with services.database.session() as session:
        session.get_one(Finding, it.findings[1]).detected_at = NOW + timedelta(days=2)
    it.becomes(**CLOSED)
    assert it.statuses() == ["repaired", "open"]


def test_a_deletion_flag_closes_the_ticket_and_leaves_the_finding_open(services: Services) -> None:
    it = Notification(services)
    assert it.becomes(status="cancelled", phase="Deletion Flag") == "cancelled"
    assert (it.ticket().status, it.statuses()) == ("cancelled", ["open"])


def test_a_notification_that_is_gone_is_said_to_be_missing_and_may_come_back(services: Services) -> None:
    it = Notification(services)
    it.sap.held.clear()
    assert it.becomes() == "missing"
    assert it.becomes() is None
    it.sap.held[it.findings[0]] = None  # type: ignore[assignment]
    assert it.becomes(phase="Outstanding") == "open"


def test_progress_without_an_end_is_shown(services: Services) -> None:
    it = Notification(services)
    assert it.becomes(phase="In process", order="4000001") == "changed"
    assert (it.ticket().phase, it.ticket().order_number, it.ticket().status) == ("In process", "4000001", "open")


@pytest.mark.parametrize(
    ("status", "checked_ago", "completed_ago", "is_due"),
    [
        ("open", None, None, True),
        ("open", timedelta(minutes=4), None, False),
        ("open", timedelta(minutes=6), None, True),
        ("closed", timedelta(hours=2), timedelta(days=1), False),
        ("closed", timedelta(hours=25), timedelta(days=1), True),
        ("closed", timedelta(days=30), timedelta(days=91), False),
    ],
)
def test_open_ones_are_read_often_closed_ones_rarely_old_ones_not_at_all(
    services: Services,
    status: str,
    checked_ago: timedelta | None,
    completed_ago: timedelta | None,
    is_due: bool,
) -> None:
    it = Notification(services)
    with services.database.session() as session:
        ticket = session.get_one(Ticket, it.ticket_id)
        ticket.status = status
        ticket.checked_at = NOW - checked_ago if checked_ago else None
        ticket.completed_at = NOW - completed_ago if completed_ago else None
    with services.database.session() as session:
        assert (len(ticket_life.due(session, "sap", timedelta(minutes=5), NOW)) == 1) is is_due


class SilentSap(MemorySap):
    """An SAP that is down, and counts who asks."""

    def read(self, number: str) -> None:
        self.calls["read"] += 1
        raise SapUnavailable("Down.")

    def find(self, reference: str) -> None:
        self.calls["find"] += 1
        raise SapUnavailable("Down.")


def outage(services: Services, findings: int, ended_ago: timedelta = timedelta(hours=1)) -> list[str]:
    """Store runs that an outage ended."""
    with services.database.session() as session:
        world = World(session, NOW)
        world.site()
        flight = world.flight(world.asset("T-01", 260.0, 0.0), world.drone(), NOW)
        names = []
        for _ in range(findings):
            run = world.run(world.finding(flight, DefectKind.CRACK, rank=5, at=NOW), "failed", "ticket: SapUnavailable")
            run.ended_at, run.outage = NOW - ended_ago, "maintenance"
            names.append(run.execution_name)
        return names


def runs(services: Services, state: str) -> int:
    with services.database.session() as session:
        return len(session.scalars(select(WorkflowRun).where(WorkflowRun.state == state)).all())


def test_while_sap_is_silent_it_is_asked_once_a_pass_and_nothing_is_resumed(services: Services) -> None:
    outage(services, 12)
    sap = SilentSap()
    with pytest.raises(SapUnavailable), services.database.session() as session:
        outages.resume(session, sap, NOW)
    assert (sap.calls["find"], runs(services, "wanted"), runs(services, "failed")) == (1, 0, 12)


def test_when_sap_is_back_runs_are_resumed_a_few_at_a_time_each_once(services: Services) -> None:
    outage(services, 12)
    resumed = []
    for _ in range(3):
        with services.database.session() as session:
            resumed.append(outages.resume(session, MemorySap(), NOW))
    assert (resumed, runs(services, "wanted")) == ([10, 2, 0], 12)


def test_what_people_resumed_and_what_a_person_must_mend_is_left_alone(services: Services) -> None:
    by_person, refused = outage(services, 2)
    with services.database.session() as session:
        executions.resume(session, by_person, by="ada")
        session.get_one(WorkflowRun, refused).outage = ""
    with services.database.session() as session:
        assert outages.resume(session, MemorySap(), NOW) == 0


def test_an_inspection_that_an_outage_ended_is_resumed_without_asking_sap(services: Services) -> None:
    with services.database.session() as session:
        executions.want_for(session, "flt-1", "kestrel-inspection")
        executions.fail(session, "flt-1", "segment: StillAnalysing", "", outage="platform")
        session.get_one(WorkflowRun, "flt-1").ended_at = NOW - timedelta(hours=1)
    sap = SilentSap()
    for resumed in (1, 0):
        with services.database.session() as session:
            assert outages.resume(session, sap, NOW) == resumed
    assert (sap.calls["find"], runs(services, "wanted")) == (0, 1)


def test_a_run_that_has_just_failed_rests_first(services: Services) -> None:
    outage(services, 1, timedelta(seconds=5))
    with services.database.session() as session:
        assert outages.resume(session, MemorySap(), NOW) == 0


def test_a_silent_sap_does_not_fail_the_reconciler(services: Services) -> None:
    outage(services, 1)
    silent = dataclasses.replace(services, maintenance=SilentSap())
    _, failed = Reconciler(silent, every_s=0.0).run()
    assert not failed
