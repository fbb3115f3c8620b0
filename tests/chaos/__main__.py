"""Kill at random, all over a running platform, and prove that nothing was lost: ``python -m tests.chaos --kills 500``.

Writes a JSON report: kills by process, what was promised and where it is, every invariant that broke, the outcome of
the tests of each row of the fault table (``--rows``), and a time line when anything broke. Exits 1 then.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import psutil
from sqlalchemy import select

from cloud.tables import Telemetry
from contracts.errors import Unavailable
from tests.chaos import oracle
from tests.chaos.oracle import Stream
from tests.chaos.scenarios import ELSEWHERE, FAULT_ROWS, SCENARIOS
from tests.chaos.stand import CAP_BYTES, Log, Stand, wait
from tests.edge_drone import sample

_MEMORY_CAP_BYTES = 1_500_000_000
_SETTLED_S = 300.0
_NAMES = ("lat_deg", "lon_deg", "alt_m", "yaw_deg", "monotonic_ms")


def run(folder: Path, name: str, kills: int, seed: int, log: Log) -> dict[str, Any]:
    """Run a scenario and return its report; what is done when is noted in ``log``."""
    began_s = time.monotonic()
    stand = Stand(folder, SCENARIOS[name], random.Random(seed), log)
    breaches: list[str] = []
    told: dict[str, Any] = {}
    with stand.running():
        breaches += _disturb(stand, kills, random.Random(seed + 1))
        try:
            told = _settle(stand)
        except (TimeoutError, Unavailable) as error:
            breaches.append(f"I6 {error}")
        owed = told.pop("owed", None) or _records(stand)
        breaches += _judge(stand, owed)
        told |= _figures(stand, owed)
    return {
        "scenario": name,
        "seed": seed,
        "kills": kills,
        "killed": {what.removeprefix("kill "): n for what, n in sorted(log.counts.items()) if what.startswith("kill ")},
        "link_faults": log.counts["link"],
        **told,
        "invariants_broken": breaches,
        "took_s": round(time.monotonic() - began_s),
        **({"timeline": log.lines} if breaches else {}),
    }


def _disturb(stand: Stand, kills: int, rng: random.Random) -> list[str]:
    """Kill, spoil the link, send commands, find defects; return watermarks that fell meanwhile."""
    marks: dict[Stream, int] = {}
    breaches: list[str] = []
    scenario = stand.scenario
    for number in range(1, kills + 1):
        time.sleep(rng.uniform(*scenario.pause_s))
        stand.kill()
        if scenario.link_faults and number % 3 == 0:
            stand.spoil(rng.choice((*scenario.link_faults, "fine", "fine")))
        if number % scenario.command_every == 0:
            stand.command()
        if number % scenario.finding_every == 0:
            stand.finding()
        with suppress(Unavailable):
            now = stand.marks()
            breaches += oracle.marks_fallen(marks, now)
            marks = now
        if number % 25 == 0:
            sys.stderr.write(f"{number} kills, {sum(map(len, stand.promised().values()))} records promised\n")
    stand.spoil("fine")
    return breaches


def _settle(stand: Stand) -> dict[str, Any]:
    """Wait until all is up, a fresh record flows, and everything promised is there."""
    began_s = time.monotonic()
    stand.up(_SETTLED_S)
    up_s = time.monotonic() - began_s
    fresh = {s: {max(n)} for s, n in stand.promised().items() if s.name == "telemetry"}
    newest = {stream: numbers for stream, numbers in fresh.items() if numbers}
    wait(lambda: not oracle.missing(newest, stand.stored(), stand.lost()), _SETTLED_S, "a fresh record to flow")
    flows_s = time.monotonic() - began_s
    for drone in stand.drones:
        drone.end(signal.SIGTERM)
        drone.start()
    owed = _records(stand)  # what the last boots make from here on may stay on board
    wait(lambda: not oracle.missing(owed, stand.stored(), stand.lost()), _SETTLED_S, "what was promised to be stored")
    for drone in stand.drones:
        drone.end(signal.SIGTERM)
    wait(lambda: stand.findings <= stand.ticketed(), _SETTLED_S, "every finding to have its notification")
    return {
        "owed": owed,
        "up_again_s": round(up_s, 1),
        "fresh_record_s": round(flows_s, 1),
        "settled_s": round(time.monotonic() - began_s, 1),
    }


def _records(stand: Stand) -> dict[Stream, set[int]]:
    return {stream: numbers for stream, numbers in stand.promised().items() if stream.name != "boot"}


def _judge(stand: Stand, owed: dict[Stream, set[int]]) -> list[str]:
    stored, lost = stand.stored(), stand.lost()
    boots = {stream.boot_id for stream in stand.promised()}
    breaches = oracle.lost_records(owed, stored, lost)
    columns = [getattr(Telemetry, name) for name in _NAMES]
    with stand.database.session() as session:
        query = select(Telemetry.seq, *columns).where(Telemetry.drone_id.like("chaos-%"))
        rows = [tuple(row) for row in session.execute(query)]
    breaches += oracle.changed_records(rows, [(n, *(getattr(sample(n), name) for name in _NAMES)) for n, *_ in rows])
    breaches += oracle.unknown_records(stored, boots)
    breaches += oracle.marks_beyond(stand.marks(), stored, lost)
    for drone in stand.drones:
        breaches += oracle.over_the_cap(f"the outbox of {drone.drone_id}", drone.disk_bytes(), CAP_BYTES)
    for row in stand.stack.status():
        pid = stand.stack.pid(row.name)
        if pid is not None:
            breaches += oracle.over_the_cap(row.name, psutil.Process(pid).memory_info().rss, _MEMORY_CAP_BYTES)
    breaches += oracle.commands([ran for drone in stand.drones for ran in drone.executed()], stand.sent)
    try:
        breaches += oracle.notifications(stand.in_sap(), stand.findings)
        if httpx.get(f"{stand.stack.api_url}/readyz").status_code != httpx.codes.OK:
            breaches.append("I6 the API is not ready")
    except httpx.HTTPError as error:
        breaches.append(f"I6 SAP or the API does not answer: {error}")
    return breaches


def _figures(stand: Stand, owed: dict[Stream, set[int]]) -> dict[str, Any]:
    return {
        "records_promised": sum(map(len, owed.values())),
        "records_missing": sum(map(len, oracle.missing(owed, stand.stored(), stand.lost()).values())),
        "boots": sum(1 for stream in stand.promised() if stream.name == "boot"),
        "commands_sent": len(stand.sent),
        "commands_executed": sum(len(drone.executed()) for drone in stand.drones),
        "critical_findings": len(stand.findings),
    }


def rows(folder: Path, kills: int, damages: int) -> list[dict[str, Any]]:
    """Run the tests of every row of the fault table with their long counts; return each row's outcome."""
    wanted = sorted({test for _, tests in FAULT_ROWS.values() for test in tests})
    env = os.environ | {"KESTREL_KILLS": str(kills), "KESTREL_FUZZ": str(damages)}
    report = folder / "rows.xml"
    subprocess.run([sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *wanted], env=env, check=False,
                   stdout=sys.stderr)  # fmt: skip
    return rows_of([report])


def rows_of(results: Iterable[Path]) -> list[dict[str, Any]]:
    """Return each row's outcome by what pytest wrote (``--junitxml``); a file that is not there has no tests in it."""
    cases = [case for path in results if path.exists() for case in ET.parse(path).iter("testcase")]  # noqa: S314 - pytest's
    return [
        {"row": row, "fault": fault, "by": ELSEWHERE.get(row) or list(tests), **outcome(row, tests, cases)}
        for row, (fault, tests) in FAULT_ROWS.items()
    ]


def outcome(row: int, tests: tuple[str, ...], cases: list[ET.Element]) -> dict[str, Any]:
    """Return which tests of a row ran and how they ended; a row is covered when each of its names has passed once."""
    found = [case for case in cases if any(_is_of(test, case) for test in tests)]
    broken = [case.get("name") for case in found if case.find("failure") is not None or case.find("error") is not None]
    passed = [case for case in found if case.get("name") not in broken and case.find("skipped") is None]
    covered = bool(tests) and all(any(_is_of(test, case) for case in passed) for test in tests)
    skipped = len(found) - len(passed) - len(broken)
    counts = {"tests": len(found), "skipped": skipped, "broken": broken}
    return counts | {"covered": covered, "ok": not broken and (covered or row in ELSEWHERE)}


def _is_of(test: str, case: ET.Element) -> bool:
    path, _, name = test.partition("::")
    module = path.removesuffix(".py").replace("/", ".")
    return case.get("classname") == module and (not name or str(case.get("name")).partition("[")[0] == name)


def main() -> None:
    """Run and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenario", choices=sorted(SCENARIOS), default="everything")
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--rows", action="store_true", help="the tests of every row of the fault table as well")
    parser.add_argument("--report", type=Path, default=Path("build/chaos.json"))
    parser.add_argument("--results", type=Path, nargs="+", default=[], help="take the rows from what pytest wrote")
    asked = parser.parse_args()
    log = Log()
    with tempfile.TemporaryDirectory(prefix="kestrel-chaos-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        report: dict[str, Any] = {"kills": 0, "invariants_broken": []}
        if asked.kills:
            try:
                report = run(folder, asked.scenario, asked.kills, asked.seed, log)
            except Exception as error:  # noqa: BLE001 - whatever ends it, the report tells what was done until then
                broken = [f"The run itself ended: {error!r}"]
                report = {"seed": asked.seed, "invariants_broken": broken, "timeline": log.lines}
                sys.stderr.write(traceback.format_exc())
        if asked.rows:
            report["rows"] = rows(folder, kills=200, damages=1000)
        elif asked.results:
            report["rows"] = rows_of(asked.results)
    report["ok"] = not report["invariants_broken"] and all(row["ok"] for row in report.get("rows", []))
    asked.report.parent.mkdir(parents=True, exist_ok=True)
    asked.report.write_text(json.dumps(report, indent=2) + "\n")
    shown = {key: value for key, value in report.items() if key != "timeline"}
    sys.stdout.write(json.dumps(shown, indent=2) + "\n")
    if not report["ok"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
