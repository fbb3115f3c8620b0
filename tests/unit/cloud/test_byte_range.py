"""Range headers of video requests (RFC 9110, section 14)."""

from __future__ import annotations

import pytest

from cloud.api.media import byte_range


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("bytes=0-", (0, 999)),
        ("bytes=0-99", (0, 99)),
        ("bytes=500-5000", (500, 999)),
        ("bytes=-100", (900, 999)),
        ("bytes=-5000", (0, 999)),
        ("bytes=999-", (999, 999)),
        ("bytes=1000-", (1000, 999)),
        ("bytes=-0", (1000, 999)),
        ("bytes=9-5", None),
        ("bytes=0-1,5-6", None),
        ("bytes=-", None),
        ("frames=0-1", None),
        ("nonsense", None),
    ],
)
def test_byte_range(header: str | None, expected: tuple[int, int] | None) -> None:
    assert byte_range(header, 1000) == expected
