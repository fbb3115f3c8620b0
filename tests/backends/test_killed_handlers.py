"""Every handler of every state machine killed at its worst moments, on the shipped machines.

Each run ends in everything once, or in one failure that people see and can resume.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy import select

from cloud import consume, decisions, executions
from cloud.services import Services
from cloud.tables import DetectorVersion, Finding, Flight
from cloud.training import versions
from contracts import resources, training
from contracts.resources import (
    CRITICAL_FINDING_MACHINE,
    DAILY_DIGEST_MACHINE,
    INSPECTION_MACHINE,
    RETRAIN_MACHINE,
    STATE_MACHINES,
)
from contracts.training import Current
from tests.clean_database import empty
from tests.follow_ups import arrive, assert_all_once, ended, fly, on_sap, runs, waiting
from tests.machines import shipped, task_of
from tests.mortal import MOMENTS, Killed, Mortal, MortalJobs
from tests.policies import asking
from tests.sap_server import SapServer
from tests.services import MiniStack
from tests.stand_ins import MemoryChannel
from tests.verdicts import ENOUGH, judged, measured
from vision.backends.jobs import SqsJobs
from vision.trainer import Trainer
from workflows.definition import every_state
from workflows.worker import Worker

NOBODY_ANSWERS = {("ask", "answered"), ("approve", "answered")}
"""A question's handler gives no answer: that is passed on later, and killed there."""
NO_ROWS = {("train", "uncommitted"), ("evaluate", "uncommitted")}
"""What trains keeps its work as objects."""


@pytest.fixture(scope="module")
def built(database_url: str, aws_ministack: MiniStack, sap: SapServer) -> Iterator[Services]:
    with on_sap(database_url, sap) as services:
        yield services


@pytest.fixture
def services(built: Services, tmp_path: Path) -> Services:
    empty(built.database)
    asks = built.settings.model_copy(update={"policy_file": asking(tmp_path)})
    return replace(built, settings=asks, channels={"topic": MemoryChannel()})


def tasks_of(machine: str) -> set[str]:
    """Return the tasks of a run that goes well."""
    return {task for _, state in every_state(shipped(machine)) if (task := task_of(state))} - {"fail"}


def kill_until_ended(
    services: Services, name: str, victims: AbstractSet[str], answer: Callable[[], object] = lambda: None
) -> None:
    """Run a wanted run to its end with mortal workers; ``answer`` says what a person who is asked says."""
    mortal = Mortal(services, victims)
    lessons = {
        "train": lambda version: mortal.do("train", lambda: None),
        "evaluate": lambda version: mortal.do("evaluate", lambda: measured(services, version, 0.6)),
    }
    jobs = MortalJobs(mortal, SqsJobs(wait_s=0, queue=resources.TRAINING_JOBS_QUEUE))

    def passed_on() -> bool | None:
        mortal.holds(lambda: None)
        return bool(mortal.do("answer", lambda: consume.pass_on_answers(mortal.services))) or None

    steps = [Worker(mortal.services, wait_s=0, handlers=mortal.handlers()).step]
    steps += [passed_on] * ("answer" in victims) + [Trainer(jobs, mortal, lessons).step] * ("train" in victims)
    consume.start_wanted(services)
    end = time.monotonic() + 60
    while not ended(services, name):
        assert time.monotonic() < end, mortal.died
        answer()
        busy = [lived(step) for step in steps]
        if not any(busy):
            time.sleep(0.01)
    while lived(steps[0]):
        pass
    wanted = {(task, moment) for task in victims for moment in MOMENTS}
    assert wanted - mortal.died <= NOBODY_ANSWERS | NO_ROWS


def lived(step: Callable[[], bool | None]) -> bool:
    """Tell whether a step did something, be it that it died of it."""
    try:
        return step() is not None
    except Killed:
        return True


def said_yes(services: Services) -> None:
    for asked in waiting(services):
        with services.database.session() as session:
            decisions.answer(session, asked.decision_id, approve=True, reason="Seen.", by="ada")


def test_a_critical_finding_that_a_person_is_asked_about(services: Services, sap: SapServer) -> None:
    finding_id = arrive(services, fly(services))
    victims = tasks_of(CRITICAL_FINDING_MACHINE) | {"answer"}
    kill_until_ended(services, finding_id, victims, lambda: said_yes(services))
    assert_all_once(services, sap, finding_id)
    assert [run.state for run in runs(services)] == ["succeeded"]


SMALL_MM = 40.0
"""A crack that nobody needs to be told of."""
DAY = datetime(2026, 1, 5, 12, tzinfo=UTC)


def test_an_inspection(services: Services) -> None:
    ready = fly(services, SMALL_MM)
    with services.database.session() as session:
        flight = session.scalars(select(Flight)).one()
        flight.expected_segments = 1
    arrive(services, ready)
    kill_until_ended(services, flight.flight_id, tasks_of(INSPECTION_MACHINE))
    assert [run.state for run in runs(services)] == ["succeeded"]
    kept = [item.key.rpartition(".")[2] for item in services.objects.list(f"reports/{flight.flight_id}/")]
    assert sorted(kept) == ["csv", "geojson", "html", "json"]


def test_a_days_digest_goes_out_again_under_its_one_key(services: Services) -> None:
    arrive(services, fly(services, SMALL_MM))
    with services.database.session() as session:
        session.scalars(select(Finding)).one().first_recorded_at = DAY
        executions.want_for(session, f"{DAY:%Y-%m-%d}", DAILY_DIGEST_MACHINE)
    kill_until_ended(services, f"{DAY:%Y-%m-%d}", tasks_of(DAILY_DIGEST_MACHINE))
    assert [run.state for run in runs(services)] == ["succeeded"]
    channel = services.channels["topic"]
    assert isinstance(channel, MemoryChannel)
    assert set(channel.keys) == {f"daily-{DAY:%Y-%m-%d}-engineers"}


def test_a_retraining(services: Services) -> None:
    judged(services, ENOUGH)
    with services.database.session() as session:
        version = versions.want(session, "ada", DAY, "New verdicts.").version

    def yes() -> None:
        with services.database.session() as session:
            if session.get_one(DetectorVersion, version).state == versions.WAITING:
                versions.answer(session, version, approve=True, reason="Better.", by="ada")

    kill_until_ended(services, version, tasks_of(RETRAIN_MACHINE) | {"answer"}, yes)
    assert [run.state for run in runs(services)] == ["succeeded"]
    assert Current.model_validate_json(services.objects.get(training.CURRENT_KEY)).version == version


class Doomed(NamedTuple):
    """A run that cannot succeed."""

    machine: str
    subject: str
    error: str


DOOMED = [
    Doomed(CRITICAL_FINDING_MACHINE, "", "ticket: SapRejected"),
    Doomed(INSPECTION_MACHINE, "flt-none", "segments: NotFound"),
    Doomed(DAILY_DIGEST_MACHINE, "yesterday", "gather: InvalidInput"),
    Doomed(RETRAIN_MACHINE, "mdl-none", "labels: NotFound"),
]


@pytest.mark.parametrize("doomed", DOOMED, ids=lambda doomed: doomed.machine)
def test_a_failure_is_written_down_once_and_can_be_resumed(services: Services, sap: SapServer, doomed: Doomed) -> None:
    """The handler that writes it down is killed as well."""
    name = doomed.subject or arrive(services, fly(services, functional_location=""))
    if doomed.subject:
        with services.database.session() as session:
            executions.want_for(session, name, doomed.machine)
    kill_until_ended(services, name, {"fail", "answer"} if not doomed.subject else {"fail"}, lambda: said_yes(services))
    assert [(run.state, run.error) for run in runs(services)] == [("failed", doomed.error)]
    assert doomed.subject or sap.notifications(name) == []
    with services.database.session() as session:
        assert executions.resume(session, name, by="ada").execution_name == f"{name}-2"


def test_no_machine_was_left_out() -> None:
    assert {doomed.machine for doomed in DOOMED} == set(STATE_MACHINES)
