"""The MISB ST 0604 precision time stamp in H.264: when a frame was taken, inside the frame's own access unit."""

from __future__ import annotations

import re

from contracts.errors import CorruptMedia

_UUID = b"MISPmicrosectime"
_STATUS = 0x1F
"""Locked to UTC, no discontinuity, forward; the low five bits are reserved ones."""
_SEI, _USER_DATA_UNREGISTERED = 6, 5
_VCL = (1, 5)
_START_CODE = re.compile(rb"\x00\x00\x01")
_BODY_BYTES = 28


def stamp(t_us: int) -> bytes:
    """Return an Annex B SEI NAL unit that says ``t_us`` (UTC, microseconds since 1970).

    The filler 0xFF after every two bytes keeps start codes out, so no escaping is needed.
    """
    digits = t_us.to_bytes(8, "big")
    spread = b"\xff".join(digits[i : i + 2] for i in range(0, 8, 2))
    body = _UUID + bytes([_STATUS]) + spread
    return b"\x00\x00\x00\x01" + bytes([_SEI, _USER_DATA_UNREGISTERED, len(body)]) + body + b"\x80"


def insert(access_unit: bytes, t_us: int) -> bytes:
    """Return an Annex B access unit with a time stamp before its first slice.

    Raises:
        CorruptMedia: the access unit has no slice.

    """
    for found in _START_CODE.finditer(access_unit):
        if found.end() < len(access_unit) and access_unit[found.end()] & 0x1F in _VCL:
            at = found.start()
            at -= at > 0 and access_unit[at - 1] == 0
            return access_unit[:at] + stamp(t_us) + access_unit[at:]
    raise CorruptMedia("The access unit holds no slice.", hint="Give one whole H.264 frame in Annex B form.")


def read(access_unit: bytes) -> int | None:
    """Return the time stamp (UTC, microseconds) in an access unit, or None where it has none."""
    at = access_unit.find(_UUID)
    start = at + len(_UUID) + 1
    spread = access_unit[start : start + 11]
    if at < 3 or len(spread) < 11 or access_unit[at - 1] != _BODY_BYTES or spread[2::3] != b"\xff\xff\xff":
        return None
    return int.from_bytes(b"".join(spread[i : i + 2] for i in range(0, 11, 3)), "big")
