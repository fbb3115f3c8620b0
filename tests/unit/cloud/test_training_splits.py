"""What a judged picture is for."""

from __future__ import annotations

import pytest

from cloud.training.labels import split_of
from contracts.training import Split


def test_all_pictures_of_one_defect_are_in_the_same_split_and_a_quarter_is_never_learnt() -> None:
    splits = [split_of(f"grp-{number}") for number in range(4000)]
    assert split_of("grp-1") is splits[1]
    shares = {split: splits.count(split) / len(splits) for split in Split}
    assert shares == pytest.approx({Split.TRAIN: 0.60, Split.VAL: 0.15, Split.TEST: 0.25}, abs=0.03)
