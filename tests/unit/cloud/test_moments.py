"""Times in requests go on in UTC, or are refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from cloud.moments import Moment

MOMENT: TypeAdapter[datetime] = TypeAdapter(Moment)


@pytest.mark.parametrize(
    ("text", "hour"),
    [("2026-11-20T04:00:00Z", 4), ("2026-11-20T04:00:00+02:00", 2), ("2026-11-20T04:00:00-17:48", 21)],
)
def test_any_zone_of_rfc_3339_becomes_utc(text: str, hour: int) -> None:
    found = MOMENT.validate_python(text)
    assert (found.tzinfo, found.hour) == (UTC, hour)


@pytest.mark.parametrize("value", ["0001-01-01T00:00:00+23:00", "9999-12-31T23:59:59-23:00", "2026-11-20", 17, "1.5"])
def test_what_is_no_time_is_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        MOMENT.validate_python(value)


@given(st.datetimes(), st.integers(-23, 23), st.integers(0, 59))
def test_it_stays_the_same_moment(at: datetime, hours: int, minutes: int) -> None:
    text = f"{at.isoformat(timespec='microseconds')}{hours:+03d}:{minutes:02d}"
    try:
        found = MOMENT.validate_python(text)
    except ValidationError:
        assert not 2 <= at.year <= 9998
        return
    assert found == datetime.fromisoformat(text)
