"""`kestrel-sim`: the world outside Kestrel's code, one verb per simulated thing.

Each verb imports its simulator when it runs, so that no verb needs the others' dependencies.
"""

# ruff: noqa: PLC0415 - imports wait for their verb

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


@app.command()
def scene(
    out: Annotated[Path, typer.Option(help="Folder for scene.json and truth.json.")],
    seed: Annotated[int, typer.Option(help="Same seed, same world.")] = 1,
    inspection: Annotated[int, typer.Option(min=1, help="Which inspection: defects grow from one to the next.")] = 1,
    json: Json = False,
) -> None:
    """Write a wind farm and the truth about its planted defects."""
    from simulators import scenes

    scenes.scene_verb(out, seed, inspection, as_json=json)


@app.command()
def history(
    out: Annotated[Path, typer.Option(help="JSON file to write: inspections, and the truth behind them.")],
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same history.")] = 1,
    turbines: Annotated[int, typer.Option(min=1, max=500)] = 20,
    inspections: Annotated[int, typer.Option(min=1, max=60, help="Of each turbine.")] = 5,
    years: Annotated[float, typer.Option(min=0.01, max=30, help="From the first inspection to the last.")] = 3.0,
    json: Json = False,
) -> None:
    """Write years of inspections of a wind farm, as findings and coverage without pictures."""
    from simulators import history as made

    plan = made.HistoryPlan(seed=seed, turbines=turbines, inspections=inspections, years=years)
    made.history_verb(out, plan, as_json=json)


@app.command()
def dataset(
    out: Annotated[Path, typer.Option(help="Folder of the YOLO data set to write.")],
    images: Annotated[int, typer.Option(min=1, help="Tiles to write.")] = 1800,
    seed: Annotated[int, typer.Option(help="Same seed, same tiles.")] = 7,
    tile: Annotated[int, typer.Option(min=64, max=1280, help="Tile width and height in pixels.")] = 320,
    background: Annotated[float, typer.Option(min=0, max=1, help="Share of tiles without a defect.")] = 0.25,
    marks: Annotated[
        str, typer.Option(help="Tiles without a defect show only these: serial,sticker,bolts,streak ...")
    ] = "",
    asset: Annotated[str, typer.Option(help="wind_turbine or power_line.")] = "wind_turbine",
    small: Annotated[bool, typer.Option("--small", help="Only small defects: some 11 to 130 pixels at 10 m.")] = False,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Processes; the tiles are the same.")] = 1,
    json: Json = False,
) -> None:
    """Write labelled training tiles of rendered blades, or of a power line."""
    from contracts.vocabulary import AssetKind
    from simulators import dataset as made

    if asset not in {kind.value for kind in made.DRAWN}:
        known = ", ".join(kind.value for kind in made.DRAWN)
        raise typer.BadParameter(f"{asset!r}: choose {known}", param_hint="--asset")
    named = tuple(name.strip() for name in marks.split(",") if name.strip())
    contents = made.Contents(background, named, small, AssetKind(asset))
    made.dataset_verb(out, images, seed, tile, contents, jobs=jobs, as_json=json)


@app.command()
def fleet(
    drones: Annotated[int, typer.Option(min=1, max=5000, help="How many aircraft.")] = 1000,
    rate: Annotated[float, typer.Option(min=0.01, max=10, help="Samples a second, each.")] = 1.0,
    scenario: Annotated[str, typer.Option(help="storm, link-loss, clock or upgrade.")] = "storm",
    seconds: Annotated[float, typer.Option(min=0.1, help="How long the scenario goes on.")] = 30.0,
    state_dir: Annotated[Path, typer.Option(help="Of a platform that `kestrel up` has started.")] = Path(
        ".kestrel/default"
    ),
    token: Annotated[
        str, typer.Option(envvar="KESTREL_TOKEN", help="Access token; with it the API is asked five times a second.")
    ] = "",
    seed: Annotated[int, typer.Option(help="Same seed, same losses.")] = 1,
    json: Json = False,
) -> None:
    """Fly many simulated drones against a running platform, and count in its database what arrived."""
    from simulators import fleet as flown

    if scenario not in flown.SCENARIOS:
        raise typer.BadParameter(f"{scenario!r}: choose {', '.join(flown.SCENARIOS)}", param_hint="--scenario")
    wishes = flown.Wishes(drones, rate, scenario, seconds, seed)
    flown.fleet_verb(state_dir, wishes, token, as_json=json)


@app.command()
def camera(
    scene: Annotated[Path, typer.Option(help="scene.json of `kestrel-sim scene`.")],
    pose_log: Annotated[Path, typer.Option(help="Pose log the autopilot simulator appends to.")],
    state_dir: Annotated[Path, typer.Option(help="The camera's memory card.")],
    inspection: Annotated[int, typer.Option(min=1)] = 1,
    listen: Annotated[str, typer.Option(help="HOST:PORT of the camera's HTTP service.")] = "127.0.0.1:8554",
    fps: Annotated[int, typer.Option(min=1, max=60)] = 12,
    json: Json = False,
) -> None:
    """Film what the simulated drone sees; serve it as a network camera would."""
    from simulators import camera as filmed

    filmed.camera_verb(scene, pose_log, state_dir, inspection, listen, fps, as_json=json)


@app.command()
def autopilot(
    home: Annotated[str, typer.Option(help="LAT,LON,ALT in degrees and metres above the ellipsoid.")],
    pose_log: Annotated[Path, typer.Option(help="Where the true camera pose is appended, for the camera simulator.")],
    state_file: Annotated[Path, typer.Option(help="Snapshot a restarted simulator resumes from.")],
    connect: Annotated[str, typer.Option(help="udpout:HOST:PORT or tcpin:HOST:PORT.")] = "udpout:127.0.0.1:14550",
    seed: Annotated[int, typer.Option(help="Same seed, same gusts and sensor errors.")] = 1,
    wind_mps: Annotated[float, typer.Option(min=0, max=15)] = 6.0,
    wind_from: Annotated[float, typer.Option(help="Degrees from north.")] = 250.0,
    speedup: Annotated[float, typer.Option(min=0.1, max=50, help="Simulated seconds per second.")] = 1.0,
    ready_s: Annotated[float, typer.Option(min=0, help="Seconds from a cold start until it can be armed.")] = 3.0,
    geoid_m: Annotated[float, typer.Option(help="Height of mean sea level above the ellipsoid here.")] = 41.0,
    battery_wh: Annotated[float, typer.Option(min=1)] = 550.0,
    stack: Annotated[str, typer.Option(help="ardupilot (as observed) or px4 (as documented).")] = "ardupilot",
    bare: Annotated[bool, typer.Option("--bare", help="Only heartbeats until asked; others on the link.")] = False,
    json: Json = False,
) -> None:
    """Fly the simulated drone: an autopilot on MAVLink 2 with ArduCopter's or PX4's manners."""
    from simulators import autopilot as flown
    from simulators.process import program

    with program():
        world = flown.World(
            home=flown.parse_home(home),
            pose_log=pose_log,
            state_file=state_file,
            seed=seed,
            wind_mps=wind_mps,
            wind_from_deg=wind_from,
            speedup=speedup,
            ready_s=ready_s,
            geoid_m=geoid_m,
            battery_wh=battery_wh,
            stack=flown.stack_named(stack),
            bare=bare,
        )
        flown.autopilot_verb(world, connect, as_json=json)


@app.command()
def sap(
    state: Annotated[Path, typer.Option(help="SQLite file of the notifications.")],
    listen: Annotated[str, typer.Option(help="HOST:PORT; port 0 takes a free one.")] = "127.0.0.1:8480",
    user: Annotated[str, typer.Option(help="Basic authentication.")] = "KESTREL",
    password: Annotated[str, typer.Option(help="Basic authentication.")] = "kestrel",  # noqa: S107 - of a simulator
    fault_file: Annotated[Path | None, typer.Option(help="JSON: fail_next_posts, status, delay_s, ...")] = None,
    json: Json = False,
) -> None:
    """Serve the simulated SAP maintenance-notification service."""
    from simulators import sap as served
    from simulators.process import program

    with program("uvicorn.error"):
        served.sap_verb(listen, state, user, password, fault_file, as_json=json)


if __name__ == "__main__":
    app()
