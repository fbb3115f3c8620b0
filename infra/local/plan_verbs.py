"""``kestrel plan``: flight plans on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from contracts.errors import InvalidInput, PlatformError
from interchange import conversion, formats
from interchange.altitudes import Given
from interchange.formats import Format
from interchange.mission import Altitude, AltitudeReference

app = typer.Typer(help="Flight plans: convert those of other programs.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def plans() -> None:
    """Flight plans: convert those of other programs."""


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
    try:
        site = _site(geoid_separation_m, home_amsl_m, altitude_m)
        content = _load(source)
        made = conversion.convert(
            content,
            source_format or formats.of_content(content, source.name),
            target_format or formats.of_name(target.name),
            site,
        )
        _store(target, made.content)
    except PlatformError as error:
        typer.echo(f"kestrel: {error}", err=True)
        raise typer.Exit(75 if error.retryable else 1) from error
    if as_json:
        typer.echo(made.report.model_dump_json(indent=2))
    else:
        _print(made.report, target)


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


def _print(report: conversion.LossReport, target: Path) -> None:
    typer.echo(f"{target}: {report.items} items, {report.source} to {report.target}, {len(report.losses)} losses.")
    if not report.losses:
        return
    shown = Table("item", "kind", "field", "", "what the target does not hold", box=None)
    for loss in report.losses:
        item = "" if loss.item is None else str(loss.item)
        shown.add_row(item, loss.kind, loss.field, loss.severity, loss.words)
    Console().print(shown)
