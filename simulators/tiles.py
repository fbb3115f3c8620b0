"""One training tile: where the camera stands, what the tile shows, which defects count in it."""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol

import cv2
import numpy as np

from contracts.geo import UP, Enu, Pose
from contracts.turbine import SurfacePlace, TurbineGeometry
from contracts.vocabulary import Blade, BladeSide, DefectKind
from simulators.aging import aged
from simulators.decals import DECAL_NAMES
from simulators.defects import PAINTED_KINDS
from simulators.dense import dense_defects, dense_scene, random_weather, small_defects
from simulators.noise import Image
from simulators.render import Renderer
from simulators.sensor import Shot
from simulators.truthboxes import Truth, TruthBox
from simulators.views import Window
from simulators.world import Weather

CLASS_OF = {kind: index for index, kind in enumerate(DefectKind)}
_AREA_COUNTS, _LENGTH_COUNTS, _WIDTH_COUNTS, _AREA_IGNORED = 0.35, 1 / 3, 0.6, 0.015
_MIN_SIDE_PX = 9.0
_LIGHTS = 5


class Label(NamedTuple):
    """A box in a tile, pixels."""

    kind: DefectKind
    x0: float
    y0: float
    x1: float
    y1: float


class Tile(NamedTuple):
    """A finished tile."""

    image: Image
    labels: list[Label]


class TileMaker:
    """Cuts tiles from one random scene; tiles without a defect from anywhere, or only round marks of some names."""

    def __init__(self, seed: int, tile_px: int, marks: Collection[str] = (), *, small: bool = False) -> None:
        self._rng = random.Random(f"tiles/{seed}")
        self._scene = dense_scene(seed)
        defects = small_defects(self._scene) if small else dense_defects(self._scene)
        self._asset = self._scene.assets[0]
        self._geometry: TurbineGeometry = self._asset.geometry
        self._renderer = Renderer(self._scene, self._asset, defects)
        self._truth = Truth(self._geometry, defects)
        self._by_kind = {k: [d for d in defects if d.kind is k] for k in PAINTED_KINDS}
        self._lights = [(random_weather(self._rng), self._rng.uniform(0.78, 1.25)) for _ in range(_LIGHTS)]
        self._marks_only = bool(marks)
        self.marks = self._renderer.decal_places(marks or DECAL_NAMES)
        self._tile_px = tile_px

    def make(self, *, background: bool) -> Tile:
        """Return a tile with at least one labelled defect, or one with none at all."""
        while True:
            made = self._background() if background else self._with_defect()
            if made is not None:
                return made

    def _with_defect(self) -> Tile | None:
        kind = self._rng.choice([k for k, found in self._by_kind.items() if found])
        defect = self._rng.choice(self._by_kind[kind])
        pose = self._pose_at(self._geometry.surface_point(defect.place), self._normal(defect.place))
        factor = self._rng.choices((1, 2, 4), (75, 15, 10))[0]
        mine = next((b for b in self._truth.boxes(pose, self._scene.camera) if b.defect is defect), None)
        if mine is None or not mine.visible:
            return None
        return self._cut(pose, self._window_on(mine, factor), factor, wanted=True)

    def _background(self) -> Tile | None:
        rng, camera = self._rng, self._scene.camera
        point, normal = self._somewhere()
        pose = self._pose_at(point, normal)
        factor = rng.choices((1, 2, 4), (75, 15, 10))[0]
        size = self._tile_px * factor
        if rng.random() < 0.7:
            centre = (camera.width_px / 2 + rng.gauss(0, 0.3) * size, camera.height_px / 2 + rng.gauss(0, 0.3) * size)
        else:
            centre = (rng.uniform(0, camera.width_px), rng.uniform(0, camera.height_px))
        return self._cut(pose, self._inside(centre, size), factor, wanted=False)

    def _somewhere(self) -> tuple[Enu, Enu]:
        """Return a place on a blade, the tower or the nacelle, and the direction it is looked at from."""
        rng, geometry = self._rng, self._geometry
        draw = 0.0 if self._marks_only else rng.random()
        if draw < 0.45:
            place = rng.choice(self.marks)
            return geometry.surface_point(place), self._normal(place)
        if draw < 0.75:
            side = rng.choice(list(BladeSide))
            distance = rng.uniform(0.2, geometry.blade_length_m - 0.1)
            offset = rng.random() * geometry.side_width_m(side, distance)
            place = SurfacePlace(blade=rng.choice(list(Blade)), side=side, distance_to_root_m=distance, offset_m=offset)
            return geometry.surface_point(place), self._normal(place)
        turn = rng.uniform(0, 2 * math.pi)
        out = Enu(math.cos(turn), math.sin(turn), 0.1)
        if draw < 0.9:
            return out.times(geometry.tower_top_radius_m).plus(UP, rng.uniform(20, geometry.hub_height_m)), out
        return geometry.hub().plus(geometry.axis(), -rng.uniform(0, geometry.nacelle_length_m)), out

    def _normal(self, place: SurfacePlace) -> Enu:
        return self._geometry.facet(place.blade, place.side).normal

    def _pose_at(self, point: Enu, normal: Enu) -> Pose:
        """Return a pose 7 to 14 m from a point, up to 55 degrees off its normal, aimed near it."""
        rng = self._rng
        away = _tilted(normal, math.radians(min(55.0, abs(rng.gauss(0, 26)))), rng.uniform(0, 2 * math.pi))
        standoff = rng.uniform(7, 14)
        eye = point.plus(away, standoff)
        aim = point.plus(Enu(*(rng.gauss(0, 0.08) * standoff for _ in range(3))))
        forward = aim.minus(eye).unit()
        return Pose(
            point=self._geometry.frame().to_geo(eye),
            yaw_deg=math.degrees(math.atan2(forward.east, forward.north)),
            pitch_deg=math.degrees(math.asin(max(-1.0, min(1.0, forward.up)))),
            roll_deg=rng.gauss(0, 3),
        )

    def _window_on(self, box: TruthBox, factor: int) -> Window:
        """Return a window with the box anywhere in it, sometimes over its border."""
        size = self._tile_px * factor
        rng = self._rng
        centre = []
        for low, high in ((box.x0, box.x1), (box.y0, box.y1)):
            slack = max(abs(size - (high - low)) / 2, 0.0)
            centre.append((low + high) / 2 + rng.uniform(-1.12, 1.12) * slack)
        return self._inside((centre[0], centre[1]), size)

    def _inside(self, centre: tuple[float, float], size: int) -> Window:
        camera = self._scene.camera
        column = min(max(0, round(centre[0] - size / 2)), camera.width_px - size)
        row = min(max(0, round(centre[1] - size / 2)), camera.height_px - size)
        return column, row, size, size

    def _cut(self, pose: Pose, window: Window, factor: int, *, wanted: bool) -> Tile | None:
        labels = self._labels(pose, window, factor)
        if labels is None or bool(labels) is not wanted:
            return None
        shot = random_shot(self._rng, self._lights)
        image = self._renderer.frame(pose, self._scene.camera, shot, window)
        if factor > 1:
            image = cv2.resize(image, (self._tile_px, self._tile_px), interpolation=cv2.INTER_AREA)
        return Tile(aged(image, self._rng, birds=not wanted), labels)

    def _labels(self, pose: Pose, window: Window, factor: int) -> list[Label] | None:
        """Return what counts in the window, or None where something in it is ambiguous."""
        labels = []
        for box in self._truth.boxes(pose, self._scene.camera, window):
            counted = counts(box, factor)
            if counted is None:
                return None
            if counted:
                corners = (v / factor for v in box[1:5])
                labels.append(Label(box.defect.kind, *corners))
        return labels


def random_shot(rng: random.Random, lights: Sequence[tuple[Weather, float]]) -> Shot:
    """Return how a tile is exposed: in one of some lights (weather, exposure), moving a little, with some noise."""
    weather, exposure = rng.choice(lights)
    return Shot(
        exposure=exposure,
        shutter_s=rng.choice((1 / 2000, 1 / 1000, 1 / 500)),
        velocity=Enu(*(rng.gauss(0, 1.2) for _ in range(3))),
        noise=rng.uniform(0.5, 4.5),
        noise_seed=rng.getrandbits(30),
        weather=weather,
    )


class Boxed(Protocol):
    """What decides whether a defect counts: see ``TruthBox``."""

    @property
    def x0(self) -> float: ...
    @property
    def y0(self) -> float: ...
    @property
    def x1(self) -> float: ...
    @property
    def y1(self) -> float: ...
    @property
    def shown(self) -> float: ...
    @property
    def length_shown(self) -> float: ...
    @property
    def width_shown(self) -> float: ...
    @property
    def visible(self) -> bool: ...


def counts(box: Boxed, factor: int) -> bool | None:
    """Say whether a defect counts in a tile; None: neither clearly yes nor clearly no."""
    if not box.visible:
        return None
    longest = max(box.x1 - box.x0, box.y1 - box.y0) / factor
    lengthwise = box.length_shown >= _LENGTH_COUNTS and box.width_shown >= _WIDTH_COUNTS
    if box.shown >= _AREA_COUNTS or lengthwise:
        return True if longest >= _MIN_SIDE_PX else None
    return False if box.shown < _AREA_IGNORED else None


def _tilted(normal: Enu, angle_rad: float, turn_rad: float) -> Enu:
    """Return ``normal`` tilted by an angle in a direction about itself."""
    helper = UP if abs(normal.up) < 0.9 else Enu(1.0, 0.0, 0.0)
    u = normal.cross(helper).unit()
    v = normal.cross(u)
    sideways = u.times(math.cos(turn_rad)).plus(v, math.sin(turn_rad))
    return normal.times(math.cos(angle_rad)).plus(sideways, math.sin(angle_rad)).unit()


def contact_sheet(tiles: list[Tile], columns: int) -> Image:
    """Return tiles side by side with their boxes and class names, to look at."""
    drawn = []
    for made in tiles:
        image = made.image.copy()
        for label in made.labels:
            first, last = (round(label.x0), round(label.y0)), (round(label.x1), round(label.y1))
            cv2.rectangle(image, first, last, (0, 255, 0), 1)
            cv2.putText(image, label.kind.value, (first[0], max(10, first[1] - 3)), 0, 0.4, (0, 0, 255), 1, cv2.LINE_AA)
        drawn.append(image)
    blank = np.zeros_like(drawn[0])
    drawn += [blank] * (-len(drawn) % columns)
    return np.vstack([np.hstack(drawn[i : i + columns]) for i in range(0, len(drawn), columns)])
