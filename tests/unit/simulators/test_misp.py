from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import CorruptMedia
from simulators import misp

SPS, IDR, SLICE = b"\x00\x00\x00\x01\x67abc", b"\x00\x00\x01\x65idr", b"\x00\x00\x00\x01\x41p"


@given(st.integers(min_value=0, max_value=2**64 - 1))
def test_time_survives_and_holds_no_start_code(t_us: int) -> None:
    unit = misp.insert(SPS + IDR, t_us)
    assert misp.read(unit) == t_us
    nal = misp.stamp(t_us)
    assert b"\x00\x00" not in nal[4:-2].replace(b"\x00\x00\xff", b"")
    assert all(code not in nal[4:] for code in (b"\x00\x00\x00", b"\x00\x00\x01", b"\x00\x00\x02", b"\x00\x00\x03"))


@pytest.mark.parametrize(("unit", "before"), [(SPS + IDR, SPS), (SLICE, b"")])
def test_stamp_stands_before_the_first_slice(unit: bytes, before: bytes) -> None:
    stamped = misp.insert(unit, 7)
    assert stamped == before + misp.stamp(7) + unit[len(before) :]


def test_published_layout() -> None:
    assert misp.stamp(0x0102030405060708).hex() == (
        "0000000106051c4d4953506d6963726f73656374696d651f0102ff0304ff0506ff070880"
    )


@given(st.binary(max_size=80))
def test_garbage_never_breaks_the_reader(data: bytes) -> None:
    assert misp.read(data) is None


def test_unit_without_a_slice_is_refused() -> None:
    with pytest.raises(CorruptMedia):
        misp.insert(SPS, 1)
