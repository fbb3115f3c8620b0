"""Time expressions: what a period in a question means, exactly.

"Last week" and its kin are rolling: the previous seven days up to now, so that a finding of a minute ago counts.
"This week" starts on Monday, "this month" on the first, in the asker's zone. The answer always says the dates used.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from cloud.assistant.evidence import Period, moment
from cloud.assistant.grammar.reading import Reading
from cloud.assistant.words import NUMBER_WORDS

_MONTHS = [
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
]  # fmt: skip
_MONTH = (
    r"(?P<{0}month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_MONTH_YEAR = _MONTH + r"(?:,? (?P<{0}year>20\d{{2}}))?"
_MONTHS_PER_YEAR = 12
_ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "1st": 1, "2nd": 2, "3rd": 3, "4th": 4}
_BEFORE_THAT = (
    r"(?:in )?(?:the )?(?:same |equally long )?(?:period|time|span|week|month|quarter|year|\d+ \w+)"
    r" before(?: that| it)?|(?:the )?(?:previous|preceding) (?:period|time|span)|the one before"
)
_WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
_WEEKDAY = "|".join(_WEEKDAYS)
_NUMBER = r"(?P<n>\d{1,4}|" + "|".join(NUMBER_WORDS) + r"|a couple of|a few)"
_MAX_COUNT = 999
_UNIT_DAYS = {"day": 1, "week": 7, "fortnight": 14, "month": 30, "quarter": 91, "year": 365}


def _date_pattern(prefix: str) -> str:
    month = _MONTH.format(prefix)
    p = prefix
    return (
        rf"(?:(?P<{p}iso>\d{{4}}-\d{{2}}-\d{{2}})"
        rf"|(?P<{p}dotted>\d{{1,2}}\.\d{{1,2}}\.\d{{4}})"
        rf"|(?:the )?(?P<{p}day>\d{{1,2}})(?:st|nd|rd|th)?(?: of)? {month}(?:,? (?P<{p}year>\d{{4}}))?"
        rf"|{_MONTH.format(p + 'us')} (?P<{p}usday>\d{{1,2}})(?:st|nd|rd|th)?(?:,? (?P<{p}usyear>\d{{4}}))?(?!\d)"
        rf"|(?P<{p}word>today|yesterday|(?:last )?(?:{_WEEKDAY})))"
    )


class _Clock:
    """Now, and the asker's calendar."""

    def __init__(self, now: datetime, zone: ZoneInfo) -> None:
        self.now = now.astimezone(zone)
        self.zone = zone

    @property
    def today(self) -> date:
        return self.now.date()

    def midnight(self, on: date) -> datetime:
        return datetime.combine(on, time(), self.zone)

    def period(self, asked: str, start: datetime | None, end: datetime | None, gloss: str = "") -> Period:
        if start and end:
            says = f"from {moment(start, self.zone)} to {moment(end, self.zone)}"
        elif start:
            says = f"from {moment(start, self.zone)} on"
        elif end:
            says = f"before {moment(end, self.zone)}"
        else:
            says = "at any time"
        extra = "; ".join(filter(None, (gloss, str(self.zone) if start or end else "")))
        says = f"{says} ({extra})" if extra else says
        return Period(start=start, end=end, asked=asked, says=says, zone=str(self.zone))


def read_period(reading: Reading, now: datetime, zone: ZoneInfo, *, this_first: bool = False) -> Period | None:
    """Consume the time expression of a question; None when it has none.

    ``this_first``: of "last month and this month", take "this month".
    """
    clock = _Clock(now, zone)
    for reader in (_calendar, *_READERS) if this_first else _READERS:
        period = reader(reading, clock)
        if period is not None:
            reading.note(period.asked, period.says)
            return period
    return None


def _between(reading: Reading, clock: _Clock) -> Period | None:
    pattern = rf"(?:between|from) {_date_pattern('a')} (?:and|to|until|till|through) {_date_pattern('b')}"
    found = reading.peek(pattern)
    if found is None:
        return None
    first, last = _date(found, "a", clock), _date(found, "b", clock)
    if first is None or last is None or last < first:
        return None
    reading.take(pattern)
    return clock.period(found[0], clock.midnight(first), clock.midnight(last + timedelta(days=1)), "both days included")


def _since(reading: Reading, clock: _Clock) -> Period | None:
    for words, is_start in (("since|after|starting", True), ("before|until|till|up to", False)):
        pattern = rf"(?:{words}) {_date_pattern('a')}"
        found = reading.peek(pattern)
        on = _date(found, "a", clock) if found else None
        if found is None or on is None:
            continue
        reading.take(pattern)
        if is_start:
            first = on + timedelta(days=1) if found[0].startswith("after") else on
            return clock.period(found[0], clock.midnight(first), clock.now, "up to now")
        through = found[0].startswith(("until", "till", "up to"))
        return clock.period(found[0], None, clock.midnight(on + timedelta(days=1 if through else 0)))
    return None


def _months(reading: Reading, clock: _Clock) -> Period | None:
    """Read "between March and June 2025", "since May", "before 2025", and what _quarter reads."""
    span = _MONTH_YEAR.format("a"), _MONTH_YEAR.format("b")
    if found := reading.take(rf"(?:between|from) {span[0]} (?:and|to|until|till|through) {span[1]}"):
        last = _month_number(found["bmonth"])
        year = int(found["byear"] or clock.today.year - (last > clock.today.month))
        first = _month_number(found["amonth"])
        return _month_span(clock, found[0], (int(found["ayear"] or year - (first > last)), first), (year, last))
    if found := reading.take(rf"(?:since|starting(?: in)?|from) {span[0]}(?! ?\d)(?: on(?:wards)?)?"):
        month = _month_number(found["amonth"])
        year = int(found["ayear"] or clock.today.year - (month > clock.today.month))
        return clock.period(found[0], clock.midnight(date(year, month, 1)), clock.now, "up to now")
    if found := reading.take(r"(?P<word>since|before|after) (?:the (?:start|beginning) of )?(?P<year>20\d{2})(?!-)"):
        start = clock.midnight(date(int(found["year"]) + (found["word"] == "after"), 1, 1))
        if found["word"] == "before":
            return clock.period(found[0], None, start)
        return clock.period(found[0], start, clock.now, "up to now")
    return _quarter(reading, clock)


def _quarter(reading: Reading, clock: _Clock) -> Period | None:
    """Read "Q3 2025", "the third quarter of 2025", "the first half of 2026"."""
    order = "|".join(_ORDINALS)
    found = reading.take(
        rf"(?:in |during |of |for )?(?:the )?(?:q(?P<q>[1-4])|(?P<nth>{order}) quarter|h(?P<h>[12])"
        r"|(?P<half>first|second) half)(?:(?: of| in)?(?: the year)? (?P<year>20\d{2})| of (?:the|this) year)?"
    )
    if found is None:
        return None
    length = 6 if found["h"] or found["half"] else 3
    number = int(found["q"] or found["h"] or _ORDINALS[found["nth"] or found["half"]])
    first = (number - 1) * length + 1
    year = int(found["year"]) if found["year"] else clock.today.year - (first > clock.today.month)
    return _month_span(clock, found[0], (year, first), (year, first + length - 1))


def _month_span(clock: _Clock, asked: str, first: tuple[int, int], last: tuple[int, int]) -> Period | None:
    """Return the period of whole months, both included; None when the last is before the first."""
    if last < first:
        return None
    end = date(last[0] + (last[1] == _MONTHS_PER_YEAR), last[1] % _MONTHS_PER_YEAR + 1, 1)
    return clock.period(asked, clock.midnight(date(*first, 1)), clock.midnight(end))


def _whole_unit(reading: Reading, clock: _Clock) -> Period | None:
    """Read "the last calendar month"."""
    found = reading.take(
        r"(?:in |during |of |for )?(?:the )?(?:last|previous|past) (?:calendar|full|whole|complete) "
        r"(?P<unit>week|month|quarter|year)"
    )
    if found is None:
        return None
    start, end = before_this(found["unit"], clock.today)
    return clock.period(found[0], clock.midnight(start), clock.midnight(end))


def before_this(unit: str, today: date) -> tuple[date, date]:
    """Return the first day of the calendar week, month, quarter or year before this one, and of this one."""
    end = _calendar_start(unit, today)
    return _calendar_start(unit, end - timedelta(days=1)), end


def read_comparison(reading: Reading, first: Period, now: datetime, zone: ZoneInfo) -> Period | None:
    """Consume the second period of a comparison, in the light of the first; None when there is none.

    Against "this month", "last month" is the calendar month before; "the month before" is the span just before.
    """
    clock = _Clock(now, zone)
    unit = re.search(r"this (week|month|quarter|year)", first.asked)
    pattern = rf"(?:the )?(?:last|previous|past) {unit[1]}|(?:the )?{unit[1]} before" if unit else ""
    if unit and (found := reading.take(rf"(?:in |during |of )?(?:{pattern})(?: that| this)?")):
        start, end = before_this(unit[1], clock.today)
        period = clock.period(found[0], clock.midnight(start), clock.midnight(end))
    elif first.start and first.end and (found := reading.take(_BEFORE_THAT)):
        period = clock.period(found[0], first.start - (first.end - first.start), first.start, "as long, just before")
    else:
        return read_period(reading, now, zone)
    reading.note(period.asked, period.says)
    return period


def _rolling(reading: Reading, clock: _Clock) -> Period | None:
    unit = r"(?P<unit>minute|hour|day|week|fortnight|month|quarter|year)s?"
    pattern = (
        rf"(?:(?:in|over|during|for|within|of|from) )?(?:the )?(?:last|past|previous|recent) (?:{_NUMBER} )?{unit}"
    )
    found = reading.peek(pattern)
    if found is None or (found["n"] and _number(found["n"]) > _MAX_COUNT):
        return None
    reading.take(pattern)
    count = _number(found["n"]) if found["n"] else 1
    if found["unit"] in {"minute", "hour"}:
        span = timedelta(**{found["unit"] + "s": count})
        start = (clock.now.astimezone(UTC) - span).astimezone(clock.zone)
        return clock.period(found[0], start, clock.now, f"the previous {count} {found['unit']}s up to now")
    days = count * _UNIT_DAYS[found["unit"]]
    return clock.period(found[0], clock.now - timedelta(days=days), clock.now, f"the previous {days} days up to now")


def _calendar(reading: Reading, clock: _Clock) -> Period | None:
    found = reading.take(r"(?:so far )?this (?P<unit>week|month|quarter|year|morning)(?: so far)?")
    if found is None:
        return None
    start = _calendar_start(found["unit"], clock.today)
    return clock.period(found[0], clock.midnight(start), clock.now, "up to now")


def _calendar_start(unit: str, today: date) -> date:
    return {
        "week": today - timedelta(days=today.weekday()),
        "month": today.replace(day=1),
        "quarter": today.replace(month=3 * ((today.month - 1) // 3) + 1, day=1),
        "year": today.replace(month=1, day=1),
        "morning": today,
    }[unit]


def _on_day(reading: Reading, clock: _Clock) -> Period | None:
    pattern = rf"(?:(?:on|of|from|for) )?{_date_pattern('a')}(?:'s)?"
    found = reading.peek(pattern)
    on = _date(found, "a", clock) if found else None
    if found is None or on is None:
        return None
    reading.take(pattern)
    end = clock.now if on == clock.today else clock.midnight(on + timedelta(days=1))
    return clock.period(found[0], clock.midnight(on), end)


def _month_or_year(reading: Reading, clock: _Clock) -> Period | None:
    found = reading.take(rf"(?:in|during|of|for) {_MONTH.format('m')}(?:,? (?P<year>\d{{4}}))?(?! \d)")
    if found is not None:
        month = _month_number(found["mmonth"])
        year = int(found["year"]) if found["year"] else clock.today.year - (month > clock.today.month)
        start = date(year, month, 1)
        after = date(year + (month == 12), month % 12 + 1, 1)
        return clock.period(found[0], clock.midnight(start), clock.midnight(after))
    found = reading.take(r"(?:in|during|of|for) (?:the )?(?:year )?(?P<year>20\d{2})")
    if found is None:
        return None
    year = int(found["year"])
    return clock.period(found[0], clock.midnight(date(year, 1, 1)), clock.midnight(date(year + 1, 1, 1)))


def _anytime(reading: Reading, clock: _Clock) -> Period | None:
    found = reading.take(r"(?:of )?all[- ]time|so far|in total|to date|until now|at any time|in all history")
    return clock.period(found[0], None, None) if found else None


_READERS = (_between, _months, _since, _whole_unit, _rolling, _calendar, _on_day, _month_or_year, _anytime)


def _number(words: str) -> int:
    words = words.removeprefix("a ").removesuffix(" of")
    return int(words) if words.isdigit() else NUMBER_WORDS[words]


def _month_number(word: str) -> int:
    return next(i for i, month in enumerate(_MONTHS, 1) if month.startswith(word[:3]))


def _date(found: re.Match[str], prefix: str, clock: _Clock) -> date | None:
    """Return the date of a match's groups; None for one that no calendar has."""
    part = {name: found[prefix + name] for name in ("iso", "dotted", "day", "month", "year", "word")}
    try:
        if part["iso"]:
            return date.fromisoformat(part["iso"])
        if part["dotted"]:
            day, month, year = (int(p) for p in part["dotted"].split("."))
            return date(year, month, day)
        if part["word"]:
            return _worded(part["word"], clock)
        us = found[prefix + "usmonth"]
        month = _month_number(us or part["month"])
        day = int(found[prefix + "usday"] if us else part["day"])
        year_text = found[prefix + "usyear"] if us else part["year"]
        if year_text:
            return date(int(year_text), month, day)
        this_year = date(clock.today.year, month, day)
        return this_year if this_year <= clock.today else date(clock.today.year - 1, month, day)
    except ValueError:
        return None


def _worded(word: str, clock: _Clock) -> date:
    if word == "today":
        return clock.today
    if word == "yesterday":
        return clock.today - timedelta(days=1)
    back = (clock.today.weekday() - _WEEKDAYS.index(word.removeprefix("last "))) % 7
    return clock.today - timedelta(days=back or 7)
