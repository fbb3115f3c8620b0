"""The mission protocol: uploads item by item (not atomic, as on the real thing), downloads, clearing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from pymavlink.dialects.v20 import ardupilotmega as mav

from simulators.autopilot_commands import item_of
from simulators.autopilot_items import ABOVE_SEA, ACTIONS, MAX_ITEMS, fence_is_sound, normalised, refusal
from simulators.autopilot_mission import Send
from simulators.autopilot_modes import Commander
from simulators.autopilot_state import Item

_ASK_AGAIN_MS: Final = 1000
_GIVE_UP_MS: Final = 8000
_ROUTE: Final = int(mav.MAV_MISSION_TYPE_MISSION)
_FENCE: Final = int(mav.MAV_MISSION_TYPE_FENCE)
_RALLY: Final = int(mav.MAV_MISSION_TYPE_RALLY)
Peer = tuple[int, int]


@dataclass(slots=True)
class _Upload:
    peer: Peer
    kind: int
    count: int
    heard_ms: int
    asked_ms: int = 0
    next_seq: int = 0
    staged: list[Item] = field(default_factory=list)


class Transfer:
    """Receives and hands out missions and fences."""

    def __init__(self, commander: Commander, send: Send, geoid_m: float, *, atomic: bool = False) -> None:
        self._commander = commander
        self._atomic = atomic
        """PX4's way: home is not an item, items are kept as sent, and a list counts when it is whole."""
        self._state = commander.state
        self._send = send
        self._geoid_m = geoid_m
        self._upload: _Upload | None = None

    def handle(self, message: Any) -> bool:
        """Take one message; return whether stored items changed."""
        peer = message.get_srcSystem(), message.get_srcComponent()
        match message.get_type():
            case "MISSION_COUNT":
                return self._begin(peer, message.mission_type, message.count)
            case "MISSION_ITEM_INT" | "MISSION_ITEM":
                return self._receive(peer, message)
            case "MISSION_REQUEST_LIST":
                self._send(mav.MAVLink_mission_count_message(*peer, len(self._list(message)), message.mission_type))
            case "MISSION_REQUEST_INT" | "MISSION_REQUEST":
                self._hand_out(peer, message)
            case "MISSION_CLEAR_ALL":
                return self._clear(peer, message.mission_type)
            case "MISSION_SET_CURRENT":
                return self._commander.mission.jump(message.seq)
        return False

    def tick(self) -> None:
        """Ask again after a second; give up after eight."""
        upload, now_ms = self._upload, self._state.t_ms
        if upload is None:
            return
        if now_ms - upload.heard_ms >= _GIVE_UP_MS:
            self._upload = None
            self._ack(upload.peer, mav.MAV_MISSION_OPERATION_CANCELLED, upload.kind)
            self._commander.say("Mission upload timeout", mav.MAV_SEVERITY_WARNING)
        elif now_ms - upload.asked_ms >= _ASK_AGAIN_MS:
            self._ask(upload)

    def _begin(self, peer: Peer, kind: int, count: int) -> bool:
        if kind not in {_ROUTE, _FENCE, _RALLY}:
            self._ack(peer, mav.MAV_MISSION_UNSUPPORTED, kind)
        elif self._upload is not None and self._upload.peer != peer:
            self._ack(peer, mav.MAV_MISSION_DENIED, kind)
        elif count > MAX_ITEMS:
            self._ack(peer, mav.MAV_MISSION_NO_SPACE, kind)
        elif count == 0:
            return self._clear(peer, kind)
        else:
            self._upload = _Upload(peer, kind, count, self._state.t_ms)
            if kind == _ROUTE and self._atomic:
                self._upload.staged, self._upload.next_seq = [self._home()], 1
            elif kind == _ROUTE:
                del self._state.mission[count:]
            self._ask(self._upload)
        return False

    def _receive(self, peer: Peer, message: Any) -> bool:
        upload = self._upload
        if upload is None or upload.peer != peer or upload.kind != message.mission_type:
            self._ack(peer, mav.MAV_MISSION_ERROR, message.mission_type)
            return False
        if message.seq != upload.next_seq:
            self._ack(peer, mav.MAV_MISSION_INVALID_SEQUENCE, upload.kind)
            return False
        item = item_of(message)
        refused = 0 if upload.kind == _ROUTE and message.seq == 0 else refusal(item, upload.kind)
        if refused:
            self._upload = None
            self._ack(peer, refused, upload.kind)
            return False
        upload.heard_ms = self._state.t_ms
        self._store(upload, item if self._atomic else normalised(item))
        upload.next_seq += 1
        if upload.next_seq < upload.count:
            self._ask(upload)
            return False
        self._upload = None
        return self._complete(upload)

    def _store(self, upload: _Upload, item: Item) -> None:
        if upload.kind != _ROUTE or self._atomic:
            upload.staged.append(item)
            return
        kept, seq = self._state.mission, upload.next_seq
        kept[seq : seq + 1] = [self._home() if seq == 0 else item]

    def _complete(self, upload: _Upload) -> bool:
        if upload.kind == _FENCE:
            if not fence_is_sound(upload.staged):
                self._ack(upload.peer, mav.MAV_MISSION_ERROR, upload.kind)
                return False
            self._state.fence[:] = upload.staged
            self._commander.fence.rebuild()
        elif upload.kind == _RALLY:
            self._state.rally[:] = upload.staged
        else:
            if self._atomic:
                self._state.mission[:] = upload.staged
            self._commander.mission.restart_item()
            self._commander.say("Flight plan received")
        self._ack(upload.peer, mav.MAV_MISSION_ACCEPTED, upload.kind)
        return True

    def _clear(self, peer: Peer, kind: int) -> bool:
        if kind in {_ROUTE, mav.MAV_MISSION_TYPE_ALL} and self._commander.mission.running:
            self._ack(peer, mav.MAV_MISSION_ERROR, kind)
            return False
        if kind in {_ROUTE, mav.MAV_MISSION_TYPE_ALL}:
            self._state.mission.clear()
            self._commander.mission.forget()
        if kind in {_RALLY, mav.MAV_MISSION_TYPE_ALL}:
            self._state.rally.clear()
        if kind in {_FENCE, mav.MAV_MISSION_TYPE_ALL}:
            self._state.fence.clear()
            self._commander.fence.rebuild()
        self._ack(peer, mav.MAV_MISSION_ACCEPTED, kind)
        return True

    def _hand_out(self, peer: Peer, message: Any) -> None:
        items = self._list(message)
        if message.seq >= len(items):
            self._ack(peer, mav.MAV_MISSION_INVALID_SEQUENCE, message.mission_type)
            return
        item = items[message.seq]
        head = *peer, message.seq, item.frame, item.command, 0, item.autocontinue
        params = item.p1, item.p2, item.p3, item.p4
        scale = 1.0 if item.command in ACTIONS else 1e7
        if message.get_type() == "MISSION_REQUEST_INT":
            made = mav.MAVLink_mission_item_int_message(*head, *params, item.x, item.y, item.z, message.mission_type)
        else:
            made = mav.MAVLink_mission_item_message(
                *head, *params, item.x / scale, item.y / scale, item.z, message.mission_type
            )
        self._send(made)

    def _list(self, message: Any) -> list[Item]:
        state = self._state
        return {_ROUTE: state.mission, _FENCE: state.fence, _RALLY: state.rally}.get(message.mission_type, [])

    def _home(self) -> Item:
        lat, lon = round(self._state.home_lat_deg * 1e7), round(self._state.home_lon_deg * 1e7)
        alt_m = self._state.home_alt_m - self._geoid_m
        return Item(mav.MAV_CMD_NAV_WAYPOINT, ABOVE_SEA, 0.0, 0.0, 0.0, 0.0, lat, lon, alt_m)

    def _ask(self, upload: _Upload) -> None:
        upload.asked_ms = self._state.t_ms
        self._send(mav.MAVLink_mission_request_message(*upload.peer, upload.next_seq, upload.kind))

    def _ack(self, peer: Peer, result: int, kind: int) -> None:
        self._send(mav.MAVLink_mission_ack_message(*peer, result, kind))
