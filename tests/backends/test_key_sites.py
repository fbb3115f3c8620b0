"""An API key of one site sees and touches nothing of another: a matrix of every documented route."""

from __future__ import annotations

import base64
import dataclasses
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select

from cloud import scopes
from cloud.tables import WorkflowRun
from contracts.vocabulary import Role
from evidence.signatures import LocalSigner
from tests import platform, two_sites
from tests.backends.test_isolation import SAME_FOR_ALL, STREAMED, address, told
from tests.platform import Server
from tests.services import DatabaseServer
from tests.stand_ins import MemoryQueues, MemoryWorkflows
from tests.two_sites import MARK

OPEN = {"/healthz", "/readyz", "/oidc/jwks", "/oidc/.well-known/openid-configuration", "/oidc/token"}
NOT_FOR_KEYS = {
    "POST /v1/keys", "GET /v1/keys", "GET /v1/keys/{key_id}", "DELETE /v1/keys/{key_id}",
    "POST /v1/drones/{drone_id}/readmit", "POST /v1/security/events/{event_id}/close",
}  # fmt: skip
"""An administrator's: no key acts as one."""
PROPOSAL = "POST /v1/assistant/proposals"
ASKERS_OWN = {
    "POST /v1/assistant/ask", PROPOSAL, f"{PROPOSAL}/{{proposal_id}}/confirm", f"{PROPOSAL}/{{proposal_id}}/decline",
    "POST /v1/routes/convert",
}  # fmt: skip
"""What is asked or proposed by the key itself; the tools behind it have the matrix of test_isolation."""
GEOMETRY = {"foot": {"lat_deg": 54.8, "lon_deg": 8.8, "alt_m": 10.0}}
PLAN_FILE = base64.b64encode(b"QGC WPL 110\n0\t1\t0\t16\t0\t0\t0\t0\t54.8\t8.8\t9\t1\n").decode()


def writes(names: dict[str, str]) -> dict[str, Any]:
    """Return a sound body for every documented write, about the things of one site."""
    site, asset, drone = names["site_id"], names["asset_id"], names["drone_id"]
    camera = {"width_px": 3840, "height_px": 2160, "focal_px": 3600.0}
    finding = {"verdict": "confirm", "reason": "seen"}
    zone = {"name": "Mast", **two_sites.ZONE}
    command = {"kind": "return_home"}
    file = {"content_base64": PLAN_FILE, "source": "qgc-wpl"}
    plan = {"plan_id": names["plan_id"], "drone_id": drone}
    return {
        "POST /v1/sites": {"site_id": "fresh", "name": "N", "home_lat_deg": 1, "home_lon_deg": 1, "home_alt_m": 1},
        "POST /v1/assets": {
            "asset_id": "wt-fresh", "site_id": site, "kind": "wind_turbine", "name": "N", "geometry": GEOMETRY,
        },
        "PATCH /v1/components/{component_id}": {"functional_location": "FL"},
        "POST /v1/sites/{site_id}/zones": zone,
        "DELETE /v1/sites/{site_id}/zones/{zone_id}": None,
        "POST /v1/sites/{site_id}/assets/import": {"filename": "a.csv", "content_base64": "YQ=="},
        "POST /v1/plans/{plan_id}/{version}/checks": {"drone_id": drone, "start_at": "2026-06-01T12:00:00Z"},
        "POST /v1/routes/checks": {"site_id": site, **file},
        "POST /v1/routes/import": {"asset_id": asset, **file},
        "POST /v1/drones": {"drone_id": "kite-fresh", "site_id": site, "name": "N", "camera": camera},
        "POST /v1/plans": {"asset_id": asset},
        "POST /v1/flights": {"version": 1, **plan},
        "POST /v1/flights/{flight_id}/approve": {"acknowledged": []},
        "POST /v1/flights/{flight_id}/abort": None,
        "POST /v1/flights/{flight_id}/carry-on": {},
        "POST /v1/flights/{flight_id}/commands": command,
        "POST /v1/drones/{drone_id}/commands": command,
        "POST /v1/drones/{drone_id}/quarantine": {"reason": "stolen"},
        "POST /v1/commands/{command_id}/approvals": {
            "key_id": "k1", "signature_b64": base64.b64encode(bytes(64)).decode(),
        },
        "POST /v1/schedules": {"name": "N", "rrule": "FREQ=DAILY", "starts_at": "2027-01-01T00:00:00Z",
                               "zone": "UTC", **plan},
        "PATCH /v1/schedules/{schedule_id}": {"enabled": False},
        "POST /v1/assets/{asset_id}/events": {"kind": "incident", "happened_at": "2026-11-20T00:00:00Z"},
        "POST /v1/flights/{flight_id}/upload-order": {"segments": [0]},
        "POST /v1/findings/reviews": {"finding_ids": [names["finding_id"]], **finding},
        "POST /v1/findings/{finding_id}/reviews": finding,
        "POST /v1/candidates/{detection_id}/reviews": finding,
        "POST /v1/findings/{finding_id}/reviews/undo": {},
        "POST /v1/blind-audits/frames/{frame_id}/answers": {"verdict": "nothing", "marks": []},
        "POST /v1/blind-audits/frames/{frame_id}/answers/undo": None,
        "POST /v1/blind-audits/marks/{mark_id}/finding": None,
        "POST /v1/defects/{link_group}/merge": {"other": names["link_group"], "reason": "same"},
        "POST /v1/defects/{link_group}/split": {"finding_ids": [names["finding_id"]], "reason": "two"},
        "POST /v1/link-edits/{edit_id}/undo": {"reason": "wrong"},
        "POST /v1/link-suggestions/{finding_id}/accept": {"reason": "same"},
        "POST /v1/link-suggestions/{finding_id}/decline": {"reason": "two"},
        "POST /v1/assets/{asset_id}/relink": {},
        "POST /v1/workflow-runs/{execution_name}/resume": None,
        "POST /v1/dead-letters/{letter_id}/replay": None,
        "POST /v1/decisions/{decision_id}/answer": {"approve": False, "reason": "no"},
        "POST /v1/alerts/{alert_id}/acknowledge": {},
        "POST /v1/webhooks": {"url": "https://x.example/h", "events": ["finding.changed"]},
        "PATCH /v1/webhooks/{webhook_id}": {"enabled": False},
        "DELETE /v1/webhooks/{webhook_id}": None,
        "POST /v1/webhooks/{webhook_id}/rotate": None,
        "POST /v1/webhooks/{webhook_id}/ping": None,
        "POST /v1/webhooks/{webhook_id}/deliveries/{delivery_id}/replay": None,
    }  # fmt: skip


class Matrix(NamedTuple):
    """The platform with two sites, and keys with every scope: of one site, of none that is filled, and of all."""

    http: httpx.Client
    admin: httpx.Client
    seen: dict[str, str]
    hidden: dict[str, str]
    keys: dict[str, str]
    documented: list[str]

    def ask(self, key: str, line: str, names: dict[str, str], body: Any = None) -> httpx.Response:
        method, path = line.split(" ", 1)
        headers = {"Authorization": f"Bearer {self.keys[key]}"}
        return self.http.request(method, where(path, names), json=body, headers=headers)


def where(path: str, names: dict[str, str]) -> str:
    more = {"letter_id": names.get("dead_letters.id", "0"), "rule_id": "blades", "crew_id": "north"}
    more["subject"] = names["asset_id"]
    return address(path, more | names)


@pytest.fixture(scope="module")
def matrix(postgres_server: DatabaseServer) -> Iterator[Matrix]:
    with postgres_server.database(migrated=True) as url:
        built = platform.build(url)
        with built.database.session() as session:
            seen, hidden = two_sites.fill(session)
            two_sites.Site(session, seen.now, seed=8).site("empty", "Empty")
            for site in (seen, hidden):
                runs = select(WorkflowRun.execution_name).where(WorkflowRun.finding_id == site.names["finding_id"])
                site.names["execution_name"] = session.scalars(runs).one()
        built = dataclasses.replace(
            built,
            objects=seen.objects,
            routes=seen.routes,
            evidence_signer=LocalSigner(Ed25519PrivateKey.generate(), "evidence-1"),
            queues=MemoryQueues(),
            workflows=MemoryWorkflows(),
        )
        with Server(built) as server, server.client(Role.ADMIN) as admin, server.client() as http:
            document = admin.get("/v1/openapi.json").json()["paths"]
            resources = {scopes.resource_of(path) for path in document if path.startswith("/v1/")} - scopes.NEVER - {""}
            every = sorted(f"{name}:write" for name in resources)
            granted = [scope for scope in every if scope not in scopes.PLATFORM_WIDE]
            granted += [scope.replace(":write", ":read") for scope in scopes.PLATFORM_WIDE]
            keys = {}
            for name, sites in (("one", ["nordmarsch"]), ("nothing", ["empty"]), ("all", None)):
                wanted = granted if sites else every
                made = admin.post("/v1/keys", json={"name": name, "scopes": wanted, "sites": sites})
                assert made.status_code == 201, made.text
                keys[name] = made.json()["key"]
            lines = [f"{method.upper()} {path}" for path, item in document.items() for method in item]
            yield Matrix(
                http, admin, seen.names, hidden.names, keys, [line for line in lines if line.split()[1] not in OPEN]
            )
        built.database.close()


def test_no_read_tells_a_key_of_another_site(matrix: Matrix) -> None:
    reads = [line for line in matrix.documented if line.startswith("GET ") and line not in NOT_FOR_KEYS]
    assert len(reads) > 60
    for line in reads:
        path, asked = line.split(" ", 1)[1], tuple(matrix.hidden.values())
        if path in STREAMED:
            continue
        answers = {key: told(matrix.ask(key, line, matrix.hidden), *asked) for key in matrix.keys}
        assert MARK.lower() not in answers["one"].lower(), line
        assert not re.search(r"-66\d{6}", answers["one"]), line
        if "{" in path:
            assert answers["one"] == answers["nothing"], line
        if path not in SAME_FOR_ALL:
            assert answers["all"] != answers["nothing"], f"{line}: the matrix has data to hide"


def test_streams_end_at_the_keys_site(matrix: Matrix) -> None:
    for line in ("GET /v1/events", "GET /v1/drones/{drone_id}/telemetry/stream"):
        heard = {}
        for key in ("one", "all"):
            headers = {"Authorization": f"Bearer {matrix.keys[key]}"}
            headers["Last-Event-ID"] = "0-0" if line.endswith("events") else "2026-01-01T00:00:00+00:00"
            heard[key] = matrix.http.get(where(line.split()[1], matrix.hidden), headers=headers).text
        assert re.search(r"-66\d{6}|battery", heard["all"])
        assert not re.search(r"-66\d{6}|battery_percent", heard["one"])


def test_no_write_of_a_key_reaches_another_site(matrix: Matrix) -> None:
    """The oracle: for the key of all sites the same request is let through, or refused for another reason."""
    bodies = writes(matrix.hidden)
    left = {line for line in matrix.documented if not line.startswith("GET ")} - NOT_FOR_KEYS - platform_wide(matrix)
    assert left - ASKERS_OWN == set(bodies), "every documented write stands in the table"
    own = {"POST /v1/webhooks"}  # it hears of the key's own site: see test_isolation
    gentle_first = sorted(set(bodies) - own, key=lambda line: (line.startswith("DELETE"), "relink" in line, line))
    for key, refused in (("one", True), ("all", False)):
        answers = {line: matrix.ask(key, line, matrix.hidden, bodies[line]) for line in gentle_first}
        wrong = [
            f"{n}: {a.status_code} {a.text}" for n, a in answers.items() if (a.status_code in {403, 404}) != refused
        ]
        assert not wrong, "\n".join(wrong)


def platform_wide(matrix: Matrix) -> set[str]:
    return {line for line in matrix.documented if scopes.needed(*line.split(" ", 1)) in scopes.PLATFORM_WIDE}


def test_a_key_of_some_sites_cannot_change_what_is_of_all(matrix: Matrix) -> None:
    for line in sorted(platform_wide(matrix)):
        assert matrix.ask("one", line, matrix.hidden, {}).status_code == 403


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"scopes": ["policies:write"], "sites": ["nordmarsch"]}, "scopes"),
        ({"scopes": ["flights:read"], "sites": ["atlantis"]}, "sites"),
        ({"scopes": ["flights:read"], "sites": []}, "sites"),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused_by_field(matrix: Matrix, body: dict[str, Any], field: str) -> None:
    refused = matrix.admin.post("/v1/keys", json={"name": "n", **body})
    assert refused.status_code == 422, refused.text
    assert field in [refused.json()["field"], *[error["field"] for error in refused.json()["errors"]]]
    assert matrix.ask("one", "POST /v1/keys", matrix.seen, {"name": "n", **body}).status_code == 403
