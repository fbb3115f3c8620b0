"""Which pattern fits which asset, and the flights it makes: the one door to every planner."""

from __future__ import annotations

from collections.abc import Callable

from cloud.planning import flying
from cloud.planning.corridor import Corridor
from cloud.planning.flying import Planned, Survey
from cloud.planning.line_towers import LineTowers
from cloud.planning.strips import Grid, RightOfWay
from cloud.planning.surveys import (
    CorridorParams,
    FacadeParams,
    GridParams,
    LineTowersParams,
    OrbitParams,
    RightOfWayParams,
    SurveyInputs,
    TowerParams,
)
from cloud.planning.upright import Upright
from contracts.errors import InvalidInput
from contracts.geo import GeoPoint
from contracts.pipeline import Pipeline
from contracts.powerline import PowerLine
from contracts.tower import TelecomTower
from contracts.turbine import TurbineGeometry


def flights(inputs: SurveyInputs, name: Callable[[int], tuple[str, int]]) -> list[Planned]:
    """Return every flight of a survey; ``name`` gives plan id and version of part n (from 1).

    Raises:
        InvalidInput: The pattern does not fit the asset, or nothing of it can be flown; the field is named.

    """
    return flying.plan(inputs, survey_of(inputs), name)


def survey_of(inputs: SurveyInputs) -> Survey:
    """Return the pattern over the asset."""
    geometry = inputs.geometry
    match inputs.params:
        case CorridorParams() as params if isinstance(geometry, PowerLine):
            return Corridor(inputs, params, geometry)
        case LineTowersParams() as params if isinstance(geometry, PowerLine):
            return LineTowers(inputs, params, geometry)
        case RightOfWayParams() as params if isinstance(geometry, Pipeline):
            return RightOfWay(inputs, params, geometry)
        case GridParams() as params:
            return Grid(inputs, params, _home(inputs))
        case TowerParams() | OrbitParams() | FacadeParams() as params if isinstance(
            geometry, TurbineGeometry | TelecomTower
        ):
            return Upright(inputs, params, geometry, _home(inputs))
    raise InvalidInput(
        f"The pattern {inputs.params.pattern} does not fit {inputs.asset_id}.",
        hint=f"It is for {_FITS[inputs.params.pattern]}.",
        field="pattern",
    )


_FITS = {
    "tower": "wind turbines and telecom towers",
    "orbit": "wind turbines and telecom towers",
    "facade": "telecom towers",
    "corridor": "power lines",
    "line_towers": "power lines",
    "right_of_way": "pipelines",
    "grid": "any asset",
}


def _home(inputs: SurveyInputs) -> GeoPoint:
    if inputs.home is None:
        raise InvalidInput("This pattern needs a take-off place.", hint="Give home.", field="home")
    return inputs.home
