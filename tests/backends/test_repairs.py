"""Repairs: proposed by the plan, decided by people, honest about what cannot be."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from icalendar import Calendar
from pypdf import PdfReader
from sqlalchemy import select

from cloud import places
from cloud.reconcile import Reconciler
from cloud.repairs import book
from cloud.repairs.board import begins_after
from cloud.repairs.methods import load
from cloud.services import Services
from cloud.tables import Audit, Finding, RepairSlot, Ticket
from contracts.events import WorkflowTask
from contracts.vocabulary import DefectKind, Role
from tests.factories import World
from tests.platform import Server
from tests.stand_ins import MemorySap
from workflows.worker import HANDLERS

NOW = begins_after(datetime.now(UTC))
CREW = {
    "name": "Crew North",
    "skills": ["rope_access", "composite"],
    "home_lat_deg": 54.78,
    "home_lon_deg": 8.86,
    "shift_start": "00:00",
    "shift_end": "23:30",
    "weekdays": [1, 2, 3, 4, 5, 6, 7],
    "language": "de",
}


@pytest.fixture
def http(server: Server, services: Services) -> Iterator[httpx.Client]:
    with server.client(Role.ANALYST) as client:
        assert client.put("/v1/repairs/crews/north", json=CREW).status_code == 200
        assert client.put("/v1/repairs/parts/glass_fibre", json={"in_stock": 9}).status_code == 200
        yield client


@pytest.fixture
def findings(services: Services) -> list[str]:
    """Return two critical findings of one turbine, the first worse; both have their tickets."""
    with services.database.session() as session:
        world = World(session, NOW)
        world.site()
        flight, made = world.flight(world.asset("T-01", 260.0, 0.0), world.drone(), NOW), []
        for number, rank in enumerate((5, 4)):
            found = world.finding(flight, DefectKind.CRACK, rank=rank, at=NOW)
            world.ticket(found, number=f"1000{number}").system = "sap"
            made.append(found.finding_id)
        return made


def task(finding_id: str) -> WorkflowTask:
    told = {"finding_id": finding_id, "asset_id": "t-00", "flight_id": "flt-1", "detected_at": NOW.isoformat()}
    return WorkflowTask(task="schedule", token="t", execution=finding_id, input={"finding": told})


def scheduled(services: Services, finding_id: str) -> dict[str, Any]:
    return dict(HANDLERS["schedule"](services, task(finding_id)) or {})


def slots(http: httpx.Client, **query: object) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = http.get("/v1/repairs", params=query).json()["data"]  # type: ignore[arg-type]
    return found


def test_the_workflows_step_proposes_a_time_and_asked_again_the_same(
    services: Services, http: httpx.Client, findings: list[str]
) -> None:
    first = scheduled(services, findings[0])
    assert first["starts_at"] is not None
    assert scheduled(services, findings[0]) == first
    (shown,) = slots(http)
    assert (shown["state"], shown["crew_id"], shown["late"], shown["wind_known"]) == ("proposed", "north", False, False)
    assert (shown["finding_id"], shown["severity_rank"]) == (findings[0], 5)


def test_a_finding_without_a_ticket_gets_no_time(services: Services, http: httpx.Client, findings: list[str]) -> None:
    with services.database.session() as session:
        session.delete(session.scalars(select(Ticket).where(Ticket.finding_id == findings[0])).one())
    assert scheduled(services, findings[0]) == {"slot": None}
    assert slots(http) == []


def test_without_crew_or_parts_the_repair_says_what_is_missing(
    services: Services, http: httpx.Client, findings: list[str]
) -> None:
    http.put("/v1/repairs/parts/glass_fibre", json={"in_stock": 0})
    assert "glass_fibre" in scheduled(services, findings[0])["reason"]
    http.put("/v1/repairs/crews/north", json=CREW | {"enabled": False})
    http.post("/v1/repairs/plan", json={"reason": "The crew is gone."})
    (shown,) = slots(http, state="unplanned")
    assert (shown["starts_at"], shown["late"]) == (None, True)
    assert "No crew has the skills composite, rope_access." in shown["reason"]


def test_wind_above_the_limit_moves_a_repair_and_stops_a_person(
    services: Services, http: httpx.Client, findings: list[str]
) -> None:
    storm = [{"at": (NOW + timedelta(hours=h)).isoformat(), "wind_mps": 14.0} for h in range(0, 24, 2)]
    given = http.put("/v1/repairs/forecasts/nordmarsch", json={"steps": storm})
    assert given.status_code == 200, given.text
    made = scheduled(services, findings[0])
    assert datetime.fromisoformat(made["starts_at"]) >= NOW + timedelta(hours=24)
    wish = {"crew_id": "north", "starts_at": _day(10).isoformat()}
    refused = http.post(f"/v1/repairs/{made['slot']}/move", json=wish)
    # Whether the hour lies within a shift depends on the day; the storm covers all of the first day.
    assert (refused.status_code, refused.json()["field"]) == (422, "starts_at")


def _day(hour: int, days: int = 0) -> datetime:
    """Return an hour on a day, UTC, from now on."""
    midnight = NOW.replace(hour=0, minute=0) + timedelta(days=days)
    return midnight + timedelta(hours=hour)


def test_a_person_moves_one_and_the_others_go_round_it(
    services: Services, http: httpx.Client, findings: list[str]
) -> None:
    made = [scheduled(services, name)["slot"] for name in findings]
    at = _day(8, 2)
    moved = http.post(f"/v1/repairs/{made[0]}/move", json={"crew_id": "north", "starts_at": at.isoformat()})
    assert moved.status_code == 200, moved.text
    assert (moved.json()["pinned"], moved.json()["state"]) == (True, "accepted")
    http.post("/v1/repairs/plan", json={"reason": "Look again."})
    kept = http.get(f"/v1/repairs/{made[0]}").json()
    assert datetime.fromisoformat(kept["starts_at"]) == at
    clash = http.post(f"/v1/repairs/{made[1]}/move", json={"crew_id": "north", "starts_at": at.isoformat()})
    assert (clash.status_code, made[0] in clash.json()["detail"]) == (409, True)
    released = http.post(f"/v1/repairs/{made[0]}/release").json()
    assert (released["pinned"], released["state"]) == (False, "proposed")
    assert http.post(f"/v1/repairs/{made[0]}/release").status_code == 409
    with services.database.session() as session:
        actions = set(session.scalars(select(Audit.action).where(Audit.object == made[0])))
    assert actions == {"repair.move", "repair.release"}


@pytest.mark.parametrize(
    ("wish", "status", "field"),
    [
        ({"crew_id": "south"}, 404, "crew_id"),
        ({"crew_id": "painters"}, 422, "crew_id"),
        ({"starts_at": (NOW - timedelta(days=1)).isoformat()}, 422, "starts_at"),
        ({"starts_at": (NOW + timedelta(minutes=10)).isoformat()}, 422, "starts_at"),
        ({"starts_at": _day(22, 1).isoformat()}, 422, "starts_at"),
    ],
)
def test_what_no_plan_would_do_a_person_may_not_either(
    services: Services, http: httpx.Client, findings: list[str], wish: dict[str, str], status: int, field: str
) -> None:
    http.put("/v1/repairs/crews/painters", json=CREW | {"skills": ["paint"]})
    made = scheduled(services, findings[0])["slot"]
    body = {"crew_id": "north", "starts_at": _day(8, 2).isoformat()} | wish
    answer = http.post(f"/v1/repairs/{made}/move", json=body)
    assert (answer.status_code, answer.json()["field"]) == (status, field)


def test_an_accepted_proposal_stays_and_a_closed_finding_frees_its_time(
    services: Services, http: httpx.Client, findings: list[str]
) -> None:
    made = [scheduled(services, name) for name in findings]
    accepted = http.post(f"/v1/repairs/{made[0]['slot']}/accept").json()
    assert (accepted["state"], accepted["pinned"]) == ("accepted", True)
    with services.database.session() as session:
        session.get_one(Finding, findings[0]).status = "repaired"
    http.post("/v1/repairs/plan", json={"reason": "One is done."})
    by_id = {shown["slot_id"]: shown for shown in slots(http)}
    assert by_id[made[0]["slot"]]["state"] == "done"
    assert http.post(f"/v1/repairs/{made[0]['slot']}/accept").status_code == 409


def test_a_proposal_whose_time_came_is_planned_anew(
    services: Services, http: httpx.Client, findings: list[str]
) -> None:
    made = scheduled(services, findings[0])
    with services.database.session() as session:
        row = session.get_one(RepairSlot, made["slot"])
        row.starts_at, row.ends_at = NOW - timedelta(hours=9), NOW - timedelta(hours=3)
    assert Reconciler(services, every_s=0.0)._repairs() == {"repairs_planned": 1}
    (shown,) = slots(http)
    assert datetime.fromisoformat(shown["starts_at"]) >= NOW
    assert Reconciler(services, every_s=0.0)._repairs() == {}


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("crews/x", CREW | {"zone": "Mars/Olympus"}, "zone"),
        ("crews/x", CREW | {"shift_start": "18:00", "shift_end": "07:00"}, "shift_end"),
        ("forecasts/nordmarsch", {"steps": [{"at": t, "wind_mps": 5} for t in (NOW.isoformat(),) * 2]}, "steps"),
        ("forecasts/nowhere", {"steps": [{"at": NOW.isoformat(), "wind_mps": 5}]}, "site_id"),
    ],
)
def test_what_plans_are_made_from_is_checked_at_the_door(
    http: httpx.Client, findings: list[str], path: str, body: dict[str, Any], field: str
) -> None:
    answer = http.put(f"/v1/repairs/{path}", json=body)
    assert (answer.status_code in {404, 422}, answer.json()["field"]) == (True, field)


def test_one_defect_has_one_repair_whatever_inspection_saw_it(services: Services, findings: list[str]) -> None:
    with services.database.session() as session:
        one, other = (session.get_one(Finding, name) for name in findings)
        other.link_group = one.link_group
        session.flush()
        assert book.want(session, findings[0]).slot_id == book.want(session, findings[1]).slot_id
        book.plan(session, load(), NOW)


def code_on(pdf: bytes) -> str:
    """Return what a phone reads from the QR code on a sheet."""
    (picture,) = [one for one in PdfReader(io.BytesIO(pdf)).pages[0].images if one.image and one.image.width < 500]
    image = np.asarray(picture.image.convert("L"), np.uint8)  # type: ignore[union-attr]
    grown = cv2.copyMakeBorder(image, 40, 40, 40, 40, cv2.BORDER_CONSTANT, value=[255])
    # Read by markers: OpenCV's older detector cannot read three codes in a hundred that phones read.
    return str(cv2.QRCodeDetectorAruco().detectAndDecode(grown)[0])


def test_a_repair_is_a_calendar_entry_and_the_accepted_one_stands_beside_its_notification(
    services: Services, http: httpx.Client, findings: list[str]
) -> None:
    made = scheduled(services, findings[0])
    event: Any = Calendar.from_ical(http.get(f"/v1/repairs/{made['slot']}/calendar").content).walk("VEVENT")[0]
    assert (str(event["UID"]), str(event["STATUS"])) == (f"{made['slot']}@kestrel", "TENTATIVE")
    assert event["DTSTART"].dt == datetime.fromisoformat(made["starts_at"])
    assert "Ticket SAP 10000." in str(event["DESCRIPTION"])
    sap = MemorySap()
    reconciler = Reconciler(replace(services, maintenance=sap), every_s=0.0)
    assert reconciler._entries() == {}
    http.post(f"/v1/repairs/{made['slot']}/accept")
    assert reconciler._entries() == {"calendar_entries": 1}
    assert reconciler._entries() == {}
    entry, sheet, code = sap.attached["10000"]
    text = " ".join(PdfReader(io.BytesIO(sheet.body)).pages[0].extract_text().split())
    assert (sheet.name[-6:], sheet.content_type) == ("-1.pdf", "application/pdf")
    with services.database.session() as session:
        found = session.get_one(Finding, findings[0])
        facts = (
            f"F-{found.number}",
            f"{found.length_mm:.0f} x {found.width_mm:.0f} mm",
            places.where(found),
            "SAP 10000",
        )
    assert [fact for fact in facts if fact not in text] == []
    assert code_on(sheet.body) == http.get(f"/v1/repairs/{made['slot']}/crew-link").json()["url"]
    assert (code.name[-9:], code.body[:4], b"/crew/" in entry.body) == ("-code.png", b"\x89PNG", True)
    page = http.get(f"/v1/repairs/{made['slot']}/crew-link").json()["url"]
    assert page in entry.body.decode().replace("\r\n ", "")
    assert (entry.name[-6:], entry.content_type, b"STATUS:CONFIRMED" in entry.body) == ("-1.ics", "text/calendar", True)
