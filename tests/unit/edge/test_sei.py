"""Frame times are read from the stream's own supplemental information."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.sei import frame_time_us

UUID = b"MISPmicrosectime"
SLICE = b"\x00\x00\x01\x65\x88\x84\x00\x10"


def sei(t_us: int, kind: int = 5, uuid: bytes = UUID) -> bytes:
    digits = t_us.to_bytes(8, "big")
    body = uuid + b"\x1f" + b"\xff".join(digits[i : i + 2] for i in range(0, 8, 2))
    return bytes([kind, len(body)]) + body


def escaped(rbsp: bytes) -> bytes:
    out = bytearray()
    zeros = 0
    for byte in rbsp:
        if zeros >= 2 and byte <= 3:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes(out)


def unit(payload: bytes, header: bytes = b"\x06") -> bytes:
    return b"\x00\x00\x00\x01\x09\xf0\x00\x00\x01" + header + escaped(payload + b"\x80") + SLICE


@given(t_us=st.integers(0, 2**63))
def test_any_time_is_read_back(t_us: int) -> None:
    assert frame_time_us(unit(sei(t_us))) == t_us


@given(t_us=st.integers(0, 2**63))
def test_hevc_carries_it_too(t_us: int) -> None:
    assert frame_time_us(unit(sei(t_us), b"\x4e\x01")) == t_us


def test_it_may_follow_other_messages() -> None:
    other = bytes([4, 0xFF, 45]) + bytes(300)
    assert frame_time_us(unit(other + sei(1_795_000_000_123_456))) == 1_795_000_000_123_456


@pytest.mark.parametrize(
    "data",
    [
        b"",
        SLICE,
        unit(sei(5, uuid=b"x" * 16)),
        unit(sei(5, kind=4)),
        unit(sei(5)[:-4]),
        unit(sei(5).replace(b"\xff", b"\xfe")),
        b"\x00\x00\x01\x06",
        b"\x00\x00\x01\x06\x05",
    ],
)
def test_without_a_sound_stamp_there_is_none(data: bytes) -> None:
    assert frame_time_us(data) is None


@given(data=st.binary(max_size=300))
def test_rubbish_does_no_harm(data: bytes) -> None:
    found = frame_time_us(b"\x00\x00\x01\x06" + data)
    assert found is None or found >= 0
