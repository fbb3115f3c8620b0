"""MISB ST 0601: a pose track as key-length-value packets, written and read.

Keys, tags and scales after MISB ST 0601.17; lengths after SMPTE ST 336 (BER). The precision time stamp comes first and
the checksum last, as the standard orders.

The pose track knows where the camera looks in the world, not how the aircraft stood. The platform's angles (tags 5 to
7) are therefore written as zero, a platform that points north and level, and the sensor's relative angles (18 to 20)
carry the camera's own: the line of sight a reader computes is the true one, its aircraft symbol is not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from contracts.errors import InvalidInput
from contracts.geo import GeoPoint, Pose
from contracts.media import PoseSample
from contracts.optics import CameraIntrinsics

UAS_LOCAL_SET = bytes.fromhex("060e2b34020b01010e01030101000000")
_VERSION = 17
_CE90, _LE90 = 2.1460, 1.6449
"""Radius over sigma that holds 90 % of a circular, and of a linear, normal error."""
_TEXT_MAX = 127


class Mapping(NamedTuple):
    """How a value becomes an integer: signed ones are symmetric and keep the lowest integer as "out of range"."""

    low: float
    high: float
    size: int
    signed: bool = False

    def pack(self, value: float) -> bytes:
        """Return the nearest integer's bytes; values outside are held at the end."""
        held = min(self.high, max(self.low, value))
        if self.signed:
            return round(held / self.high * self._half()).to_bytes(self.size, "big", signed=True)
        return round((held - self.low) / (self.high - self.low) * self._full()).to_bytes(self.size, "big")

    def unpack(self, raw: bytes) -> float:
        """Return the value."""
        if self.signed:
            return int.from_bytes(raw, "big", signed=True) / self._half() * self.high
        return int.from_bytes(raw, "big") / self._full() * (self.high - self.low) + self.low

    def step(self) -> float:
        """Return the value of one integer."""
        return self.high / self._half() if self.signed else (self.high - self.low) / self._full()

    def _full(self) -> int:
        return int(2 ** (8 * self.size)) - 1

    def _half(self) -> int:
        return int(2 ** (8 * self.size - 1)) - 1


NUMBERS = {
    5: Mapping(0, 360, 2),
    6: Mapping(-20, 20, 2, signed=True),
    7: Mapping(-50, 50, 2, signed=True),
    13: Mapping(-90, 90, 4, signed=True),
    14: Mapping(-180, 180, 4, signed=True),
    16: Mapping(0, 180, 2),
    17: Mapping(0, 180, 2),
    18: Mapping(0, 360, 4),
    19: Mapping(-180, 180, 4, signed=True),
    20: Mapping(0, 360, 4),
    45: Mapping(0, 4095, 2),
    46: Mapping(0, 4095, 2),
    75: Mapping(-900, 19_000, 2),
}
"""Tags of the inspection set: heading, pitch, roll; latitude, longitude; fields of view; relative azimuth, elevation,
roll; CE90, LE90; height above the ellipsoid."""
_TEXTS = {3: "mission", 10: "platform", 12: "coordinates"}
_FINE_HEIGHT = 104
_FINE_LOW, _FINE_HIGH, _FINE_BYTES = -900.0, 40_000.0, 4
_FINE_SCALE = 2.0 ** (8 * _FINE_BYTES - 1 - math.ceil(math.log2(_FINE_HIGH - _FINE_LOW)))
_FINE_OFFSET = _FINE_SCALE * _FINE_LOW - math.floor(_FINE_SCALE * _FINE_LOW)


class Mission(NamedTuple):
    """What is the same in every packet of a segment."""

    flight_id: str
    drone_id: str
    camera: CameraIntrinsics
    sigma_m: float


class Packet(NamedTuple):
    """A packet read back: its time, and its values by tag."""

    t_us: int
    values: dict[int, float | str]

    def pose(self) -> PoseSample:
        """Return the camera's pose, from a packet whose platform points north and level.

        Raises:
            InvalidInput: The packet lacks a part of it, or the platform is turned.

        """
        try:
            lat, lon, alt = (float(self.values[tag]) for tag in (13, 14, _FINE_HEIGHT))
            azimuth, elevation, roll = (float(self.values[tag]) for tag in (18, 19, 20))
            turned = any(abs(float(self.values[tag])) > NUMBERS[tag].step() for tag in (5, 6, 7))
        except KeyError as error:
            raise InvalidInput(f"The packet at {self.t_us} has no tag {error}.") from error
        if turned:
            raise InvalidInput("The platform's own angles are not zero.", hint="Add them to the sensor's first.")
        point = GeoPoint(lat_deg=lat, lon_deg=lon, alt_m=alt)
        signed_roll = roll - 360 if roll > 180 else roll
        pitch = max(-90.0, min(90.0, elevation))
        return PoseSample(
            t_us=self.t_us, pose=Pose(point=point, yaw_deg=azimuth, pitch_deg=pitch, roll_deg=signed_roll)
        )


def track(samples: Iterable[PoseSample], mission: Mission) -> bytes:
    """Return one packet for each pose, in order."""
    return b"".join(packet(sample, mission) for sample in samples)


def packet(sample: PoseSample, mission: Mission) -> bytes:
    """Return the packet of one pose."""
    pose, camera = sample.pose, mission.camera
    numbers = {
        5: 0.0,
        6: 0.0,
        7: 0.0,
        13: pose.point.lat_deg,
        14: pose.point.lon_deg,
        16: 2 * math.degrees(math.atan(camera.width_px / 2 / camera.focal_px)),
        17: 2 * math.degrees(math.atan(camera.height_px / 2 / camera.focal_px)),
        18: pose.yaw_deg % 360.0,
        19: pose.pitch_deg,
        20: pose.roll_deg % 360.0,
        45: _CE90 * mission.sigma_m,
        46: _LE90 * mission.sigma_m,
        75: pose.point.alt_m,
    }
    texts = {3: mission.flight_id, 10: mission.drone_id, 12: "Geodetic WGS84"}
    items = {tag: NUMBERS[tag].pack(value) for tag, value in numbers.items()}
    items |= {tag: text.encode()[:_TEXT_MAX] for tag, text in texts.items()}
    items[65] = bytes([_VERSION])
    items[_FINE_HEIGHT] = _pack_fine(pose.point.alt_m)
    body = _item(2, sample.t_us.to_bytes(8, "big"))
    body += b"".join(_item(tag, items[tag]) for tag in sorted(items))
    head = UAS_LOCAL_SET + _ber(len(body) + 4) + body + b"\x01\x02"
    return head + checksum(head).to_bytes(2, "big")


def read(data: bytes) -> Iterator[Packet]:
    """Yield the packets of a track.

    Raises:
        InvalidInput: A packet is cut off, damaged or not in order; the message says at which byte.

    """
    at = 0
    while at < len(data):
        end = _packet_end(data, at)
        yield _packet(data[at:end], at)
        at = end


def checksum(packet_before_it: bytes) -> int:
    """Return the running 16-bit sum of ST 0601 over everything up to and with the checksum's own length."""
    return sum(byte << 8 * ((at + 1) % 2) for at, byte in enumerate(packet_before_it)) & 0xFFFF


def _packet_end(data: bytes, at: int) -> int:
    if not data.startswith(UAS_LOCAL_SET, at):
        raise InvalidInput(f"At byte {at} no ST 0601 packet begins.", field="klv")
    size, body = _ber_at(data, at + len(UAS_LOCAL_SET))
    if body + size > len(data):
        raise InvalidInput(f"The packet at byte {at} is cut off.", field="klv")
    return body + size


def _packet(raw: bytes, at: int) -> Packet:
    if raw[-4:-2] != b"\x01\x02" or int.from_bytes(raw[-2:], "big") != checksum(raw[:-2]):
        raise InvalidInput(f"The packet at byte {at} does not match its checksum.", field="klv")
    size, start = _ber_at(raw, len(UAS_LOCAL_SET))
    items = list(_items(raw[start : start + size], at))
    if not items or items[0][0] != 2 or len(items[0][1]) != 8:
        raise InvalidInput(f"The packet at byte {at} does not begin with its time.", field="klv")
    return Packet(int.from_bytes(items[0][1], "big"), {tag: _value(tag, v) for tag, v in items[1:] if _known(tag, v)})


def _items(body: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position < len(body):
        tag = 0
        while True:
            tag = tag << 7 | body[position] & 0x7F
            position += 1
            if body[position - 1] < 0x80 or position >= len(body):
                break
        size, position = _ber_at(body, position)
        if position + size > len(body):
            raise InvalidInput(f"The packet at byte {at}: tag {tag} is cut off.", field="klv")
        yield tag, body[position : position + size]
        position += size


def _known(tag: int, raw: bytes) -> bool:
    return tag in _TEXTS or (tag in NUMBERS and len(raw) == NUMBERS[tag].size) or tag == _FINE_HEIGHT


def _value(tag: int, raw: bytes) -> float | str:
    if tag in _TEXTS:
        return raw.decode("utf-8", errors="replace")
    return _unpack_fine(raw) if tag == _FINE_HEIGHT else NUMBERS[tag].unpack(raw)


def _pack_fine(value: float) -> bytes:
    """Map a height by IMAPB(-900, 40000, 4) of MISB ST 1201: steps of 3 cm/1000, where tag 75 has steps of 30 cm."""
    held = min(_FINE_HIGH, max(_FINE_LOW, value))
    return int(_FINE_SCALE * (held - _FINE_LOW) + _FINE_OFFSET).to_bytes(_FINE_BYTES, "big")


def _unpack_fine(raw: bytes) -> float:
    if len(raw) != _FINE_BYTES:
        raise InvalidInput(f"Tag {_FINE_HEIGHT} has {len(raw)} bytes, not {_FINE_BYTES}.", field="klv")
    return (int.from_bytes(raw, "big") - _FINE_OFFSET) / _FINE_SCALE + _FINE_LOW


def _item(tag: int, raw: bytes) -> bytes:
    return (bytes([tag]) if tag < 0x80 else bytes([0x80 | tag >> 7, tag & 0x7F])) + _ber(len(raw)) + raw


def _ber(size: int) -> bytes:
    if size < 0x80:
        return bytes([size])
    return bytes([0x81, size]) if size < 0x100 else b"\x82" + size.to_bytes(2, "big")


def _ber_at(data: bytes, at: int) -> tuple[int, int]:
    """Return (length, where its value begins)."""
    if at >= len(data):
        raise InvalidInput(f"At byte {at} a length is missing.", field="klv")
    first = data[at]
    if first < 0x80:
        return first, at + 1
    count = first & 0x7F
    if not 1 <= count <= 4 or at + 1 + count > len(data):
        raise InvalidInput(f"At byte {at} stands no length.", field="klv")
    return int.from_bytes(data[at + 1 : at + 1 + count], "big"), at + 1 + count
