"""A new version of the detector: labels from verdicts, the gate, a person's yes, into force; every step twice."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from cloud import consume, executions
from cloud.services import Services
from cloud.tables import DetectorVersion, EvidenceRow, Finding, WorkflowRun
from cloud.training import teaching, versions
from cloud.training.labels import split_of
from contracts import training
from contracts.errors import Conflict, ModelRefused, NotFound, TooFewLabels
from contracts.events import WorkflowTask
from contracts.training import Current, Judgement, LabelSet, Split
from contracts.vocabulary import DefectKind, FindingStatus, Role
from tests import platform
from tests.factories import MemoryObjects
from tests.platform import Server
from tests.stand_ins import MemorySap, MemoryWorkflows
from tests.verdicts import ENOUGH, judged, measured
from workflows.worker import HANDLERS

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(scope="module")
def built(database_url: str) -> Iterator[Services]:
    services = replace(
        platform.build(database_url), objects=MemoryObjects(), maintenance=MemorySap(), workflows=MemoryWorkflows()
    )
    yield services
    services.database.close()


@pytest.fixture
def version(services: Services) -> str:
    if isinstance(services.objects, MemoryObjects):
        services.objects.stored.clear()
    with services.database.session() as session:
        return versions.want(session, "ada", NOW, "New verdicts.").version


def handle(services: Services, task: str, version: str, by: str = "t-1") -> dict[str, object] | None:
    body = WorkflowTask(task=task, token=by, execution=version, input={"subject": version})
    return HANDLERS[task](services, body)


def row(services: Services, version: str) -> DetectorVersion:
    with services.database.session() as session:
        return session.get_one(DetectorVersion, version)


def test_verdicts_become_labels_rejects_hard_negatives_and_the_unjudged_teach_nothing(
    services: Services, version: str
) -> None:
    judged(services, ENOUGH)
    assert handle(services, "labels", version) == {"frames": 45}
    kept = LabelSet.model_validate_json(services.objects.get(training.labels_key(version)))
    assert kept.counts(Judgement.DEFECT) == {DefectKind.CRACK: 25}
    assert kept.counts(Judgement.NOTHING) == {DefectKind.CRACK: 20}
    assert row(services, version).labels == {"defect": {"crack": 25}, "nothing": {"crack": 20}, "open": {}}
    assert len({frame.split for frame in kept.frames}) == 3


def test_a_resumed_run_learns_from_the_same_labels(services: Services, version: str) -> None:
    judged(services, ENOUGH)
    handle(services, "labels", version)
    before = services.objects.get(training.labels_key(version))
    with services.database.session() as session:
        for found in session.scalars(select(Finding)):
            found.status = FindingStatus.REJECTED.value
    assert handle(services, "labels", version) == {"frames": 45}
    assert services.objects.get(training.labels_key(version)) == before


@pytest.mark.parametrize(
    "verdicts", [[], [FindingStatus.CONFIRMED] * 45, [FindingStatus.REJECTED] * 45, list(ENOUGH[10:30])], ids=str
)
def test_too_few_verdicts_are_a_failure_people_see(
    services: Services, version: str, verdicts: list[FindingStatus]
) -> None:
    judged(services, verdicts)
    with pytest.raises(TooFewLabels, match="are needed"):
        handle(services, "labels", version)


def test_asked_is_what_teaches_where_verdicts_differ_and_no_picture_that_measures(services: Services) -> None:
    judged(services, [FindingStatus.CONFIRMED] * 3 + [FindingStatus.REJECTED] * 3 + [FindingStatus.OPEN] * 12)
    with services.database.session() as session:
        rows = session.scalars(select(Finding).order_by(Finding.number)).all()
        for found in rows[6:]:
            found.confidence = 0.99
        clear, doubtful, pictureless, known = [f for f in rows[6:] if split_of(f.link_group) is Split.TRAIN][:4]
        for found in (*rows[:6], doubtful):
            found.confidence = 0.87
        known.link_group = rows[0].link_group
        session.execute(
            update(EvidenceRow).where(EvidenceRow.finding_id == pictureless.finding_id).values(frame_key="")
        )
        session.flush()
        asked = teaching.questions(session, select(Finding, Finding.kind), 40)
        teaches = {f.finding_id for f in rows[6:] if split_of(f.link_group) is Split.TRAIN}
        assert {q.finding.finding_id for q in asked} == teaches - {pictureless.finding_id, known.finding_id}
        assert asked[0].finding is doubtful
        # Three of six such verdicts were right, and four more are imagined at the detector's own confidence.
        assert asked[0].chance == pytest.approx((3 + 4 * 0.87) / 10)
        assert {q.chance for q in asked if q.finding is clear} == {0.99}


def test_a_worse_version_is_stopped_and_its_figures_are_kept(services: Services, version: str) -> None:
    measured(services, version, 0.4)
    with pytest.raises(ModelRefused, match=r"mAP50 is 0\.400"):
        handle(services, "gate", version)
    kept = row(services, version)
    assert (kept.state, len(kept.objections or [])) == ("refused", 1)
    assert (kept.evaluation or {})["candidate"]["map50"] == 0.4
    with pytest.raises(ModelRefused, match="nobody approved it"):
        handle(services, "promote", version)


def test_what_was_not_measured_or_cannot_be_read_does_not_pass(services: Services, version: str) -> None:
    with pytest.raises(NotFound):
        handle(services, "gate", version)
    services.objects.put(training.evaluation_key(version), b"{}", "application/json")
    with pytest.raises(ModelRefused, match="cannot be read"):
        handle(services, "gate", version)


def asked(services: Services, version: str, by: str = "t-1") -> None:
    measured(services, version, 0.6)
    assert handle(services, "gate", version) == {"passed": True}
    assert handle(services, "approve", version, by) is None


@pytest.mark.parametrize("approve", [True, False])
def test_a_persons_answer_travels_by_the_token_and_only_a_yes_promotes(
    services: Services, server: Server, version: str, approve: bool
) -> None:
    asked(services, version)
    flows = services.workflows
    assert isinstance(flows, MemoryWorkflows)
    flows.answers.clear()
    with server.client(Role.REVIEWER) as http:
        body = {"approve": approve, "reason": "The figures are sound."}
        first = http.post(f"/v1/detectors/{version}/answer", json=body)
        again = http.post(f"/v1/detectors/{version}/answer", json={**body, "approve": not approve})
    state = "approved" if approve else "rejected"
    assert (first.status_code, first.json()["state"], again.status_code) == (201, state, 409)
    assert consume.pass_on_answers(services) + len(flows.answers) >= 1
    assert flows.answers == [("t-1", "", json.dumps({"decision": state}))]
    if not approve:
        with pytest.raises(ModelRefused):
            handle(services, "promote", version)
        return
    for _ in range(2):
        assert handle(services, "promote", version) == {"sha256": "b" * 64}
    current = Current.model_validate_json(services.objects.get(training.CURRENT_KEY))
    assert (current.version, current.sha256) == (version, "b" * 64)
    assert row(services, version).state == "promoted"


def test_a_run_that_was_lost_asks_again_and_gets_the_answer_that_is_there(services: Services, version: str) -> None:
    flows = services.workflows
    assert isinstance(flows, MemoryWorkflows)
    flows.answers.clear()
    asked(services, version)
    with services.database.session() as session:
        versions.answer(session, version, approve=True, reason="Seen.", by="ada")
    consume.pass_on_answers(services)
    handle(services, "approve", version, "t-2")
    assert [token for token, _, _ in flows.answers] == ["t-1", "t-2"]


def test_silence_is_a_failure_people_see(services: Services, version: str) -> None:
    flows = services.workflows
    assert isinstance(flows, MemoryWorkflows)
    flows.answers.clear()
    asked(services, version)
    with services.database.session() as session:
        assert versions.expire(session, NOW + timedelta(days=8)) == 1
    consume.pass_on_answers(services)
    assert [error for _, error, _ in flows.answers] == ["DecisionExpired"]
    with services.database.session() as session, pytest.raises(Conflict):
        versions.answer(session, version, approve=True, reason="Late.", by="ada")
    handle(services, "approve", version, "t-2")
    assert row(services, version).state == "waiting"


def test_one_version_at_a_time_and_the_list_tells_all(services: Services, server: Server, version: str) -> None:
    with server.client(Role.REVIEWER) as http:
        assert http.post("/v1/detectors", json={"reason": "New verdicts."}).status_code == 409
        with services.database.session() as session:
            executions.fail(session, version, "labels: TooFewLabels", "Review more.")
        assert http.post("/v1/detectors", json={"reason": "New verdicts."}).status_code == 201
        listed = http.get("/v1/detectors").json()["data"]
    assert {one["state"] for one in listed} == {"wanted"}
    assert len(listed) == 2
    with services.database.session() as session:
        runs = session.scalars(select(WorkflowRun).order_by(WorkflowRun.created_at)).all()
    assert [(run.machine, run.subject == run.execution_name) for run in runs] == [("kestrel-retrain", True)] * 2


def test_of_two_who_ask_in_the_same_moment_one_is_told_that_a_version_is_under_way(services: Services) -> None:
    both = threading.Barrier(2)

    def ask(by: str) -> str | None:
        with services.database.session() as session:
            both.wait(timeout=30)
            try:
                return versions.want(session, by, NOW, "New verdicts.").version
            except Conflict:
                return None

    with ThreadPoolExecutor(2) as people:
        made = list(people.map(ask, ("ada", "bea")))
    assert sum(version is not None for version in made) == 1
