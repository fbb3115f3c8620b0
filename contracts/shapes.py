"""The geometry of an asset of any class, told apart by its ``kind``; a turbine's has none."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Tag

from contracts.geo import LocalFrame
from contracts.pipeline import Pipeline
from contracts.powerline import PowerLine
from contracts.tower import TelecomTower
from contracts.turbine import TurbineGeometry


def kind_of(geometry: Any) -> str:
    """Return what a geometry describes; a turbine's has no ``kind``."""
    kind = geometry.get("kind") if isinstance(geometry, dict) else getattr(geometry, "kind", None)
    return str(kind or "wind_turbine")


AnyShape = TurbineGeometry | PowerLine | TelecomTower | Pipeline
AssetGeometry = Annotated[
    Annotated[TurbineGeometry, Tag("wind_turbine")]
    | Annotated[PowerLine, Tag("power_line")]
    | Annotated[TelecomTower, Tag("telecom_tower")]
    | Annotated[Pipeline, Tag("pipeline")],
    Discriminator(kind_of),
]


def frame_of(geometry: AnyShape) -> LocalFrame:
    """Return a local frame of an asset: about its foot, or where a line or a pipe begins."""
    match geometry:
        case TurbineGeometry() | TelecomTower():
            return geometry.frame()
        case PowerLine():
            return LocalFrame(geometry.towers[0].foot)
        case Pipeline():
            return LocalFrame(geometry.centre_line[0])
