"""The MAVLink backend against the simulated ArduCopter, over UDP and TCP."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from contracts.media import PoseSample
from contracts.vocabulary import CommandKind
from edge.aircraft import Aircraft
from edge.allowances import Allowances
from edge.backends.autopilot import MavlinkAutopilot
from edge.flights import Flights
from edge.itinerary import itinerary_of
from edge.pilot import Outcome, Pilot
from edge.refusals import AutopilotRefused, AutopilotSilent
from edge.safety import Limits, require_position
from infra.local.instance import free_port
from tests.unit.edge.world import HOME, command, route

pytestmark = pytest.mark.backends
LIMITS = Limits(20.0, None, 300.0, 3000.0)


class Craft:
    """A running simulator and the agent's end of the wire."""

    def __init__(self, folder: Path, scheme: str) -> None:
        self.folder, port = folder, free_port(set())
        self._theirs = f"udpout:127.0.0.1:{port}" if scheme == "udpin" else f"tcpin:127.0.0.1:{port}"
        self.poses: list[PoseSample] = []
        self.autopilot = MavlinkAutopilot(f"{scheme}:127.0.0.1:{port}", self.poses.append, None)
        self.autopilot.start()
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "simulators", "autopilot", "--home", f"{HOME.lat_deg},{HOME.lon_deg},45.0"),
                *("--pose-log", str(self.folder / "pose.jsonl"), "--state-file", str(self.folder / "state.json")),
                *("--connect", self._theirs, "--ready-s", "1", "--speedup", "4", "--wind-mps", "2"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def until(self, reached: Callable[[Aircraft], bool], timeout_s: float = 30.0) -> Aircraft:
        waiting = threading.Event()
        for _ in range(round(timeout_s / 0.05)):
            if reached(aircraft := self.autopilot.look()):
                return aircraft
            waiting.wait(0.05)
        raise AssertionError(f"Never reached; last seen {self.autopilot.look()}")


@pytest.fixture(params=["udpin", "tcp"])
def craft(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Craft]:
    made = Craft(tmp_path, request.param)
    made.until(lambda a: a.connected and a.fix is not None and a.home is not None and a.clock_set)
    yield made
    made.kill()
    made.autopilot.stop()


def test_it_sees_the_aircraft_and_its_home_above_the_ellipsoid(craft: Craft) -> None:
    home = require_position(craft.autopilot.look())
    assert home.alt_m == pytest.approx(HOME.alt_m, abs=0.01)
    craft.until(lambda _: len(craft.poses) > 40)
    gaps = {(b.t_us - a.t_us) // 1000 for a, b in pairwise(craft.poses[-20:])}
    assert gaps <= {40, 60, 50, 20}


def test_what_it_refuses_comes_with_its_own_reason(craft: Craft) -> None:
    craft.autopilot.set_mode("LAND")
    with pytest.raises(AutopilotRefused, match="not armable"):
        craft.autopilot.command(400, 1)


def test_a_mission_is_stored_and_reads_back(craft: Craft) -> None:
    craft.autopilot.upload(itinerary_of(route(), HOME).items)
    craft.autopilot.upload(itinerary_of(route(), HOME).items[:4])


def test_a_flight_begins_pauses_resumes_and_comes_home(craft: Craft, tmp_path: Path) -> None:
    pilot = _pilot(craft, tmp_path)
    stop = threading.Event()
    assert pilot.fly(command(CommandKind.BEGIN_FLIGHT), stop) is Outcome.FLYING
    craft.until(lambda a: a.reached_seq >= 3, 60)
    pilot.fly(command(CommandKind.PAUSE), stop)
    pilot.fly(command(CommandKind.RESUME), stop)
    pilot.fly(command(CommandKind.RETURN_HOME), stop)
    craft.until(lambda a: a.mode == "RTL")
    craft.until(lambda a: a.on_ground, 60)


def _pilot(craft: Craft, folder: Path) -> Pilot:
    allowances = Allowances(folder / "limits.json", LIMITS)
    return Pilot(craft.autopilot, Flights(folder / "recordings"), allowances, lambda: None)


def test_silence_is_noticed_and_it_comes_back_by_itself(craft: Craft) -> None:
    craft.kill()
    craft.until(lambda a: not a.connected)
    with pytest.raises(AutopilotSilent):
        craft.autopilot.set_mode("GUIDED")
    craft.start()
    craft.until(lambda a: a.connected)
    craft.autopilot.set_mode("GUIDED")
