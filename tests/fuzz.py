"""The live API against everything Schemathesis can make of its own document: ``python -m tests.fuzz --seconds 300``.

A real server on a real Postgres with a small world in it; S3, DynamoDB, SQS and SAP are stand-ins in memory, so that
what is measured is the API. Every check of Schemathesis is on; `schemathesis.toml` says which answers count as fair.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloud.db import Database
from cloud.rates import Rates
from cloud.services import Services
from cloud.signing import Signer
from cloud.tokens import Issuer, Verifier
from contracts.vocabulary import DefectKind, Role
from infra.local.layout import REPOSITORY
from tests import stand_ins
from tests.factories import World
from tests.platform import AUDIENCE, ISSUER, Server
from tests.services import DatabaseServer

CONFIGURATION = REPOSITORY / "tests" / "schemathesis.toml"


class Outcome(NamedTuple):
    """What a run found. ``failures``: one line each."""

    requests: int
    operations: int
    failures: list[str]
    text: str


def services_on(url: str) -> Services:
    """Return services on a database, with an issuer and no limit on requests."""
    database = Database(url)
    issuer = Issuer(ec.generate_private_key(ec.SECP256R1()), ISSUER, AUDIENCE)
    built = stand_ins.services_on(database, url)
    return dataclasses.replace(
        built,
        signer=Signer(Ed25519PrivateKey.generate(), "k1"),
        issuer=issuer,
        verifier=Verifier(issuer, ISSUER, AUDIENCE),
        rates=Rates(10_000_000),
    )


def fill(services: Services) -> None:
    """Put a turbine, a drone, two flights, findings, tickets and telemetry into the database."""
    now = datetime.now(UTC)
    with services.database.session() as session:
        world = World(session, now, objects=services.objects, routes=services.routes)  # type: ignore[arg-type]
        world.site("north-ridge")
        turbine = world.asset("Turbine 1", 120.0, 80.0, asset_id="wt-01", site_id="north-ridge")
        drone = world.drone("Kite 01", site_id="north-ridge")
        for state, ago_h in (("complete", 30), ("approved", 0)):
            flown = world.flight(turbine, drone, now - timedelta(hours=ago_h) if ago_h else None, state=state)
            if ago_h:
                world.fly(flown, step_s=5.0)
                segment = world.segment(flown, 0, now - timedelta(hours=ago_h))
                finding = world.finding(flown, DefectKind.CRACK, rank=4)
                world.evidence(finding, segment)
                world.ticket(finding, number="10000001")
                world.run(finding)
                world.coverage(flown, {})


def run(services: Services, seconds: int, *, seed: int | None = None, report: Path | None = None) -> Outcome:
    """Fuzz for a while and return what was found."""
    assert services.issuer is not None
    token = services.issuer.mint("fuzzer", frozenset({Role.ADMIN}), lifetime_s=86_400)
    with Server(services) as server, tempfile.TemporaryDirectory() as folder:
        kept = report or Path(folder) / "report.json"
        with server.client(Role.ADMIN) as http:  # made once, and on a busy machine for longer than Schemathesis waits
            http.get("/v1/openapi.json", timeout=120).raise_for_status()
        done = subprocess.run(
            [
                str(Path(sys.executable).with_name("schemathesis")),
                *("--config-file", str(CONFIGURATION)),
                *("run", f"{server.url}/v1/openapi.json", "--checks", "all", "--max-time", str(seconds)),
                *("--header", f"Authorization: Bearer {token}", "--continue-on-failure", "--no-color"),
                *("--report", "json", "--report-json-path", str(kept)),
                *(("--seed", str(seed)) if seed is not None else ()),
            ],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        requests, operations, failures = read(json.loads(kept.read_text()))
    if done.returncode not in {0, 1}:
        failures.append(f"schemathesis ended with {done.returncode}: {done.stderr[-400:]}")
    elif done.returncode == 1 and not failures:
        failures.append(done.stdout[-2000:])
    return Outcome(requests, operations, failures, done.stdout)


def read(report: dict[str, Any]) -> tuple[int, int, list[str]]:
    """Return (requests with checks, operations, failures) of a JSON report."""
    failures = [f"{item['title']}: {', '.join(item['operations'])}" for item in report["failures"]]
    errors = [f"{item.get('title', 'error')}: {item}" for item in report["errors"]]
    tested = (report["operations"] or {"tested": 0})["tested"]  # null where the document could not be read
    return report["test_cases"]["generated"], tested, failures + errors


@contextmanager
def world() -> Iterator[Services]:
    """Yield services on a Postgres of their own, with something in it."""
    with (
        tempfile.TemporaryDirectory(prefix="kt", ignore_cleanup_errors=True) as folder,
        DatabaseServer(Path(folder) / "pg") as server,
        server.database(migrated=True) as url,
    ):
        services = services_on(url)
        fill(services)
        yield services
        services.database.close()


def main() -> int:
    """Fuzz from the command line; 1 when something was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--report", type=Path, default=None)
    asked = parser.parse_args()
    with world() as services:
        found = run(services, asked.seconds, seed=asked.seed, report=asked.report)
    sys.stdout.write(found.text)
    sys.stdout.write("\n".join(found.failures))
    sys.stdout.write(f"\n{found.requests} requests to {found.operations} operations, {len(found.failures)} failures\n")
    return 1 if found.failures else 0


if __name__ == "__main__":
    sys.exit(main())
