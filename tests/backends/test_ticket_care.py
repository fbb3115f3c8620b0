"""What a notification gets after its number: the evidence picture, and an order where the policy wants one."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from cloud import ticket_care
from cloud.maintenance import OrderDraft, Picture
from cloud.reconcile import Reconciler
from cloud.services import Services
from cloud.tables import EvidenceRow, Ticket
from contracts.errors import MaintenanceRejected, Unavailable
from contracts.vocabulary import DefectKind
from tests import platform
from tests.clean_database import empty
from tests.factories import MemoryObjects, World
from tests.stand_ins import MemorySap

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def built(database_url: str) -> Iterator[Services]:
    services = platform.build(database_url)
    yield dataclasses.replace(services, objects=MemoryObjects())
    services.database.close()


class Case:
    """A ticket that lacks its picture, and the system it is in."""

    def __init__(self, services: Services, *, frames: int = 2, order_type: str = "") -> None:
        empty(services.database)
        self.services, self.sap = dataclasses.replace(services, maintenance=MemorySap()), MemorySap()
        with services.database.session() as session:
            world = World(session, NOW)
            world.objects = services.objects  # type: ignore[assignment]
            world.site()
            asset = world.asset("T-01", 260.0, 0.0)
            flight = world.flight(asset, world.drone(), NOW)
            finding = world.finding(flight, DefectKind.CRACK, rank=5, at=NOW)
            segment = world.segment(flight, 0, NOW)
            for position in range(frames):
                row = world.evidence(finding, segment, position=position)
                row.crop_sha256 = hashlib.sha256(services.objects.get(row.crop_key)).hexdigest()
            ticket = world.ticket(finding, number="10000001")
            ticket.system, ticket.order_type = "sap", order_type
            self.ticket_id, self.best = ticket.ticket_id, f"crop of {finding.finding_id}"

    def complete(self) -> str:
        with self.services.database.session() as session:
            return ticket_care.complete(session, self.sap, self.services.objects, self.ticket_id)

    def ticket(self) -> Ticket:
        with self.services.database.session() as session:
            return session.get_one(Ticket, self.ticket_id)

    def due(self, at: datetime) -> bool:
        with self.services.database.session() as session:
            return self.ticket_id in ticket_care.due(session, "sap", at)


def test_the_best_frames_crop_is_attached_once(built: Services) -> None:
    case = Case(built)
    assert case.complete() == "completed"
    assert case.complete() == "completed"
    (picture,) = case.sap.attached["10000001"]
    with built.database.session() as session:
        first = session.query(EvidenceRow).order_by(EvidenceRow.position).first()
        assert first is not None
        assert picture.body == built.objects.get(first.crop_key)
    assert not case.due(NOW + timedelta(days=1))


class Forgetful(MemorySap):
    """Commits, and then does not answer, once."""

    def attach(self, number: str, picture: Picture) -> None:
        super().attach(number, picture)
        if self.calls["attach"] == 0:
            self.calls["attach"] += 1
            raise Unavailable("No answer.")

    def create_order(self, draft: OrderDraft) -> str:
        made = super().create_order(draft)
        if self.calls["create_order"] == 1:
            raise Unavailable("No answer.")
        return made


def test_an_answer_lost_after_the_commit_makes_no_second_picture_and_no_second_order(built: Services) -> None:
    case = Case(built, order_type="PM01")
    case.sap = Forgetful()
    for _ in range(2):
        with pytest.raises(Unavailable):
            case.complete()
    assert case.complete() == "completed"
    assert len(case.sap.attached["10000001"]) == 1
    assert (case.sap.calls["create_order"], case.ticket().order_number) == (1, "4000001")


def test_a_picture_that_is_not_the_recorded_one_never_leaves(built: Services) -> None:
    case = Case(built, frames=1)
    with built.database.session() as session:
        row = session.query(EvidenceRow).one()
        row.crop_sha256 = "00" * 32
    assert case.complete() == "refused"
    assert not any(case.sap.attached.values())
    assert "not the picture that was recorded" in case.ticket().care_error
    refused_at = datetime.now(UTC)
    assert not case.due(refused_at + timedelta(minutes=59))
    assert case.due(refused_at + timedelta(minutes=61))


class Strict(MemorySap):
    """Refuses orders."""

    def create_order(self, draft: OrderDraft) -> str:
        raise MaintenanceRejected("Order type PM09 is not defined.", hint="Mend the policy.")


def test_a_refused_order_is_said_on_the_ticket_and_the_picture_stays(built: Services) -> None:
    case = Case(built, order_type="PM09")
    case.sap = Strict()
    assert case.complete() == "refused"
    assert case.ticket().attached_at is not None
    assert case.ticket().care_error == "Order type PM09 is not defined. Mend the policy."


def test_a_finding_without_pictures_lacks_nothing(built: Services) -> None:
    case = Case(built, frames=0)
    assert case.complete() == "completed"
    assert not any(case.sap.attached.values())


def test_the_reconciler_does_it(built: Services) -> None:
    case = Case(built)
    _, failed = Reconciler(case.services, every_s=0.0).run()
    assert not failed
    sap = case.services.maintenance
    assert isinstance(sap, MemorySap)
    assert len(sap.attached["10000001"]) == 1
