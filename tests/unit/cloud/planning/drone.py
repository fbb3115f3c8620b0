"""What the drone says of a planned route, by its own check."""

from __future__ import annotations

from contracts.geo import Enu
from contracts.routes import Route
from edge.refusals import UnsafeRoute
from edge.safety import Limits, Start, check_route

LIMITS = Limits(battery_reserve_percent=20.0, battery_min_v=None, link_loss_return_s=300.0, max_first_leg_m=3000.0)


def refusal(route: Route) -> str | None:
    """Return why a drone that stands on the route's home refuses it; None when it flies."""
    try:
        check_route(route, route.home, Start(Enu(0.0, 0.0, 10.0)), LIMITS)
    except UnsafeRoute as error:
        return error.message
    return None
