"""Blind audits against a real database: whose turn which frame is, answers once, and the rate that comes of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from bs4 import BeautifulSoup
from sqlalchemy import select

from cloud.inspections import record_batch
from cloud.reporting.facts import gather
from cloud.services import Services
from cloud.tables import Asset, Audit, AuditFrameRow, AuditMark, DetectionRow, Finding, Flight
from contracts.findings import AuditBox, AuditFrame, Detection, PlantedRate
from contracts.geo import BoxNorm
from contracts.vocabulary import AssetKind, DefectKind, FlightState, Role
from tests import platform
from tests.clean_database import empty
from tests.factories import World
from tests.platform import Server
from tests.sightings import MODEL, audit_frame, batch, detection
from tests.stand_ins import MemoryWorkflows

NOW = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)
BOX = {"x0": 0.40, "y0": 0.40, "x1": 0.50, "y1": 0.50}
BESIDE = {"x0": 0.80, "y0": 0.80, "x1": 0.85, "y1": 0.85}


@pytest.fixture(scope="module")
def services(database_url: str) -> Iterator[Services]:
    built = platform.build(database_url)
    yield dataclasses.replace(built, workflows=MemoryWorkflows())
    built.database.close()


@pytest.fixture(scope="module")
def server(services: Services) -> Iterator[Server]:
    with Server(services) as running:
        yield running


@pytest.fixture
def ana(server: Server) -> Iterator[httpx.Client]:
    with server.client(Role.ANALYST) as client:
        yield client


@pytest.fixture
def flight_id(services: Services) -> str:
    """A complete flight whose detector had one crack, which shows at BOX on frame 7; frame 8 is in the sample too."""
    empty(services.database)
    with services.database.session() as session:
        world = World(session, NOW)
        world.site()
        flight = world.flight(world.asset("T-01", 260.0, 0.0), world.drone(), NOW)
        world.segment(flight, 0, NOW, state="queued")
        name = flight.flight_id
    told = detection("det-1", segment=f"{name}.00000")
    told_at = AuditBox(detection_id="det-1", kind=DefectKind.CRACK, box=BoxNorm(**BOX))
    store(services, name, told, frames=(sampled(name, 7, 0.001, told_at), sampled(name, 8, 0.002)))
    return name


def sampled(flight_id: str, frame: int, draw: float, *boxes: AuditBox) -> AuditFrame:
    return audit_frame(f"{flight_id}.00000", frame, boxes=boxes, key=f"frames/{frame}.jpg", draw=draw)


def store(services: Services, flight_id: str, *told: Detection, frames: tuple[AuditFrame, ...]) -> None:
    with services.database.session() as session:
        record_batch(session, batch(f"{flight_id}.00000", *told, audit_frames=frames))


def say(http: httpx.Client, frame: str, *boxes: dict[str, float], verdict: str = "", kind: str = "crack") -> Any:
    marks = [{"kind": kind, "box": box} for box in boxes]
    body = {"verdict": verdict or ("marked" if marks else "nothing"), "marks": marks}
    return http.post(f"/v1/blind-audits/frames/{frame}/answers", json=body)


def upcoming(http: httpx.Client) -> tuple[str | None, int]:
    said = http.get("/v1/blind-audits/next").json()
    return (said["frame"]["frame_id"] if said["frame"] else None), said["left"]


def test_a_person_sees_each_frame_once_and_nothing_of_what_was_found(flight_id: str, ana: httpx.Client) -> None:
    first = ana.get("/v1/blind-audits/next").json()["frame"]
    assert set(first) == {"frame_id", "asset_id", "asset_kind", "captured_at", "width_px", "height_px", "picture"}
    assert say(ana, first["frame_id"]).status_code == 201
    assert upcoming(ana) == (f"{flight_id}.00000-000008", 1)
    assert say(ana, f"{flight_id}.00000-000008", verdict="unclear").status_code == 201
    assert upcoming(ana) == (None, 0)


def test_the_answer_tells_what_had_been_found(flight_id: str, ana: httpx.Client) -> None:
    answer = say(ana, f"{flight_id}.00000-000007", BOX, BESIDE).json()
    assert [mark["found"] for mark in answer["marks"]] == [True, False]


def test_the_same_answer_again_changes_nothing_and_another_is_refused(
    services: Services, flight_id: str, ana: httpx.Client
) -> None:
    frame = f"{flight_id}.00000-000007"
    first = say(ana, frame, BOX).json()
    assert say(ana, frame, BOX).json() == first
    assert say(ana, frame).status_code == 409
    with services.database.session() as session:
        said = session.scalars(select(Audit.action).where(Audit.object == frame)).all()
    assert said == ["blind_audit.answer"]


def test_what_was_taken_back_may_be_answered_anew(flight_id: str, ana: httpx.Client) -> None:
    frame = f"{flight_id}.00000-000007"
    say(ana, frame, BESIDE)
    assert ana.post(f"/v1/blind-audits/frames/{frame}/answers/undo").status_code == 204
    assert ana.post(f"/v1/blind-audits/frames/{frame}/answers/undo").status_code == 409
    assert ana.get("/v1/blind-audits/miss-rate").json() == []
    assert say(ana, frame).status_code == 201


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"verdict": "marked", "marks": [{"kind": "crack", "box": BOX | {"x1": 1.2}}]}, id="outside"),
        pytest.param({"verdict": "marked", "marks": [{"kind": "crack", "box": BOX | {"x1": 0.3}}]}, id="turned round"),
        pytest.param({"verdict": "marked", "marks": [{"kind": "crack", "box": BOX | {"x0": "NaN"}}]}, id="no number"),
        pytest.param({"verdict": "marked", "marks": [{"kind": "ufo", "box": BOX}]}, id="unknown kind"),
        pytest.param({"verdict": "marked", "marks": []}, id="marked without a mark"),
        pytest.param({"verdict": "nothing", "marks": [{"kind": "crack", "box": BOX}]}, id="nothing with a mark"),
        pytest.param({"verdict": "marked", "marks": [{"kind": "crack", "box": BOX}] * 41}, id="too many"),
    ],
)
def test_what_cannot_be_is_refused(flight_id: str, ana: httpx.Client, body: dict[str, object]) -> None:
    path = f"/v1/blind-audits/frames/{flight_id}.00000-000007/answers"
    assert ana.post(path, json=body).status_code == 422
    assert upcoming(ana)[1] == 2


def test_a_kind_that_this_asset_cannot_have_is_refused(services: Services, flight_id: str, ana: httpx.Client) -> None:
    with services.database.session() as session:
        session.scalars(select(Asset)).one().kind = "power_line"
    assert say(ana, f"{flight_id}.00000-000007", BOX, kind="delamination").status_code == 422


def test_a_mark_on_an_asset_whose_shape_is_no_turbine_is_taken_without_a_place(
    services: Services, flight_id: str, ana: httpx.Client
) -> None:
    with services.database.session() as session:
        asset = session.scalars(select(Asset)).one()
        asset.kind, asset.geometry = "telecom_tower", {"height_m": 40.0}
    answer = say(ana, f"{flight_id}.00000-000007", BOX, kind="corrosion")
    assert (answer.status_code, answer.json()["marks"][0]["placed"]) == (201, False)


def test_who_may_only_read_may_not_audit(server: Server, flight_id: str) -> None:
    with server.client(Role.VIEWER) as viewer:
        assert viewer.get("/v1/blind-audits/next").status_code == 403
        assert say(viewer, f"{flight_id}.00000-000007").status_code == 403
        assert viewer.get("/v1/blind-audits/miss-rate").status_code == 200


def test_a_flight_that_still_brings_frames_has_no_sample(services: Services, flight_id: str, ana: httpx.Client) -> None:
    with services.database.session() as session:
        session.get_one(Flight, flight_id).state = FlightState.LANDED.value
    assert upcoming(ana) == (None, 0)
    assert say(ana, f"{flight_id}.00000-000007").status_code == 404


def test_the_lowest_two_are_the_sample_and_a_batch_again_changes_nothing(
    services: Services, flight_id: str, ana: httpx.Client
) -> None:
    frames = (sampled(flight_id, 7, 0.001), sampled(flight_id, 8, 0.002), sampled(flight_id, 9, 0.7))
    for _ in range(2):
        store(services, flight_id, frames=frames)
    with services.database.session() as session:
        rows = session.scalars(select(AuditFrameRow).order_by(AuditFrameRow.frame_id)).all()
        assert [len(AuditFrame.model_validate(row.record).boxes) for row in rows] == [1, 0, 0]
    assert upcoming(ana)[1] == 2


def test_what_the_detector_that_spoke_last_missed_of_planted_defects_is_published_beside_it(
    services: Services, flight_id: str, ana: httpx.Client
) -> None:
    assert "planted in the simulator" not in ana.get("/insights/rest").text, "its card says nothing of it"
    with services.database.session() as session:
        assert gather(session, flight_id).method.planted == "Not measured for this detector and class of asset."
        world = World(session, NOW)
        flight = session.get_one(Flight, flight_id)
        world.segment(flight, 1, NOW, state="queued")
        session.flush()
        rate = PlantedRate(
            asset_kind=AssetKind.WIND_TURBINE, flights=32, found=249, of=384, from_px=12.0, measured_at=NOW
        )
        seen = batch(f"{flight_id}.00001", detection("det-2", segment=f"{flight_id}.00001", root_m=20.0))
        card = MODEL.model_copy(update={"sha256": "cd" * 32, "planted": rate})
        later = {"model": card, "analysed_at": seen.analysed_at + timedelta(hours=1)}
        record_batch(session, seen.model_copy(update=later))
    page = " ".join(BeautifulSoup(ana.get("/insights/rest").text, "lxml").get_text(" ").split())
    assert "Wind turbine, planted in the simulator 35 % 30–40 % 135 of 384 32 flights" in page
    with services.database.session() as session:
        said = gather(session, flight_id).method.planted
    assert said.startswith(
        "35% (95 % interval 30% to 40%). Of 384 defects of 12 pixels and more that a simulator planted"
    )


def test_the_rate_counts_a_defect_once_and_says_who_stands_behind_it(
    services: Services, flight_id: str, ana: httpx.Client, server: Server
) -> None:
    say(ana, f"{flight_id}.00000-000007", BOX, BESIDE)
    with server.client(Role.REVIEWER, name="bert") as bert:
        say(bert, f"{flight_id}.00000-000007", BESIDE)
    (blades,) = ana.get("/v1/blind-audits/miss-rate").json()
    assert (blades["frames"], blades["people"], blades["marks"]) == (1, 2, 3)
    assert (blades["missed"]["hits"], blades["missed"]["of"], blades["enough"]) == (1, 2, False)
    with services.database.session() as session:
        said = gather(session, flight_id).method.blind_audits
    assert said.startswith("Too little data: of 2 defects that people saw on 1 random frames")


def test_a_missed_mark_becomes_a_finding_once_and_stays_missed(
    services: Services, flight_id: str, ana: httpx.Client
) -> None:
    mark = say(ana, f"{flight_id}.00000-000007", BESIDE).json()["marks"][0]
    made = [ana.post(f"/v1/blind-audits/marks/{mark['mark_id']}/finding") for _ in range(2)]
    assert [answer.status_code for answer in made] == [201, 201]
    assert made[0].json()["finding_id"] == made[1].json()["finding_id"]
    assert (made[0].json()["status"], made[0].json()["reviewed_by"]) == ("open", None)
    assert ana.get("/v1/blind-audits/miss-rate").json()[0]["missed"]["hits"] == 1
    assert ana.post(f"/v1/blind-audits/frames/{flight_id}.00000-000007/answers/undo").status_code == 409
    with services.database.session() as session:
        assert len(session.scalars(select(Finding)).all()) == 2


def test_what_waited_for_a_person_was_missed_also_when_the_mark_made_it_a_finding(
    services: Services, flight_id: str, ana: httpx.Client
) -> None:
    mark = say(ana, f"{flight_id}.00000-000007", BESIDE).json()["marks"][0]
    with services.database.session() as session:
        placed = detection(mark["mark_id"], segment=f"{flight_id}.00000", root_m=18.0)
        session.get_one(AuditMark, mark["mark_id"]).body = placed.model_dump(mode="json")
        held = placed.model_copy(update={"detection_id": "det-held", "for_review": True})
        record_batch(session, batch(f"{flight_id}.00000", held))
    made = ana.post(f"/v1/blind-audits/marks/{mark['mark_id']}/finding").json()
    with services.database.session() as session:
        assert session.get_one(DetectionRow, "det-held").finding_id == made["finding_id"]
    assert ana.get("/v1/blind-audits/miss-rate").json()[0]["missed"]["hits"] == 1
