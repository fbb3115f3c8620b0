"""A critical finding's way to its ticket, on Step Functions semantics, with a real worker and a real SAP protocol."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from sqlalchemy import select

from cloud import consume, decisions, executions
from cloud.backends.sap import SapOData
from cloud.reconcile import Reconciler
from cloud.services import Services
from cloud.tables import Asset, Finding, Flight, Notification, Summary, Ticket, WorkflowRun
from contracts import resources
from contracts.errors import SapUnavailable
from contracts.events import WorkflowTask
from infra.local import resources as local_resources
from tests.clean_database import empty
from tests.follow_ups import arrive, assert_all_once, ended, fly, on_sap, runs, wait_for, waiting
from tests.policies import asking
from tests.sap_server import SapServer
from tests.services import MiniStack
from workflows.worker import HANDLERS, Worker


@pytest.fixture(scope="module")
def built(database_url: str, aws_ministack: MiniStack, sap: SapServer) -> Iterator[Services]:
    with on_sap(database_url, sap) as services:
        yield services


@pytest.fixture
def services(built: Services, sap: SapServer) -> Services:
    empty(built.database)
    sap.break_it()
    return built


@contextmanager
def working(services: Services, workers: int = 3) -> Iterator[None]:
    """Run workers until the block ends."""
    stop = threading.Event()
    crashed: list[BaseException] = []

    def loop() -> None:
        worker = Worker(services, wait_s=0)
        while not stop.is_set():
            try:
                if not worker.step():
                    stop.wait(0.05)
            except Exception as error:
                crashed.append(error)
                raise

    threads = [threading.Thread(target=loop) for _ in range(workers)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not crashed


def history(services: Services, name: str) -> list[dict[str, Any]]:
    with services.database.session() as session:
        arn = session.get_one(WorkflowRun, name).arn
    events = boto3.client("stepfunctions").get_execution_history(executionArn=str(arn))["events"]
    return [dict(event) for event in events]


def test_a_critical_finding_gets_one_ticket_one_message_one_summary(services: Services, sap: SapServer) -> None:
    ready = fly(services)
    finding_id = arrive(services, ready)
    with working(services):
        wait_for(lambda: ended(services, finding_id))
    assert [(r.execution_name, r.state) for r in runs(services)] == [(finding_id, "succeeded")]
    assert_all_once(services, sap, finding_id)
    wait_for(lambda: services.workflows.status(str(runs(services)[0].arn)) == "SUCCEEDED")
    fields = sap.notifications(finding_id)[0]
    assert fields["NotificationType"] == "M2"
    assert len(fields["NotificationText"]) <= 40


def test_the_same_message_again_changes_nothing(services: Services, sap: SapServer) -> None:
    ready = fly(services)
    finding_id = arrive(services, ready)
    with working(services):
        wait_for(lambda: ended(services, finding_id))
        assert arrive(services, ready) == finding_id
        with services.database.session() as session:
            assert executions.want(session, finding_id) is None
            executions.again(session, session.get_one(WorkflowRun, finding_id))
        consume.start_wanted(services)
        wait_for(lambda: ended(services, f"{finding_id}-2"))
    assert_all_once(services, sap, finding_id)


def test_sap_down_then_up_gives_one_ticket(services: Services, sap: SapServer) -> None:
    sap.break_it(fail_next_posts=2, status=500)
    finding_id = arrive(services, fly(services))
    with working(services):
        wait_for(lambda: ended(services, finding_id))
    errors = [
        e["taskFailedEventDetails"]["error"] for e in history(services, finding_id) if "taskFailedEventDetails" in e
    ]
    assert errors == ["SapUnavailable", "SapUnavailable"]
    assert_all_once(services, sap, finding_id)


def test_a_flight_that_is_complete_is_inspected_to_its_end(services: Services) -> None:
    ready = fly(services)
    with services.database.session() as session:
        session.scalars(select(Flight)).one().expected_segments = 1
    arrive(services, ready)
    with services.database.session() as session:
        flight_id = session.scalars(select(Flight.flight_id)).one()
    with working(services):
        wait_for(lambda: all(run.ended_at is not None for run in runs(services)))
    ended_runs = {run.execution_name: run.state for run in runs(services)}
    assert (len(ended_runs), set(ended_runs.values()), flight_id in ended_runs) == (2, {"succeeded"}, True)
    kept = [item.key.rpartition(".")[2] for item in services.objects.list(f"reports/{flight_id}/")]
    assert sorted(kept) == ["csv", "geojson", "html", "json"]


def test_an_answer_lost_after_sap_committed_does_not_make_two(services: Services, sap: SapServer) -> None:
    sap.break_it(lose_response_after_commit=1)
    finding_id = arrive(services, fly(services))
    with working(services):
        wait_for(lambda: ended(services, finding_id))
    assert_all_once(services, sap, finding_id)


@pytest.mark.parametrize(
    ("location", "says"), [("", "no functional location"), ("t 01", "Functional location t 01 does not exist")]
)
def test_a_refusal_is_visible_and_can_be_resumed(services: Services, sap: SapServer, location: str, says: str) -> None:
    finding_id = arrive(services, fly(services, functional_location=location))
    with working(services):
        wait_for(lambda: ended(services, finding_id))
        (failed,) = runs(services)
        assert failed.state == "failed"
        assert failed.error == "ticket: SapRejected"
        assert says in failed.hint
        with services.database.session() as session:
            assert session.scalars(select(Notification)).one().finding_id == finding_id
            assert session.get(Summary, finding_id) is not None
            assert session.scalars(select(Ticket)).first() is None
            session.scalars(select(Asset)).one().functional_location = "KES-T-01"
        with services.database.session() as session:
            again = executions.resume(session, finding_id, by="analyst").execution_name
        consume.start_wanted(services)
        wait_for(lambda: ended(services, again))
    assert [r.state for r in runs(services)] == ["failed", "succeeded"]
    assert_all_once(services, sap, finding_id)


@pytest.mark.parametrize("approve", [True, False])
def test_where_the_policy_asks_a_person_the_answer_decides(
    services: Services, sap: SapServer, tmp_path: Path, approve: bool
) -> None:
    services = replace(services, settings=services.settings.model_copy(update={"policy_file": asking(tmp_path)}))
    finding_id = arrive(services, fly(services))
    with working(services):
        wait_for(lambda: bool(waiting(services)))
        assert sap.notifications(finding_id) == []
        with services.database.session() as session:
            decisions.answer(session, waiting(services)[0].decision_id, approve=approve, reason="Seen.", by="ada")
        assert consume.pass_on_answers(services) == 1
        wait_for(lambda: ended(services, finding_id))
    assert [r.state for r in runs(services)] == ["succeeded"]
    assert len(sap.notifications(finding_id)) == approve


def test_an_emulator_killed_while_a_person_thinks_asks_the_same_question(
    services: Services, sap: SapServer, aws_ministack: MiniStack, tmp_path: Path
) -> None:
    services = replace(services, settings=services.settings.model_copy(update={"policy_file": asking(tmp_path)}))
    finding_id = arrive(services, fly(services))
    with working(services):
        wait_for(lambda: bool(waiting(services)))
    (asked,) = waiting(services)
    aws_ministack.kill()
    aws_ministack.start()
    local_resources.ensure()
    Reconciler(services, every_s=0.0).run()
    with working(services):
        wait_for(lambda: waiting(services)[0].execution_name == f"{finding_id}-2")
        with services.database.session() as session:
            decisions.answer(session, asked.decision_id, approve=True, reason="Seen.", by="ada")
        consume.pass_on_answers(services)
        wait_for(lambda: ended(services, f"{finding_id}-2"))
    assert_all_once(services, sap, finding_id)


def test_what_people_do_in_sap_lands_in_the_ticket_and_the_finding(services: Services, sap: SapServer) -> None:
    finding_id = arrive(services, fly(services))
    with working(services):
        wait_for(lambda: ended(services, finding_id))
    reconciler = Reconciler(with_reads_at_once(services), every_s=0.0)
    number = assert_all_once(services, sap, finding_id)
    seen = []
    for phase in ("3", "4", "1"):
        sap.move(number, phase, "4000001")
        _, failed = reconciler.run()
        assert not failed
        with services.database.session() as session:
            ticket = session.scalars(select(Ticket)).one()
            ticket.checked_at = datetime.now(UTC) - timedelta(days=2)
            seen.append((ticket.phase, ticket.status, session.get_one(Finding, finding_id).status))
    assert seen == [
        ("In process", "open", "open"),
        ("Completed", "closed", "repaired"),
        ("Outstanding", "open", "open"),
    ]


def with_reads_at_once(services: Services) -> Services:
    return replace(services, settings=services.settings.model_copy(update={"ticket_read_every_s": 0.001}))


def test_a_long_outage_of_sap_ends_in_the_one_right_ticket(services: Services, sap: SapServer) -> None:
    sap.break_it(fail_next_posts=1000, status=503)
    finding_id = arrive(services, fly(services))
    impatient = {**HANDLERS, "ticket": given_up}
    worker = Worker(services, wait_s=0, handlers=impatient)
    wait_for(lambda: worker.step() is None and ended(services, finding_id))
    assert [(r.state, r.error) for r in runs(services)] == [("failed", "ticket: UsedUp")]
    with services.database.session() as session:
        run = session.get_one(WorkflowRun, finding_id)
        assert run.ended_at is not None
        run.ended_at -= timedelta(hours=1)
    sap.break_it()
    reconciler = Reconciler(services, every_s=0.0)
    done, failed = reconciler.run()
    assert (done["workflows_resumed"], failed) == (1, False)
    with working(services):
        wait_for(lambda: ended(services, f"{finding_id}-2"))
    assert_all_once(services, sap, finding_id)


def given_up(services: Services, task: WorkflowTask) -> dict[str, object]:
    """Try once, and fail as the last of the state machine's retries does."""
    try:
        return dict(HANDLERS["ticket"](services, task) or {})
    except SapUnavailable as error:
        raise UsedUp(error.message) from error


class UsedUp(SapUnavailable):
    """An outage under a name that is not retried: two minutes of retries in no time."""


def test_a_bug_in_a_handler_ends_as_a_visible_failure(services: Services) -> None:
    finding_id = arrive(services, fly(services))
    worker = Worker(services, wait_s=0, handlers={"check": broken, "fail": HANDLERS["fail"]})
    wait_for(lambda: worker.step() is None and ended(services, finding_id))
    (run,) = runs(services)
    assert (run.state, run.error) == ("failed", "check: Unexpected")
    assert "KeyError" in run.hint


def broken(services: Services, task: WorkflowTask) -> dict[str, object]:
    raise KeyError(task.task)


def test_a_worker_killed_in_the_middle_is_replaced(services: Services, sap: SapServer) -> None:
    finding_id = arrive(services, fly(services))
    taken: list[str] = []

    def take() -> bool:
        messages = services.queues.receive(resources.WORKFLOW_TASKS_QUEUE, 1, 0)
        taken.extend(m.receipt for m in messages)
        return bool(messages)

    wait_for(take)
    services.queues.extend(resources.WORKFLOW_TASKS_QUEUE, taken[0], 1)  # as if its minute were nearly over
    with working(services):
        wait_for(lambda: ended(services, finding_id))
    assert_all_once(services, sap, finding_id)


def test_an_answer_nobody_waits_for_is_harmless(services: Services) -> None:
    assert services.workflows.succeed("gone", "{}") is False
    assert services.workflows.fail("gone", "Unavailable", "") is False
    body = {"task": "record", "token": "gone", "execution": "gone", "input": {}}
    services.queues.send(resources.WORKFLOW_TASKS_QUEUE, json.dumps(body))
    worker = Worker(services, wait_s=0)
    wait_for(lambda: worker.step() is True)


def test_an_emulator_killed_in_the_middle_loses_nothing(
    services: Services, sap: SapServer, aws_ministack: MiniStack
) -> None:
    finding_id = arrive(services, fly(services))
    aws_ministack.kill()
    aws_ministack.start()
    local_resources.ensure()
    reconciler = Reconciler(services, every_s=0.0)
    done, failed = reconciler.run()
    assert not failed
    assert done["workflows_lost"] == 1
    with working(services):
        wait_for(lambda: ended(services, f"{finding_id}-2"))
    assert [(r.execution_name, r.state) for r in runs(services)] == [
        (finding_id, "failed"),
        (f"{finding_id}-2", "succeeded"),
    ]
    assert_all_once(services, sap, finding_id)
    assert reconciler.run() == ({"tickets_completed": 1}, False)  # its picture
    assert reconciler.run() == ({}, False)


def test_a_start_that_failed_is_made_by_the_reconciler(services: Services, aws_ministack: MiniStack) -> None:
    ready = fly(services)
    aws_ministack.kill()
    try:
        consume.start_wanted(services)
    finally:
        aws_ministack.start()
        local_resources.ensure()
    finding_id = arrive(services, ready)
    wait_for(lambda: runs(services)[0].state == "running")
    assert runs(services)[0].execution_name == finding_id


def test_a_session_of_sap_that_ended_makes_one_ticket(services: Services, sap: SapServer) -> None:
    assert isinstance(services.maintenance, SapOData)
    services.maintenance._token = "of yesterday"
    finding_id = arrive(services, fly(services))
    with working(services):
        wait_for(lambda: ended(services, finding_id))
    assert_all_once(services, sap, finding_id)
