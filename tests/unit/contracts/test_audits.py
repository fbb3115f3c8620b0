"""The draw of the blind audits' sample: a flight's is within those of its segments, in whatever parts it came."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from contracts.audits import LEAST, MOST, Drawn, draw, sample

numbers = st.floats(0, 0.999, allow_nan=False)


@given(st.lists(st.lists(numbers, max_size=30), max_size=6), st.floats(0, 1))
def test_what_segments_keep_holds_the_flights_sample(segments: list[list[float]], share: float) -> None:
    drawn = [[Drawn(n, 100 * s + i) for i, n in enumerate(them)] for s, them in enumerate(segments)]
    every = [one for them in drawn for one in them]
    kept = [one for them in drawn for one in sample(them, share)]
    assert sample(kept, share) == sample(every, share)
    assert min(LEAST, len(every)) <= len(sample(every, share)) <= MOST


def test_the_draw_is_even_and_of_the_frame_alone() -> None:
    drawn = [draw(f"flt-{n % 7}.00003", n) for n in range(4000)]
    assert drawn == [draw(f"flt-{n % 7}.00003", n) for n in range(4000)]
    tenths = [sum(int(10 * one) == tenth for one in drawn) for tenth in range(10)]
    assert min(tenths) > 320
    assert max(tenths) < 480
