"""Who decides that a notification opens: the policy, or a person who is asked once and whose answer holds."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from cloud import consume, decisions, executions, follow_up, grading, reviews
from cloud.reconcile import Reconciler
from cloud.services import Services
from cloud.tables import Audit, Finding, Ticket, TicketDecision, WorkflowRun
from contracts.errors import Unavailable
from contracts.events import WorkflowTask
from contracts.vocabulary import DefectKind, Role, Verdict
from tests import platform
from tests.clean_database import empty
from tests.factories import World
from tests.platform import Server
from tests.policies import asking
from tests.stand_ins import MemorySap, MemoryWorkflows
from workflows.worker import HANDLERS

NOW = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)
YES, NO = {"approve": True, "reason": "Seen twice."}, {"approve": False, "reason": "Dirt."}


@pytest.fixture(scope="module")
def built(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    services = platform.build(database_url)
    settings = services.settings.model_copy(update={"policy_file": asking(tmp_path_factory.mktemp("policy"))})
    yield dataclasses.replace(services, workflows=MemoryWorkflows(), maintenance=MemorySap(), settings=settings)
    services.database.close()


@pytest.fixture
def services(built: Services) -> Services:
    empty(built.database)
    flows = built.workflows
    assert isinstance(flows, MemoryWorkflows)
    flows.answers.clear()
    flows.down = None
    assert isinstance(built.maintenance, MemorySap)
    built.maintenance.held.clear()
    return built


@pytest.fixture
def http(server: Server) -> Iterator[httpx.Client]:
    with server.client(Role.ANALYST) as client:
        yield client


@pytest.fixture
def finding_id(services: Services) -> str:
    with services.database.session() as session:
        world = World(session, NOW)
        world.site()
        asset = world.asset("T-01", 260.0, 0.0)
        asset.functional_location = "KES-T-01"
        finding = world.finding(world.flight(asset, world.drone(), NOW), DefectKind.CRACK, rank=5, at=NOW)
        session.add(WorkflowRun(execution_name="run-1", machine="m", finding_id=finding.finding_id, state="running"))
        return finding.finding_id


def task(finding_id: str, name: str, waiter: str = "t1", execution: str = "run-1") -> WorkflowTask:
    finding = {"finding_id": finding_id, "asset_id": "t-01", "flight_id": "flt-1", "detected_at": NOW.isoformat()}
    return WorkflowTask(task=name, token=waiter, execution=execution, input={"finding": finding})


def ask(services: Services, finding_id: str, waiter: str = "t1", execution: str = "run-1") -> str:
    """Let the state machine ask, and return the question's id."""
    assert HANDLERS["ask"](services, task(finding_id, "ask", waiter, execution)) is None
    with services.database.session() as session:
        return (
            session.scalars(select(TicketDecision.decision_id).order_by(TicketDecision.asked_at.desc())).first() or ""
        )


def todo(services: Services, finding_id: str) -> list[str]:
    steps = HANDLERS["check"](services, task(finding_id, "check"))
    assert steps is not None
    return [step for step in steps["todo"] if step in {"ask", "ticket"}]  # type: ignore[attr-defined]


def answers(services: Services) -> list[tuple[str, str, str]]:
    assert isinstance(services.workflows, MemoryWorkflows)
    return services.workflows.answers


def state(services: Services, decision_id: str) -> str:
    with services.database.session() as session:
        return session.get_one(TicketDecision, decision_id).state


@pytest.mark.parametrize(
    ("body", "becomes", "left"), [(YES, "approved", ["ticket"]), (NO, "rejected", [])], ids=["approved", "rejected"]
)
def test_an_answer_goes_to_the_task_that_waits_and_holds(
    services: Services, http: httpx.Client, finding_id: str, body: dict[str, Any], becomes: str, left: list[str]
) -> None:
    assert todo(services, finding_id) == ["ask"]
    decision_id = ask(services, finding_id)
    assert answers(services) == []
    (waiting,) = http.get("/v1/decisions", params={"state": "waiting"}).json()["data"]
    assert (waiting["finding_id"], waiting["because"]) == (finding_id, "asking-1 asks a person at rank 5.")
    made = http.post(f"/v1/decisions/{decision_id}/answer", json=body)
    assert (made.status_code, made.json()["state"], made.json()["answered_by"]) == (201, becomes, "analyst")
    consume.pass_on_answers(services)
    assert answers(services) == [("t1", "", f'{{"decision": "{becomes}"}}')]
    assert todo(services, finding_id) == left
    with services.database.session() as session:
        row = session.scalars(select(Audit).where(Audit.object == decision_id)).one()
        assert (row.action, row.after) == (
            f"decision.{becomes}",
            {"state": becomes, "finding_id": finding_id, "reason": body["reason"]},
        )


def test_answering_twice_is_refused_with_who_and_when_and_the_first_answer_holds(
    services: Services, http: httpx.Client, finding_id: str
) -> None:
    decision_id = ask(services, finding_id)
    path = f"/v1/decisions/{decision_id}/answer"
    assert http.post(path, json=NO).status_code == 201
    second = http.post(path, json=YES)
    assert (second.status_code, second.json()["code"]) == (409, "conflict")
    assert "rejected by analyst at" in second.json()["detail"]
    assert state(services, decision_id) == "rejected"


def test_the_same_key_gets_the_same_answer_again(services: Services, http: httpx.Client, finding_id: str) -> None:
    path, key = f"/v1/decisions/{ask(services, finding_id)}/answer", {"Idempotency-Key": "k1"}
    first, again = (http.post(path, json=YES, headers=key) for _ in range(2))
    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())


@pytest.mark.parametrize(
    ("body", "status"),
    [({"approve": True}, 422), ({"approve": True, "reason": ""}, 422), ({"approve": "perhaps", "reason": "x"}, 422)],
)
def test_an_answer_without_its_parts_is_refused(
    services: Services, http: httpx.Client, finding_id: str, body: dict[str, Any], status: int
) -> None:
    decision_id = ask(services, finding_id)
    assert http.post(f"/v1/decisions/{decision_id}/answer", json=body).status_code == status
    assert state(services, decision_id) == "waiting"


def test_an_unknown_question_is_not_found(services: Services, http: httpx.Client) -> None:
    assert http.post("/v1/decisions/dcn-none/answer", json=YES).status_code == 404


@pytest.mark.parametrize(
    ("verdict", "rank", "becomes"),
    [
        (Verdict.CONFIRM, None, "approved"),
        (Verdict.REJECT, None, "rejected"),
        (Verdict.REGRADE, 5, "approved"),
        (Verdict.REGRADE, 2, "withdrawn"),
    ],
)
def test_a_review_answers_the_question(
    services: Services, finding_id: str, verdict: Verdict, rank: int | None, becomes: str
) -> None:
    decision_id = ask(services, finding_id)
    policy = grading.load_policy(services.settings.policy_file)
    with services.database.session() as session:
        reviews.review(session, finding_id, verdict, "Looked.", "ada", rank=rank, policy=policy)
    assert state(services, decision_id) == becomes


def test_a_review_taken_back_opens_the_question_again(services: Services, finding_id: str) -> None:
    decision_id = ask(services, finding_id)
    policy = grading.load_policy(services.settings.policy_file)
    with services.database.session() as session:
        reviews.review(session, finding_id, Verdict.REJECT, "Dirt.", "ada", policy=policy)
    with services.database.session() as session:
        reviews.undo(session, finding_id, "ada", policy)
        executions.succeed(session, "run-1")
    assert state(services, decision_id) == "withdrawn"
    assert todo(services, finding_id) == ["ask"]
    done, failed = Reconciler(services, every_s=0.0).run()
    assert (done["workflows_wanted"], failed) == (1, False)


def test_a_confirmed_finding_needs_no_question(services: Services, finding_id: str) -> None:
    policy = grading.load_policy(services.settings.policy_file)
    with services.database.session() as session:
        reviews.review(session, finding_id, Verdict.CONFIRM, "Seen.", "ada", policy=policy)
    assert todo(services, finding_id) == ["ticket"]


def test_a_rejection_stands_until_a_later_review(services: Services, http: httpx.Client, finding_id: str) -> None:
    http.post(f"/v1/decisions/{ask(services, finding_id)}/answer", json=NO)
    assert todo(services, finding_id) == []
    policy = grading.load_policy(services.settings.policy_file)
    with services.database.session() as session:
        reviews.review(session, finding_id, Verdict.CONFIRM, "It is one.", "ada", policy=policy)
    assert todo(services, finding_id) == ["ticket"]


@pytest.mark.parametrize("silence", ["fail", "open"])
def test_silence_ends_as_the_policy_says(services: Services, finding_id: str, tmp_path: Path, silence: str) -> None:
    policy = grading.load_policy(asking(tmp_path, on_silence=silence, decide_within_h=1))
    with services.database.session() as session:
        decisions.ask(session, finding_id, policy, execution="run-1", token="t1", now=NOW)
    with services.database.session() as session:
        assert decisions.expire(session, NOW + timedelta(minutes=59)) == 0
        assert decisions.expire(session, NOW + timedelta(minutes=61)) == 1
    consume.pass_on_answers(services)
    ((token, error, _),) = answers(services)
    assert (token, error) == ("t1", "DecisionExpired" if silence == "fail" else "")
    assert todo(services, finding_id) == (["ask"] if silence == "fail" else ["ticket"])


def test_a_lost_run_asks_the_same_question_through_its_new_token(
    services: Services, http: httpx.Client, finding_id: str
) -> None:
    first = ask(services, finding_id, "t1", "run-1")
    assert ask(services, finding_id, "t2", "run-2") == first
    http.post(f"/v1/decisions/{first}/answer", json=YES)
    consume.pass_on_answers(services)
    assert [token for token, _, _ in answers(services)] == ["t2"]


def test_an_answer_waits_for_step_functions(services: Services, http: httpx.Client, finding_id: str) -> None:
    decision_id = ask(services, finding_id)
    flows = services.workflows
    assert isinstance(flows, MemoryWorkflows)
    flows.down = Unavailable("Down.")
    assert http.post(f"/v1/decisions/{decision_id}/answer", json=YES).status_code == 201
    assert consume.pass_on_answers(services) == 0
    flows.down = None
    assert consume.pass_on_answers(services) == 1
    assert consume.pass_on_answers(services) == 0


def test_what_happened_while_it_waited_is_looked_at_before_sap_is_asked(services: Services, finding_id: str) -> None:
    with services.database.session() as session:
        session.get_one(Finding, finding_id).status = "repaired"
    assert HANDLERS["ticket"](services, task(finding_id, "ticket")) == {"number": None}
    assert isinstance(services.maintenance, MemorySap)
    assert services.maintenance.held == {}


def test_an_approved_finding_gets_its_ticket(services: Services, http: httpx.Client, finding_id: str) -> None:
    http.post(f"/v1/decisions/{ask(services, finding_id)}/answer", json=YES)
    assert HANDLERS["ticket"](services, task(finding_id, "ticket")) == {"number": "10000001"}
    with services.database.session() as session:
        assert session.scalars(select(Ticket)).one().finding_id == finding_id
        assert follow_up.left_to_do(session, finding_id, grading.shipped_policy()).todo == ["notify", "summarise"]


def test_a_failed_run_is_resumed_once_however_often_the_key_is_sent(
    services: Services, server: Server, finding_id: str
) -> None:
    with services.database.session() as session:
        executions.fail(session, "run-1", "ticket: SapUnavailable", "", outage="maintenance")
    key = {"Idempotency-Key": "again"}
    with server.client(Role.OPERATOR) as operator:
        made = [operator.post("/v1/workflow-runs/run-1/resume", headers=key) for _ in range(2)]
    assert [(m.status_code, m.json()["execution_name"]) for m in made] == [(202, f"{finding_id}-2")] * 2
