"""Verdicts: on one finding or many at once, taken back by who gave them, every change on record."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from bs4 import BeautifulSoup
from sqlalchemy import select

from cloud import audit
from cloud.api.reviews import ReviewIn
from cloud.services import Services
from cloud.tables import Audit, Finding, IdempotencyKey, WorkflowRun
from cloud.web import desk
from contracts.vocabulary import DefectKind, FindingStatus, Role, Verdict
from tests import platform
from tests.clean_database import empty
from tests.factories import World
from tests.platform import Server
from tests.stand_ins import MemoryWorkflows

NOW = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)
CONFIRM = {"verdict": "confirm", "reason": "Seen."}


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
def http(server: Server) -> Iterator[httpx.Client]:
    with server.client(Role.ANALYST) as client:
        yield client


@pytest.fixture
def found(services: Services) -> list[str]:
    empty(services.database)
    with services.database.session() as session:
        world = World(session, NOW)
        world.site()
        flight = world.flight(world.asset("T-01", 260.0, 0.0), world.drone(), NOW)
        return [world.finding(flight, DefectKind.CRACK, rank=rank, at=NOW).finding_id for rank in (2, 3, 3)]


def shown(http: httpx.Client, finding_id: str) -> dict[str, Any]:
    answer: dict[str, Any] = http.get(f"/v1/findings/{finding_id}").json()
    return {k: v for k, v in answer.items() if k != "updated_at" and not isinstance(v, list)}


@pytest.mark.parametrize(
    "verdict",
    [CONFIRM, {"verdict": "reject", "reason": "Shadow."}, {"verdict": "regrade", "reason": "Deep.", "rank": 5}],
    ids=["confirm", "reject", "regrade"],
)
def test_a_verdict_taken_back_leaves_the_finding_as_it_was(
    http: httpx.Client, found: list[str], verdict: dict[str, Any]
) -> None:
    before = shown(http, found[0])
    assert http.post(f"/v1/findings/{found[0]}/reviews", json=verdict).status_code == 201
    assert shown(http, found[0]) != before
    assert http.post(f"/v1/findings/{found[0]}/reviews/undo").status_code == 200
    assert shown(http, found[0]) == before


def test_taking_back_a_verdict_leaves_the_grade_that_later_evidence_gave(
    http: httpx.Client, services: Services, found: list[str]
) -> None:
    http.post(f"/v1/findings/{found[0]}/reviews", json=CONFIRM)
    with services.database.session() as session:
        session.get_one(Finding, found[0]).severity_rank = 5  # seen nearer since, and larger
    taken_back = http.post(f"/v1/findings/{found[0]}/reviews/undo").json()
    assert (taken_back["status"], taken_back["severity_rank"]) == ("open", 5)


def test_each_verdict_and_its_return_is_on_record(http: httpx.Client, services: Services, found: list[str]) -> None:
    http.post(f"/v1/findings/{found[0]}/reviews", json=CONFIRM)
    http.post(f"/v1/findings/{found[0]}/reviews/undo")
    with services.database.session() as session:
        rows = session.scalars(select(Audit).where(Audit.object == found[0]).order_by(Audit.id)).all()
        assert [row.action for row in rows] == ["finding.confirm", "finding.undo"]
        assert all(row.before and row.after for row in rows)


def test_only_one_step_and_only_ones_own_is_taken_back(http: httpx.Client, server: Server, found: list[str]) -> None:
    assert http.post(f"/v1/findings/{found[0]}/reviews/undo").status_code == 409
    http.post(f"/v1/findings/{found[0]}/reviews", json=CONFIRM)
    with server.client(Role.REVIEWER) as other:
        answer = other.post(f"/v1/findings/{found[0]}/reviews/undo")
        assert answer.status_code == 409
        assert "'s." in answer.json()["detail"]
    assert http.post(f"/v1/findings/{found[0]}/reviews/undo").status_code == 200
    assert http.post(f"/v1/findings/{found[0]}/reviews/undo").status_code == 409
    assert http.post("/v1/findings/fnd-none/reviews/undo").status_code == 404


def test_one_verdict_falls_on_many_or_on_none(http: httpx.Client, found: list[str]) -> None:
    body = {"verdict": "reject", "reason": "One dirty pane.", "finding_ids": [*found, "fnd-none"]}
    assert http.post("/v1/findings/reviews", json=body).status_code == 404
    assert {shown(http, one)["status"] for one in found} == {"open"}
    answer = http.post("/v1/findings/reviews", json=body | {"finding_ids": [*found, found[0]]})
    assert answer.status_code == 201
    assert {row["status"] for row in answer.json()["data"]} == {"rejected"}


@pytest.mark.parametrize(
    ("ids", "rank"), [([], None), ([f"fnd-{n}" for n in range(201)], None)], ids=["none", "too many"]
)
def test_an_empty_or_endless_list_is_refused_by_field(http: httpx.Client, ids: list[str], rank: int | None) -> None:
    answer = http.post("/v1/findings/reviews", json=CONFIRM | {"finding_ids": ids})
    assert (answer.status_code, answer.json()["field"]) == (422, "finding_ids")


def test_who_grades_a_rejected_finding_says_that_it_is_there_and_critical_ones_get_a_ticket(
    http: httpx.Client, services: Services, found: list[str]
) -> None:
    http.post(f"/v1/findings/{found[0]}/reviews", json={"verdict": "reject", "reason": "Shadow."})
    http.post(f"/v1/findings/{found[0]}/reviews", json={"verdict": "regrade", "reason": "No.", "rank": 5})
    assert (shown(http, found[0])["status"], shown(http, found[0])["severity_rank"]) == ("confirmed", 5)
    with services.database.session() as session:
        assert session.scalars(select(WorkflowRun.finding_id)).all() == [found[0]]


def reviewed(http: httpx.Client, ids: list[str], states: dict[str, str], many: bool, key: str) -> httpx.Response:
    """Send a verdict as programs do, on one finding or on several, with the states that it was judged by."""
    headers = {"Idempotency-Key": key}
    if not many:
        return http.post(f"/v1/findings/{ids[0]}/reviews", json=CONFIRM | {"seen": states[ids[0]]}, headers=headers)
    return http.post("/v1/findings/reviews", json=CONFIRM | {"finding_ids": ids, "seen": states}, headers=headers)


@pytest.mark.parametrize("many", [False, True], ids=["one", "several"])
def test_a_programs_verdict_on_what_was_judged_since_is_refused_by_name(
    http: httpx.Client, server: Server, found: list[str], many: bool
) -> None:
    states = {one: shown(http, one)["state"] for one in found}
    assert states == {one: seen(http, one) for one in found}
    with server.client(Role.REVIEWER) as other:
        other.post(f"/v1/findings/{found[0]}/reviews", json={"verdict": "reject", "reason": "Shadow."})
    refused = reviewed(http, found, states, many, "k1")
    assert (refused.status_code, refused.headers["content-type"]) == (409, "application/problem+json")
    problem = refused.json()
    assert (problem["code"], problem["field"]) == ("conflict", "seen")
    assert problem["detail"] == "reviewer has judged F-1 meanwhile: rejected, rank 2."
    assert [shown(http, one)["status"] for one in found] == ["rejected", "open", "open"]
    states[found[0]] = shown(http, found[0])["state"]
    taken = [reviewed(http, found, states, many, "k2") for _ in range(2)]
    assert [answer.status_code for answer in taken] == [201, 201]
    assert taken[0].json() == taken[1].json()
    told = taken[0].json()["data"][0] if many else taken[0].json()
    assert (told["status"], told["state"]) == ("confirmed", shown(http, found[0])["state"])


def test_a_program_that_says_again_what_it_said_changes_nothing(http: httpx.Client, found: list[str]) -> None:
    states = {found[0]: shown(http, found[0])["state"]}
    assert [reviewed(http, found, states, False, key).status_code for key in ("k1", "forgotten")] == [201, 201]


def test_a_program_tells_what_it_saw_of_each_finding_or_of_none(http: httpx.Client, found: list[str]) -> None:
    refused = reviewed(http, found, {found[0]: "open"}, True, "k1")
    assert (refused.status_code, refused.json()["field"]) == (422, "seen")
    assert {shown(http, one)["status"] for one in found} == {"open"}


def test_a_program_that_does_not_tell_what_it_saw_judges_as_before(http: httpx.Client, found: list[str]) -> None:
    body = ReviewIn(verdict=Verdict.CONFIRM, reason="Seen.")
    assert body.model_dump_json() == '{"verdict":"confirm","reason":"Seen.","rank":null}'  # what its key stands for
    for verdict in (CONFIRM, {"verdict": "reject", "reason": "Shadow."}, CONFIRM):
        assert http.post(f"/v1/findings/{found[0]}/reviews", json=verdict).status_code == 201


def test_a_viewer_judges_nothing(server: Server, found: list[str]) -> None:
    with server.client(Role.VIEWER) as viewer:
        assert viewer.post("/v1/findings/reviews", json=CONFIRM | {"finding_ids": found}).status_code == 403
        assert viewer.post(f"/v1/findings/{found[0]}/reviews/undo").status_code == 403


def seen(http: httpx.Client, finding_id: str) -> str:
    """Return the state of a finding that an analyst judges by, as the desk has it."""
    return str(BeautifulSoup(http.get(f"/fragments/review/{finding_id}").text, "lxml").article["data-seen"])  # type: ignore[index]


def sent(http: httpx.Client, ids: list[str], states: list[str], key: str, verdict: str = "reject") -> httpx.Response:
    """Send a verdict as the pages do."""
    undo = verdict == "undo"
    body = {"finding_id": ids, "seen": states} | ({} if undo else {"verdict": verdict})
    return http.post(
        "/fragments/review/undo" if undo else "/fragments/review", data=body, headers={"Idempotency-Key": key}
    )


def test_a_verdict_on_what_was_judged_since_is_refused_by_name(
    http: httpx.Client, server: Server, found: list[str]
) -> None:
    states = [seen(http, one) for one in found]
    with server.client(Role.REVIEWER) as other:
        other.post(f"/v1/findings/{found[1]}/reviews", json=CONFIRM)
    refused = sent(http, found, states, "k1")
    assert refused.status_code == 409
    assert refused.json()["detail"] == "reviewer has judged F-2 meanwhile: confirmed, rank 3."
    assert [shown(http, one)["status"] for one in found] == ["open", "confirmed", "open"]
    assert sent(http, found, [seen(http, one) for one in found], "k2").status_code == 200


def test_who_judges_again_before_the_first_answer_came_names_the_first_by_its_key(
    http: httpx.Client, found: list[str]
) -> None:
    before = seen(http, found[0])
    assert sent(http, found[:1], ["after k1"], "k0").status_code == 409
    assert sent(http, found[:1], [before], "k1").json() == {"seen": {found[0]: seen(http, found[0])}}
    assert sent(http, found[:1], [before], "k2", "confirm").status_code == 409
    assert sent(http, found[:1], ["after k1"], "k3", "confirm").status_code == 200
    assert sent(http, found[:1], ["after k1"], "k4", "undo").status_code == 409
    assert sent(http, found[:1], ["after k3"], "k5", "undo").status_code == 200
    assert shown(http, found[0])["status"] == "rejected"


def test_the_same_verdict_of_the_same_person_changes_nothing_once_its_key_is_forgotten(
    http: httpx.Client, services: Services, found: list[str]
) -> None:
    before = seen(http, found[0])
    answers = [sent(http, found[:1], [before], key).json() for key in ("k1", "forgotten")]
    assert answers[0] == answers[1]
    with services.database.session() as session:
        assert session.scalars(select(Audit.action).where(Audit.object == found[0])).all() == ["finding.reject"]


def fails_once(monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> None:
    """Let something of ours break the next time it is used, after it has done its work."""
    whole: Callable[..., Any] = getattr(owner, name)

    def broken(*args: Any, **named: Any) -> None:
        whole(*args, **named)
        monkeypatch.setattr(owner, name, whole)
        raise RuntimeError("broken")

    monkeypatch.setattr(owner, name, broken)


@pytest.mark.parametrize(("owner", "name"), [(audit, "record"), (desk, "once")], ids=["before its answer", "after it"])
def test_a_verdict_that_broke_midway_left_nothing_not_even_its_answer_and_counts_when_sent_again(
    http: httpx.Client, services: Services, found: list[str], monkeypatch: pytest.MonkeyPatch, owner: object, name: str
) -> None:
    before = seen(http, found[0])
    fails_once(monkeypatch, owner, name)
    broken = sent(http, found[:1], [before], "k1")
    assert (broken.status_code, broken.json()["code"]) == (500, "internal_error")
    with services.database.session() as session:
        assert session.get(IdempotencyKey, ("analyst", "k1")) is None
    assert seen(http, found[0]) == before
    again = [sent(http, found[:1], [before], "k1") for _ in range(2)]
    assert [answer.headers.get("Idempotent-Replayed") for answer in again] == [None, "true"]
    assert again[0].json() == again[1].json() == {"seen": {found[0]: seen(http, found[0])}}
    with services.database.session() as session:
        assert session.scalars(select(Audit.action).where(Audit.object == found[0])).all() == ["finding.reject"]


def test_what_was_repaired_since_is_not_judged_by_what_it_was(
    http: httpx.Client, services: Services, found: list[str]
) -> None:
    before = seen(http, found[0])
    with services.database.session() as session:
        session.get_one(Finding, found[0]).status = FindingStatus.REPAIRED.value
    assert "is repaired by now." in sent(http, found[:1], [before], "k1").json()["detail"]


def test_what_was_seen_is_told_of_each_finding_or_of_none(http: httpx.Client, found: list[str]) -> None:
    assert sent(http, found[:2], ["open"], "k1").status_code == 422
    assert sent(http, found[:2], [], "k2").status_code == 200
