"""What an operator asks for: which asset, which pattern, and what matters to her of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, model_validator

from cloud.planning.pattern import BladesParams
from cloud.planning.surveys import (
    CorridorParams,
    FacadeParams,
    GridParams,
    LineTowersParams,
    OrbitParams,
    RightOfWayParams,
    TowerParams,
)
from contracts.geo import Frozen, GeoPoint
from contracts.ids import AssetId, DroneId, PlanId


class Pattern(StrEnum):
    """How an asset is flown."""

    BLADES = "blades"
    TOWER = "tower"
    ORBIT = "orbit"
    FACADE = "facade"
    CORRIDOR = "corridor"
    LINE_TOWERS = "line_towers"
    RIGHT_OF_WAY = "right_of_way"
    GRID = "grid"


AnyParams = Annotated[
    BladesParams
    | TowerParams
    | OrbitParams
    | FacadeParams
    | CorridorParams
    | LineTowersParams
    | RightOfWayParams
    | GridParams,
    Field(discriminator="pattern"),
]


class PlanRequest(Frozen):
    """What to plan. ``home`` defaults to the site's; a known ``plan_id`` gets its next version.

    Lines and pipes that are longer than a flight reaches take off beside each stretch when ``home`` is left out.
    """

    asset_id: AssetId = Field(examples=["wt-01"])
    pattern: Pattern = Pattern.BLADES
    params: AnyParams = BladesParams()
    home: GeoPoint | None = None
    drone_id: DroneId | None = Field(default=None, description="whose camera; default: the site's first drone")
    plan_id: PlanId | None = None

    @model_validator(mode="before")
    @classmethod
    def _params_of_the_pattern(cls, values: Any) -> Any:
        """Give ``params`` the pattern's name, by which its fields are known."""
        if not isinstance(values, dict):
            return values
        params, pattern = values.get("params", {}), values.get("pattern", Pattern.BLADES)
        if isinstance(params, dict) and isinstance(pattern, str):
            return {**values, "params": {"pattern": str(pattern), **params}}
        return values

    @model_validator(mode="after")
    def _one_pattern(self) -> PlanRequest:
        if self.params.pattern != self.pattern:
            raise ValueError(f"params: they are of the pattern {self.params.pattern}")
        return self
