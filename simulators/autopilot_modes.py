"""Modes, arming and failsafes: who decides what the position controller does."""

from __future__ import annotations

from typing import Final

from pymavlink.dialects.v20 import ardupilotmega as mav

from contracts.geo import Enu
from simulators.autopilot_fence import Fence
from simulators.autopilot_mission import Mission, Send
from simulators.autopilot_params import CONTINUE_AUTO_ON_LINK_LOSS
from simulators.autopilot_pilot import Pilot
from simulators.autopilot_state import Phase, State
from simulators.flight_air import Air

STABILIZE, AUTO, GUIDED, LOITER, RTL, LAND, BRAKE, SMART_RTL = 0, 3, 4, 5, 6, 9, 17, 21
MODES: Final = {STABILIZE: "STABILIZE", AUTO: "AUTO", GUIDED: "GUIDED", LOITER: "LOITER"} | {
    RTL: "RTL",
    LAND: "LAND",
    BRAKE: "BRAKE",
    SMART_RTL: "SMART_RTL",
}
_NOT_ARMABLE: Final = frozenset({AUTO, RTL, LAND, BRAKE, SMART_RTL})
_ON_LOST_STATION: Final = {1: (RTL,), 2: (RTL,), 3: (SMART_RTL, RTL), 4: (SMART_RTL, LAND), 5: (LAND,)}
_ON_BATTERY: Final = {1: (LAND,), 2: (RTL,), 3: (SMART_RTL, RTL), 4: (SMART_RTL, LAND)}
_ON_BREACH: Final = {1: (RTL,), 2: (LAND,), 3: (SMART_RTL, RTL), 4: (BRAKE,), 5: (SMART_RTL, LAND)}
"""What each value of FS_GCS_ENABLE, BATT_FS_*_ACT and FENCE_ACTION tries in turn (events.cpp, fence.cpp)."""
_LOW, _CRITICAL = 1, 2
_BLIND_MS: Final = 8000
_TEXT_PIECE: Final = 50


class Commander:
    """The autopilot's decisions. Texts and events go out through ``send``."""

    def __init__(self, state: State, air: Air, send: Send, geoid_m: float) -> None:
        self.state = state
        self.pilot = Pilot(state, air)
        self.mission = Mission(self.pilot, send, geoid_m)
        self.fence = Fence(self.pilot)
        self._send = send
        self._watch = state.supervisor
        self._link_seen_ms: int | None = None
        self._texts = 0

    def say(self, text: str, severity: int = mav.MAV_SEVERITY_INFO) -> None:
        """Send a STATUSTEXT; a long one goes in pieces of one id (GCS.cpp, ``GCS::send_textv``)."""
        letters = text.encode("ascii")
        if len(letters) <= _TEXT_PIECE:
            self._send(mav.MAVLink_statustext_message(severity, letters))
            return
        self._texts += 1
        for at in range(0, len(letters) + 1, _TEXT_PIECE):
            piece = letters[at : at + _TEXT_PIECE]
            self._send(mav.MAVLink_statustext_message(severity, piece, self._texts, at // _TEXT_PIECE))

    def not_ready(self) -> list[str]:
        """Return the reasons that forbid arming, most important first."""
        reasons = []
        if self.state.t_ms < self.state.ready_at_ms or self.blind:
            reasons.append("Need Position Estimate")
        if self._watch.battery_failsafe or self.state.battery.voltage_v < self.state.params["BATT_LOW_VOLT"]:
            reasons.append("Battery 1 low voltage failsafe")
        if self.fence.breach(self.state.position):
            reasons.append("vehicle outside fence")
        return reasons

    @property
    def blind(self) -> bool:
        """Return whether the GPS is switched off."""
        return self.state.params["SIM_GPS_DISABLE"] == 1

    def arm(self, *, force: bool) -> bool:
        """Arm on the ground; say why not."""
        if self._watch.armed:
            return True
        reasons = self.not_ready()
        if self._watch.mode in _NOT_ARMABLE:
            reasons.insert(0, f"{MODES[self._watch.mode]} mode is not armable")
        if reasons and not force:
            for reason in reasons:
                self.say(f"Arm: {reason}", mav.MAV_SEVERITY_CRITICAL)
            return False
        self._watch.armed, self._watch.landed, self._watch.idle_since_ms = True, False, self.state.t_ms
        self.state.controls.track, self.state.controls.track_lost = [self.state.position], False
        self.say("Arming motors")
        return True

    def disarm(self, *, force: bool) -> bool:
        """Disarm on the ground; in flight only by force, and then it falls."""
        if not self.pilot.on_ground:
            if not force:
                return False
            self.pilot.drop()
        if self._watch.armed:
            self.say("Disarming motors")
        self._watch.armed = self.state.controls.recording = False
        self.mission.reset()
        return True

    def set_mode(self, mode: int) -> bool:
        """Change the flight mode; return whether it was taken."""
        if mode not in MODES or (mode == SMART_RTL and not self.pilot.knows_way_back):
            return False
        if mode == self._watch.mode:
            return True
        if mode == AUTO:
            return self._enter_auto()
        if self._watch.mode == AUTO:  # mode_auto.cpp, ``ModeAuto::exit``: camera_mount.set_mode_to_default()
            self.pilot.look(0.0, self.state.craft.body.yaw_deg)
        self._watch.mode = mode
        self.mission.stop()
        if not (self.pilot.on_ground or self.pilot.phase is Phase.FALL):
            self._fly_as(mode)
        return True

    def _fly_as(self, mode: int) -> None:
        if mode == SMART_RTL:
            self.pilot.retrace()
        elif mode == RTL:
            self.pilot.return_home()
        elif mode == LAND or (mode == LOITER and not self.state.params["SIM_RC_PRESENT"]):
            # LOITER without a transmitter takes the throttle stick for down, as ArduCopter does.
            self.pilot.land()
        else:
            self.pilot.hold()

    def start_mission(self) -> bool:
        """MISSION_START: without it the aircraft sits armed on the ground in AUTO."""
        if not (self._may_leave_ground() and self.set_mode(AUTO)):
            return False
        if self._watch.armed and not self.mission.running:
            self.mission.start()
        return True

    def take_off(self, height_m: float) -> bool:
        """Take off in GUIDED, armed, from the ground."""
        if not (self._watch.armed and self._watch.mode == GUIDED and self.pilot.on_ground and height_m > 0):
            return False
        self.pilot.take_off(height_m)
        return True

    def reposition(self, target: Enu, *, change_mode: bool) -> bool:
        """Fly to a place in GUIDED; refused on the ground and outside the fence."""
        if self.pilot.on_ground or self.fence.breach(target):
            return False
        if self._watch.mode != GUIDED and not (change_mode and self.set_mode(GUIDED)):
            return False
        self.pilot.fly_to(target)
        return True

    def pause(self, *, go_on: bool) -> bool:
        """DO_PAUSE_CONTINUE: between waypoints in AUTO, or on a GUIDED leg."""
        if self._watch.mode not in {AUTO, GUIDED} or self.pilot.phase is not Phase.LEG:
            return False
        self.state.controls.paused = not go_on
        self._send(self.mission.current())
        return True

    def hear_station(self, system_id: int) -> None:
        """Note a heartbeat; only the configured ground station's counts for link loss."""
        if system_id == self.state.params["SYSID_MYGCS"]:
            self._link_seen_ms, self._watch.link_lost = self.state.t_ms, False

    def tick(self) -> None:
        """Advance the aircraft by one tick and watch over it."""
        was_flying = not self.pilot.on_ground
        self.pilot.tick()
        self.mission.tick()
        if self.pilot.on_ground:
            self._on_ground(just_landed=was_flying)
        else:
            self._watch.idle_since_ms = self.state.t_ms
            self.pilot.note_track()
            self._check_battery()
            self._check_fence()
            self._check_link()
            self._check_position()

    def _may_leave_ground(self) -> bool:
        landed_armed = self._watch.armed and self.pilot.on_ground
        if landed_armed and len(self.mission.items) > 1 and not self.mission.starts_with_take_off:
            self.say("Auto: Missing Takeoff Cmd", mav.MAV_SEVERITY_CRITICAL)
            return False
        return True

    def _enter_auto(self) -> bool:
        """mode_auto.cpp, ``ModeAuto::init``: what DO_CHANGE_SPEED said before is forgotten."""
        if not self._may_leave_ground():
            return False
        self._watch.mode = AUTO
        self.pilot.set_speed(self.state.params["WPNAV_SPEED"] / 100)
        if not self.pilot.on_ground and not self.mission.running:
            self.mission.start()
        return True

    def _on_ground(self, *, just_landed: bool) -> None:
        idle_s = (self.state.t_ms - self._watch.idle_since_ms) / 1000
        if just_landed:
            self._watch.landed = True
            self.say("Land complete")
        if self._watch.armed and idle_s >= (1.0 if self._watch.landed else self.state.params["DISARM_DELAY"] + 1):
            self.disarm(force=False)

    def _check_battery(self) -> None:
        params, volts = self.state.params, self.state.battery.voltage_v
        if volts >= params["BATT_LOW_VOLT"]:
            self._watch.low_since_ms = None
            return
        if self._watch.low_since_ms is None:
            self._watch.low_since_ms = self.state.t_ms
        if (self.state.t_ms - self._watch.low_since_ms) / 1000 < params["BATT_LOW_TIMER"]:
            return
        if volts < params["BATT_CRT_VOLT"] and self._watch.battery_failsafe < _CRITICAL:
            self._fail_battery(_CRITICAL, "critical", int(params["BATT_FS_CRT_ACT"]))
        elif self._watch.battery_failsafe < _LOW:
            self._fail_battery(_LOW, "low", int(params["BATT_FS_LOW_ACT"]))

    def _fail_battery(self, level: int, word: str, action: int) -> None:
        self._watch.battery_failsafe = level
        self.say(f"Battery 1 is {word} {self.state.battery.voltage_v:.2f}V", mav.MAV_SEVERITY_WARNING)
        if self._watch.mode != LAND:
            self._try_in_turn(_ON_BATTERY.get(action, ()))

    def _try_in_turn(self, modes: tuple[int, ...]) -> None:
        """Take the first of these modes that is to be had."""
        for mode in modes:
            if self.set_mode(mode):
                return

    def _check_fence(self) -> None:
        """A breach returns the aircraft once; commanding AUTO again while outside is obeyed, as in ArduCopter."""
        breached = bool(self.fence.breach(self.state.position))
        if breached and not self._watch.fence_breached:
            self._watch.fence_breaches += 1
            self._watch.fence_breach_ms = self.state.t_ms
            self.say("Fence Breached", mav.MAV_SEVERITY_NOTICE)
            self._try_in_turn(_ON_BREACH.get(int(self.state.params["FENCE_ACTION"]), ()))
        self._watch.fence_breached = breached

    def _check_position(self) -> None:
        """Without GPS the estimator's failsafe lands after 8 s."""
        watch = self._watch
        if not self.blind:
            watch.blind_since_ms = None
        elif watch.blind_since_ms is None:
            watch.blind_since_ms = self.state.t_ms
        elif self.state.t_ms - watch.blind_since_ms >= _BLIND_MS and watch.mode != LAND:
            self.say("EKF Failsafe: changed to LAND Mode", mav.MAV_SEVERITY_CRITICAL)
            self.set_mode(LAND)

    def _check_link(self) -> None:
        params = self.state.params
        if params["FS_GCS_ENABLE"] == 0 or self._link_seen_ms is None or self._watch.link_lost:
            return
        if (self.state.t_ms - self._link_seen_ms) / 1000 < params["FS_GCS_TIMEOUT"]:
            return
        self._watch.link_lost = True
        self.say("GCS Failsafe", mav.MAV_SEVERITY_WARNING)
        goes_on = self._watch.mode == AUTO and int(params["FS_OPTIONS"]) & CONTINUE_AUTO_ON_LINK_LOSS
        if not goes_on and self._watch.mode != LAND:
            self._try_in_turn(_ON_LOST_STATION.get(int(params["FS_GCS_ENABLE"]), ()))
