"""One trace from the frame to the ticket: MQTT, ingest, consume, the vision queue, the workflow, the request to SAP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.testclient import TestClient

from cloud.backends.sap import SapOData
from cloud.db import Database
from cloud.ingest import Ingest
from contracts.events import DroneEvent, DroneEventKind, EventBatch, WorkflowTask
from contracts.resources import DETECTIONS_QUEUE, VISION_JOBS_QUEUE, WORKFLOW_TASKS_QUEUE
from contracts.topics import EVENTS
from instruments import traces
from simulators import sap as simulated
from simulators.sap_faults import FaultFile
from simulators.sap_store import Store
from tests import platform
from tests.backends.test_stored_segments import Bench
from tests.clean_database import empty
from tests.sightings import MODEL
from tests.stand_ins import MemoryQueues, services_on
from tests.unit.vision.test_worker import FakeJobs, FakeObjects
from vision.worker import Worker as VisionWorker
from workflows.worker import Worker


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    kept = InMemorySpanExporter()
    stop = traces.record_with("test", SimpleSpanProcessor(kept))
    yield kept
    stop()


@pytest.fixture
def bench(database_url: str) -> Iterator[Bench]:
    opened = Database(database_url)
    empty(opened)
    services = services_on(opened, database_url)
    yield Bench(services, cast("Any", services.queues), cast("Any", services.objects), cast("Any", services.workflows))
    opened.close()


class Sap:
    """The simulated SAP in this process, and the headers that it was asked with."""

    def __init__(self, folder: Path) -> None:
        self.parents: list[str] = []
        state = folder / "sap.sqlite"
        self._http = TestClient(simulated.make_app(Store(state), FaultFile(None), "u", "p", state=state))
        self.client = SapOData("http://testserver", "u", "p", transport=httpx.MockTransport(self._pass_on))

    def _pass_on(self, request: httpx.Request) -> httpx.Response:
        self.parents.append(request.headers.get("traceparent", ""))
        self._http.cookies.clear()
        answer = self._http.request(request.method, str(request.url), content=request.read(), headers=request.headers)
        headers = [(k, v) for k, v in answer.headers.multi_items() if k not in {"content-encoding", "content-length"}]
        return httpx.Response(answer.status_code, headers=headers, content=answer.content)


def fly(bench: Bench, sap: Sap, folder: Path) -> None:
    """Take one segment all the way: told over MQTT, stored, analysed, recorded, and its critical finding to SAP."""
    segment_id = bench.manifest().segment_id
    wire = platform.Wire()
    recorded = DroneEvent(seq=1, kind=DroneEventKind.SEGMENT_RECORDED, at=datetime.now(UTC), segment_id=segment_id)
    batch = EventBatch(drone_id=bench.drone_id, boot_id="boot-1", events=(recorded,))
    wire.offer(EVENTS.of(bench.drone_id), batch.model_dump_json().encode())
    assert Ingest(bench.services.database, wire).step() is True
    bench.event(bench.upload())
    assert bench.media_events.step() is True
    bench.analysed()
    jobs = FakeJobs(*bench.queues.bodies(VISION_JOBS_QUEUE))
    finder = SimpleNamespace(card=MODEL)
    assert VisionWorker(jobs, FakeObjects(bench.objects.stored), cast("Any", finder), folder).step() is True
    bench.queues.send(DETECTIONS_QUEUE, jobs.answers[0].model_dump_json())
    assert bench.detections.step() is True
    [body] = bench.flows.inputs.values()
    task = WorkflowTask(task="ticket", token="t", execution="fnd", input={"finding": json.loads(body)})
    queues = cast("MemoryQueues", bench.services.queues)
    queues.send(WORKFLOW_TASKS_QUEUE, task.model_dump_json())
    assert Worker(replace(bench.services, maintenance=sap.client), wait_s=0).step() is True
    [(_, error, output)] = bench.flows.answers
    assert (error, bool(json.loads(output)["number"])) == ("", True)


def test_a_finding_has_one_trace_from_frame_to_ticket(
    bench: Bench, exporter: InMemorySpanExporter, tmp_path: Path
) -> None:
    sap = Sap(tmp_path)
    fly(bench, sap, tmp_path / "scratch")
    spans = {span.name: span for span in exporter.get_finished_spans()}
    trace = traces.trace_of(bench.manifest().segment_id)
    assert {_trace_id(span) for span in spans.values()} == {trace.trace_id}
    assert set(spans) == {
        "mqtt segment_recorded", "segment stored", "vision asked", "segment analysed", "detections recorded",
        "workflow started", "task ticket", "SAP GET", "SAP POST",
    }  # fmt: skip
    first = spans["mqtt segment_recorded"]
    assert first.parent is None
    assert first.context is not None
    assert spans["task ticket"].parent is not None
    assert first.context.span_id == spans["task ticket"].parent.span_id == trace.span_id
    assert sap.parents
    assert {parent.split("-")[1] for parent in sap.parents} == {f"{trace.trace_id:032x}"}
    asked = {
        span.context.span_id for span in exporter.get_finished_spans() if span.context and span.name.startswith("SAP")
    }
    assert {int(parent.split("-")[2], 16) for parent in sap.parents} <= asked


def test_without_a_collector_nothing_is_traced_and_nothing_is_sent(bench: Bench, tmp_path: Path) -> None:
    sap = Sap(tmp_path)
    fly(bench, sap, tmp_path / "scratch")
    assert set(sap.parents) == {""}


def _trace_id(span: ReadableSpan) -> int:
    assert span.context is not None
    return int(span.context.trace_id)
