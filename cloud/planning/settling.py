"""Numbers that an operator left to the planner: the standoff from the ground resolution, the speed from the blur."""

from __future__ import annotations

from typing import NamedTuple

from cloud.planning.photography import Shot, distance_for
from cloud.planning.surveys import SurveyInputs
from contracts.errors import InvalidInput

MARGIN_M = 0.2
"""Planned on top of every clearance, so that rounding and sampling cannot break one."""
_SLOWEST_MPS = 0.5
_FASTEST_MPS = 12.0


class Settled(NamedTuple):
    """Where the camera is from the surface, and how fast it goes."""

    shot: Shot
    speed_mps: float


def settle(inputs: SurveyInputs, *, least_m: float, most_m: float, upright: bool) -> Settled:
    """Return the numbers to fly with.

    Args:
        inputs: What the operator wants.
        least_m: The nearest that is safe.
        most_m: The farthest that makes sense for the pattern.
        upright: Whether the aircraft moves along the picture's height (else along its width).

    Raises:
        InvalidInput: The wanted resolution needs the camera nearer than is safe, or slower than can be flown.

    """
    params = inputs.params
    distance_m = params.standoff_m or min(distance_for(inputs.camera, params.gsd_mm_px), most_m)
    if distance_m < least_m:
        gsd = Shot(inputs.camera, least_m).gsd_mm_px
        raise InvalidInput(
            f"A resolution of {params.gsd_mm_px:g} mm needs the camera at {distance_m:.1f} m;"
            f" nearer than {least_m:.1f} m is not safe here.",
            hint=f"Ask for {gsd:.1f} mm or more, or use a longer lens.",
            field="params.standoff_m" if params.standoff_m else "params.gsd_mm_px",
        )
    shot = Shot(inputs.camera, distance_m)
    bound = shot.speed_mps(
        along_m=shot.height_m if upright else shot.width_m,
        overlap=params.front_overlap,
        shutter_s=params.shutter_s,
        max_blur_px=params.max_blur_px,
    )
    if params.speed_mps is None and bound < _SLOWEST_MPS:
        raise InvalidInput(
            f"Sharp, overlapping pictures need {bound:.2f} m/s; slower than {_SLOWEST_MPS} m/s cannot be flown well.",
            hint="Use a shorter shutter_s, allow more max_blur_px, or lower front_overlap.",
            field="params.shutter_s",
        )
    return Settled(shot, params.speed_mps or min(bound, _FASTEST_MPS))
