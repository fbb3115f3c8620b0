"""``kestrel plan``: flight plans on this machine."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from contracts.errors import InvalidInput
from infra.local import planning
from infra.local.exits import told
from infra.local.layout import DEFAULT_STATE_DIR
from interchange import conversion, formats
from interchange.altitudes import Given
from interchange.formats import Format
from interchange.mission import Altitude, AltitudeReference

app = typer.Typer(help="Plan an asset, or convert flight plans of other programs.")
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Url = Annotated[str, typer.Option(envvar="KESTREL_URL", help="The platform; default: this machine's.")]
Username = Annotated[str, typer.Option(envvar="KESTREL_USER")]
Password = Annotated[str, typer.Option(envvar="KESTREL_PASSWORD", help="Default: as the demo keeps it.")]
StateDir = Annotated[Path, typer.Option(envvar="KESTREL_STATE_DIR")]


@app.callback(invoke_without_command=True)
def plans(
    context: typer.Context,
    *,
    asset: Annotated[str, typer.Option(help="Which asset to plan; its id, in either case.")] = "",
    pattern: Annotated[
        str, typer.Option(help="blades, tower, orbit, facade, corridor, line-towers, right-of-way or grid.")
    ] = "blades",
    params: Annotated[str, typer.Option(help="JSON of the pattern's parameters; see docs/planning.md.")] = "{}",
    home: Annotated[str, typer.Option(help='JSON, {"lat_deg": …, "lon_deg": …, "alt_m": …}; default: the site.')] = "",
    url: Url = "",
    username: Username = "operator",
    password: Password = "",
    state_dir: StateDir = DEFAULT_STATE_DIR,
    as_json: Json = False,
) -> None:
    """Plan an asset with the running platform: route, checks, estimates. Exit 3 when a check blocks it."""
    if context.invoked_subcommand is not None:
        return
    if not asset:
        typer.echo(context.get_help())
        raise typer.Exit(2)
    with told():
        wanted = planning.parse(params, "params")
        place = planning.parse(home, "home") if home else None
        with closing(planning.api_of(planning.Access(url, username, password, state_dir))) as api:
            found = planning.plan(api, asset, pattern, wanted, place)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        planning.show(found)
    raise typer.Exit(planning.exit_code(found))


def import_assets(
    file: Annotated[Path, typer.Argument(help="GeoJSON, KML, KMZ or CSV.")],
    *,
    site: Annotated[str, typer.Option(help="Which site they stand on.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen and write nothing.")] = False,
    url: Url = "",
    username: Username = "operator",
    password: Password = "",
    state_dir: StateDir = DEFAULT_STATE_DIR,
    as_json: Json = False,
) -> None:
    """Import assets by their external ids; exit 1 when a feature is refused, and then nothing is written."""
    with told(), closing(planning.api_of(planning.Access(url, username, password, state_dir))) as api:
        report = planning.import_file(api, site, file, dry_run=dry_run)
    if as_json:
        typer.echo(json.dumps(report, indent=2))
    else:
        for row in report["rows"]:
            why = f": {row['field']} {row['message']}" if row["outcome"] == "refused" else ""
            typer.echo(f"{row['outcome']:9} {row['external_id'] or row['where']}{why}")
    raise typer.Exit(1 if any(row["outcome"] == "refused" for row in report["rows"]) else 0)


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", help="The plan to read.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="The file to write; its suffix says the format.")],
    *,
    source_format: Annotated[Format | None, typer.Option("--from", help="When the file does not say it.")] = None,
    target_format: Annotated[Format | None, typer.Option("--to", help="When the suffix does not say it.")] = None,
    geoid_separation_m: Annotated[
        float | None, typer.Option(help="Mean sea level above the WGS 84 ellipsoid at the site.")
    ] = None,
    home_amsl_m: Annotated[float | None, typer.Option(help="The take-off above mean sea level.")] = None,
    altitude_m: Annotated[float | None, typer.Option(help="Above take-off, where the file names no altitude.")] = None,
    as_json: Json = False,
) -> None:
    """Convert a plan to another program's format and say what is lost, item by item."""
    with told():
        site = _site(geoid_separation_m, home_amsl_m, altitude_m)
        content = _load(source)
        made = conversion.convert(
            content,
            source_format or formats.of_content(content, source.name),
            target_format or formats.of_name(target.name),
            site,
        )
        _store(target, made.content)
    if as_json:
        typer.echo(made.report.model_dump_json(indent=2))
    else:
        _print(made.report, str(target))


@app.command("import")
def import_plan(
    file: Annotated[Path, typer.Argument(help="A plan of QGroundControl, DJI, Litchi, KML or GeoJSON.")],
    *,
    asset: Annotated[str, typer.Option(help="What is inspected; its id, in either case.")],
    source_format: Annotated[Format | None, typer.Option("--from", help="When the file does not say it.")] = None,
    home: Annotated[
        str, typer.Option(help="JSON, as for `kestrel plan`; default: the plan's own, else the site.")
    ] = "",
    plan_id: Annotated[str, typer.Option(help="Which plan gets this as its next version; default: a new one.")] = "",
    wind_mps: Annotated[float | None, typer.Option(help="Forecast; unchecked when left out.")] = None,
    max_alt_rel_m: Annotated[float, typer.Option(help="The ceiling above home.")] = 120.0,
    url: Url = "",
    username: Username = "operator",
    password: Password = "",
    state_dir: StateDir = DEFAULT_STATE_DIR,
    as_json: Json = False,
) -> None:
    """Store a plan of another program with the running platform: route, checks, losses. Exit 3 when blocked."""
    wish: dict[str, Any] = {
        "asset_id": asset.lower(),
        "source": source_format,
        "plan_id": plan_id or None,
        "wind_mps": wind_mps,
        "max_alt_rel_m": max_alt_rel_m,
    }
    with told():
        wish["home"] = planning.parse(home, "home") if home else None
        with closing(planning.api_of(planning.Access(url, username, password, state_dir))) as api:
            found = planning.import_plan(api, file, wish)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        planning.show(found)
        _print(conversion.LossReport.model_validate(found["report"]), found["flights"][0]["plan_id"])
    raise typer.Exit(planning.exit_code(found))


@app.command("export")
def export_plan(
    plan_id: Annotated[str, typer.Argument(metavar="PLAN", help="A stored plan.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="The file to write; its suffix says the format.")],
    *,
    version: Annotated[int | None, typer.Option(help="Default: the newest.")] = None,
    target_format: Annotated[Format | None, typer.Option("--to", help="When the suffix does not say it.")] = None,
    url: Url = "",
    username: Username = "operator",
    password: Password = "",
    state_dir: StateDir = DEFAULT_STATE_DIR,
    as_json: Json = False,
) -> None:
    """Write a stored plan as a file of another program and say what that program will not know."""
    with told():
        with closing(planning.api_of(planning.Access(url, username, password, state_dir))) as api:
            chosen = target_format or formats.of_name(target.name)
            content, report = planning.export_plan(api, plan_id, version, chosen)
        _store(target, content)
    if as_json:
        typer.echo(json.dumps(report, indent=2))
    else:
        _print(conversion.LossReport.model_validate(report), str(target))


def _site(geoid_separation_m: float | None, home_amsl_m: float | None, altitude_m: float | None) -> Given:
    home = None if home_amsl_m is None else Altitude(value_m=home_amsl_m, reference=AltitudeReference.AMSL)
    chosen = None if altitude_m is None else Altitude(value_m=altitude_m, reference=AltitudeReference.TAKE_OFF)
    return Given(geoid_separation_m=geoid_separation_m, home_altitude=home, altitude=chosen)


def _load(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.", hint="Name a file.", field="IN") from error


def _store(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror}.", hint="Name a file.", field="OUT") from error


def _print(report: conversion.LossReport, name: str) -> None:
    source, target = report.source or "kestrel", report.target or "kestrel"
    typer.echo(f"{name}: {report.items} items, {source} to {target}, {len(report.losses)} losses.")
    if not report.losses:
        return
    shown = Table("item", "kind", "field", "", "what the target does not hold", box=None)
    for loss in report.losses:
        item = "" if loss.item is None else str(loss.item)
        shown.add_row(item, loss.kind, loss.field, loss.severity, loss.words)
    Console().print(shown)
