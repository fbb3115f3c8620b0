"""What `kestrel demo` says at its end: one JSON object, or tables a person reads."""

from __future__ import annotations

from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict
from rich.console import Console
from rich.table import Table

from infra.local.scoring import Found, Score, Ticketed, frame_to_ticket_s, percentile

MIN_RECALL = 0.9
MAX_FALSE = 2


class Measured(BaseModel):
    """Times and amounts of one run."""

    model_config = ConfigDict(frozen=True)

    stack_start_s: float
    flight_s: float
    total_s: float
    video_s: float
    vision_processing_s: float
    segments: int
    telemetry_samples: int


class Answer(BaseModel):
    """The assistant's answer to the demo's question."""

    model_config = ConfigDict(frozen=True)

    question: str
    sentences: list[dict[str, Any]]
    citations: list[str]


class Report(BaseModel):
    """The whole result; `--json` prints it."""

    model_config = ConfigDict(frozen=True)

    ok: bool
    problems: list[str]
    url: str
    recall: float
    false_findings: int
    planted: list[dict[str, Any]]
    tickets: list[dict[str, Any]]
    frame_to_ticket_s: dict[str, float | None]
    video_s_per_processing_s: float | None
    not_seen: list[str]
    measured: Measured
    answer: Answer


class Outcome(NamedTuple):
    """What the API said when all was over."""

    found: list[Found]
    tickets: list[Ticketed]
    summaries: dict[str, str]
    """By finding id."""
    not_seen: list[str]
    measured: Measured
    answer: Answer
    url: str


def build(score: Score, outcome: Outcome) -> Report:
    """Put the run together and judge it against the demo's own bar."""
    found, tickets, measured, answer = outcome.found, outcome.tickets, outcome.measured, outcome.answer
    times = frame_to_ticket_s(found, tickets)
    critical = {f.finding_id for f in found if f.severity_rank >= 4}
    numbered = {t.finding_id for t in tickets if t.number}
    checks = {
        f"recall {score.recall:.2f} is below {MIN_RECALL}": score.recall < MIN_RECALL,
        f"{len(score.false_findings)} false findings are more than {MAX_FALSE}": len(score.false_findings) > MAX_FALSE,
        f"{len(critical - numbered)} critical findings have no ticket number": bool(critical - numbered),
        "the planted critical defects led to no ticket": not numbered,
        "a finding has two tickets": len(tickets) != len({t.finding_id for t in tickets}),
        "the assistant cited nothing": not answer.citations,
    }
    problems = [text for text, wrong in checks.items() if wrong]
    return Report(
        ok=not problems,
        problems=problems,
        url=outcome.url,
        recall=round(score.recall, 3),
        false_findings=len(score.false_findings),
        planted=[_row_json(row, outcome.summaries) for row in score.rows],
        tickets=[t.model_dump(mode="json") for t in tickets],
        frame_to_ticket_s={
            "median": percentile(times, 0.5),
            "p95": percentile(times, 0.95),
            "max": times[-1] if times else None,
        },
        video_s_per_processing_s=(
            round(measured.video_s / measured.vision_processing_s, 2) if measured.vision_processing_s else None
        ),
        not_seen=outcome.not_seen,
        measured=measured,
        answer=answer,
    )


def _row_json(row: Any, summaries: dict[str, str]) -> dict[str, Any]:
    found, ticket = row.found, row.ticket
    return {
        "defect_id": row.planted.defect_id,
        "asset_id": row.planted.asset_id,
        "kind": row.planted.kind,
        "place": f"{row.planted.blade} {row.planted.side} {row.planted.distance_to_root_m:.1f} m",
        "length_mm": row.planted.length_mm,
        "found": None if found is None else f"F-{found.number}",
        "finding_id": found and found.finding_id,
        "found_kind": found and found.kind,
        "error_mm": None if row.error_mm is None else round(row.error_mm),
        "severity": found and f"{found.severity_scheme} {found.severity_code}",
        "ticket": ticket and ticket.number,
        "summary": found and summaries.get(found.finding_id),
    }


def show(report: Report, console: Console) -> None:
    """Print the report for a person."""
    table = Table(title="Planted defects and what became of them", title_justify="left")
    for name in ("planted", "place", "mm", "found", "as", "error mm", "severity", "SAP"):
        table.add_column(name, justify="right" if name in {"mm", "error mm"} else "left")
    for row in report.planted:
        missed = row["found"] is None
        table.add_row(
            _words(row["kind"]),
            row["place"],
            f"{row['length_mm']:.0f}",
            "[red]missed[/]" if missed else f"[green]{row['found']}[/]",
            "the same" if row["found_kind"] == row["kind"] else _words(row["found_kind"] or ""),
            "" if missed else str(row["error_mm"]),
            row["severity"] or "",
            row["ticket"] or "",
        )
    console.print(table)
    for row in report.planted:
        if row["summary"]:
            console.print(f"- {row['summary']}", highlight=False)
    _show_figures(report, console)
    console.print(f"\n[bold]{report.answer.question}[/]", highlight=False)
    for sentence in report.answer.sentences:
        cited = " ".join(f"[{label}]" for label in sentence["labels"])
        console.print(f"  {sentence['text']} {cited}", highlight=False, markup=False)
    for problem in report.problems:
        console.print(f"[red]Not good enough:[/] {problem}", highlight=False)


def _words(kind: str) -> str:
    return kind.replace("_", " ")


def _show_figures(report: Report, console: Console) -> None:
    measured = report.measured
    median, worst = report.frame_to_ticket_s["median"], report.frame_to_ticket_s["max"]
    figures = Table(show_header=False, title="This run", title_justify="left")
    rows = [
        ("recall", f"{report.recall:.2f} of {len(report.planted)} planted"),
        ("false findings", str(report.false_findings)),
        ("tickets", f"{len(report.tickets)} SAP notifications"),
        ("frame to ticket", "no ticket" if median is None else f"{median:.1f} s median, {worst:.1f} s worst"),
        ("video", f"{measured.video_s:.0f} s of 4K in {measured.segments} segments"),
        ("vision", f"{report.video_s_per_processing_s} s of video per second of work"),
        ("telemetry", f"{measured.telemetry_samples} samples stored"),
        ("not seen", "; ".join(report.not_seen) or "everything was seen"),
        (
            "time",
            f"{measured.total_s:.0f} s in all: start {measured.stack_start_s:.0f} s, flight {measured.flight_s:.0f} s",
        ),
    ]
    for name, value in rows:
        figures.add_row(name, value)
    console.print(figures)
