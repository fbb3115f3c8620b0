"""How long the built-in assistant takes over a big history, beside the database's own time for the plain count.

    python -m benchmarks.assistant --findings 100000

Ratios are what to compare between machines: p95 of an answer over the p50 of `SELECT count(*)` on the same rows.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import text

from cloud.assistant.conversation import answer
from cloud.assistant.tools.declarations import Asker
from cloud.db import Database
from cloud.security import Principal
from contracts.vocabulary import Role
from tests.scenes import seed_history
from tests.services import DatabaseServer

NOW = datetime(2026, 11, 20, 16, 40, tzinfo=UTC)
ASKER = Principal("benchmark", frozenset({Role.VIEWER}), "token")
QUESTIONS = (
    "What were the most critical defects detected last week?",
    "How many critical findings were detected this month?",
    "Which turbine has the most defects?",
    "findings by kind",
    "weekly trend of cracks in the last 3 months",
    "defects by component on T-01",
    "Which critical findings have no ticket?",
    "the 5 largest cracks on blade B, leading edge",
    "What was not inspected on T-01?",
    "What is the status of the tickets?",
    "What did the last flight find?",
    "What is the average crack length on T-01?",
    "Are there more cracks on T-01 than on T-02?",
    "How many critical findings this month compared to last month?",
    "¿Cuántas grietas hay en la pala B de T-01?",
    "Is T-01 safe?",
)
# Copies of the seeded findings, spread over two years.
_GROW = """
INSERT INTO findings (finding_id, link_group, flight_id, asset_id, kind, blade, side, distance_to_root_m, offset_m,
  length_mm, width_mm, size_sigma_mm, confidence, model_name, model_sha256, threshold, severity_scheme, severity_code,
  severity_rank, severity_source, policy_version, severity_reason, action, status, detected_at, review_reason)
SELECT 'big-' || n, 'big-' || n, f.flight_id, f.asset_id, f.kind, f.blade, f.side, f.distance_to_root_m, f.offset_m,
  f.length_mm + n % 50, f.width_mm, f.size_sigma_mm, f.confidence, f.model_name, f.model_sha256, f.threshold,
  f.severity_scheme, f.severity_code, f.severity_rank, f.severity_source, f.policy_version, f.severity_reason, f.action,
  f.status, f.detected_at - (n % 700) * interval '1 day', ''
FROM generate_series(1, :count) n
JOIN (SELECT *, row_number() OVER (ORDER BY number) - 1 AS turn, count(*) OVER () AS held FROM findings) f
  ON f.turn = n % f.held
"""


def measure(database: Database, repeats: int) -> dict[str, object]:
    """Return milliseconds per question and the ratios."""
    per_question: dict[str, float] = {}
    every: list[float] = []
    for question in QUESTIONS:
        times = []
        for _ in range(repeats):
            with database.session() as session:
                began = time.perf_counter()
                answer(Asker(session, ASKER, NOW, ZoneInfo("Europe/Berlin")), question)
                times.append(1000 * (time.perf_counter() - began))
        per_question[question] = round(statistics.median(times), 1)
        every += times
    counts = []
    for _ in range(repeats):
        with database.session() as session:
            began = time.perf_counter()
            session.execute(text("SELECT count(*) FROM findings WHERE status <> 'rejected'"))
            counts.append(1000 * (time.perf_counter() - began))
    p95, base = statistics.quantiles(every, n=20)[-1], statistics.median(counts)
    return {
        "p50_ms": round(statistics.median(every), 1),
        "p95_ms": round(p95, 1),
        "plain_count_p50_ms": round(base, 1),
        "p95_over_plain_count": round(p95 / base, 1),
        "median_ms": per_question,
    }


def main() -> None:
    """Seed, measure, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--findings", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="kb") as folder,
        DatabaseServer(Path(folder) / "pg") as server,
        server.database(migrated=True) as url,
    ):
        database = Database(url)
        with database.session() as session:
            seed_history(session, NOW)
            session.execute(text(_GROW), {"count": options.findings})
        with database.session() as session:
            session.execute(text("ANALYZE"))
        print(json.dumps({"findings": options.findings, **measure(database, options.repeats)}, indent=2))
        database.close()


if __name__ == "__main__":
    main()
