"""Every metric of the platform, declared once: what is counted, in which unit, by which few labels.

A label has few values, all known when the program starts: a route, a queue, a task. Never a drone, a flight or a
person: a fleet of a thousand would make a thousand series of each metric. ``docs/metrics.md`` is generated from here.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics import MetricWrapperBase

REGISTRY: Final = CollectorRegistry(auto_describe=True)
ProcessCollector(namespace="kestrel", registry=REGISTRY)
CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
_FAST_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_SLOW_S: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


class Declared(NamedTuple):
    """A row of the page."""

    metric: MetricWrapperBase
    name: str
    """As it is exposed."""
    kind: str
    labels: tuple[str, ...]
    programs: str
    help: str


DECLARED: Final[list[Declared]] = []


def _counter(name: str, help_: str, labels: tuple[str, ...], programs: str) -> Counter:
    made = Counter(name.removesuffix("_total"), help_, labels, registry=REGISTRY)
    DECLARED.append(Declared(made, name, "counter", labels, programs, help_))
    return made


def _gauge(name: str, help_: str, labels: tuple[str, ...], programs: str) -> Gauge:
    made = Gauge(name, help_, labels, registry=REGISTRY)
    DECLARED.append(Declared(made, name, "gauge", labels, programs, help_))
    return made


def _histogram(
    name: str, help_: str, labels: tuple[str, ...], programs: str, buckets: tuple[float, ...] = _FAST_S
) -> Histogram:
    made = Histogram(name, help_, labels, registry=REGISTRY, buckets=buckets)
    DECLARED.append(Declared(made, name, "histogram", labels, programs, help_))
    return made


READY = _gauge("kestrel_ready", "1 when a dependency was there when last asked, else 0.", ("dependency",), "all")
STEPS_FAILED = _counter(
    "kestrel_steps_failed_total", "Steps of a daemon that failed and are tried again.", ("step",), "all but the API"
)

API_REQUESTS = _counter(
    "kestrel_api_requests_total",
    "Answered requests, by method, route (as in the OpenAPI document, never the path itself) and status class.",
    ("method", "route", "status"),
    "API",
)
API_SECONDS = _histogram(
    "kestrel_api_request_seconds",
    "Seconds from a request to the first byte of its answer, by the route's first two parts.",
    ("area",),
    "API",
)

INGEST_MESSAGES = _counter(
    "kestrel_ingest_messages_total",
    "Messages of drones that were committed, those among them too that went to the dead letters; by the topic's name.",
    ("topic",),
    "ingest",
)
INGEST_BURIED = _counter("kestrel_ingest_buried_total", "Messages that went to the dead letters.", (), "ingest")
INGEST_SAMPLES = _counter(
    "kestrel_ingest_samples_total", "Telemetry samples committed, repeated ones too.", (), "ingest"
)
INGEST_COMMIT_SECONDS = _histogram(
    "kestrel_ingest_commit_seconds", "Seconds from a micro-batch in hand to its commit.", (), "ingest"
)
INGEST_LAST_COMMIT = _gauge(
    "kestrel_ingest_last_commit_timestamp_seconds", "When a micro-batch was last committed (Unix time).", (), "ingest"
)
LINK_UP = _gauge("kestrel_link_up", "1 while the broker has accepted us and our subscriptions, else 0.", (), "ingest")
COMMANDS_SENT = _counter("kestrel_commands_sent_total", "Commands given to the broker, by kind.", ("kind",), "ingest")

QUEUE_MESSAGES = _counter(
    "kestrel_queue_messages_total",
    "Messages taken from a queue, by what became of them: done, delayed or buried.",
    ("queue", "outcome"),
    "consume, workflows, vision",
)
QUEUE_SECONDS = _histogram(
    "kestrel_queue_handling_seconds",
    "Seconds that handling one message took.",
    ("queue",),
    "consume, vision",
    _SLOW_S,
)
QUEUE_WAITING = _gauge(
    "kestrel_queue_waiting_messages",
    "Messages in a queue at the last pass, those in hand too.",
    ("queue",),
    "reconcile",
)

TASKS = _counter(
    "kestrel_workflow_tasks_total",
    "Tasks of state machines, by task and outcome: done, failed or crashed.",
    ("task", "outcome"),
    "workflows",
)
TASK_SECONDS = _histogram(
    "kestrel_workflow_task_seconds", "Seconds that a task's handler took.", ("task",), "workflows", _SLOW_S
)

VISION_VIDEO_SECONDS = _counter("kestrel_vision_video_seconds_total", "Seconds of film analysed.", (), "vision")
VISION_PROCESSING_SECONDS = _counter(
    "kestrel_vision_processing_seconds_total", "Seconds that analysing them took.", (), "vision"
)
VISION_DETECTIONS = _counter("kestrel_vision_detections_total", "Detections put on an asset.", (), "vision")


def exposed() -> bytes:
    """Return all of them in Prometheus' text format."""
    return generate_latest(REGISTRY)
