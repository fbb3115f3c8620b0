"""Media, findings, tickets, coverage and workflow runs over HTTP, with a real database."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from cloud import dead_letters, executions
from cloud.services import Services
from cloud.tables import Asset, Drone, Finding
from contracts.resources import MEDIA_EVENTS_QUEUE
from contracts.turbine import TurbineGeometry
from contracts.vocabulary import DefectKind, Role
from tests import platform
from tests.clean_database import empty
from tests.factories import MemoryObjects, World
from tests.platform import Server
from tests.stand_ins import MemoryQueues, MemoryWorkflows

NOW = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)
VIDEO = bytes(range(256)) * 8192


class Shown:
    """What the API is asked about."""

    flight: str
    segment: str
    crack: str
    burn: str


@pytest.fixture(scope="module")
def services(database_url: str) -> Iterator[Services]:
    built = platform.build(database_url)
    yield dataclasses.replace(built, objects=MemoryObjects(), queues=MemoryQueues(), workflows=MemoryWorkflows())
    built.database.close()


@pytest.fixture(scope="module")
def server(services: Services) -> Iterator[Server]:
    with Server(services) as running:
        yield running


@pytest.fixture(scope="module")
def viewer(server: Server) -> Iterator[httpx.Client]:
    with server.client(Role.VIEWER) as http:
        yield http


@pytest.fixture
def shown(services: Services) -> Shown:
    empty(services.database)
    assert isinstance(services.objects, MemoryObjects)
    assert isinstance(services.workflows, MemoryWorkflows)
    services.workflows.inputs.clear()
    shown = Shown()
    with services.database.session() as session:
        world = World(session, NOW, objects=services.objects)
        world.site()
        flight = world.flight(world.asset("T-01", 260.0, 0.0), world.drone(), NOW)
        segment = world.segment(flight, 0, NOW)
        services.objects.put(segment.video_key, VIDEO, "video/mp4")
        crack = world.finding(flight, DefectKind.CRACK, rank=4, at=NOW)
        burn = world.finding(
            flight, DefectKind.LIGHTNING_BURN, blade="B", side="SS", rank=2, at=NOW + timedelta(hours=1)
        )
        for position in range(2):
            world.evidence(crack, segment, position=position)
        world.ticket(crack, number="10000001")
        world.summary(crack, "F-1 is a crack.", "It is GWO 4.")
        world.run(crack, "failed", "ticket: SapRejected")
        world.coverage(flight, {("A", "LE"): range(20, 25)})
        shown.flight, shown.segment = flight.flight_id, segment.segment_id
        shown.crack, shown.burn = crack.finding_id, burn.finding_id
    return shown


def wait_for(holds: Callable[[], bool]) -> None:
    """Wait for what happens after the answer has been sent."""
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [row["finding_id"] for row in answer.json()["data"]]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["burn", "crack"]),
        ({"min_rank": 4}, ["crack"]),
        ({"kind": "lightning_burn"}, ["burn"]),
        ({"blade": "A", "side": "LE"}, ["crack"]),
        ({"status": "rejected"}, []),
        ({"asset_id": "t-02"}, []),
        ({"asset_id": "t-01"}, ["burn", "crack"]),
        ({"from": "2026-11-20T17:30:00Z"}, ["burn"]),
        ({"to": "2026-11-20T17:30:00Z"}, ["crack"]),
    ],
)
def test_findings_are_filtered(viewer: httpx.Client, shown: Shown, query: dict[str, Any], found: list[str]) -> None:
    assert ids(viewer.get("/v1/findings", params=query)) == [getattr(shown, name) for name in found]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"min_rank": 9}, "min_rank"),
        ({"colour": "red"}, "colour"),
        ({"from": "yesterday"}, "from"),
        ({"cursor": "x"}, "cursor"),
    ],
)
def test_a_filter_that_makes_no_sense_is_named(viewer: httpx.Client, query: dict[str, Any], field: str) -> None:
    answer = viewer.get("/v1/findings", params=query)
    assert (answer.status_code, answer.json()["field"]) == (422, field)


def test_findings_come_in_pages(viewer: httpx.Client, shown: Shown) -> None:
    first = viewer.get("/v1/findings", params={"limit": 1})
    assert ids(first) == [shown.burn]
    second = viewer.get("/v1/findings", params={"limit": 1, "cursor": first.json()["next_cursor"]})
    assert ids(second) == [shown.crack]
    assert second.json()["next_cursor"] is None


def test_a_finding_comes_with_all_that_belongs_to_it(viewer: httpx.Client, shown: Shown) -> None:
    body = viewer.get(f"/v1/findings/{shown.crack}").json()
    assert [e["frame"] for e in body["evidence"]] == [60, 61]
    assert body["ticket"]["number"] == "10000001"
    assert body["summary"]["sentences"][0] == {"text": "F-1 is a crack.", "citations": [shown.crack]}
    assert body["runs"][0]["state"] == "failed"
    assert body["seen"]["seen_share"] == pytest.approx(0.97)
    assert viewer.get("/v1/findings/fnd-none").status_code == 404


def test_the_best_pictures_are_jpeg(viewer: httpx.Client, shown: Shown) -> None:
    for part in ("crop", "frame"):
        answer = viewer.get(f"/v1/findings/{shown.crack}/{part}")
        assert answer.headers["content-type"] == "image/jpeg"
        assert answer.content.startswith(b"\xff\xd8")
    assert viewer.get(f"/v1/findings/{shown.burn}/crop").status_code == 404


def test_only_reviewers_review_and_a_key_makes_it_once(server: Server, shown: Shown, viewer: httpx.Client) -> None:
    body = {"verdict": "regrade", "reason": "Structural.", "rank": 5}
    assert viewer.post(f"/v1/findings/{shown.burn}/reviews", json=body).status_code == 403
    with server.client(Role.REVIEWER) as reviewer:
        headers = {"Idempotency-Key": "once"}
        first = reviewer.post(f"/v1/findings/{shown.burn}/reviews", json=body, headers=headers)
        again = reviewer.post(f"/v1/findings/{shown.burn}/reviews", json=body, headers=headers)
    assert first.status_code == 201, first.text
    assert first.json() == again.json()
    assert (first.json()["severity_rank"], first.json()["severity_source"]) == (5, "manual")
    flows = server.services.workflows
    assert isinstance(flows, MemoryWorkflows)
    wait_for(lambda: list(flows.inputs) == [shown.burn])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"verdict": "regrade", "reason": "x"}, "rank"),
        ({"verdict": "maybe", "reason": "x"}, "verdict"),
        ({"verdict": "confirm", "reason": ""}, "reason"),
    ],
)
def test_a_review_that_makes_no_sense_is_refused(
    server: Server, shown: Shown, body: dict[str, str], field: str
) -> None:
    with server.client(Role.ANALYST) as analyst:
        answer = analyst.post(f"/v1/findings/{shown.crack}/reviews", json=body)
    assert (answer.status_code, answer.json()["field"]) == (422, field)


def test_media_tickets_and_runs_are_listed(viewer: httpx.Client, shown: Shown) -> None:
    (media,) = viewer.get("/v1/media", params={"flight_id": shown.flight}).json()["data"]
    assert (media["segment_id"], media["state"]) == (shown.segment, "analysed")
    assert viewer.get(f"/v1/media/{shown.segment}").json() == media
    assert viewer.get("/v1/media", params={"state": "failed"}).json()["data"] == []
    (ticket,) = viewer.get("/v1/tickets", params={"flight_id": shown.flight, "asset_id": "t-01"}).json()["data"]
    assert ticket["finding_id"] == shown.crack
    assert viewer.get("/v1/tickets", params={"asset_id": "t-02"}).json()["data"] == []
    (run,) = viewer.get("/v1/workflow-runs", params={"state": "failed", "finding_id": shown.crack}).json()["data"]
    assert run["error"] == "ticket: SapRejected"


def test_a_later_flight_shows_the_ticket_its_defect_has_already(
    viewer: httpx.Client, services: Services, shown: Shown
) -> None:
    with services.database.session() as session:
        world = World(session, NOW, seed=77)
        earlier = session.get_one(Finding, shown.crack)
        asset = session.get_one(Asset, "t-01")
        world.geometries["t-01"] = TurbineGeometry.model_validate(asset.geometry)
        flight = world.flight(asset, session.get_one(Drone, "merlin-1"), NOW + timedelta(days=1))
        later = world.finding(flight, DefectKind.CRACK, rank=4)
        later.link_group = earlier.link_group
        ids_ = flight.flight_id, later.finding_id
    (ticket,) = viewer.get("/v1/tickets", params={"flight_id": ids_[0]}).json()["data"]
    assert (ticket["finding_id"], ticket["opened_for"], ticket["number"]) == (ids_[1], shown.crack, "10000001")
    detail = viewer.get(f"/v1/findings/{ids_[1]}").json()
    assert detail["ticket"] == ticket
    assert detail["same_defect"] == [shown.crack]


def test_runs_come_in_pages(viewer: httpx.Client, services: Services, shown: Shown) -> None:
    with services.database.session() as session:
        for finding_id in (shown.burn, shown.crack):
            row = executions.want(session, finding_id)
            assert (row is None) == (finding_id == shown.crack)
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = viewer.get("/v1/workflow-runs", params={"limit": 1} | ({"cursor": cursor} if cursor else {})).json()
        seen += [r["execution_name"] for r in page["data"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted(seen) == sorted([shown.burn, shown.crack])


@pytest.mark.parametrize(
    ("header", "status", "part"),
    [
        (None, 200, VIDEO),
        ("bytes=0-9", 206, VIDEO[:10]),
        ("bytes=1048570-1048590", 206, VIDEO[1048570:1048591]),
        ("bytes=-5", 206, VIDEO[-5:]),
        ("bytes=99999999-", 416, b""),
    ],
)
def test_video_is_streamed_by_range(
    viewer: httpx.Client, shown: Shown, header: str | None, status: int, part: bytes
) -> None:
    answer = viewer.get(f"/v1/media/{shown.segment}/video", headers={"Range": header} if header else {})
    assert (answer.status_code, answer.content) == (status, part)
    assert answer.headers["accept-ranges"] == "bytes"
    if status == 206:
        assert answer.headers["content-range"].endswith(f"/{len(VIDEO)}")


def test_coverage_says_what_was_not_seen(viewer: httpx.Client, shown: Shown) -> None:
    body = viewer.get("/v1/coverage", params={"flight_id": shown.flight}).json()
    assert body["not_seen"] == ["blade A LE 20-25 m"]
    assert len(body["cells"]) == 300
    assert body["towers"] is None, "it is no line"
    assert viewer.get("/v1/coverage", params={"flight_id": "flt-none"}).status_code == 404


def test_a_failed_run_is_resumed_once(server: Server, shown: Shown, viewer: httpx.Client) -> None:
    path = f"/v1/workflow-runs/{shown.crack}/resume"
    assert viewer.post(path).status_code == 403
    with server.client(Role.OPERATOR) as operator:
        resumed = operator.post(path)
        assert (resumed.status_code, resumed.json()["execution_name"]) == (202, f"{shown.crack}-2")
        assert operator.post(path).status_code == 409
        assert operator.post("/v1/workflow-runs/none/resume").status_code == 404
    wait_for(lambda: viewer.get("/v1/workflow-runs", params={"state": "running"}).json()["data"] != [])
    (started,) = viewer.get("/v1/workflow-runs", params={"state": "running"}).json()["data"]
    assert started["execution_name"] == f"{shown.crack}-2"


def test_a_dead_letter_is_replayed(server: Server, services: Services, shown: Shown, viewer: httpx.Client) -> None:
    with services.database.session() as session:
        dead_letters.bury(session, MEDIA_EVENTS_QUEUE, "k", "bad", "body")
    (letter,) = viewer.get("/v1/dead-letters").json()["data"]
    assert viewer.post(f"/v1/dead-letters/{letter['id']}/replay").status_code == 403
    with server.client(Role.OPERATOR) as operator:
        assert operator.post(f"/v1/dead-letters/{letter['id']}/replay").json()["replayed_at"]
    assert isinstance(services.queues, MemoryQueues)
    assert services.queues.bodies(MEDIA_EVENTS_QUEUE) == ["body"]


@pytest.mark.parametrize(
    "path", ["/v1/findings", "/v1/media", "/v1/tickets", "/v1/workflow-runs", "/v1/coverage?flight_id=x"]
)
def test_nothing_is_told_without_a_token(server: Server, path: str) -> None:
    with server.client() as stranger:
        assert stranger.get(path).status_code == 401


def test_a_rejected_finding_stays_out_of_the_workflow(server: Server, services: Services, shown: Shown) -> None:
    with server.client(Role.ANALYST) as analyst:
        assert (
            analyst.post(f"/v1/findings/{shown.burn}/reviews", json={"verdict": "reject", "reason": "Dirt."}).json()[
                "status"
            ]
            == "rejected"
        )
    with services.database.session() as session:
        assert session.get_one(Finding, shown.burn).review_reason == "Dirt."
    flows = services.workflows
    assert isinstance(flows, MemoryWorkflows)
    assert flows.inputs == {}
