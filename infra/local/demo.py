"""`kestrel demo`: start everything, fly one inspection per drone, wait for the last ticket, report."""

from __future__ import annotations

import json
import secrets
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from rich.console import Console

from contracts.errors import Conflict, PlatformError, Unavailable
from contracts.turbine import TurbineGeometry
from infra.local import demo_report, errand, scoring
from infra.local.demo_api import Api
from infra.local.demo_drone import SimulatedDrone, World, scene_of
from infra.local.files import write_private
from infra.local.stack import Stack

DEMO_STATE_DIR = Path(".kestrel/demo")
QUESTION = "What were the most critical defects detected last week?"
_USERS = {"operator": "operator", "analyst": "analyst", "admin": "admin", "viewer": "viewer"}
_POLL_S = 1.0
_OVER = {"complete", "aborted"}


class Options(BaseModel):
    """What the person asked for."""

    model_config = ConfigDict(frozen=True)

    state_dir: Path = DEMO_STATE_DIR
    seed: int = 1
    inspection: int = Field(default=1, ge=1)
    drones: int = Field(default=1, ge=1, le=3)
    blades: str = Field(default="ABC", pattern=r"^A?B?C?$", min_length=1)
    fps: int = Field(default=6, ge=2, le=30)
    timeout_s: float = Field(default=900.0, gt=0)


class Progress:
    """What happens, said once each on stderr with the time since the start."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self._console = Console(stderr=True, highlight=False)
        self._said: dict[str, str] = {}

    def say(self, text: str, topic: str | None = None) -> None:
        """Print ``text``, unless it is what was last said of ``topic``."""
        if topic is not None and self._said.get(topic) == text:
            return
        self._said[topic or ""] = text
        self._console.print(f"[dim]{self.seconds():6.1f} s[/]  {text}")

    def seconds(self) -> float:
        """Return seconds since the start."""
        return time.monotonic() - self.began


def run(options: Options) -> demo_report.Report:
    """Fly the demo on a fresh instance and leave it running.

    Raises:
        PlatformError: The platform did not start, refused the flight, or did not finish in time.

    """
    progress = Progress()
    stack = _fresh(options.state_dir)
    progress.say("Starting Postgres, Mosquitto, the AWS emulator and Kestrel's programs")
    stack.up()
    stack.start("sap")
    stack.wait_ready(["sap"])
    passwords = _seed_users(stack)
    started_s = progress.seconds()
    progress.say(f"Ready. Page: {stack.api_url}/  (operator / {passwords['operator']})")

    operator = Api(stack.api_url, "operator", passwords["operator"])
    admin = Api(stack.api_url, "admin", passwords["admin"])
    scene, truth = scene_of(stack, options.seed, options.inspection)
    drones = _register(stack, admin, scene, options)
    for drone in drones:
        drone.start()
    _wait(options, progress, lambda: _all_ready(operator, drones), "the drones to stand ready")
    flights = {drone.drone_id: _dispatch(operator, drone, options, progress) for drone in drones}
    flown_from_s = progress.seconds()
    _wait(options, progress, lambda: _watch(operator, list(flights.values()), progress), "the flights to complete")
    flight_s = progress.seconds() - flown_from_s
    _wait(options, progress, lambda: _tickets_done(operator, list(flights.values())), "the last ticket")
    progress.say("All critical findings have their SAP notification")
    return _report(stack, operator, options, truth, list(flights.values()), (started_s, flight_s, progress))


def _fresh(state_dir: Path) -> Stack:
    """Return a new instance; an earlier demo's is stopped and removed, anything else is left alone."""
    stack = Stack(state_dir)
    if stack.layout.state_dir.exists() and any(stack.layout.state_dir.iterdir()):
        if not stack.layout.instance_file.exists():
            raise Conflict(
                f"{state_dir} holds something that is no Kestrel instance.", hint="Choose another --state-dir."
            )
        stack.down()
        shutil.rmtree(stack.layout.state_dir)
    return Stack(state_dir)


def _seed_users(stack: Stack) -> dict[str, str]:
    """Create the demo's people with fresh passwords, kept 0600 in the state directory."""
    passwords = {name: secrets.token_urlsafe(9) for name in _USERS}
    people = [
        {"username": name, "display_name": name.title(), "password": passwords[name], "roles": [role]}
        for name, role in _USERS.items()
    ]
    file = stack.layout.state_dir / "users.json"
    write_private(file, json.dumps(people).encode())
    errand.run(stack, "cloud", "kestrel-cloud", "seed", "--file", str(file))
    return passwords


def _register(stack: Stack, admin: Api, scene: dict[str, Any], options: Options) -> list[SimulatedDrone]:
    home = scene["assets"][0]["home"]
    admin.register(
        "/v1/sites",
        {
            "site_id": scene["site_id"],
            "name": scene["site_name"],
            "home_lat_deg": home["lat_deg"],
            "home_lon_deg": home["lon_deg"],
            "home_alt_m": home["alt_m"],
        },
    )
    drones = []
    for number, asset in enumerate(scene["assets"], 1):
        geometry = TurbineGeometry.model_validate(asset["geometry"])
        admin.register(
            "/v1/assets",
            {
                "asset_id": asset["asset_id"],
                "site_id": scene["site_id"],
                "kind": asset["kind"],
                "name": asset["name"],
                "functional_location": f"KES-NORTH-{asset['asset_id'].upper()}",
                "geometry": geometry.model_dump(mode="json"),
            },
        )
        if number <= options.drones:
            world = World(options.seed, options.inspection, options.fps)
            drone = SimulatedDrone(stack, f"kite-{number:02d}", asset, scene["camera"], world)
            admin.register(
                "/v1/drones",
                {
                    "drone_id": drone.drone_id,
                    "site_id": scene["site_id"],
                    "name": f"Kite {number}",
                    "model": "simulated quadrotor, 4K",
                    "camera": scene["camera"],
                },
            )
            drones.append(drone)
    return drones


def _all_ready(api: Api, drones: list[SimulatedDrone]) -> bool:
    """Tell whether each drone's newest sample says that it stands on the ground: the agent hears its autopilot."""
    samples = [api.get(f"/v1/drones/{drone.drone_id}/telemetry")["data"] for drone in drones]
    return all(rows and rows[-1]["state"] == "on_ground" for rows in samples)


def _dispatch(api: Api, drone: SimulatedDrone, options: Options, progress: Progress) -> str:
    """Plan, check, approve and begin one flight; return its id."""
    plan = api.post(
        "/v1/plans",
        {
            "asset_id": drone.asset_id,
            "pattern": "blades",
            "home": drone.home,
            "params": {
                "blades": list(options.blades),
                "speed_mps": 5.0,
                "transit_speed_mps": 10.0,
                "max_camera_pitch_deg": 90,
            },
        },
    )
    for check in plan["checks"]:
        progress.say(f"{drone.drone_id}: {check['verdict']} {check['name']}: {check['sentence']}")
    flight_id: str = api.post(
        "/v1/flights", {"plan_id": plan["plan_id"], "version": plan["version"], "drone_id": drone.drone_id}
    )["flight_id"]
    warnings = [check["name"] for check in plan["checks"] if check["verdict"] == "warn"]
    api.post(f"/v1/flights/{flight_id}/approve", {"acknowledged": warnings})
    for command in ({"kind": "take_off", "altitude_m": 15.0}, {"kind": "begin_flight"}):
        _command(api, flight_id, command, options, progress)
    return flight_id


def _command(api: Api, flight_id: str, body: dict[str, Any], options: Options, progress: Progress) -> None:
    """Issue a command and wait until the aircraft has it under way; ask again where it expired unheard."""
    deadline = time.monotonic() + options.timeout_s
    enough = {"done"} if body["kind"] == "take_off" else {"executing", "done"}
    sent = api.post(f"/v1/flights/{flight_id}/commands", body)
    while time.monotonic() < deadline:
        try:
            rows = {row["command_id"]: row for row in api.get(f"/v1/flights/{flight_id}/commands")["data"]}
        except Unavailable:
            time.sleep(_POLL_S)
            continue
        row = rows[sent["command_id"]]
        progress.say(f"{row['kind']}: {row['state']} {row['detail']}".rstrip(), topic=sent["command_id"])
        if row["state"] in enough:
            return
        if row["state"] in {"rejected", "failed"}:
            raise Conflict(f"{row['kind']} was {row['state']}: {row['detail']}", hint=row["hint"])
        if row["state"] == "expired":
            sent = api.post(f"/v1/flights/{flight_id}/commands", body)
        time.sleep(0.3)
    raise Unavailable(f"{body['kind']} was not answered in {options.timeout_s:.0f} s.", hint="`kestrel doctor`")


def _watch(api: Api, flights: list[str], progress: Progress) -> bool:
    """Say how the flights stand; True when all are over."""
    over = True
    for flight_id in flights:
        flight = api.get(f"/v1/flights/{flight_id}")
        media = api.all("/v1/media", flight_id=flight_id)
        analysed = sum(m["state"] in {"analysed", "failed"} for m in media)
        findings = api.all("/v1/findings", flight_id=flight_id)
        tickets = api.all("/v1/tickets", flight_id=flight_id)
        numbers = [t["number"] for t in tickets if t["number"]]
        progress.say(
            f"{flight['drone_id']} {flight['state']}, waypoint {flight['waypoint']}; "
            f"segments {len(media)} stored, {analysed} analysed; {len(findings)} findings; {len(numbers)} tickets",
            topic=flight_id,
        )
        over = over and flight["state"] in _OVER
    return over


def _tickets_done(api: Api, flights: list[str]) -> bool:
    """Return whether every critical finding has a numbered ticket and a summary."""
    for flight_id in flights:
        critical = {f["finding_id"] for f in api.all("/v1/findings", flight_id=flight_id, min_rank=4)}
        numbered = {t["finding_id"] for t in api.all("/v1/tickets", flight_id=flight_id) if t["number"]}
        if not critical <= numbered:
            return False
        runs = [r for r in api.all("/v1/workflow-runs") if r["finding_id"] in critical]
        if any(r["state"] in {"wanted", "running"} for r in runs):
            return False
    return True


def _wait(options: Options, progress: Progress, done: Callable[[], bool], what: str) -> None:
    deadline = progress.began + options.timeout_s
    while time.monotonic() < deadline:
        try:
            if done():
                return
        except Unavailable as error:
            progress.say(f"waiting: {error}", topic="waiting")
        time.sleep(_POLL_S)
    raise Unavailable(f"Waited {options.timeout_s:.0f} s for {what}.", hint="`kestrel doctor`, `kestrel logs NAME`.")


def _report(
    stack: Stack,
    api: Api,
    options: Options,
    truth: list[scoring.Planted],
    flights: list[str],
    clock: tuple[float, float, Progress],
) -> demo_report.Report:
    findings, tickets, media, not_seen, samples = [], [], [], [], 0
    for flight_id in flights:
        findings += api.all("/v1/findings", flight_id=flight_id)
        tickets += api.all("/v1/tickets", flight_id=flight_id)
        media += api.all("/v1/media", flight_id=flight_id)
        not_seen += api.get("/v1/coverage", flight_id=flight_id)["not_seen"]
        samples += api.get(f"/v1/flights/{flight_id}")["telemetry_samples"]
    flown = {api.get(f"/v1/flights/{flight_id}")["asset_id"] for flight_id in flights}
    found = [scoring.Found.model_validate(f) for f in findings]
    ticketed = [scoring.Ticketed.model_validate(t) for t in tickets]
    summaries = {t.finding_id: _summary(api, t.finding_id) for t in ticketed}
    answer = api.ask(QUESTION)
    started_s, flight_s, progress = clock
    planted = [d for d in truth if d.asset_id in flown and d.blade in options.blades]
    outcome = demo_report.Outcome(
        found=found,
        tickets=ticketed,
        summaries=summaries,
        not_seen=not_seen,
        measured=demo_report.Measured(
            stack_start_s=round(started_s, 1),
            flight_s=round(flight_s, 1),
            total_s=round(progress.seconds(), 1),
            video_s=round(sum(m["duration_s"] for m in media), 1),
            vision_processing_s=round(sum(m["processing_s"] or 0.0 for m in media), 1),
            segments=len(media),
            telemetry_samples=samples,
        ),
        answer=demo_report.Answer(
            question=QUESTION,
            sentences=answer["sentences"],
            citations=sorted({c for s in answer["sentences"] for c in s["citations"]}),
        ),
        url=f"{stack.api_url}/",
    )
    return demo_report.build(scoring.score(planted, found, ticketed), outcome)


def _summary(api: Api, finding_id: str) -> str:
    summary = api.get(f"/v1/findings/{finding_id}")["summary"] or {"sentences": []}
    return " ".join(sentence["text"] for sentence in summary["sentences"])


def demo_verb(options: Options, *, exit_after: bool, as_json: bool) -> int:
    """Run the demo, print its report, stop the platform if asked; return the exit code."""
    try:
        report = run(options)
    except PlatformError as error:
        sys.stderr.write(f"kestrel demo: {error}\n")
        if exit_after:
            Stack(options.state_dir).down()
        return 75 if error.retryable else 1
    if as_json:
        sys.stdout.write(report.model_dump_json(indent=2) + "\n")
    else:
        demo_report.show(report, Console())
    if exit_after:
        Stack(options.state_dir).down()
    elif not as_json:
        sys.stdout.write(
            f"\nThe page is up: {report.url} (passwords in {options.state_dir}/users.json).\n"
            f"Stop with: kestrel down --state-dir {options.state_dir}\n"
        )
    return 0 if report.ok else 1
