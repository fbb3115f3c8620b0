"""MISB ST 0604: the UTC microsecond a frame was taken, in its H.264 or H.265 supplemental enhancement information."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

_UUID = b"MISPmicrosectime"
_START = re.compile(b"\x00\x00\x01")
_USER_DATA_UNREGISTERED = 5
_H264_SEI, _HEVC_PREFIX_SEI = 6, 39
_H264_SPS, _HEVC_SPS = 7, 33


def frame_time_us(access_unit: bytes) -> int | None:
    """Return the UTC microseconds stamped into an Annex B access unit; None when it carries none."""
    for nal in _nals(access_unit):
        header_bytes = _sei_header_bytes(nal)
        if header_bytes and (t_us := _stamp(_unescaped(nal[header_bytes:]))) is not None:
            return t_us
    return None


def parameter_sets(access_unit: bytes, *, hevc: bool) -> bytes:
    """Return the sequence parameter sets in an Annex B access unit; they say the picture's size and profile."""
    wanted = _HEVC_SPS if hevc else _H264_SPS

    def kind(nal: bytes) -> int:
        return nal[0] >> 1 & 0x3F if hevc else nal[0] & 0x1F

    return b"".join(nal.rstrip(b"\x00") for nal in _nals(access_unit) if nal and kind(nal) == wanted)


def _nals(data: bytes) -> Iterator[bytes]:
    starts = [m.end() for m in _START.finditer(data)]
    for start, following in pairwise([*starts, len(data) + 3]):
        yield data[start : following - 3]


def _sei_header_bytes(nal: bytes) -> int:
    if not nal:
        return 0
    if nal[0] & 0x1F == _H264_SEI and nal[0] & 0x80 == 0:
        return 1
    return 2 if (nal[0] >> 1) & 0x3F == _HEVC_PREFIX_SEI else 0


def _unescaped(rbsp: bytes) -> bytes:
    return rbsp.replace(b"\x00\x00\x03", b"\x00\x00")


def _stamp(sei: bytes) -> int | None:
    at = 0
    while at + 2 <= len(sei):
        kind, at = _sum_of_ff(sei, at)
        size, at = _sum_of_ff(sei, at)
        body = sei[at : at + size]
        at += size
        if kind == _USER_DATA_UNREGISTERED and body.startswith(_UUID) and len(body) >= len(_UUID) + 12:
            return _microseconds(body[len(_UUID) + 1 :])
    return None


def _sum_of_ff(sei: bytes, at: int) -> tuple[int, int]:
    total = 0
    while at < len(sei):
        total += sei[at]
        at += 1
        if sei[at - 1] != 0xFF:
            break
    return total, at


def _microseconds(coded: bytes) -> int | None:
    """Read 8 bytes with 0xFF after every two."""
    groups = [coded[i : i + 3] for i in (0, 3, 6)]
    if any(group[2:] != b"\xff" for group in groups):
        return None
    return int.from_bytes(b"".join(group[:2] for group in groups) + coded[9:11], "big")
