"""A watermark moves over what is stored or accounted for, and over nothing else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cloud.watermarks import Gone, Island, reach

numbers = st.integers(1, 60)
spans = st.tuples(numbers, numbers).map(sorted)


def islands(seqs: set[int]) -> list[Island]:
    found: list[Island] = []
    for seq in sorted(seqs):
        if found and found[-1].last_seq == seq - 1:
            found[-1] = found[-1]._replace(last_seq=seq)
        else:
            found.append(Island(seq, seq))
    return found


@given(
    stored=st.sets(numbers), gone=st.lists(st.tuples(spans, st.sampled_from([0, 1, 2, 10]))), mark=st.integers(0, 60)
)
def test_it_stops_before_the_first_record_that_is_neither_stored_nor_gone(
    stored: set[int], gone: list[tuple[list[int], int]], mark: int
) -> None:
    lost = [Gone(first, last, every) for (first, last), every in gone]
    accounted = stored | {
        seq for (first, last), every in gone for seq in range(first, last + 1) if every == 0 or seq % every != 0
    }
    expected = next(seq for seq in range(mark + 1, 99) if seq not in accounted) - 1
    assert reach(mark, islands({seq for seq in stored if seq > mark}), lost) == expected
