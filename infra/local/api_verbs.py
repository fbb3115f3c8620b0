"""``kestrel flights``, ``findings`` and ``drones``: the API from the command line, through the published client."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from pydantic import BaseModel, ValidationError
from rich.console import Console
from rich.table import Table

from client import ApiError, Client, Unreachable, models
from contracts.errors import PlatformError
from infra.local import errand
from infra.local.layout import DEFAULT_STATE_DIR
from infra.local.stack import Stack

flights = typer.Typer(help="Flights over the API.", no_args_is_help=True)
findings = typer.Typer(help="Findings over the API.", no_args_is_help=True)
drones = typer.Typer(help="Drones over the API.", no_args_is_help=True)

_RETRY_EXIT, _FAILED_EXIT = 75, 1
_SHOWN_AT_ONCE = 200
Url = Annotated[str, typer.Option("--url", envvar="KESTREL_URL", help="Where the API is; default: this machine's.")]
Key = Annotated[str, typer.Option("--key", envvar="KESTREL_API_KEY", help="API key or token; default: an operator's.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Most = Annotated[int, typer.Option("--limit", min=1, max=100_000, help="Rows at most.")]


@contextmanager
def _api(url: str, key: str) -> Iterator[Client]:
    """Yield a client; failures become one line and an exit code that tells retryable (75) from not (1)."""
    try:
        if not url or not key:
            stack = Stack(DEFAULT_STATE_DIR)
            url = url or stack.api_url
            key = key or errand.run(stack, "cloud", "kestrel-cloud", "token", "--user", "operator").strip()
        with Client(url, key) as api:
            yield api
    except (ApiError, PlatformError) as error:
        sys.stderr.write(f"kestrel: {error}\n")
        raise typer.Exit(_RETRY_EXIT if error.retryable else _FAILED_EXIT) from error
    except Unreachable as error:
        sys.stderr.write(f"kestrel: the API does not answer: {error}\n")
        raise typer.Exit(_RETRY_EXIT) from error


@flights.command("list")
def list_flights(
    url: Url = "",
    key: Key = "",
    state: Annotated[str | None, typer.Option(help="Only flights in this state.")] = None,
    asset: Annotated[str | None, typer.Option(help="Only flights of this asset.")] = None,
    limit: Most = 50,
    as_json: Json = False,
) -> None:
    """List flights, newest first."""
    with _api(url, key) as api:
        rows = _rows(lambda cursor, n: api.list_flights(state=state, asset_id=asset, limit=n, cursor=cursor), limit)
    _print(rows, ("flight_id", "state", "asset_id", "drone_id", "created_at", "waypoint"), as_json=as_json)


@flights.command("show")
def show_flight(flight_id: str, url: Url = "", key: Key = "", as_json: Json = False) -> None:
    """Show one flight, with what it recorded against what arrived."""
    with _api(url, key) as api:
        shown = _plain(api.get_flight(flight_id))
    _print_one(shown, as_json=as_json)


@flights.command("command")
def command_flight(
    flight_id: str,
    kind: Annotated[str, typer.Argument(help="take_off, begin_flight, pause, resume, hold, return_home, land")],
    url: Url = "",
    key: Key = "",
    altitude_m: Annotated[float | None, typer.Option(help="take_off: metres above home.")] = None,
    as_json: Json = False,
) -> None:
    """Command a flight's drone. The answer says it is accepted; what became of it: `kestrel flights show`."""
    values = {"kind": kind} | ({"altitude_m": altitude_m} if altitude_m is not None else {})
    try:
        body = models.CommandIn.model_validate(values)
    except ValidationError as error:
        sys.stderr.write(f"kestrel: {error.errors(include_url=False)[0]['msg']}\n")
        raise typer.Exit(_FAILED_EXIT) from error
    with _api(url, key) as api:
        issued = _plain(api.command_flight(flight_id, body))
    _print_one(issued, as_json=as_json)


@findings.command("list")
def list_findings(
    url: Url = "",
    key: Key = "",
    asset: Annotated[str | None, typer.Option(help="Only findings on this asset.")] = None,
    min_rank: Annotated[int | None, typer.Option(min=1, max=5, help="This severity rank or above.")] = None,
    limit: Most = 50,
    as_json: Json = False,
) -> None:
    """List findings, highest number first."""
    with _api(url, key) as api:
        rows = _rows(
            lambda cursor, n: api.list_findings(asset_id=asset, min_rank=min_rank, limit=n, cursor=cursor), limit
        )
    _print(rows, ("number", "kind", "severity_rank", "status", "asset_id", "blade", "side"), as_json=as_json)


@drones.command("list")
def list_drones(url: Url = "", key: Key = "", limit: Most = 50, as_json: Json = False) -> None:
    """List drones and whether they are heard."""
    with _api(url, key) as api:
        rows = _rows(lambda cursor, n: api.list_drones(limit=n, cursor=cursor), limit)
    _print(rows, ("drone_id", "name", "site_id", "online", "last_seen_at"), as_json=as_json)


def _rows(fetch: Callable[[str | None, int], BaseModel], limit: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    at_once = min(_SHOWN_AT_ONCE, limit)
    for page in Client.pages(lambda cursor: fetch(cursor, at_once)):
        rows += _plain(page)["data"]
        if len(rows) >= limit:
            break
    return rows[:limit]


def _plain(model: BaseModel) -> dict[str, Any]:
    return model.model_dump(mode="json")


def _print(rows: list[dict[str, Any]], columns: tuple[str, ...], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(rows) + "\n")
        return
    table = Table(*columns)
    for row in rows:
        table.add_row(*("" if row[name] is None else str(row[name]) for name in columns))
    Console().print(table)


def _print_one(row: dict[str, Any], *, as_json: bool) -> None:
    text = json.dumps(row) if as_json else "\n".join(f"{name}: {value}" for name, value in row.items())
    sys.stdout.write(text + "\n")
