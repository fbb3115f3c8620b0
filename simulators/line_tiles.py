"""One training tile of a power line: where the drone hangs, what the tile shows, which defects count in it."""

from __future__ import annotations

import math
import random

import numpy as np

from contracts.geo import Enu, Pose
from contracts.vocabulary import DefectKind
from simulators.aging import aged
from simulators.dense import random_weather
from simulators.line_defects import LINE_KINDS, LineDefect, plant_line
from simulators.line_model import LineModel
from simulators.line_render import LineRenderer
from simulators.line_truth import LineBox, LineTruth
from simulators.line_world import CAMERA, random_line
from simulators.noise import Image
from simulators.tiles import Label, Tile, counts, random_shot
from simulators.views import View, Window

_LIGHTS = 5
_CLEAR_M = 3.0
_LOWEST_M = 2.5
_STANDOFF_M = (6.0, 15.0)
_FACTORS, _WEIGHTS = (1, 2, 4), (60, 25, 15)
_WIDEST = 1.05
"""Of the tile: the longest side a defect may have in one."""
_SMALLEST = {DefectKind.BROKEN_STRANDS: 2}
"""How often smaller than the frame a kind can still be told: a strand is under two pixels wide at ten metres."""
_LIFT_DEG: dict[DefectKind | None, tuple[float, float]] = {
    DefectKind.BROKEN_INSULATOR: (-20, 35),
    DefectKind.BROKEN_STRANDS: (-10, 75),
    DefectKind.NEST: (0, 55),
    DefectKind.CORROSION: (-20, 40),
    DefectKind.VEGETATION: (15, 75),
    None: (-15, 65),
}
"""From how far below or above the level a kind is looked at."""


class LineTileMaker:
    """Cuts tiles from one random line."""

    def __init__(self, seed: int, tile_px: int) -> None:
        self._rng = random.Random(f"line tiles/{seed}")
        world = random_line(seed)
        self._model = LineModel(world, plant_line(world))
        self._renderer, self._truth = LineRenderer(self._model), LineTruth(self._model)
        self._lights = [(random_weather(self._rng), self._rng.uniform(0.78, 1.25)) for _ in range(_LIGHTS)]
        self._tile_px = tile_px

    def make(self, *, background: bool) -> Tile:
        """Return a tile with at least one labelled defect, or one with none at all."""
        while True:
            made = self._background() if background else self._with_defect()
            if made is not None:
                return made

    def _with_defect(self) -> Tile | None:
        kind = self._rng.choice(LINE_KINDS)
        defect = self._rng.choice([d for d in self._model.defects if d.kind is kind])
        pose = self._pose_at(self._model.outlines[defect.defect_id].mean(axis=0), kind)
        mine = None if pose is None else self._box_of(pose, defect)
        if pose is None or mine is None or not mine.visible:
            return None
        factor = self._factor(max(mine.x1 - mine.x0, mine.y1 - mine.y0), kind)
        return self._cut(pose, self._window_on(mine, factor), factor, wanted=True)

    def _box_of(self, pose: Pose, defect: LineDefect) -> LineBox | None:
        return next((box for box in self._truth.boxes(pose, CAMERA) if box.defect is defect), None)

    def _factor(self, longest_px: float, kind: DefectKind) -> int:
        """Return how often smaller than the frame a tile is: so that a defect fits, where one does."""
        may = [f for f in _FACTORS if f <= _SMALLEST.get(kind, f)]
        fit = [f for f in may if 12 <= longest_px / f <= _WIDEST * self._tile_px] or [may[-1]]
        return self._rng.choices(fit, [_WEIGHTS[_FACTORS.index(f)] for f in fit])[0]

    def _background(self) -> Tile | None:
        point = self._somewhere()
        pose = self._pose_at(point, None)
        if pose is None:
            return None
        factor = self._rng.choices(_FACTORS, _WEIGHTS)[0]
        pixels, _ = View(self._model.world, pose, CAMERA).project(point[None])
        column, row = (float(v) + self._rng.gauss(0, 0.22) * self._tile_px * factor for v in pixels[0])
        return self._cut(pose, self._inside((column, row), factor), factor, wanted=False)

    def _somewhere(self) -> Image:
        """Return what a tile without a defect looks at: mostly a hard negative, else string, member or conductor."""
        rng, model = self._rng, self._model
        draw = rng.random()
        if draw < 0.55:
            names = sorted({mark.name for mark in model.marks})
            name = rng.choice(names)
            return rng.choice([mark.at for mark in model.marks if mark.name == name])
        first, second, _ = model.parts.capsules()
        index = rng.randrange(len(first))
        at: Image = first[index] + (second[index] - first[index]) * rng.random()
        if draw < 0.85:
            return at
        aside = np.array([rng.gauss(0, 6), rng.gauss(0, 6), -rng.uniform(0, 12)])
        below: Image = np.maximum(at + aside, (-1e6, -1e6, 0.0))
        return below

    def _pose_at(self, point: Image, kind: DefectKind | None) -> Pose | None:
        """Return a pose at a drone's distance from a point, aimed near it; None where something is in the way."""
        rng = self._rng
        low, high = _LIFT_DEG[kind]
        lift, turn = math.radians(rng.uniform(low, high)), rng.uniform(0, 2 * math.pi)
        standoff = rng.uniform(*_STANDOFF_M)
        away = np.array([math.cos(turn) * math.cos(lift), math.sin(turn) * math.cos(lift), math.sin(lift)])
        eye = point + away * standoff
        if eye[2] < _LOWEST_M or self._truth.clearance_m(eye) < _CLEAR_M:
            return None
        aim = Enu(*(float(v) + rng.gauss(0, 0.08) * standoff for v in point))
        forward = aim.minus(Enu(*eye)).unit()
        return Pose(
            point=self._model.world.frame().to_geo(Enu(*(float(v) for v in eye))),
            yaw_deg=math.degrees(math.atan2(forward.east, forward.north)),
            pitch_deg=math.degrees(math.asin(max(-1.0, min(1.0, forward.up)))),
            roll_deg=rng.gauss(0, 3),
        )

    def _window_on(self, box: LineBox, factor: int) -> Window:
        """Return a window with the box anywhere in it, sometimes over its border."""
        size = self._tile_px * factor
        centre = []
        for low, high in ((box.x0, box.x1), (box.y0, box.y1)):
            slack = abs(size - (high - low)) / 2
            centre.append((low + high) / 2 + self._rng.uniform(-1.08, 1.08) * slack)
        return self._inside((centre[0], centre[1]), factor)

    def _inside(self, centre: tuple[float, float], factor: int) -> Window:
        """Return the window about a centre, moved into the frame; its corner is whole in the tile's pixels, too."""
        size = self._tile_px * factor
        lasts = CAMERA.width_px - size, CAMERA.height_px - size
        column, row = (min(max(0, round(c - size / 2)), last) // 4 * 4 for c, last in zip(centre, lasts, strict=True))
        return column, row, size, size

    def _cut(self, pose: Pose, window: Window, factor: int, *, wanted: bool) -> Tile | None:
        labels = self._labels(pose, window, factor)
        if labels is None or bool(labels) is not wanted:
            return None
        shot = random_shot(self._rng, self._lights)
        image = self._renderer.frame(pose, CAMERA, shot, window, factor)
        return Tile(aged(image, self._rng, birds=not wanted), labels)

    def _labels(self, pose: Pose, window: Window, factor: int) -> list[Label] | None:
        """Return what counts in the window, or None where something in it is ambiguous."""
        labels = []
        for box in self._truth.boxes(pose, CAMERA, window):
            counted = False if box.gone else counts(box, factor)
            if counted and factor > _SMALLEST.get(box.defect.kind, factor):
                return None
            if counted is None:
                return None
            if counted:
                labels.append(Label(box.defect.kind, *(value / factor for value in box[1:5])))
        return labels
