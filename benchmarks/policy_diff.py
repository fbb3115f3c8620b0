"""How long it takes to compare two policies over a big history, beside the database's own time for reading the rows.

    python -m benchmarks.policy_diff --findings 100000

The ratio is what to compare between machines: the comparison over one plain SELECT of the same columns.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

from sqlalchemy import text

from benchmarks.assistant import _GROW, NOW
from cloud.db import Database
from cloud.grading import shipped_policy
from cloud.policy.replay import diff
from tests.scenes import seed_history
from tests.services import DatabaseServer

_PLAIN = "SELECT finding_id, kind, length_mm, width_mm, side, distance_to_root_m, severity_rank, status FROM findings"


def main() -> None:
    """Seed, measure, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--findings", type=int, default=100_000)
    options = parser.parse_args()
    before = shipped_policy()
    after = before.model_copy(update={"version": "later", "critical_rank": 3, "raises": ()})
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
        with database.session() as session:
            began = time.perf_counter()
            rows = session.execute(text(_PLAIN)).all()
            plain_s = time.perf_counter() - began
            began, cpu = time.perf_counter(), time.process_time()
            told = diff(session, before, after)
            took_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu
        database.close()
    answer = {
        "findings": told.findings,
        "read_rows": len(rows),
        "changed": told.changed,
        "diff_s": round(took_s, 2),
        "diff_cpu_s": round(cpu_s, 2),
        "plain_select_s": round(plain_s, 2),
        "diff_over_plain_select": round(took_s / plain_s, 1),
    }
    print(json.dumps(answer, indent=2))


if __name__ == "__main__":
    main()
