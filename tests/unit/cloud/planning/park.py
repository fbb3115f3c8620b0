"""Turbines that stand beside what is planned, as the planner gets them."""

from __future__ import annotations

from cloud.planning import bodies
from contracts.routes import Solid
from contracts.turbine import TurbineGeometry


def solids(*turbines: TurbineGeometry, name: str = "WT-02") -> tuple[Solid, ...]:
    """Return the parts of turbines that may turn meanwhile."""
    found: list[Solid] = []
    for turbine in turbines:
        cones = (cone._replace(name=f"{name} {cone.name}") for cone in bodies.swept(turbine))
        found += bodies.solids_of(cones, turbine.frame(), 4.0)
    return tuple(found)
