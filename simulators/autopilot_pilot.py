"""The position controller: hold, fly a leg, take off, return, land. It knows nothing of modes and missions."""

from __future__ import annotations

import math

from contracts.geo import Enu, GeoPoint, LocalFrame
from simulators import autopilot_track, flight
from simulators.autopilot_state import TICK_MS, Phase, State
from simulators.flight import REST, Leg, Limits
from simulators.flight_air import Air
from simulators.flight_battery import power_w

ARRIVE_M = 0.25
ARRIVE_MPS = 0.45
SETTLE_MS = 300
_FINAL_M = 6.0
"""Height below which a landing is slow."""
_LEAST_SLOPE = 0.5
"""ArduCopter takes a flatter cone for none."""
_RETURNING = frozenset({Phase.RETURN_CLIMB, Phase.RETURN_HOME, Phase.RETURN_WAIT})


class Pilot:
    """Moves the craft in ``state`` one tick at a time."""

    def __init__(self, state: State, air: Air) -> None:
        self.state = state
        self.air = air
        self.home = GeoPoint(lat_deg=state.home_lat_deg, lon_deg=state.home_lon_deg, alt_m=state.home_alt_m)
        self.frame = LocalFrame(self.home)

    @property
    def phase(self) -> Phase:
        """Return what it is doing."""
        return self.state.controls.phase

    @property
    def on_ground(self) -> bool:
        """Return whether it stands on the ground."""
        return self.phase is Phase.GROUND

    @property
    def limits(self) -> Limits:
        """Return the airframe's limits with the climb and descent parameters in force."""
        params = self.state.params
        return Limits(climb_mps=params["WPNAV_SPEED_UP"] / 100, descent_mps=params["WPNAV_SPEED_DN"] / 100)

    def hold(self) -> None:
        """Stop as soon as the brakes allow and stay there."""
        self._fly(flight.stopping_point(self.state.craft.body, self.limits), Phase.HOLD, speed_mps=3.0)

    def take_off(self, height_m: float) -> None:
        """Climb straight up to ``height_m`` above home, or stay if already higher."""
        here = self.state.position
        self._fly(Enu(here.east, here.north, max(height_m, here.up)), Phase.TAKE_OFF, speed_mps=self.limits.climb_mps)

    def fly_to(self, target: Enu) -> None:
        """Fly the straight line from here to ``target``."""
        self._fly(target, Phase.LEG, speed_mps=self.state.controls.speed_mps)

    def steer_to(self, target: Enu) -> None:
        """Change the end of the line flown now, without stopping."""
        self.state.controls.leg = Leg(self.state.position, target, self.state.controls.speed_mps)
        self.state.controls.arrived_ms = None

    def return_home(self) -> None:
        """Climb to the return height, fly home, wait, land."""
        here = self.state.position
        height = self._return_height(here)
        self._fly(Enu(here.east, here.north, height), Phase.RETURN_CLIMB, speed_mps=self.limits.climb_mps)
        self.state.controls.recording = False

    def note_track(self) -> None:
        """Keep the way it came (AP_SmartRTL.cpp, ``update``), unless it is being flown back."""
        controls, params = self.state.controls, self.state.params
        if self.phase is not Phase.RETRACE and not controls.track_lost:
            most = int(params["SRTL_POINTS"])
            controls.track_lost = not autopilot_track.noted(
                controls.track, self.state.position, params["SRTL_ACCURACY"], most
            )

    @property
    def knows_way_back(self) -> bool:
        """Return whether it is in the air and has kept the way it came (mode_smart_rtl.cpp, ``init``)."""
        return not self.on_ground and bool(self.state.controls.track) and not self.state.controls.track_lost

    def retrace(self) -> None:
        """Fly back the way it came."""
        controls = self.state.controls
        controls.track = autopilot_track.way_back(controls.track, self.state.params["SRTL_ACCURACY"])[::-1]
        controls.recording = False
        self._fly_next_back()

    def _fly_next_back(self) -> None:
        """Fly to the next place back; the last is above where it was armed, by 2 m."""
        place = self.state.controls.track.pop()
        above = Enu(0.0, 0.0, 0.0 if self.state.controls.track else 2.0)
        self._fly(place.plus(above), Phase.RETRACE, self.state.params["WPNAV_SPEED"] / 100)

    def _return_height(self, here: Enu) -> float:
        """mode_rtl.cpp, ``compute_return_target``, without terrain and rally points."""
        params = self.state.params
        least = max(0.3, here.up + max(0.0, params["RTL_CLIMB_MIN"] / 100))
        height = max(params["RTL_ALT"] / 100, least)
        if (slope := params["RTL_CONE_SLOPE"]) >= _LEAST_SLOPE:
            height = min(height, max(math.hypot(here.east, here.north) * slope, least))
        if params["FENCE_ENABLE"] and int(params["FENCE_TYPE"]) & 1:
            height = min(height, params["FENCE_ALT_MAX"] - params["FENCE_MARGIN"])
        return max(height, here.up)

    def land(self) -> None:
        """Go straight down."""
        here = flight.stopping_point(self.state.craft.body, self.limits)
        self._fly(Enu(here.east, here.north, 0.0), Phase.LAND, speed_mps=self.limits.descent_mps)
        self.state.controls.recording = False

    def drop(self) -> None:
        """Fall: the motors were stopped in flight."""
        self.state.controls.phase = Phase.FALL
        self.state.controls.recording = False

    def arrived(self, stay_ms: int = SETTLE_MS) -> bool:
        """Return whether the end of the line was reached at least ``stay_ms`` ago."""
        since = self.state.controls.arrived_ms
        return since is not None and self.state.t_ms - since >= stay_ms

    def look(self, pitch_deg: float, yaw_deg: float) -> None:
        """Turn the camera towards a direction in the earth frame; a NaN leaves that axis as it is."""
        gimbal = self.state.craft.gimbal
        if math.isfinite(pitch_deg):
            gimbal.pitch_goal_deg = max(-90.0, min(90.0, pitch_deg))
        if math.isfinite(yaw_deg):
            gimbal.yaw_goal_deg = yaw_deg % 360.0

    def set_speed(self, speed_mps: float) -> None:
        """Change the speed along lines, this one included."""
        controls = self.state.controls
        controls.speed_mps = max(0.2, min(20.0, speed_mps))
        if controls.phase is Phase.LEG:
            controls.leg = controls.leg._replace(speed_mps=controls.speed_mps)

    def true_place(self) -> tuple[Enu, Enu]:
        """Return (position, velocity) with the wind's sway, metres from home."""
        body = self.state.craft.body
        offset, drift = self.air.sway(self.state.t_ms / 1000, body.position.up)
        return body.position.plus(offset), body.velocity.plus(drift)

    def tick(self) -> None:
        """Advance by one tick."""
        state, dt_s = self.state, TICK_MS / 1000
        state.t_ms += TICK_MS
        wind, limits = self.air.wind(state.t_ms / 1000), self.limits
        flying = self.phase not in {Phase.GROUND, Phase.FALL}
        if flying:
            flight.move(state.craft.body, self._wanted(limits), wind, limits, dt_s)
        elif self.phase is Phase.FALL:
            flight.fall(state.craft.body, dt_s)
        flight.point(state.craft, limits, dt_s, flying=flying)
        state.battery.draw(power_w(state.craft.body.velocity, wind, flying=flying), dt_s)
        self._note_arrival()
        self._next_phase()

    def _fly(self, target: Enu, phase: Phase, speed_mps: float) -> None:
        controls = self.state.controls
        controls.leg = Leg(self.state.position, target, speed_mps)
        controls.phase, controls.paused, controls.arrived_ms = phase, False, None

    def _wanted(self, limits: Limits) -> Enu:
        controls, body = self.state.controls, self.state.craft.body
        if controls.paused:
            return REST
        wanted = flight.wanted_velocity(body.position, controls.leg, limits)
        if controls.phase is Phase.LAND:
            return Enu(wanted.east, wanted.north, -self._descent_mps(body.position.up, limits))
        return wanted

    def _descent_mps(self, height_m: float, limits: Limits) -> float:
        slow = self.state.params["LAND_SPEED"] / 100
        above = flight.approach_speed(max(0.0, height_m - _FINAL_M), limits.position_gain_per_s, limits.brake_mps2)
        return min(limits.descent_mps, max(slow, above))

    def _note_arrival(self) -> None:
        controls, body = self.state.controls, self.state.craft.body
        near = controls.leg.end.minus(body.position).norm() <= ARRIVE_M and body.velocity.norm() <= ARRIVE_MPS
        if controls.paused or (not near and controls.phase is not Phase.RETURN_WAIT):
            controls.arrived_ms = None
        elif controls.arrived_ms is None:
            controls.arrived_ms = self.state.t_ms

    def _next_phase(self) -> None:
        controls, here = self.state.controls, self.state.position
        if controls.phase in {Phase.LAND, Phase.FALL} and here.up <= 0.0:
            controls.phase = Phase.GROUND
            self.state.craft.body.lean = REST
        elif controls.phase is Phase.TAKE_OFF and self.arrived(0):
            controls.phase = Phase.HOLD
        elif controls.phase is Phase.RETRACE and self.arrived(0):
            if controls.track:
                self._fly_next_back()
            else:
                self.land()
        elif controls.phase in _RETURNING:
            self._go_on_home(here)

    def _go_on_home(self, here: Enu) -> None:
        if self.phase is Phase.RETURN_CLIMB and self.arrived(0):
            self._fly(Enu(0.0, 0.0, here.up), Phase.RETURN_HOME, self.state.params["WPNAV_SPEED"] / 100)
        elif self.phase is Phase.RETURN_HOME and self.arrived(0):
            self.state.controls.phase = Phase.RETURN_WAIT
        elif self.phase is Phase.RETURN_WAIT and self.arrived(int(self.state.params["RTL_LOIT_TIME"])):
            self.land()
