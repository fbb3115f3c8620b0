"""A simulated aircraft for the demo: autopilot, camera, and the real agent, as supervised processes."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from infra.local import errand
from infra.local.processes import ProcessSpec
from infra.local.scoring import Planted
from infra.local.stack import Stack


def scene_of(stack: Stack, seed: int, inspection: int) -> tuple[dict[str, Any], list[Planted]]:
    """Make the simulated world; return what the platform is told and the truth it is not told."""
    folder = stack.layout.of("world")
    numbers = ("--seed", str(seed), "--inspection", str(inspection))
    errand.run(stack, "plain", "kestrel-sim", "scene", *numbers, "--out", str(folder))
    truth = json.loads((folder / "truth.json").read_text())
    rows = truth["defects"] if isinstance(truth, dict) else truth
    return json.loads((folder / "scene.json").read_text()), [Planted.model_validate(row) for row in rows]


class World(NamedTuple):
    """What is the same for every drone of a run."""

    seed: int
    inspection: int
    fps: int


class SimulatedDrone:
    """One drone at one turbine."""

    def __init__(
        self, stack: Stack, drone_id: str, asset: dict[str, Any], camera: dict[str, Any], world: World
    ) -> None:
        self.drone_id = drone_id
        self.asset_id: str = asset["asset_id"]
        self.home: dict[str, float] = asset["home"]
        self._stack, self._camera, self._world = stack, camera, world
        self.processes = tuple(f"{part}-{drone_id}" for part in ("autopilot", "camera", "edge"))

    def start(self) -> None:
        """Start the three processes and wait until they run."""
        for spec in (self._autopilot(), self._film(), self._agent()):
            self._stack.start_process(spec)
        self._stack.wait_ready(list(self.processes))

    def _autopilot(self) -> ProcessSpec:
        folder = self._folder()
        home = f"{self.home['lat_deg']},{self.home['lon_deg']},{self.home['alt_m']}"
        port = self._stack.port(f"{self.drone_id}-autopilot")
        flags = (f"--home={home}", f"--connect=udpout:127.0.0.1:{port}", f"--seed={self._world.seed}")
        files = (f"--pose-log={folder / 'poses.jsonl'}", f"--state-file={folder / 'autopilot.json'}")
        return self._spec("autopilot", ("kestrel-sim", "autopilot", *flags, *files), self._stack.env("plain"))

    def _film(self) -> ProcessSpec:
        folder = self._folder()
        scene = self._stack.layout.of("world") / "scene.json"
        flags = (f"--scene={scene}", f"--pose-log={folder / 'poses.jsonl'}", f"--state-dir={folder / 'card'}")
        listen = f"--listen=127.0.0.1:{self._stack.port(f'{self.drone_id}-camera')}"
        numbers = (f"--fps={self._world.fps}", f"--inspection={self._world.inspection}")
        command = ("kestrel-sim", "camera", *flags, listen, *numbers)
        return self._spec("camera", command, self._stack.env("plain"))

    def _agent(self) -> ProcessSpec:
        env = self._stack.drone_env(
            self.drone_id,
            EDGE_AUTOPILOT_URL=f"udpin:127.0.0.1:{self._stack.port(f'{self.drone_id}-autopilot')}",
            EDGE_CAMERA_URL=f"http://127.0.0.1:{self._stack.port(f'{self.drone_id}-camera')}",
            EDGE_CAMERA_WIDTH_PX=str(self._camera["width_px"]),
            EDGE_CAMERA_HEIGHT_PX=str(self._camera["height_px"]),
            EDGE_CAMERA_FOCAL_PX=str(self._camera["focal_px"]),
        )
        return self._spec("edge", ("kestrel-edge", "run"), env)

    def _folder(self) -> Any:
        folder = self._stack.layout.of("world") / self.drone_id
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _spec(self, part: str, command: tuple[str, ...], env: dict[str, str]) -> ProcessSpec:
        program, *flags = command
        return ProcessSpec(name=f"{part}-{self.drone_id}", command=(self._stack.program(program), *flags), env=env)
