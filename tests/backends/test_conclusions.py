"""What an inspection comes to at its end, and what people read of it the next morning."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from cloud import conclusions, digests, executions, flights
from cloud.alerts import rota
from cloud.db import Database
from cloud.services import Services
from cloud.tables import Finding, Flight, Media, WorkflowRun
from contracts.errors import Conflict, InvalidInput, NotFound, StillAnalysing, Unavailable
from contracts.events import WorkflowTask
from contracts.resources import DAILY_DIGEST_MACHINE, INSPECTION_MACHINE, VISION_JOBS_QUEUE
from contracts.vocabulary import DefectKind
from tests.clean_database import empty
from tests.factories import World
from tests.stand_ins import MemoryChannel, MemoryQueues, MemoryWorkflows, services_on
from workflows.worker import HANDLERS

NOW = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def database(database_url: str) -> Iterator[tuple[Database, str]]:
    made = Database(database_url)
    yield made, database_url
    made.close()


@pytest.fixture
def services(database: tuple[Database, str]) -> Services:
    empty(database[0])
    return services_on(*database)


@pytest.fixture
def flight_id(services: Services) -> str:
    with services.database.session() as session:
        world = World(session, NOW)
        world.site()
        flight = world.flight(world.asset("T-01", 260.0, 0.0), world.drone(), NOW, state="landed")
        flight.expected_segments = 2
        for index in range(2):
            world.segment(flight, index, NOW)
        world.finding(flight, DefectKind.CRACK, rank=3, at=NOW)
        world.coverage(flight, {("A", "LE"): range(20, 25)})
        return flight.flight_id


def run(services: Services, task: str, **more: Any) -> dict[str, Any]:
    answer = HANDLERS[task](services, WorkflowTask(task=task, token="t", execution="e", input=more))
    assert answer is not None
    return answer


def test_a_complete_flight_wants_its_end_once(services: Services, flight_id: str) -> None:
    for _ in range(2):
        with services.database.session() as session:
            assert flights.try_complete(session, flight_id)
    with services.database.session() as session:
        wanted = session.scalars(select(WorkflowRun)).one()
        assert (wanted.execution_name, wanted.machine, wanted.subject) == (flight_id, INSPECTION_MACHINE, flight_id)
        executions.start_next(session, services.workflows)
    assert isinstance(services.workflows, MemoryWorkflows)
    assert json.loads(services.workflows.inputs[flight_id]) == {"subject": flight_id}


def test_a_failed_end_is_resumed_under_a_name_of_its_own_and_once(services: Services, flight_id: str) -> None:
    with services.database.session() as session:
        executions.want_for(session, flight_id, INSPECTION_MACHINE)
        executions.fail(session, flight_id, "report: Unavailable", "")
        assert executions.resume(session, flight_id, by="ada").execution_name == f"{flight_id}-2"
    with pytest.raises(Conflict), services.database.session() as session:
        executions.resume(session, flight_id, by="ada")


def test_every_step_of_the_end_says_what_it_found_and_may_run_twice(services: Services, flight_id: str) -> None:
    for _ in range(2):
        assert run(services, "segments", subject=flight_id) == {"segments": [f"{flight_id}.0000{i}" for i in (0, 1)]}
        assert run(services, "segment", subject=flight_id, segment_id=f"{flight_id}.00000") == {"state": "analysed"}
        assert run(services, "coverage", subject=flight_id) == {"not_seen": 1}
        assert run(services, "identity", subject=flight_id)["changed"] >= 0
        assert run(services, "grade", subject=flight_id) == {"changed": 0}
        assert len(run(services, "report", subject=flight_id)["keys"]) == 4
    kept = json.loads(
        services.objects.get(next(k.key for k in services.objects.list("reports/") if k.key.endswith("json")))
    )
    assert len(kept.get("findings", kept.get("features", []))) == 1


@pytest.mark.parametrize("task", ["segments", "coverage", "identity", "grade", "report"])
def test_a_flight_nobody_knows_is_not_found(services: Services, task: str) -> None:
    with pytest.raises(NotFound):
        run(services, task, subject="flt-none")


def test_an_end_waits_for_media_and_for_vision(services: Services, flight_id: str) -> None:
    with services.database.session() as session:
        session.get_one(Flight, flight_id).expected_segments = 3
        session.get_one(Media, f"{flight_id}.00001").state = "stored"
    with pytest.raises(StillAnalysing, match="2 of 3"):
        run(services, "segments", subject=flight_id)
    for _ in range(2):
        with pytest.raises(StillAnalysing):
            conclusions.settle(services, f"{flight_id}.00001")
    assert isinstance(services.queues, MemoryQueues)
    assert len(services.queues.bodies(VISION_JOBS_QUEUE)) == 1


def test_a_person_grade_stays(services: Services, flight_id: str) -> None:
    with services.database.session() as session:
        finding = session.scalars(select(Finding)).one()
        finding.severity_source, finding.severity_rank = "manual", 1
    run(services, "grade", subject=flight_id)
    with services.database.session() as session:
        assert session.scalars(select(Finding.severity_rank)).one() == 1


def test_a_digest_counts_the_day_and_what_waits(services: Services, flight_id: str) -> None:
    with services.database.session() as session:
        session.scalars(select(Finding)).one().first_recorded_at = NOW
        session.get_one(Flight, flight_id).completed_at = NOW + timedelta(days=1)
        executions.want_for(session, flight_id, INSPECTION_MACHINE)
        executions.fail(session, flight_id, "report: Unavailable", "")
    with services.database.session() as session:
        digest = digests.gather(session, NOW.date())
    assert (digest.happened, digest.subject) == (2, "Kestrel, 2026-11-20: 2 things")
    assert digest.text == "2026-11-20 (UTC)\n- 1 findings\n- 1 failed runs to resume\n"
    assert run(services, "gather", subject="2026-11-20") == {"happened": 2}
    with services.database.session() as session:
        executions.resume(session, flight_id, by="ada")
    assert run(services, "gather", subject="2026-11-20") == {"happened": 1}


def test_a_digest_goes_to_everyone_and_again_under_the_same_key(services: Services) -> None:
    assert [run(services, "send", subject="2026-11-20") for _ in range(2)] == [{"sent": 1}] * 2
    channel = services.channels["topic"]
    assert isinstance(channel, MemoryChannel)
    assert channel.keys == ["daily-2026-11-20-engineers"] * 2


def test_a_silent_channel_makes_it_come_again(services: Services) -> None:
    digest = digests.Digest(1, "s", "t")
    with pytest.raises(Unavailable):
        digests.send({}, rota.load(), NOW.date(), digest)
    with pytest.raises(InvalidInput):
        run(services, "gather", subject="yesterday")


def test_a_day_is_wanted_once(services: Services) -> None:
    with services.database.session() as session:
        made = [executions.want_for(session, "2026-11-20", DAILY_DIGEST_MACHINE) for _ in range(2)]
    assert [m is not None for m in made] == [True, False]
