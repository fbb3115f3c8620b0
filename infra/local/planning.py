"""``kestrel plan`` and ``kestrel import-assets``: an operator at the running platform's API."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import typer
from rich.console import Console
from rich.table import Table

from contracts.errors import InvalidInput
from infra.local.demo_api import Api
from infra.local.stack import Stack
from interchange.formats import Format

BLOCKED = 3
"""Exit code: planned, and a check forbids the flight."""
_COLOURS = {"pass": "green", "warn": "yellow", "block": "red"}


class Access(NamedTuple):
    """Where the platform is and who asks. What is empty is taken from the instance on this machine."""

    url: str
    username: str
    password: str
    state_dir: Path


def api_of(access: Access) -> Api:
    """Return a signed-in client.

    Raises:
        InvalidInput: No password is given, and this machine's instance keeps none for the user.

    """
    url = access.url or Stack(access.state_dir).api_url
    password = access.password or _kept_password(access)
    return Api(url, access.username, password)


def _kept_password(access: Access) -> str:
    file = access.state_dir / "users.json"
    people = json.loads(file.read_text()) if file.exists() else []
    found = next((person["password"] for person in people if person["username"] == access.username), None)
    if found is None:
        raise InvalidInput(
            f"No password for {access.username!r}.",
            hint="Set KESTREL_PASSWORD, or name it with --password.",
            field="password",
        )
    return str(found)


def plan(api: Api, asset: str, pattern: str, params: dict[str, Any], home: dict[str, float] | None) -> dict[str, Any]:
    """Return the plan of an asset with every part's route, checks and estimates."""
    body: dict[str, Any] = {"asset_id": asset.lower(), "pattern": pattern.replace("-", "_"), "params": params}
    if home is not None:
        body["home"] = home
    made = api.post("/v1/plans", body)
    parts = api.get(f"/v1/plans/{made['plan_id']}/{made['version']}/parts") if made["parts"] > 1 else [made]
    flights = [
        _flight(part, api.get(f"/v1/plans/{part['plan_id']}/{part['version']}/route")["route"]) for part in parts
    ]
    return {"asset_id": made["asset_id"], "pattern": made["pattern"], "verdict": _verdict(flights), "flights": flights}


def _flight(plan: dict[str, Any], route: dict[str, Any]) -> dict[str, Any]:
    shown = {key: plan[key] for key in ("plan_id", "version", "part", "checks", "estimates", "content_hash")}
    return {**shown, "route": route}


def _verdict(flights: list[dict[str, Any]]) -> str:
    verdicts = {check["verdict"] for flight in flights for check in flight["checks"]}
    return next(word for word in ("block", "warn", "pass") if word in verdicts)


def import_plan(api: Api, path: Path, wish: dict[str, Any]) -> dict[str, Any]:
    """Send a plan of another program; return it as ``plan`` does, with the report of what will not be flown."""
    body = {**wish, "name": path.name, "content_base64": base64.b64encode(_read(path)).decode()}
    made = api.post("/v1/routes/import", body)
    flights = [_flight(made["plan"], made["route"])]
    head = {"asset_id": made["plan"]["asset_id"], "pattern": made["plan"]["pattern"], "verdict": _verdict(flights)}
    return {**head, "flights": flights, "report": made["report"]}


def export_plan(api: Api, plan_id: str, version: int | None, target: Format) -> tuple[bytes, dict[str, Any]]:
    """Return a stored plan as a file of another program, and the report; without a version its newest."""
    if version is None:
        versions = [row["version"] for row in api.all("/v1/plans") if row["plan_id"] == plan_id]
        version = max(versions, default=1)
    made = api.get(f"/v1/routes/{plan_id}/{version}", format=target.value)
    return base64.b64decode(made["content_base64"]), made["report"]


def import_file(api: Api, site_id: str, path: Path, *, dry_run: bool) -> dict[str, Any]:
    """Send an asset file and return the fate of its features."""
    body = {"filename": path.name, "content_base64": base64.b64encode(_read(path)).decode(), "dry_run": dry_run}
    report: dict[str, Any] = api.post(f"/v1/sites/{site_id}/assets/import", body)
    return report


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.", hint="Name a file.", field="FILE") from error


def parse(text: str, name: str) -> dict[str, Any]:
    """Return the object of a JSON option; InvalidInput when it is none."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InvalidInput(f"--{name} is no JSON: {error}.", field=name) from error
    if not isinstance(value, dict):
        raise InvalidInput(f"--{name} is no JSON object.", field=name)
    return value


def show(found: dict[str, Any]) -> None:
    """Print a plan for people: figures, and every check that does not pass."""
    for flight in found["flights"]:
        figures = flight["estimates"]
        typer.echo(
            f"{flight['plan_id']}/{flight['version']}: {len(flight['route']['waypoints'])} waypoints,"
            f" {figures['duration_s'] / 60:.1f} min, {figures['battery_percent']:.0f} % battery,"
            f" {figures['images']} images, {figures['storage_bytes'] / 1e9:.1f} GB"
        )
    shown = Table("flight", "check", "", box=None)
    for heading in ("why", "mend"):
        shown.add_column(heading, overflow="fold")
    for flight in found["flights"]:
        for check in flight["checks"]:
            if check["verdict"] != "pass":
                colour = _COLOURS[check["verdict"]]
                verdict = f"[{colour}]{check['verdict']}[/]"
                shown.add_row(str(flight["part"]), check["name"], verdict, check["sentence"], check["mend"])
    Console().print(shown if shown.row_count else "Every check passes.")


def exit_code(found: dict[str, Any]) -> int:
    """Return 0 when the plan may be flown (warnings are acknowledged at its approval), else ``BLOCKED``."""
    return BLOCKED if found["verdict"] == "block" else os.EX_OK
