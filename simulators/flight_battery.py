"""The battery: what flying costs, and what the voltage says about it."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.geo import Enu

CELLS = 12
_FULL_V, _EMPTY_V = 4.15, 3.45
_RESISTANCE_OHM = 0.06
_IDLE_W, _HOVER_W = 18.0, 880.0
_DRAG_W_PER_MPS3 = 0.09
_CLIMB_W_PER_MPS = 125.0


def power_w(velocity: Enu, wind: Enu, *, flying: bool) -> float:
    """Return electrical power: hover, drag at air speed (cubed), climb; a descent gives back a little."""
    if not flying:
        return _IDLE_W
    air_mps = velocity.minus(wind).norm()
    climb_w = _CLIMB_W_PER_MPS * max(velocity.up, 0.0) + 40.0 * min(velocity.up, 0.0)
    return _HOVER_W + _DRAG_W_PER_MPS3 * air_mps**3 + climb_w


@dataclass(slots=True)
class Battery:
    """Charge and voltage; ``used_wh`` never falls."""

    capacity_wh: float = 550.0
    used_wh: float = 0.0
    load_w: float = _IDLE_W

    def draw(self, load_w: float, dt_s: float) -> None:
        """Use ``load_w`` for ``dt_s``; the reported load is smoothed over a second."""
        self.used_wh = min(self.capacity_wh, self.used_wh + load_w * dt_s / 3600.0)
        self.load_w += (load_w - self.load_w) * min(dt_s, 1.0)

    @property
    def percent(self) -> float:
        """Return the charge left, 0..100."""
        return max(0.0, 100.0 * (1.0 - self.used_wh / self.capacity_wh))

    @property
    def current_a(self) -> float:
        """Return the current at the present load."""
        return self.load_w / self._open_v

    @property
    def voltage_v(self) -> float:
        """Return the voltage under load: it sags."""
        return self._open_v - self.current_a * _RESISTANCE_OHM

    @property
    def _open_v(self) -> float:
        return CELLS * (_EMPTY_V + (_FULL_V - _EMPTY_V) * self.percent / 100.0)
