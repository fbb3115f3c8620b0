"""``kestrel``: the whole platform on this machine."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from pydantic import TypeAdapter
from rich.console import Console
from rich.table import Table

from infra.local import (
    analysis_verbs,
    api_verbs,
    backup_verbs,
    broker,
    lender,
    plan_verbs,
    release_verbs,
    resources,
    supervisor,
)
from infra.local.exits import told
from infra.local.layout import DEFAULT_STATE_DIR
from infra.local.log import report
from infra.local.processes import Status
from infra.local.stack import Stack
from infra.local.verify_verb import verify_verb

app = typer.Typer(help="The whole platform on this machine.", no_args_is_help=True, pretty_exceptions_enable=False)
app.add_typer(plan_verbs.app, name="plan")
app.command("import-assets")(plan_verbs.import_assets)
app.add_typer(api_verbs.flights, name="flights")
app.add_typer(api_verbs.findings, name="findings")
app.add_typer(api_verbs.drones, name="drones")
app.add_typer(analysis_verbs.policy, name="policy")
app.add_typer(release_verbs.app, name="release")
app.command("export")(analysis_verbs.export)
app.command("verify")(verify_verb)
app.command()(backup_verbs.backup)
app.command()(backup_verbs.restore)
StateDir = Annotated[Path, typer.Option("--state-dir", envvar="KESTREL_STATE_DIR", help="Where the instance lives.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_STATUSES = TypeAdapter(list[Status])


@app.command()
def up(
    state_dir: StateDir = DEFAULT_STATE_DIR,
    only: Annotated[str, typer.Option(help="Comma-separated names to start instead of all.")] = "",
    leave_out: Annotated[str, typer.Option("--no", help="Comma-separated names to leave out.")] = "",
    also: Annotated[str, typer.Option("--with", help="Comma-separated names beside the usual ones: trainer.")] = "",
    foreground: Annotated[bool, typer.Option("--foreground", help="Stay; Ctrl+C stops everything.")] = False,
    wait_s: Annotated[float, typer.Option(help="How long to wait for all to be ready; 0 returns at once.")] = 90.0,
    as_json: Json = False,
) -> None:
    """Start everything, or join what already runs."""
    stack = Stack(state_dir)
    began = time.monotonic()
    with told():
        names = _names(stack, only, leave_out, also)
        rows = stack.up(names, wait_s=wait_s)
    if as_json:
        _print_json({"page": stack.api_url, "ports": stack.ports, "processes": _dump(rows)})
    else:
        _print_statuses(rows)
        if any(row.name == "api" for row in rows):
            typer.echo(f"The page: {stack.api_url}/")
        typer.echo(f"Up in {time.monotonic() - began:.1f} s. State: {stack.layout.state_dir}")
    if foreground:
        _stay(stack)


@app.command()
def down(state_dir: StateDir = DEFAULT_STATE_DIR, as_json: Json = False) -> None:
    """Stop everything, in reverse order."""
    stack = Stack(state_dir)
    with told():
        if stack.layout.run.exists():
            stack.down()
    if as_json:
        _print_json({"stopped": True})


@app.command()
def status(state_dir: StateDir = DEFAULT_STATE_DIR, as_json: Json = False) -> None:
    """Say how each process is; exit 1 when one is not well or nothing runs."""
    rows = Stack(state_dir).status()
    if as_json:
        _print_json(_dump(rows))
    elif rows:
        _print_statuses(rows)
    else:
        typer.echo("Nothing runs. Start with `kestrel up`.")
    raise typer.Exit(0 if rows and all(row.well for row in rows) else 1)


@app.command()
def logs(
    name: str,
    state_dir: StateDir = DEFAULT_STATE_DIR,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Keep printing.")] = False,
    lines: Annotated[int, typer.Option("-n", help="How many lines.")] = 40,
) -> None:
    """Print the end of a process's log."""
    stack = Stack(state_dir)
    with told():
        typer.echo(stack.tail(name, lines))
    if follow:
        _follow(stack.layout.log(name))


@app.command()
def doctor(
    state_dir: StateDir = DEFAULT_STATE_DIR,
    bundle: Annotated[Path | None, typer.Option(help="Also write a zip for whoever helps; no secret is in it.")] = None,
    as_json: Json = False,
) -> None:
    """Say what is wrong and how to mend it; exit 1 when something failed."""
    from infra.local import doctor as checks  # noqa: PLC0415 - boto3 and psycopg2 load slowly
    from infra.local import support  # noqa: PLC0415 - the same

    found = checks.examine(Stack(state_dir))
    if bundle is not None:
        with told():
            names = support.write(Stack(state_dir), bundle, found)
        typer.echo(
            f"{bundle}: {len(names)} files. Passwords, keys and tokens are left out; look before you send it.", err=True
        )
    if as_json:
        _print_json([check.model_dump(mode="json") for check in found])
    else:
        shown = Table("check", "", box=None)
        for heading in ("found", "how to mend it"):
            shown.add_column(heading, overflow="fold")
        colours = {"ok": "green", "warn": "yellow", "fail": "red"}
        for check in found:
            shown.add_row(check.name, f"[{colours[check.verdict]}]{check.verdict}[/]", check.found, check.mend)
        Console().print(shown)
    raise typer.Exit(1 if any(check.verdict == "fail" for check in found) else 0)


@app.command()
def demo(
    state_dir: Annotated[Path, typer.Option("--state-dir", help="Where the demo's own instance lives.")] = Path(
        ".kestrel/demo"
    ),
    seed: Annotated[int, typer.Option(help="Of world, defects and weather.")] = 1,
    drones: Annotated[int, typer.Option(min=1, max=3, help="How many fly, one turbine each.")] = 1,
    inspection: Annotated[int, typer.Option(min=1, help="Which inspection of these turbines; defects grow.")] = 1,
    blades: Annotated[str, typer.Option(help="Which blades to fly: A, AB, ABC …")] = "ABC",
    fps: Annotated[int, typer.Option(min=2, max=30, help="Frames per second of the 4K video.")] = 6,
    timeout_s: Annotated[float, typer.Option(help="Give up after this long.")] = 900.0,
    exit_after: Annotated[bool, typer.Option("--exit", help="Stop everything at the end.")] = False,
    as_json: Json = False,
) -> None:
    """Fly one inspection from start to ticket, and compare with what was planted."""
    from infra.local import demo as show  # noqa: PLC0415 - only this verb needs it

    options = show.Options(
        state_dir=state_dir,
        seed=seed,
        drones=drones,
        inspection=inspection,
        blades=blades,
        fps=fps,
        timeout_s=timeout_s,
    )
    raise typer.Exit(show.demo_verb(options, exit_after=exit_after, as_json=as_json))


@app.command("issue-drone")
def issue_drone(drone_id: str, state_dir: StateDir = DEFAULT_STATE_DIR, as_json: Json = False) -> None:
    """Issue (or show) a drone's certificate."""
    stack = Stack(state_dir)
    stack.layout.create()
    with told():
        identity = stack.issue_drone(drone_id)
    paths = {key: str(value) for key, value in identity._asdict().items()}
    if as_json:
        _print_json(paths)
    else:
        typer.echo("\n".join(f"{key}: {value}" for key, value in paths.items()))


@app.command(hidden=True)
def supervise(
    state_dir: StateDir = DEFAULT_STATE_DIR,
    detach: Annotated[bool, typer.Option("--detach", help="Go on in the background.")] = False,
) -> None:
    """Run the supervisor itself (``kestrel up`` starts it in the background)."""
    stack = Stack(state_dir)
    stack.layout.create()
    if detach and os.fork():
        os._exit(0)
    with told(), supervisor.locked(stack.layout):
        report("supervisor_started", pid=os.getpid(), state_dir=stack.layout.state_dir)
        supervisor.run(supervisor.Supervisor(stack.layout, stack.specs, report))
        report("supervisor_stopped")


@app.command("keep-resources", hidden=True)
def keep_resources(state_dir: StateDir = DEFAULT_STATE_DIR) -> None:
    """Create the AWS resources, and again whenever the emulator forgot them."""
    layout = Stack(state_dir).layout
    keeper = resources.Keeper(layout.pid("emulator"), layout.ready("resources"), report)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    while True:
        done = keeper.step()
        time.sleep(1.0 if done is False else 0.25)


@app.command("lend-credentials", hidden=True)
def lend_credentials(state_dir: StateDir = DEFAULT_STATE_DIR) -> None:
    """Lend drones rights to the store, as the AWS IoT credentials provider does."""
    stack = Stack(state_dir)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    rules = broker.rules_file(stack.layout.of("mosquitto"))
    server = stack.keys.identity("broker")
    lender.Lender(stack.ports["lender"], server, shut_out=lambda: broker.denied(rules)).serve_forever()


def _names(stack: Stack, only: str, leave_out: str, also: str) -> list[str] | None:
    if only:
        return [name.strip() for name in only.split(",")]
    if not (leave_out or also):
        return None
    out = {name.strip() for name in leave_out.split(",")}
    more = [name.strip() for name in also.split(",") if name.strip()]
    return [name for name in [*stack.want(None), *more] if name not in out]


def _stay(stack: Stack) -> None:
    try:
        while stack.status():
            time.sleep(0.5)
    except KeyboardInterrupt:
        typer.echo("Stopping …")
        stack.down()


def _follow(path: Path) -> None:
    position = path.stat().st_size
    try:
        while True:
            size = path.stat().st_size
            if size != position:
                with path.open("rb") as file:
                    file.seek(position if size > position else 0)
                    sys.stdout.write(file.read().decode(errors="replace"))
                    position = file.tell()
                sys.stdout.flush()
            time.sleep(0.2)
    except KeyboardInterrupt:
        return


def _print_statuses(rows: list[Status]) -> None:
    shown = Table("process", "state", "pid", "restarts", "last exit", box=None)
    for row in rows:
        colour = "green" if row.well else "yellow"
        shown.add_row(row.name, f"[{colour}]{row.state}[/]", str(row.pid or ""), str(row.restarts), row.last_exit)
    Console().print(shown)


def _dump(rows: list[Status]) -> object:
    return _STATUSES.dump_python(rows, mode="json")


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=2))


if __name__ == "__main__":
    app()
