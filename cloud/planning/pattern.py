"""What an operator may choose of the pattern ``blades``, and everything its route depends on."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, StrictFloat, model_validator

from contracts.geo import Frozen, GeoPoint
from contracts.ids import AssetId
from contracts.optics import CameraIntrinsics
from contracts.routes import Solid, Zone
from contracts.turbine import TurbineGeometry
from contracts.vocabulary import Blade, BladeSide

DEFAULT_CAMERA = CameraIntrinsics(width_px=3840, height_px=2160, focal_px=3600.0)
MOST_NEIGHBOURS = 3000
"""Parts of other assets that a plan keeps: a line beside a line of 50 km has some 900."""
ORDER = (BladeSide.PS, BladeSide.LE, BladeSide.SS, BladeSide.TE)
"""Sides are flown in this order, whichever are chosen: it begins and ends ahead of the rotor."""


class BladesParams(Frozen):
    """What the operator may choose of the pattern ``blades``."""

    pattern: Literal["blades"] = "blades"
    standoff_m: float = Field(default=10.0, ge=6, le=30, description="camera to the side's centre line")
    speed_mps: StrictFloat = Field(default=4.0, ge=0.5, le=8, description="on passes")
    transit_speed_mps: StrictFloat = Field(default=6.0, ge=0.5, le=12)
    blades: tuple[Blade, ...] = Field(default=tuple(Blade), min_length=1, max_length=3)
    sides: tuple[BladeSide, ...] = Field(default=ORDER, min_length=1, max_length=4)
    start_at_m: StrictFloat = Field(default=3.0, ge=0, le=100, description="from the root")
    max_camera_pitch_deg: StrictFloat = Field(default=45.0, ge=0, le=90, description="how far up the gimbal can look")
    fence_radius_m: float = Field(default=150.0, ge=30, le=2000, description="round the tower foot")
    max_alt_rel_m: float = Field(default=120.0, ge=20, le=500, description="above home")
    shutter_s: float = Field(default=0.0005, gt=0, le=0.1)
    max_gsd_mm_px: float = Field(default=5.0, gt=0, le=50)
    wind_mps: StrictFloat | None = Field(default=None, ge=0, le=60, description="forecast; unchecked when left out")

    @model_validator(mode="after")
    def _each_once(self) -> BladesParams:
        for name, chosen in (("blades", self.blades), ("sides", self.sides)):
            if len(set(chosen)) != len(chosen):
                raise ValueError(f"{name}: each at most once")
        return self


class PlanInputs(Frozen):
    """Everything a route depends on."""

    asset_id: AssetId
    geometry: TurbineGeometry
    home: GeoPoint
    camera: CameraIntrinsics = DEFAULT_CAMERA
    blades: BladesParams = BladesParams()
    part: int = Field(default=1, ge=1, le=500)
    zones: tuple[Zone, ...] = Field(default=(), max_length=40)
    neighbours: tuple[Solid, ...] = Field(default=(), max_length=MOST_NEIGHBOURS, description="parts of other assets")
