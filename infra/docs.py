"""Pages of ``docs/`` that are written from code: ``python -m infra.docs`` writes them, ``--check`` compares."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, get_args, get_origin

import yaml
from pydantic import BaseModel

from contracts import asyncapi
from contracts.topics import MAX_PAYLOAD_BYTES, PLATFORM_IDENTITY, TOPICS, Direction, Topic
from infra.local.instance import STATUS
from instruments import metrics

DOCS = Path(__file__).resolve().parents[1] / "docs"


def topics_page() -> str:
    """Return the page of every MQTT message."""
    lines = [
        "# Topics",
        "",
        "Every MQTT message, as `contracts/topics.py` declares it. This page is generated: change the table there,",
        "then run `make docs`. The broker's access rules come from the same table.",
        "",
        f"The common name of a drone's certificate is its drone id; the platform's is `{PLATFORM_IDENTITY}`.",
        f"A drone may use its own rows only. A payload is JSON of at most {MAX_PAYLOAD_BYTES:,} bytes, QoS as given.",
        "",
        "| topic | from | message | QoS | retained | rate | purpose |",
        "|---|---|---|--:|---|---|---|",
        *(_row(topic) for topic in TOPICS),
    ]
    for topic in TOPICS:
        lines += ["", f"## {topic.schema.__name__} (`{topic.name}`)", "", _summary(topic.schema), ""]
        lines += _fields(topic.schema)
        for item in _items(topic.schema):
            lines += ["", f"Each `{item.__name__}`: {_summary(item)}", "", *_fields(item)]
    return "\n".join(lines) + "\n"


def asyncapi_page() -> str:
    """Return the AsyncAPI document of the MQTT side."""
    head = "# Generated from contracts/topics.py: change the table there, then run `make docs`.\n"
    return head + yaml.safe_dump(asyncapi.document(), sort_keys=False, width=120, allow_unicode=True)


def metrics_page() -> str:
    """Return the page of every Prometheus metric."""
    lines = [
        "# Metrics",
        "",
        "Every Prometheus metric, as `instruments/metrics.py` declares it. This page is generated: change the table",
        "there, then run `make docs`.",
        "",
        "Each program answers `/healthz` (200 while it lives), `/readyz` (200 when it can do its work, 503 with the",
        "reasons otherwise) and `/metrics` on a port of its own (`CLOUD_STATUS_PORT`, `VISION_STATUS_PORT`; loopback",
        "unless `…_STATUS_HOST` says otherwise; without a port there is no such page). The API answers `/healthz` and",
        "`/readyz` on its public port too. `kestrel up` chooses the ports (`instance.json`, names that end in",
        f"`{STATUS}`) and calls a program ready when `/readyz` does; `kestrel doctor` says what each lacks.",
        "",
        "| program | is ready when |",
        "|---|---|",
        *(f"| {name} | {needs} |" for name, needs in READY_WHEN.items()),
        "",
        "A load balancer that takes instances away should ask `/healthz`: without the broker the API still answers.",
        "",
        "No label names a drone, a flight, a person or a path: a label's values are known when the program starts.",
        "Every program also exposes its own memory, processor time and open files as `kestrel_process_…`.",
        "",
        "| metric | kind | labels | program | meaning |",
        "|---|---|---|---|---|",
        *(_metric(row) for row in metrics.DECLARED),
    ]
    return "\n".join(lines) + "\n"


READY_WHEN = {
    "API": "the database has this version's schema, the object store and the broker answer, and it can sign commands",
    "ingest": "the broker has accepted its subscriptions, the database answers, and its last commit went well",
    "consume": "its queues, the database and the object store answer",
    "reconcile": "the database and the object store answer, and its passes end",
    "workflows": "the queue of tasks and the database answer",
    "vision": "its model is loaded, its queue and the object store answer",
}


def _metric(row: metrics.Declared) -> str:
    labels = ", ".join(f"`{label}`" for label in row.labels)
    return f"| `{row.name}` | {row.kind} | {labels} | {row.programs} | {row.help} |"


PAGES: dict[str, Callable[[], str]] = {
    "topics.md": topics_page,
    "asyncapi.yaml": asyncapi_page,
    "metrics.md": metrics_page,
}


def _row(topic: Topic) -> str:
    sender = "drone" if topic.direction is Direction.UP else "platform"
    retained = "yes" if topic.retain else "no"
    schema = f"[{topic.schema.__name__}](#{_anchor(topic)})"
    rate = topic.rate.replace("<=", "≤")
    return f"| `{topic.template}` | {sender} | {schema} | {topic.qos} | {retained} | {rate} | {topic.purpose} |"


def _anchor(topic: Topic) -> str:
    return f"{topic.schema.__name__.lower()}-{topic.name}"


def _summary(schema: type[BaseModel]) -> str:
    return (schema.__doc__ or "").strip().split("\n")[0].replace("``", "`")


def _items(schema: type[BaseModel]) -> list[type[BaseModel]]:
    lists = [field.annotation for field in schema.model_fields.values() if get_origin(field.annotation) is tuple]
    parts = [part for annotation in lists for part in get_args(annotation)]
    return [part for part in parts if isinstance(part, type) and issubclass(part, BaseModel)]


def _fields(schema: type[BaseModel]) -> list[str]:
    rows = ["| field | type | meaning |", "|---|---|---|"]
    for name, field in schema.model_fields.items():
        optional = "" if field.is_required() else " (optional)"
        meaning = (field.description or _meaning(field.annotation)).replace("|", "\\|").replace("``", "`")
        rows.append(f"| `{name}` | {_type(field.annotation)}{optional} | {meaning} |")
    return rows


def _meaning(annotation: object) -> str:
    inner = [part for part in get_args(annotation) if isinstance(part, type) and issubclass(part, BaseModel)]
    found = (
        annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else next(iter(inner), None)
    )
    return _summary(found) if found is not None else ""


def _type(annotation: object) -> str:
    if get_origin(annotation) is Annotated:
        return _type(get_args(annotation)[0])
    arguments = [part for part in get_args(annotation) if part is not Ellipsis]
    if get_origin(annotation) is tuple:
        return f"list of {_type(arguments[0])}"
    if arguments:
        return " or ".join(_type(part) for part in arguments if part is not type(None))
    return f"`{getattr(annotation, '__name__', str(annotation))}`"


def stale() -> list[str]:
    """Return the names of pages that differ from what the code says."""
    return [name for name, page in PAGES.items() if not (DOCS / name).exists() or (DOCS / name).read_text() != page()]


def main() -> int:
    """Write the pages, or with ``--check`` say which are stale and return 1."""
    if "--check" in sys.argv[1:]:
        for name in stale():
            sys.stderr.write(f"docs/{name} is stale: run `make docs`.\n")
        return 1 if stale() else 0
    DOCS.mkdir(exist_ok=True)
    for name, page in PAGES.items():
        (DOCS / name).write_text(page())
        sys.stdout.write(f"wrote docs/{name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
