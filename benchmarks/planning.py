"""How long planning takes: a turbine's blades, and 50 km of power line, each from inputs to checked routes.

Each alone, and among neighbours: six turbines round the turbine, forty beside the line.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from cloud.planning import bodies, patterns, planner
from cloud.planning.pattern import PlanInputs
from cloud.planning.surveys import SurveyInputs
from contracts.geo import Enu, GeoPoint, LocalFrame
from contracts.powerline import LineTower, PowerLine
from contracts.routes import Solid
from contracts.turbine import TurbineGeometry

FOOT = GeoPoint(lat_deg=54.9, lon_deg=8.3, alt_m=45.0)
TURBINE_BUDGET_MS, LINE_BUDGET_MS = 200.0, 2000.0


def _turbine(number: int, neighbours: tuple[Solid, ...] = ()) -> Callable[[], object]:
    turbine = TurbineGeometry(foot=FOOT, yaw_deg=number * 17.0 % 360.0, rotor_azimuth_deg=number * 7.0 % 120.0)
    home = turbine.frame().to_geo(Enu(70.0, 30.0, 0.5))
    inputs = PlanInputs(asset_id="wt-01", geometry=turbine, home=home, neighbours=neighbours)
    return lambda: planner.flights(inputs, lambda part: (f"pln-{part}", 1))


def _standing(places: Iterable[GeoPoint]) -> tuple[Solid, ...]:
    """Return turbines as neighbours of something else."""
    found: list[Solid] = []
    for foot in places:
        turbine = TurbineGeometry(foot=foot)
        found += bodies.solids_of(bodies.swept(turbine), turbine.frame(), 4.0)
    return tuple(found)


def _turbine_among_others(number: int) -> Callable[[], object]:
    """Six turbines in a ring of 130 m, nearer than any park has them: each is in the way of something."""
    frame, turn = LocalFrame(FOOT), math.radians(60.0)
    ring = (Enu(130.0 * math.sin(n * turn), 130.0 * math.cos(n * turn), 0.0) for n in range(6))
    return _turbine(number, _standing(frame.to_geo(place) for place in ring))


def line_of_50_km() -> PowerLine:
    """Return 168 towers, 300 m apart, that wander a little."""
    places, feet = Enu(0.0, 0.0, 0.0), []
    frame = LocalFrame(FOOT)
    for number in range(168):
        feet.append(frame.to_geo(places).model_copy(update={"alt_m": 45.0 + 10.0 * math.sin(number / 9.0)}))
        heading = 0.3 * math.sin(number / 7.0)
        places = places.plus(Enu(math.cos(heading), math.sin(heading), 0.0), 300.0)
    return PowerLine(towers=tuple(LineTower(name=f"T{n:03d}", foot=foot) for n, foot in enumerate(feet)))


def _line_past_turbines(number: int) -> Callable[[], object]:
    """A turbine 150 m beside every fourth tower."""
    feet = [tower.foot for tower in line_of_50_km().towers[::4]]
    return _line(number, _standing(LocalFrame(foot).to_geo(Enu(0.0, 150.0, 0.0)) for foot in feet))


def _line(_: int, neighbours: tuple[Solid, ...] = ()) -> Callable[[], object]:
    wish = {"asset_id": "line-1", "geometry": line_of_50_km(), "home": None, "params": {"pattern": "corridor"}}
    inputs = SurveyInputs.model_validate(wish | {"neighbours": neighbours})
    return lambda: patterns.flights(inputs, lambda part: (f"pln-{part}", 1))


class Taken(NamedTuple):
    """How long runs took, milliseconds: on the clock, and of one processor (the clock counts other programs too)."""

    median_ms: float
    p95_ms: float
    cpu_p95_ms: float


def measure(make: Callable[[int], Callable[[], object]], times: int) -> Taken:
    """Return what so many runs take."""
    clock, cpu = [], []
    for number in range(times):
        work = make(number)
        began = time.perf_counter(), time.process_time()
        work()
        clock.append(1000.0 * (time.perf_counter() - began[0]))
        cpu.append(1000.0 * (time.process_time() - began[1]))
    return Taken(statistics.median(clock), _p95(clock), _p95(cpu))


def _p95(taken: list[float]) -> float:
    return statistics.quantiles(taken, n=20, method="inclusive")[-1]


def main() -> None:
    """Print each against its budget."""
    measure(_turbine, 2)
    for name, make, times, budget_ms in (
        ("turbine, blades", _turbine, 40, TURBINE_BUDGET_MS),
        ("turbine, blades, among six others", _turbine_among_others, 40, TURBINE_BUDGET_MS),
        ("50 km line, corridor", _line, 10, LINE_BUDGET_MS),
        ("50 km line, corridor, past 42 turbines", _line_past_turbines, 10, LINE_BUDGET_MS),
    ):
        taken = measure(make, times)
        print(
            f"{name}: median {taken.median_ms:.0f} ms, p95 {taken.p95_ms:.0f} ms"
            f" ({taken.p95_ms / budget_ms:.2f} of {budget_ms:.0f} ms), processor p95 {taken.cpu_p95_ms:.0f} ms"
        )


if __name__ == "__main__":
    main()
