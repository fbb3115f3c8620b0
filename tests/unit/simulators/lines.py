"""A short line to look at: two towers, two phases, 70 m of conductor."""

from __future__ import annotations

import math

import numpy as np

from contracts.geo import Enu, Pose
from contracts.powerline import PowerLine
from contracts.vocabulary import DefectKind
from simulators.line_defects import LineDefect, plant_line
from simulators.line_world import LineWorld, random_line
from simulators.noise import Image


def short_line(seed: int) -> LineWorld:
    world = random_line(seed)
    one, other = world.line.towers[:2]
    away = world.stand(0).along * 70.0
    foot = world.frame().to_geo(Enu(*(float(v) for v in away)))
    towers = (one, other.model_copy(update={"foot": foot.model_copy(update={"alt_m": one.foot.alt_m})}))
    line = PowerLine(towers=towers, phase_offsets_m=(-4.0, 4.0), insulator_length_m=1.6)
    return world.model_copy(update={"line": line, "insulators": "glass", "bundle": 1})


def planted(world: LineWorld, kind: DefectKind) -> LineDefect:
    return next(defect for defect in plant_line(world) if defect.kind is kind)


def pose_towards(world: LineWorld, point: Image, away: Image, standoff_m: float) -> Pose:
    eye = point + away / np.linalg.norm(away) * standoff_m
    forward = Enu(*(float(v) for v in point - eye)).unit()
    return Pose(
        point=world.frame().to_geo(Enu(*(float(v) for v in eye))),
        yaw_deg=math.degrees(math.atan2(forward.east, forward.north)),
        pitch_deg=math.degrees(math.asin(forward.up)),
    )
