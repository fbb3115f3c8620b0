"""Cursors: what goes in comes out, anything else is refused by name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.paging import decode_cursor, encode_cursor, number, page_of
from contracts.errors import InvalidInput


@given(st.lists(st.text(max_size=30) | st.integers(0, 2**60), min_size=1, max_size=3))
def test_cursors_come_back(position: list[str | int]) -> None:
    assert decode_cursor(encode_cursor(*position), len(position)) == [str(part) for part in position]


@given(st.text(max_size=60))
def test_nothing_else_is_a_cursor(text: str) -> None:
    try:
        parts = decode_cursor(text, 2)
    except InvalidInput as error:
        assert error.field == "cursor"  # noqa: PT017 - most texts are refused, a rare one is a cursor
    else:
        assert parts is not None
        assert len(parts) == 2


@pytest.mark.parametrize("part", ["", "x", "1.5", "-1", "9" * 30, "1e3", "\u0661"])
def test_numbers_of_a_cursor_are_checked(part: str) -> None:
    with pytest.raises(InvalidInput):
        number(part)


def test_a_page_knows_whether_there_is_more() -> None:
    full = page_of([1, 2, 3], 2, str, lambda row: (row,))
    assert full.data == ["1", "2"]
    assert decode_cursor(full.next_cursor, 1) == ["2"]
    assert page_of([3], 2, str, lambda row: (row,)).next_cursor is None
    assert page_of([], 2, str, lambda row: (row,)).data == []
