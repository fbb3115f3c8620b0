"""The crew's loop: a link good for one finding, answers that land once, whenever and however often they come."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlalchemy import select

from cloud.reconcile import Reconciler
from cloud.repairs import crew, crew_links
from cloud.reporting.facts import gather
from cloud.services import Services
from cloud.tables import CrewReport, Finding
from contracts.errors import NotAuthenticated
from contracts.vocabulary import DefectKind, Role
from tests import platform
from tests.factories import MemoryObjects, World
from tests.platform import Server
from tests.stand_ins import MemorySap, MemoryWorkflows

NOW = datetime.now(UTC).replace(microsecond=0)
JPEG = b"\xff\xd8\xff\xe0" + b"picture" * 20
_ids = itertools.count(1)


@pytest.fixture(scope="module")
def built(database_url: str) -> Iterator[Services]:
    services = replace(
        platform.build(database_url), objects=MemoryObjects(), maintenance=MemorySap(), workflows=MemoryWorkflows()
    )
    yield services
    services.database.close()


@pytest.fixture
def phone(server: Server) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


@pytest.fixture
def finding_id(services: Services) -> str:
    if isinstance(services.maintenance, MemorySap):
        services.maintenance.reports.clear()
    with services.database.session() as session:
        world = World(session, NOW)
        world.site()
        found = world.finding(
            world.flight(world.asset("T-01", 260.0, 0.0), world.drone(), NOW), DefectKind.CRACK, rank=4, at=NOW
        )
        world.ticket(found, number="10000001").system = "sap"
        return found.finding_id


@pytest.fixture
def page(services: Services, finding_id: str) -> str:
    with services.database.session() as session:
        return "/crew/" + crew.link(services, session.get_one(Finding, finding_id)).rpartition("/")[2]


def said(
    phone: httpx.Client, page: str, answer: str, *, at: datetime = NOW, report: str = "", **more: object
) -> tuple[str, httpx.Response]:
    report = report or f"{next(_ids):08x}-0000-4000-8000-000000000000"
    body = {"answer": answer, "answered_at": at.isoformat(), **more}
    return report, phone.put(f"{page}/reports/{report}", json=body)


def state(services: Services, finding_id: str) -> tuple[str, int]:
    with services.database.session() as session:
        finding = session.get_one(Finding, finding_id)
        return finding.status, finding.severity_rank


@pytest.mark.parametrize(
    ("answer", "then"),
    [
        ("found", ("confirmed", 4)),
        ("not_found", ("rejected", 4)),
        ("worse", ("open", 5)),
        ("repaired", ("repaired", 4)),
    ],
)
def test_an_answer_lands_in_the_findings_life(
    services: Services, phone: httpx.Client, finding_id: str, page: str, answer: str, then: tuple[str, int]
) -> None:
    _, got = said(phone, page, answer, measured_mm=340, note="Looked twice.")
    assert (got.status_code, got.json()) == (200, {"state": "recorded"})
    assert state(services, finding_id) == then


def test_the_same_answer_again_changes_nothing_and_an_older_one_comes_too_late(
    services: Services, server: Server, phone: httpx.Client, finding_id: str, page: str
) -> None:
    report, _ = said(phone, page, "repaired")
    assert said(phone, page, "repaired", report=report)[1].json() == {"state": "known"}
    assert said(phone, page, "found", report=report)[1].status_code == 409
    assert said(phone, page, "found", at=NOW - timedelta(hours=2))[1].json() == {"state": "recorded"}
    assert state(services, finding_id)[0] == "repaired"
    with server.client(Role.VIEWER) as reader:
        listed = reader.get("/v1/crew-reports", params={"finding_id": finding_id}).json()["data"]
        counts = reader.get("/v1/crew-reports/counts").json()
    assert [(row["answer"], row["applied"]) for row in listed] == [("repaired", True), ("found", False)]
    assert counts == {"found": 0, "not_found": 0, "worse": 0, "repaired": 1}


def test_answer_and_photo_come_to_the_ticket_once(
    services: Services, phone: httpx.Client, finding_id: str, page: str
) -> None:
    report, _ = said(phone, page, "worse", measured_mm=340, note="Tip, too.")
    taken = {"taken_at": "2026-11-20T09:15:00+01:00", "taken_by": "camera"}
    for _ in range(2):
        assert phone.put(f"{page}/reports/{report}/photo", params=taken, content=JPEG).status_code == 200
    assert phone.put(f"{page}/reports/{report}/photo", params=taken, content=JPEG + b"x").status_code == 409
    assert phone.put(f"{page}/reports/{report}/photo", params=taken, content=b"GIF89a").status_code == 422
    reconciler = Reconciler(services, every_s=0.0)
    assert reconciler._entries() == {"crew_reports_attached": 1}
    assert reconciler._entries() == {}
    sap = services.maintenance
    assert isinstance(sap, MemorySap)
    assert len(sap.reports["10000001"]) == 1
    text, photo = sap.attached["10000001"]
    assert "The crew found it worse than reported, 340 mm. Tip, too." in text.body.decode()
    assert "Photo taken 2026-11-20 08:15:00 UTC by its camera" in text.body.decode()
    assert photo.body == JPEG


@pytest.mark.parametrize(
    ("answer", "priority", "ended"),
    [("found", "", None), ("not_found", "", None), ("worse", "1", None), ("repaired", "", NOW)],
)
def test_what_a_crew_said_is_written_into_the_ticket_with_what_follows(
    services: Services,
    phone: httpx.Client,
    finding_id: str,
    page: str,
    answer: str,
    priority: str,
    ended: datetime | None,
) -> None:
    said(phone, page, answer, others=2)
    Reconciler(services, every_s=0.0)._entries()
    sap = services.maintenance
    assert isinstance(sap, MemorySap)
    (report,) = sap.reports["10000001"]
    assert (report.priority, report.ended_at) == (priority, ended)
    assert "It saw 2 more there that nobody had reported." in report.text


def test_an_answer_that_came_too_late_is_told_and_changes_nothing_there(
    services: Services, phone: httpx.Client, finding_id: str, page: str
) -> None:
    said(phone, page, "found")
    said(phone, page, "repaired", at=NOW - timedelta(hours=2))
    Reconciler(services, every_s=0.0)._entries()
    sap = services.maintenance
    assert isinstance(sap, MemorySap)
    assert [(r.priority, r.ended_at) for r in sap.reports["10000001"]] == [("", None)] * 2


def test_crews_answers_make_the_published_miss_rate(
    services: Services, server: Server, phone: httpx.Client, finding_id: str, page: str
) -> None:
    with server.client(Role.VIEWER) as reader:
        assert reader.get("/v1/crew-reports/quality").json() == []
        said(phone, page, "not_found", at=NOW - timedelta(hours=1))
        said(phone, page, "worse", others=1)
        (blades,) = reader.get("/v1/crew-reports/quality").json()
    assert (blades["asset_kind"], blades["found"], blades["not_found"], blades["others"]) == ("wind_turbine", 1, 0, 1)
    assert (blades["missed"]["hits"], blades["missed"]["of"], blades["missed"]["estimate"]) == (1, 2, 0.5)
    with services.database.session() as session:
        flight_id = session.get_one(Finding, finding_id).flight_id
        method = gather(session, flight_id).method
    assert method.miss_rate.startswith("50% (95 % interval 1% to 99%).")
    assert method.false_alarm_rate.startswith("0% (95 % interval 0% to 98%).")


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"answered_at": (NOW + timedelta(days=1)).isoformat()}, 422),
        ({"answer": "eaten"}, 422),
        ({"measured_mm": -1}, 422),
        ({"note": "x" * 1001}, 422),
        ({"others": -1}, 422),
        ({"others": 100}, 422),
    ],
)
def test_what_cannot_be_is_refused(phone: httpx.Client, page: str, change: dict[str, object], status: int) -> None:
    body = {"answer": "found", "answered_at": NOW.isoformat()} | change
    assert phone.put(f"{page}/reports/00000000-0000-4000-8000-000000000099", json=body).status_code == status


def test_a_link_is_good_for_its_finding_and_for_a_while(services: Services, phone: httpx.Client, page: str) -> None:
    assert phone.get(page).status_code == 200
    forged = f"{page[:-1]}{'0' if page[-1] != '0' else '1'}"
    assert phone.get(forged).status_code == 401
    assert said(phone, forged, "repaired")[1].status_code == 401
    assert phone.put(f"{forged}/reports/x/photo").status_code in {401, 422}
    old = crew_links.issue(services.session_key, "fnd-1", from_s=0.0)
    assert phone.get(f"/crew/{old}").status_code == 401
    with pytest.raises(NotAuthenticated):
        crew_links.read(b"another key" * 3, page.rpartition("/")[2])


def test_a_crew_link_opens_nothing_else(server: Server, page: str) -> None:
    with server.client() as anyone:
        anyone.headers["Authorization"] = f"Bearer {page.rpartition('/')[2]}"
        assert anyone.get("/v1/findings").status_code == 401


@pytest.mark.parametrize(
    ("asked", "word"), [("?lang=de", "Gefunden"), ("?lang=es", "Encontrado"), ("?lang=xx", "Found")]
)
def test_the_page_speaks_the_language_asked_for(phone: httpx.Client, page: str, asked: str, word: str) -> None:
    assert f"<span>{word}</span>" in phone.get(page + asked).text


def test_a_merged_finding_is_gone_and_says_so(
    services: Services, phone: httpx.Client, finding_id: str, page: str
) -> None:
    said(phone, page, "found")
    token = crew_links.issue(services.session_key, "fnd-gone", from_s=NOW.timestamp())
    assert phone.get(f"/crew/{token}").status_code == 404
    assert said(phone, f"/crew/{token}", "found")[1].status_code == 404
    with services.database.session() as session:
        assert len(session.scalars(select(CrewReport)).all()) == 1
