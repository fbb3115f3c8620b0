"""The simulated network camera: films the logged flight onto its card, one frame per step."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path

import cv2
import typer

from contracts.errors import InvalidInput
from contracts.geo import Enu, Pose
from simulators import logbook
from simulators.camera_http import serve
from simulators.card import Card
from simulators.defects import planted_in
from simulators.encoder import GopEncoder
from simulators.noise import Image
from simulators.poselog import PoseLog, frame_time_us
from simulators.render import Renderer
from simulators.sensor import Shot
from simulators.world import Scene, load_scene

_IDLE_S = 0.05
_CRF = 21.0
_NOISE = 1.0
_SHUTTER_S = 1 / 2000


class Filming:
    """Follows a pose log and stores what the camera saw, second by second of true time.

    A group of pictures is the frames of one UTC second of one recording. It reaches the card when it is whole, so a
    crash costs only the rendering of the group in hand: the pose log still holds it.
    """

    def __init__(self, scene: Scene, inspection: int, poses: PoseLog, card: Card, fps: int) -> None:
        self._scene, self._fps = scene, fps
        self._defects = planted_in(scene, inspection)
        self._renderers: dict[str, Renderer] = {}
        self.poses, self.card = poses, card
        last = card.last()
        self._done_us = last.last_us if last else 0
        self._encoder: GopEncoder | None = None
        self._second = -1
        self.rendered_frames = 0

    def step(self) -> bool | None:
        """Render the next frame that is due, or put a finished group on the card; None where nothing is due."""
        self.poses.read()
        number = next(self.poses.frames(self._done_us, self._fps), None)
        if number is not None and (self._encoder is None or self._continues(number)):
            self._film(number)
            return True
        if self._encoder is not None and (number is not None or self._group_is_over()):
            self._store(self._encoder)
            return True
        return None

    def behind_s(self) -> float:
        """Return how many seconds of video are logged and not yet on the card."""
        stored = self.card.last()
        return sum(1 for _ in self.poses.frames(stored.last_us if stored else 0, self._fps)) / self._fps

    def _continues(self, number: int) -> bool:
        """Say whether a frame belongs to the group in hand: same second, no frame left out between."""
        return number // self._fps == self._second and frame_time_us(number - 1, self._fps) == self._done_us

    def _group_is_over(self) -> bool:
        newest = self.poses.newest
        next_us = self._done_us + 1_000_000 // self._fps
        return newest is not None and newest.t_us > next_us

    def _film(self, number: int) -> None:
        t_us = frame_time_us(number, self._fps)
        camera = self._scene.camera
        if self._encoder is None:
            self._encoder = GopEncoder(camera.width_px, camera.height_px, self._fps, _CRF)
            self._second = number // self._fps
        pose, velocity = self.poses.at(t_us)
        self._encoder.add(self._render(pose, velocity, number), t_us)
        self._done_us = t_us
        self.rendered_frames += 1

    def _render(self, pose: Pose, velocity: Enu, number: int) -> Image:
        shot = Shot(shutter_s=_SHUTTER_S, velocity=velocity, noise=_NOISE, noise_seed=number)
        return self._renderer_near(pose).frame(pose, self._scene.camera, shot)

    def _renderer_near(self, pose: Pose) -> Renderer:
        """Return the renderer of the turbine whose hub is nearest."""

        def apart(index: int) -> float:
            geometry = self._scene.assets[index].geometry
            return geometry.frame().to_enu(pose.point).minus(geometry.hub()).norm()

        asset = self._scene.assets[min(range(len(self._scene.assets)), key=apart)]
        if asset.asset_id not in self._renderers:
            self._renderers[asset.asset_id] = Renderer(self._scene, asset, self._defects)
        return self._renderers[asset.asset_id]

    def _store(self, encoder: GopEncoder) -> None:
        self.card.store(encoder.times_us, encoder.finish())
        self._encoder = None


def camera_verb(  # noqa: PLR0913 - one parameter per flag
    scene: Path, pose_log: Path, state_dir: Path, inspection: int, listen: str, fps: int, *, as_json: bool
) -> None:
    """Film and serve until SIGTERM."""
    logbook.configure()
    cv2.setNumThreads(1)
    try:
        host, port = _address(listen)
        filming = Filming(load_scene(scene), inspection, PoseLog(pose_log), Card(state_dir), fps)
    except InvalidInput as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    server = serve(host, port, filming, stop)
    said = {"listening": f"http://{host}:{server.server_port}", "gops": len(filming.card.since(0))}
    typer.echo(json.dumps(said) if as_json else f"camera at {said['listening']}, {said['gops']} groups on the card")
    try:
        while not stop.is_set():
            if filming.step() is None:
                stop.wait(_IDLE_S)
    finally:
        server.shutdown()
        logbook.note("camera stopped", rendered_frames=filming.rendered_frames)


def _address(listen: str) -> tuple[str, int]:
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise InvalidInput(f"{listen!r} is not HOST:PORT.", hint="Say 127.0.0.1:8554, for example.", field="listen")
    return host, int(port)
