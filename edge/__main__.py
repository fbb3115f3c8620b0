"""`kestrel-edge`: the agent on the drone."""

from __future__ import annotations

import json
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from contracts.captures import HeightDatum
from contracts.errors import InvalidInput, PlatformError
from contracts.media import SegmentManifest
from edge import logbook
from edge.agent import Agent
from edge.backends.container import Mp4File
from edge.backends.dialogue import provisioned
from edge.backends.film import Mp4Films, transport_stream
from edge.backends.link import Credentials
from edge.bench import WORDS as BENCH_WORDS
from edge.captures.command import CardImport, Stated, as_json, summary
from edge.captures.shelf import CaptureShelf
from edge.check import Check, require_landed, run_checks, run_probes, running_state
from edge.exercise import Row
from edge.fittings import acceptance_flight, bench_session, probe_of, probes
from edge.life.jobs import JobFolder
from edge.life.slots import Slots
from edge.life.updates import checks, install, verified, wheels_into
from edge.settings import Settings
from edge.status import status_file
from edge.tracks import sidecars

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None, help=__doc__
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
_RETRYABLE, _USAGE, _REFUSED, _FAILED = 75, 2, 1, 1


AutopilotUrl = Annotated[
    str | None,
    typer.Option("--autopilot", help="tcp:HOST:PORT, udpin:HOST:PORT, udpout:HOST:PORT or serial:/dev/DEVICE:BAUD."),
]


@app.command()
def run(autopilot: AutopilotUrl = None) -> None:
    """Fly, record and report until told to stop."""
    logbook.configure()
    settings = _settings(**({} if autopilot is None else {"autopilot_url": autopilot}))
    try:
        agent = Agent(settings)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: agent.stop.set())
        agent.run()
    except PlatformError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(_RETRYABLE if error.retryable else _USAGE) from error


@app.command()
def check(autopilot: AutopilotUrl = None, json_: Json = False) -> None:
    """Say whether this drone is fit to fly, and what to mend. With --autopilot and no settings: that one alone."""
    logbook.configure()
    if autopilot is not None and not _is_set_up(autopilot):
        results = _autopilot_alone(autopilot)
    else:
        settings = _settings(**({} if autopilot is None else {"autopilot_url": autopilot}))
        results = run_checks(settings, probes(settings))
    passed = all(result.passed for result in results)
    if json_:
        typer.echo(json.dumps({"passed": passed, "checks": [result._asdict() for result in results]}))
    else:
        for result in results:
            typer.echo(f"{'pass' if result.passed else 'FAIL'}  {result.name:<12} {result.detail}")
            if result.hint and not result.passed:
                typer.echo(f"      {'':<12} {result.hint}")
    raise typer.Exit(0 if passed else _RETRYABLE)


@app.command()
def exercise(
    autopilot: Annotated[str, typer.Option(help="tcp:HOST:PORT, udpin:…, udpout:… or serial:/dev/DEVICE:BAUD.")],
    altitude_m: Annotated[float, typer.Option(min=5, max=100, help="Above home; keep 40 m around it free.")] = 15.0,
    json_: Json = False,
) -> None:
    """Fly a short acceptance flight with nothing but an autopilot; THE AIRCRAFT TAKES OFF. Ctrl-C brings it home."""
    if not json_:
        typer.echo(f"Acceptance flight on {autopilot}, {altitude_m:.0f} m above home.")
    try:
        rows = acceptance_flight(autopilot, altitude_m, (lambda _: None) if json_ else _print_row)
    except PlatformError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(_RETRYABLE if error.retryable else _USAGE) from error
    passed = all(row.passed for row in rows)
    if json_:
        typer.echo(json.dumps({"passed": passed, "steps": [row._asdict() for row in rows]}))
    raise typer.Exit(0 if passed else _FAILED)


@app.command()
def bench(
    autopilot: Annotated[str, typer.Option(help="tcp:HOST:PORT, udpin:…, udpout:… or serial:/dev/DEVICE:BAUD.")],
    altitude_m: Annotated[float, typer.Option(min=5, max=100, help="Above home; keep 100 m around it free.")] = 15.0,
    do: Annotated[str, typer.Option(help="Words between semicolons; without it they are read from the keyboard.")] = "",
    json_: Json = False,
) -> None:
    """Command an autopilot by words, with nothing but its address; THE AIRCRAFT TAKES OFF when told. Ends at home."""
    lines = iter(do.split(";")) if do else sys.stdin
    if not json_ and not do:
        typer.echo(f"Words: {', '.join(BENCH_WORDS)}, wait STATE, wait waypoint N, look, quit.")
    say = (lambda row: typer.echo(json.dumps(row))) if json_ else _print_said
    try:
        good = bench_session(autopilot, altitude_m, lines, say)
    except PlatformError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(_RETRYABLE if error.retryable else _USAGE) from error
    raise typer.Exit(0 if good else _FAILED)


def _is_set_up(autopilot: str) -> bool:
    """Tell whether the settings of a whole agent are there."""
    try:
        Settings(autopilot_url=autopilot)
    except ValidationError:
        return False
    return True


def _autopilot_alone(url: str) -> list[Check]:
    missing = Check("settings", True, "Not those of an agent (EDGE_*): only the autopilot is asked.")
    try:
        return [missing, *run_probes(probe_of(url))]
    except PlatformError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(_USAGE) from error


def _print_said(row: dict[str, Any]) -> None:
    said = "  ".join(f"{name} {value}" for name, value in row.items() if name != "s" and value != "")
    typer.echo(f"{row['s']:7.1f} s  {said}")


def _print_row(row: Row) -> None:
    typer.echo(f"{'pass' if row.passed else 'FAIL'}  {row.step:<17} {row.seconds:6.1f} s  {row.detail}")
    for text in row.said:
        typer.echo(f"      {'':<17}           autopilot: {text}")


@app.command()
def status(
    state_dir: Annotated[Path, typer.Option(envvar="EDGE_STATE_DIR", help="The agent's state directory.")],
    fresh: Annotated[bool, typer.Option("--fresh", help="Fail unless an agent said this within 10 s.")] = False,
    json_: Json = False,
) -> None:
    """Say how the running agent is."""
    path = state_dir / "status.json"
    if not path.exists():
        typer.echo(f"No agent has run in {state_dir}.", err=True)
        raise typer.Exit(_USAGE)
    said = json.loads(path.read_text(encoding="utf-8"))
    if fresh and running_state(path, datetime.now(UTC)) is None:
        typer.echo(f"The agent in {state_dir} last spoke at {said.get('at')}.", err=True)
        raise typer.Exit(_RETRYABLE)
    if json_:
        typer.echo(json.dumps(said))
        return
    for name, value in said.items():
        typer.echo(f"{name:<10} {value}")


@app.command("import")
def import_(
    card: Annotated[Path, typer.Argument(help="Folder of the memory card. It is only read.")],
    state_dir: Annotated[Path | None, typer.Option(envvar="EDGE_STATE_DIR", help="Where captures wait.")] = None,
    drone: Annotated[str, typer.Option(envvar="EDGE_DRONE_ID", help="The drone that made the captures.")] = "",
    asset: Annotated[str, typer.Option(help="The asset they show.")] = "",
    utc_offset: Annotated[str, typer.Option(help="Zone of the camera's clock, such as +02:00.")] = "",
    datum: Annotated[HeightDatum, typer.Option(help="Above what its absolute heights are.")] = HeightDatum.UNSTATED,
    geoid_separation_m: Annotated[float | None, typer.Option(help="Ellipsoid minus sea level at the place.")] = None,
    take_off_alt_m: Annotated[float | None, typer.Option(help="Of the take-off point, above the ellipsoid.")] = None,
    focal_mm35: Annotated[float | None, typer.Option(help="Focal length on 36 mm film, if files lack it.")] = None,
    disk_floor_bytes: Annotated[int, typer.Option(help="Free space to leave.")] = 1024**3,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be taken.")] = False,
    json_: Json = False,
) -> None:
    """Take a camera's memory card (MP4, SRT, JPEG) into captures for the cloud; every file gets a verdict."""
    logbook.configure()
    say = (lambda _: None) if json_ else typer.echo
    stated = Stated(drone, asset, utc_offset, datum, geoid_separation_m, take_off_alt_m, focal_mm35)
    try:
        if state_dir is None and not dry_run:
            raise InvalidInput("No state directory.", hint="Set EDGE_STATE_DIR or --state-dir, or use --dry-run.")
        shelf = CaptureShelf(state_dir / "captures") if state_dir is not None and not dry_run else None
        run_ = CardImport(card, shelf, Mp4Films(), stated)
        inventory = run_.look(say)
        captures = run_.take(inventory, Mp4File, disk_floor_bytes, say)
    except PlatformError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(_RETRYABLE if error.retryable else _USAGE) from error
    typer.echo(as_json(inventory, captures, dry_run=dry_run) if json_ else summary(inventory))
    raise typer.Exit(_REFUSED if inventory.refused else 0)


@app.command()
def provision(
    serial: Annotated[str, typer.Option(help="This drone's serial number, its name from then on.")],
    template: Annotated[str, typer.Option(help="The fleet provisioning template.")],
    mqtt_url: Annotated[str, typer.Option(envvar="EDGE_MQTT_URL", help="mqtts://HOST:PORT")],
    ca_file: Annotated[Path, typer.Option(envvar="EDGE_CA_FILE", help="Authority that signed the broker.")],
    claim_cert: Annotated[Path, typer.Option(help="The claim certificate.")],
    claim_key: Annotated[Path, typer.Option(help="Its key.")],
    state_dir: Annotated[Path, typer.Option(envvar="EDGE_STATE_DIR", help="The agent's state directory.")],
    json_: Json = False,
) -> None:
    """Get this drone its own certificate, with a claim; its key is made here and never leaves."""
    logbook.configure()
    try:
        papers = provisioned(state_dir, mqtt_url, Credentials(ca_file, claim_cert, claim_key), template, serial)
    except PlatformError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(_RETRYABLE if error.retryable else _USAGE) from error
    said = {**papers.identity().model_dump(), "cert_file": str(papers.cert_file), "key_file": str(papers.key_file)}
    typer.echo(json.dumps(said) if json_ else "\n".join(f"{name:<15} {value}" for name, value in said.items()))


@app.command()
def update(
    package: Annotated[Path, typer.Argument(help="The release: a zip of wheels.")],
    order: Annotated[Path, typer.Argument(help="Its signed order (JSON).")],
    slots: Annotated[Path, typer.Option(envvar="EDGE_SLOTS_DIR", help="Where versions lie side by side.")],
    keys: Annotated[Path, typer.Option(help="Folder of the release keys, <key_id>.pem.")],
    state_dir: Annotated[Path, typer.Option(envvar="EDGE_STATE_DIR", help="The agent's state directory.")],
    handed: Annotated[Path | None, typer.Option(help="The agent's update folder: answer its job there.")] = None,
    json_: Json = False,
) -> None:
    """Install a signed release beside the one in use, check it, and put it into use on trial from the next start on."""
    logbook.configure()
    job = JobFolder(handed) if handed else None
    try:
        require_landed(status_file(state_dir))
    except PlatformError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(_RETRYABLE if job else _USAGE) from error
    try:
        wanted = verified(order, keys)
        build = wheels_into(package, wanted.version)
        changed = install(package, wanted, Slots(slots, state_dir), build, checks)
    except (PlatformError, OSError) as error:
        typer.echo(str(error), err=True)
        if job:
            job.answer(str(error))
        retryable = job is None and getattr(error, "retryable", False)
        raise typer.Exit(_RETRYABLE if retryable else _USAGE) from error
    if job:
        job.answer("")
    said = "in use from the next start on, on trial" if changed else "in use already"
    typer.echo(json.dumps({"version": wanted.version, "changed": changed}) if json_ else f"{wanted.version}: {said}")


@app.command()
def export(
    video: Annotated[Path, typer.Argument(help="A segment (MP4) whose manifest (JSON) lies beside it.")],
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path(),
    json_: Json = False,
) -> None:
    """Write a segment for other programs: MPEG-TS with a KLV track (STANAG 4609), KLV alone, and DJI-style SRT."""
    try:
        manifest = SegmentManifest.model_validate_json(video.with_suffix(".json").read_bytes())
        written = [out / f"{video.stem}{suffix}" for suffix in (".ts", ".klv", ".srt")]
        with written[0].open("wb") as stream:
            transport_stream(video, manifest, stream)
        for suffix, content in sidecars.contents(manifest):
            (out / f"{video.stem}{suffix}").write_bytes(content)
    except (PlatformError, OSError, ValidationError) as error:
        typer.echo(f"{video}: {error}", err=True)
        raise typer.Exit(_USAGE) from error
    made = [str(path) for path in written if path.exists()]
    typer.echo(json.dumps({"files": made}) if json_ else "\n".join(made))


def _settings(**given: object) -> Settings:
    try:
        return Settings(**given)  # type: ignore[arg-type] # the rest comes from the environment
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False):
            name = "_".join(str(part) for part in problem["loc"]).upper()
            typer.echo(f"EDGE_{name}: {problem['msg']}" if name else problem["msg"], err=True)
        typer.echo("With an autopilot's address alone: kestrel-edge bench --autopilot …, or exercise.", err=True)
        raise typer.Exit(_USAGE) from error


if __name__ == "__main__":
    app()
