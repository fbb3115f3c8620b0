"""What the load says about routes and about growth."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from benchmarks.load import Use, await_start, grown, percentile

_MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("times", "share", "took_ms"),
    [({}, 0.99, 0.0), ({"7": 1}, 0.5, 7.0), ({"100": 1, "9": 99}, 0.99, 9.0), ({"100": 2, "9": 98}, 0.99, 100.0)],
)
def test_a_percentile_is_a_time_that_the_share_did_not_exceed(
    times: dict[str, int], share: float, took_ms: float
) -> None:
    assert percentile(times, share) == took_ms


@pytest.mark.parametrize(
    ("memory_mib", "handles", "flat"),
    [
        ([90, 300, 300, 300], [5, 40, 40, 40], True),
        ([300, 300, 310, 315], [40] * 4, True),
        ([300, 300, 330, 360], [40] * 4, False),
        ([300] * 4, [40, 40, 60, 80], False),
    ],
    ids=["warms up", "within the slack", "memory grows", "handles leak"],
)
def test_growth_after_the_first_quarter_is_told(memory_mib: list[int], handles: list[int], flat: bool) -> None:
    uses = [Use(mib * _MIB, n) for mib, n in zip(memory_mib, handles, strict=True)]
    assert grown(uses)["flat"] is flat


def test_too_little_is_no_verdict() -> None:
    assert grown([Use(1, 1)] * 3)["flat"] is None


@pytest.mark.parametrize("makes", ["touch {begun}; sleep 60", "exit 3"])
def test_the_clock_of_a_round_begins_with_its_users_or_the_round_says_why_not(tmp_path: Path, makes: str) -> None:
    begun = tmp_path / "begun"
    with subprocess.Popen(["sh", "-c", makes.format(begun=begun)]) as running:
        try:
            if "exit" in makes:
                with pytest.raises(RuntimeError, match="ended with 3"):
                    await_start(running, begun)
            else:
                await_start(running, begun)
                assert begun.exists()
        finally:
            running.kill()
