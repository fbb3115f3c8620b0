"""The platform under load: ten million samples and a hundred thousand findings, on a stack of its own.

    python -m benchmarks.load [--rows 10000000] [--soak 120]

Locust plays the people and programs (``_load_users.py``) against the API: alone, while 200 watchers follow the event
stream, and while 50 aircraft upload in parts; all of it again, and again, for ``--soak`` minutes, while memory and open
files of the API are sampled. Writes ``build/load.json``; exits 1 where somebody misses an event, an upload is not
whole, a request fails, or what was to stay flat has grown. Times beside the budget are printed, not judged: they belong
to the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from benchmarks._big_platform import ASSETS, LIVE, VISITS, flying, grow
from benchmarks._load_stock import fill
from benchmarks._load_streams import uploaded, watched
from cloud import users
from cloud.backends.objects import S3Objects
from cloud.db import Database
from contracts.resources import BUCKET
from contracts.vocabulary import Role
from infra.local import errand
from infra.local.stack import Stack
from tests import stock
from tests.scenes import utc_now

_REPOSITORY = Path(__file__).resolve().parents[1]
LOCUST = _REPOSITORY / ".venv-load" / "bin" / "locust"
BUDGET_P99_MS = 50
_PROCESSES = ("postgres", "mosquitto", "emulator", "migrate", "resources", "lender", "api")
_WHO = "ana"
_SAMPLE_S = 2.0
_STARTS_S = 120
_SETTLE_S = 10.0
"""How long people ask alone before it counts: what an API just started does once is no percentile of a day."""
_GROWN = 0.10
"""By how much the last quarter may exceed the second before it counts as growth; the first warms up."""
_GROWN_BYTES = 16 * 1024 * 1024


class Use(NamedTuple):
    """What a process takes."""

    memory_bytes: int
    handles: int


def grown(uses: list[Use]) -> dict[str, Any]:
    """Return whether memory and handles stayed flat: the median of the last quarter beside that of the second."""
    quarter = len(uses) // 4
    if quarter == 0:
        return {"samples": len(uses), "flat": None}
    before, after = uses[quarter : 2 * quarter], uses[-quarter:]
    told: dict[str, Any] = {"samples": len(uses)}
    flat = True
    for name, slack in (("memory_bytes", _GROWN_BYTES), ("handles", 16)):
        was, now = (statistics.median(getattr(use, name) for use in some) for some in (before, after))
        told[name] = {"before": round(was), "after": round(now), "most": max(getattr(use, name) for use in uses)}
        flat = flat and now - was <= max(slack, _GROWN * was)
    return told | {"flat": flat}


@contextmanager
def sampled(pid: int, uses: list[Use]) -> Iterator[None]:
    """Note what a process takes, until the block ends."""
    stop, process = threading.Event(), psutil.Process(pid)

    def look() -> None:
        while not stop.wait(_SAMPLE_S):
            uses.append(Use(process.memory_info().rss, process.num_fds()))

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join()


def routes(stats: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return requests, failures, p50 and p99 of each route from Locust's own figures."""
    return {
        row["name"]: {
            "requests": row["num_requests"],
            "failed": row["num_failures"],
            "p50_ms": percentile(row["response_times"], 0.5),
            "p99_ms": percentile(row["response_times"], 0.99),
            "within_budget": percentile(row["response_times"], 0.99) < BUDGET_P99_MS,
        }
        for row in sorted(stats, key=lambda row: str(row["name"]))
    }


def percentile(times: dict[str, int], share: float) -> float:
    """Return the response time, ms, that ``share`` of the requests did not exceed; ``times`` is ms -> requests."""
    left = share * sum(times.values())
    for took, count in sorted((float(ms), count) for ms, count in times.items()):
        left -= count
        if left <= 0:
            return took
    return 0.0


@contextmanager
def people(url: str, told: dict[str, Any], users: int) -> Iterator[Callable[[], dict[str, dict[str, Any]]]]:
    """Let Locust's users ask until the block ends; what is yielded returns their routes once they were stopped.

    The block begins when they do: a Locust that is stopped while it starts says nothing.
    """
    script = str(_REPOSITORY / "benchmarks" / "_load_users.py")
    command = [str(LOCUST), "-f", script, "--headless", "--json", "--only-summary", "--host", url,
               "-u", str(users), "-r", str(users), "--loglevel", "ERROR"]  # fmt: skip
    with tempfile.TemporaryDirectory() as own, tempfile.TemporaryFile("w+") as out:
        begun = Path(own) / "begun"
        env = os.environ | {  # noqa: TID251 - Locust passes nothing else on
            "KESTREL_LOAD": json.dumps(told | {"begun": str(begun)}),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        running = subprocess.Popen(command, env=env, stdout=out)

        def end() -> dict[str, dict[str, Any]]:
            running.terminate()
            running.wait(30)
            out.seek(0)
            return routes(json.load(out))

        try:
            await_start(running, begun)
            yield end
        finally:
            if running.poll() is None:
                running.kill()


def await_start(running: subprocess.Popen[bytes], begun: Path) -> None:
    """Wait until Locust's users ask: the first of them makes the file ``begun``.

    Raises:
        RuntimeError: It ended before, or did not within two minutes.

    """
    ends_s = time.monotonic() + _STARTS_S
    while not begun.exists():
        if running.poll() is not None:
            raise RuntimeError(
                f"Locust ended with {running.returncode} before its users asked anything; its words stand above."
            )
        if time.monotonic() > ends_s:
            raise RuntimeError(
                f"Locust's users have not begun to ask after {_STARTS_S} s; run it on a less busy machine."
            )
        time.sleep(0.1)


def stocked(database: Database, objects: S3Objects, findings: int, rows: int) -> dict[str, Any]:
    """Fill the platform; return how long it took."""
    began_s = time.monotonic()
    with database.session() as session:
        world = stock.stock_all(session, utc_now())
        users.put_user(session, _WHO, secrets.token_urlsafe(24), list(Role))
    for key, body in world.objects.stored.items():
        objects.put(key, body, "application/octet-stream")
    grow(database, findings)
    grown_s = time.monotonic()
    count = fill(database, rows, utc_now())
    return {
        "findings": findings,
        "findings_s": round(grown_s - began_s, 1),
        "samples": count,
        "samples_s": round(time.monotonic() - grown_s, 1),
    }


class Load(NamedTuple):
    """What is put on the platform in one round."""

    users: int
    watchers: int
    events: int
    streams: int
    mib: int
    seconds: float


def round_of(stack: Stack, database: Database, load: Load, told: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Let people ask for ``load.seconds``, then watchers beside them, then uploads beside them."""
    token = errand.run(stack, "cloud", "kestrel-cloud", "token", "--user", _WHO).strip()
    found: dict[str, Any] = {}
    told = told | {"token": token, "settle_s": 0}
    with people(stack.api_url, told | {"settle_s": _SETTLE_S}, load.users) as end:
        time.sleep(_SETTLE_S + load.seconds)
        found["routes"] = end()
    found["streams"], found["routes_while_streams"] = watched(
        stack.api_url,
        token,
        database,
        load.watchers,
        load.events,
        lambda: people(stack.api_url, told, load.users),
    )
    with (
        people(stack.api_url, told, load.users) as end,
        tempfile.TemporaryDirectory(dir=folder) as own,
    ):
        found["uploads"] = uploaded(Path(own), load.streams, load.mib)
        found["routes_while_uploads"] = end()
    return found


def wrong(rounds: list[dict[str, Any]], soak: dict[str, Any]) -> list[str]:
    """Return what must not be."""
    found = []
    for each in rounds:
        streams, uploads = each["streams"], each["uploads"]
        if streams["watchers_with_every_event_once"] < streams["watchers"]:
            found.append(f"only {streams['watchers_with_every_event_once']} watchers saw every event once")
        if uploads["whole"] < uploads["streams"]:
            found.append(f"only {uploads['whole']} uploads are whole")
        named = [pair for name in each if name.startswith("routes") for pair in each[name].items()]
        found += [f"{route}: {row['failed']} requests failed" for route, row in named if row["failed"]]
    grew = soak["minutes"] and soak["flat"] is False  # one round begins quiet and ends with two hundred streams
    return found + (["memory or handles of the API have grown"] if grew else [])


def run(asked: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Start a stack, fill it, load it, take it down; return the report."""
    load = Load(asked.users, asked.watchers, asked.events, asked.streams, asked.mib, asked.seconds)
    told = {"findings": asked.findings, "assets": ASSETS, "flights": ASSETS * VISITS, "drones": LIVE}
    stack = Stack(folder / "state")
    uses: list[Use] = []
    rounds: list[dict[str, Any]] = []
    stack.up(_PROCESSES, wait_s=180)
    try:
        os.environ.update({k: v for k, v in stack.env("aws").items() if k.startswith("AWS_")})  # noqa: TID251 - where AWS is
        database = Database(stack.database_url)
        filled = stocked(database, S3Objects(BUCKET), asked.findings, asked.rows)
        sys.stderr.write(f"{filled}\n")
        ends_s = time.monotonic() + 60 * asked.soak
        with flying(database), sampled(stack.pid("api") or 0, uses):
            while not rounds or time.monotonic() < ends_s:
                rounds.append(round_of(stack, database, load, told, folder))
                sys.stderr.write(f"{rounds[-1]}\n")
        database.close()
    finally:
        stack.down()
    soak = {"minutes": asked.soak, "rounds": len(rounds)} | grown(uses)
    return {"stock": filled} | rounds[-1] | {"soak": soak, "wrong": wrong(rounds, soak)}


def main() -> int:
    """Run, print JSON; 1 where something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--findings", type=int, default=100_000)
    parser.add_argument("--users", type=int, default=10, help="who ask once a second each")
    parser.add_argument("--watchers", type=int, default=200)
    parser.add_argument("--events", type=int, default=100)
    parser.add_argument("--streams", type=int, default=50, help="uploads at once")
    parser.add_argument("--mib", type=int, default=12, help="of each upload; parts are of 8 MiB")
    parser.add_argument("--seconds", type=float, default=30.0, help="people alone, in each round")
    parser.add_argument("--soak", type=float, default=0.0, help="minutes: rounds again and again")
    parser.add_argument("--report", type=Path, default=Path("build/load.json"))
    asked = parser.parse_args()
    if not LOCUST.exists():
        parser.error("Locust is not installed: run `make setup-load`")
    with tempfile.TemporaryDirectory(prefix="kl", ignore_cleanup_errors=True) as name:
        report = run(asked, Path(name))
    asked.report.parent.mkdir(parents=True, exist_ok=True)
    asked.report.write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))
    return 1 if report["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
