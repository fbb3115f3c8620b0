"""The report says what the database says, in every form, and calls itself a draft until it is none."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import httpx
import pytest
from bs4 import BeautifulSoup
from pypdf import PdfReader
from sqlalchemy import select

from cloud.history.identity import link_asset
from cloud.services import Services
from cloud.stretches import Stretch
from cloud.tables import (
    Coverage,
    DefectAbsence,
    DetectionRow,
    Drone,
    Finding,
    Flight,
    LinkSuggestion,
    Media,
    Plan,
    Ticket,
)
from cloud.web import asset_view, desk, flight_view
from contracts.vocabulary import DefectKind, FindingStatus, Role
from tests import platform
from tests.clean_database import empty
from tests.factories import MemoryObjects, World
from tests.platform import Server
from tests.sightings import detection

NOW = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)


class Case(NamedTuple):
    """An inspection of four findings, the first of them known from a year before."""

    http: httpx.Client
    services: Services
    flight: str
    findings: list[str]

    def report(self, form: str) -> httpx.Response:
        answer = self.http.get(f"/v1/flights/{self.flight}/report", params={"format": form})
        assert answer.status_code == 200, answer.text
        return answer

    def pdf_text(self) -> str:
        pages = PdfReader(io.BytesIO(self.report("pdf").content)).pages
        return re.sub(r"\s+", " ", " ".join(page.extract_text() for page in pages))

    def html_text(self) -> str:
        return re.sub(r"\s+", " ", BeautifulSoup(self.report("html").text, "lxml").get_text(" "))

    def change(self, **changes: object) -> None:
        """Set columns of every finding."""
        with self.services.database.session() as session:
            for finding_id in self.findings:
                for name, value in changes.items():
                    setattr(session.get_one(Finding, finding_id), name, value)


@pytest.fixture(scope="module")
def server(database_url: str) -> Iterator[Server]:
    built = platform.build(database_url)
    with Server(dataclasses.replace(built, objects=MemoryObjects())) as running:
        yield running
    built.database.close()


@pytest.fixture
def case(server: Server) -> Iterator[Case]:
    services, objects = server.services, server.services.objects
    assert isinstance(objects, MemoryObjects)
    empty(services.database)
    with services.database.session() as session:
        world = World(session, NOW, objects=objects)
        world.site()
        asset = world.asset("T-01", 260.0, 0.0)
        before = world.flight(asset, world.drone(), NOW - timedelta(days=365))
        flight = world.flight(asset, session.get_one(Drone, before.drone_id), NOW)
        flight.expected_segments = 1
        segment = world.segment(flight, 0, NOW)
        old = world.finding(before, DefectKind.CRACK, rank=3, at=NOW - timedelta(days=365))
        old.length_mm, old.size_sigma_mm = 301.0, 3.0
        found = [
            world.finding(flight, kind, blade=blade, side=side, rank=rank, at=NOW + timedelta(seconds=rank))
            for kind, blade, side, rank in (
                (DefectKind.CRACK, "A", "LE", 5),
                (DefectKind.LIGHTNING_BURN, "B", "SS", 4),
                (DefectKind.CORROSION, "C", "PS", 2),
                (DefectKind.MISSING_COATING, "C", "TE", 2),
            )
        ]
        found[0].length_mm, found[0].size_sigma_mm, found[0].link_group = 412.0, 4.0, old.link_group
        for finding in found[:3]:
            world.evidence(finding, segment)
        world.ticket(found[0], number="10000017")
        world.summary(found[0], "F-2 is a crack of 412 mm.")
        world.coverage(flight, {("A", "LE"): range(3), ("B", "PS"): range(10, 14)})
        session.flush()
        ids = flight.flight_id, [finding.finding_id for finding in found]
    with server.client(Role.VIEWER) as http:
        yield Case(http, services, *ids)


def _leave_to_a_person(case: Case) -> None:
    """Have the detector be unsure of a place."""
    with case.services.database.session() as session:
        segment = session.scalars(select(Media.segment_id).where(Media.flight_id == case.flight)).one()
        seen = detection("unsure", segment=segment).model_copy(update={"for_review": True})
        session.add(DetectionRow(
            detection_id="unsure", segment_id=segment, kind="crack", confidence=0.4, body=seen.model_dump(mode="json")
        ))  # fmt: skip


def test_every_figure_of_the_pdf_is_the_databases(case: Case) -> None:
    facts, text = case.report("json").json(), case.pdf_text()
    assert len(facts["findings"]) == 4
    for finding in facts["findings"]:
        assert f"F-{finding['number']} {finding['kind']}" in text
        assert f"{finding['length_mm']:.0f} × {finding['width_mm']:.0f} mm ± {finding['size_sigma_mm']:.0f} mm" in text
        assert finding["reason"].replace(" ", "") in text.replace(" ", ""), "lines break at hyphens too"
    assert f"{facts['seen']['percent']:.1f} %" in text
    assert f"{facts['seen']['unseen_m']} of {facts['seen']['whole_m']} metres of blade side not seen" in text
    assert "SAP 10000017, Outstanding" in text
    assert "blade A LE 0-3 m" in text
    assert "blade B PS 10-14 m" in text
    assert facts["subject"]["route_hash"] in text.replace(" ", "")


def test_html_says_what_the_pdf_says(case: Case) -> None:
    pdf, html = case.pdf_text(), case.html_text()
    for sentence in (
        "301 mm; change +111 ± 5 mm (95 % interval +101 to +121 mm)",
        "F-2 is a crack of 412 mm.",
        "No crew has reported from this class",
    ):
        assert sentence in pdf
        assert sentence in html


def test_growth_is_told_with_its_error_from_both_measurements(case: Case) -> None:
    crack = next(f for f in case.report("json").json()["findings"] if f["finding_id"] == case.findings[0])
    assert (crack["earlier"]["growth_mm"], crack["earlier"]["growth_sigma_mm"]) == (111.0, 5.0)
    assert crack["earlier"]["growth_reach_mm"] == pytest.approx(9.8)


def test_the_same_facts_are_the_same_pdf_and_it_is_fit_for_the_archive(case: Case) -> None:
    first = case.report("pdf").content
    assert first == case.report("pdf").content
    assert b"pdfaid:part" in first


def test_it_is_a_draft_until_every_finding_is_judged_and_every_segment_analysed(case: Case) -> None:
    assert "4 of 4 findings have not been judged by a person" in case.pdf_text()
    assert case.pdf_text().count("no person yet; detector confidence 0.87") == 4
    case.change(reviewed_by="ada", reviewed_at=NOW)
    assert "Draft" not in case.pdf_text()
    assert "Draft" not in case.html_text()
    with case.services.database.session() as session:
        session.get_one(Flight, case.flight).expected_segments = 3
    assert "1 of 3 video segments are analysed" in case.pdf_text()


def test_what_was_repaired_before_anybody_judged_it_waits_for_nobody(case: Case) -> None:
    case.change(status=FindingStatus.REPAIRED.value)
    for text in (case.pdf_text(), case.html_text()):
        assert "Draft" not in text
        assert text.count("no person: repaired before anybody judged it") == 4


def test_it_is_a_draft_while_the_detector_was_not_sure_and_nobody_has_said_what_it_is(case: Case) -> None:
    case.change(reviewed_by="ada", reviewed_at=NOW)
    _leave_to_a_person(case)
    for text in (case.pdf_text(), case.html_text()):
        assert "Draft" in text
        assert "not sure of 1 more, which no person has judged: they are not in this report" in text


def test_it_is_a_draft_while_nobody_has_decided_whether_a_finding_was_known_before(case: Case) -> None:
    case.change(reviewed_by="ada", reviewed_at=NOW)
    with case.services.database.session() as session:
        known = session.scalars(select(Finding).where(Finding.flight_id != case.flight)).one()
        known.link_group = "lnk-asked"
        session.add(LinkSuggestion(
            finding_id=case.findings[1], flight_id=case.flight, link_group="lnk-asked", probability=0.71,
            reason="beside", others=[],
        ))  # fmt: skip
    for text in (case.pdf_text(), case.html_text()):
        assert "Whether 1 of the findings had been known before, no person has decided." in text
        assert re.search(r"perhaps F-\d+ of 2025-11-20 \(71 %\), which no person has decided", text)


@pytest.mark.parametrize(
    ("state", "share", "said"),
    [("gone", 1.0, "gone: all of its place was seen"), ("not_visible", 0.4, "not known: 40 % of its place was seen")],
)
def test_what_was_known_before_and_not_found_now_is_listed(case: Case, state: str, share: float, said: str) -> None:
    assert "No defect known from an inspection before is missing here." in case.html_text()
    with case.services.database.session() as session:
        known = session.scalars(select(Finding).where(Finding.flight_id != case.flight)).one()
        known.link_group = "lnk-lost"
        session.add(DefectAbsence(link_group="lnk-lost", flight_id=case.flight, state=state, seen_share=share))
        number = known.number
    for text in (case.pdf_text(), case.html_text()):
        assert f"F-{number} crack, moderate" in text
        assert said in text


def test_what_was_repaired_before_is_not_called_missing(case: Case) -> None:
    with case.services.database.session() as session:
        known = session.scalars(select(Finding).where(Finding.flight_id != case.flight)).one()
        known.link_group, known.status = "lnk-lost", FindingStatus.REPAIRED.value
        session.add(DefectAbsence(link_group="lnk-lost", flight_id=case.flight, state="repaired", seen_share=1.0))
    assert case.report("json").json()["missing"] == []


def test_a_ticket_is_named_by_its_own_system_in_the_report_and_on_the_page(case: Case) -> None:
    with case.services.database.session() as session:
        session.scalars(select(Ticket)).one().system = "jira"
    sheet = case.http.get(f"/fragments/findings/{case.findings[0]}").text
    for text in (case.pdf_text(), case.html_text(), BeautifulSoup(sheet, "lxml").get_text(" ")):
        assert "JIRA 10000017" in text
        assert "SAP 10000017" not in text


def test_the_page_of_a_sight_names_the_ticket_that_an_earlier_sight_opened(case: Case) -> None:
    with case.services.database.session() as session:
        known = session.scalars(select(Finding).where(Finding.flight_id != case.flight)).one()
        session.scalars(select(Ticket)).one().finding_id = known.finding_id
    sheet = BeautifulSoup(case.http.get(f"/fragments/findings/{case.findings[0]}").text, "lxml").get_text(" ")
    assert "SAP 10000017" in sheet
    assert "SAP 10000017" in case.html_text()
    assert "from frame to ticket" not in sheet


def test_the_last_sight_on_the_desk_is_earlier_and_was_not_rejected(case: Case) -> None:
    with case.services.database.session() as session:
        known = session.scalars(select(Finding).where(Finding.flight_id != case.flight)).one()
        now = session.get_one(Finding, case.findings[0])
        assert [f.finding_id for f, _ in desk.card(session, now.finding_id).before] == [known.finding_id]
        assert desk.card(session, known.finding_id).before == (), "what came later is no last time"
        known.status = FindingStatus.REJECTED.value
        session.flush()
        assert desk.card(session, now.finding_id).before == ()


def test_an_asset_of_many_defects_counts_them_all_and_shows_the_gravest(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asset_view, "MOST", 2)
    with case.services.database.session() as session:
        asset_id = session.get_one(Flight, case.flight).asset_id
        link_asset(session, asset_id)
        view = asset_view.build(session, asset_id, asset_view.Shown())
    assert [row.defect.latest.severity_rank for row in view.defects] == [5, 4]
    assert (view.live, view.ever) == (4, 4)


def test_what_a_person_rejected_is_counted_and_not_shown(case: Case) -> None:
    case.change(status=FindingStatus.REJECTED.value)
    facts = case.report("json").json()
    assert (facts["findings"], facts["rejected"]) == ([], 4)
    assert "This means something only where the surface was seen" in case.pdf_text()


def test_csv_has_a_line_for_each_finding_and_no_formula(case: Case) -> None:
    case.change(severity_reason='=HYPERLINK("http://x")')
    rows = list(csv.DictReader(io.StringIO(case.report("csv").text)))
    assert [row["finding_id"] for row in rows] == [f["finding_id"] for f in case.report("json").json()["findings"]]
    assert {row["reason"][:2] for row in rows} == {"'="}


def test_geojson_puts_longitude_first_and_keeps_what_has_no_place(case: Case) -> None:
    with case.services.database.session() as session:
        session.get_one(Finding, case.findings[3]).lat_deg = None
    told = json.loads(case.report("geojson").text)
    by_id = {feature["id"]: feature["geometry"] for feature in told["features"]}
    assert by_id[case.findings[3]] is None
    longitude, latitude, _ = by_id[case.findings[0]]["coordinates"]
    assert (round(longitude), round(latitude)) == (9, 55)


def test_words_of_people_are_data_in_every_form(case: Case) -> None:
    case.change(review_reason='<script>alert(1)</script> #panic("x") $1', reviewed_by="ada", reviewed_at=NOW)
    answer = case.report("html")
    assert "<script" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert '<script>alert(1)</script> #panic("x") $1' in case.pdf_text().replace("“", '"').replace("”", '"')


def test_a_picture_that_is_gone_is_said_not_hidden(case: Case) -> None:
    objects = case.services.objects
    assert isinstance(objects, MemoryObjects)
    objects.stored.clear()
    assert case.pdf_text().count("no picture is stored") == 4


def test_an_unknown_flight_and_form_are_refused(case: Case) -> None:
    assert case.http.get("/v1/flights/flt-none/report").status_code == 404
    answer = case.http.get(f"/v1/flights/{case.flight}/report", params={"format": "doc"})
    assert (answer.status_code, answer.json()["field"]) == (422, "format")


def test_who_fetched_a_final_report_is_told_what_changed_since(case: Case) -> None:
    changes = f"/v1/flights/{case.flight}/report/changes"
    case.report("html")
    case.change(action="Watch it.")
    assert case.http.get(changes).json() == [], "a draft promises nothing"
    case.change(reviewed_by="ada", reviewed_at=NOW)
    case.report("html")
    case.change(updated_at=NOW)
    assert case.http.get(changes).json() == []
    first, second, *_ = case.findings
    with case.services.database.session() as session:
        session.get_one(Finding, first).severity_rank = 2
        session.get_one(Finding, second).status = FindingStatus.REJECTED.value
    (told,) = case.http.get(changes).json()
    assert {one["finding_id"]: one["what"] for one in told["changed"]} == {first: ["severity"], second: ["gone"]}
    page = BeautifulSoup(case.http.get("/assets/t-01").text, "lxml").get_text(" ", strip=True)
    assert "Changed since the final report was fetched: 2" in page
    text = case.html_text()
    assert re.search(
        r"Changed since the final report that .* fetched, .* UTC\. F-\d+: severity ?; F-\d+: stands no more", text
    )
    assert case.http.get(changes).json() == [], "she has the new one"
    assert "Changed since" not in case.html_text()


def test_the_pdf_says_what_changed_since_as_well(case: Case) -> None:
    case.change(reviewed_by="ada", reviewed_at=NOW)
    case.report("pdf")
    with case.services.database.session() as session:
        finding = session.get_one(Finding, case.findings[0])
        finding.severity_rank = 2
        said = f"F-{finding.number}: severity"
    assert re.search(rf"Changed since the final report that .* fetched, .* UTC\. {said}\.", case.pdf_text())
    assert "Changed since" not in case.pdf_text(), "she has the new one"


def test_what_was_not_seen_and_who_must_judge_is_said_as_well_in_every_language(case: Case) -> None:
    case.change(reviewed_by="ada", reviewed_at=NOW)
    case.report("html")
    with case.services.database.session() as session:
        unseen = select(Coverage).where(Coverage.flight_id == case.flight, Coverage.seen_share < 0.8)
        session.scalars(unseen.limit(1)).one().seen_share = 0.9
    _leave_to_a_person(case)
    (told,) = case.http.get(f"/v1/flights/{case.flight}/report/changes").json()
    was, is_ = told["coverage"]["then_m"], told["coverage"]["now_m"]
    assert (is_, told["unsure"]) == (was - 1, 1)
    german = {"Accept-Language": "de"}
    page = BeautifulSoup(case.http.get("/assets/t-01", headers=german).text, "lxml").get_text(" ", strip=True)
    assert "Geändert, seit der endgültige Bericht abgerufen wurde: 2" in page
    case.http.headers.update(german)
    for text in (case.pdf_text(), case.html_text()):
        assert f"Coverage: {is_} m were not seen, the report says {was} m" in text
        assert "Not sure: the detector leaves 1 place to a person" in text


@pytest.mark.parametrize("form", ["csv", "geojson", "json"])
def test_a_form_that_does_not_say_what_changed_settles_nothing(case: Case, form: str) -> None:
    case.change(reviewed_by="ada", reviewed_at=NOW)
    case.report("html")
    case.change(severity_rank=1)
    case.report(form)
    assert len(case.http.get(f"/v1/flights/{case.flight}/report/changes").json()) == 1


def test_a_flight_for_a_part_of_its_asset_says_which_everywhere(case: Case) -> None:
    with case.services.database.session() as session:
        flight = session.get_one(Flight, case.flight)
        plan = session.get_one(Plan, (flight.plan_id, flight.plan_version))
        plan.stretch = Stretch(first=0, last=1, of=12, sides=("A LE", "A PS")).model_dump(mode="json")
        session.flush()
        assert flight_view.build(session, flight, None).stretch == "blade sides A LE, A PS"
    for text in (case.pdf_text(), case.html_text(), case.http.get("/assets/t-01").text):
        assert "blade sides A LE, A PS" in text
