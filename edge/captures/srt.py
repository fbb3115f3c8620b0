"""DJI's subtitle telemetry, every dialect: blocks of lines in, moments and faults out. Pure.

The dialects differ in what comes first in ``GPS(…)``. Where the third field is a whole number it counts satellites and
longitude is first; where it has a decimal point or an ``M`` it is a height and latitude is first.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from contracts.errors import InvalidInput, TooLarge
from edge.captures.sample import Direction, Moment, Place, direction_of, number, place_of

MAX_BYTES = 256 * 1024 * 1024
_MAX_LINE = 4096
_CUE = re.compile(r"^(\d{1,3}):(\d\d):(\d\d)[,.](\d{1,3})\s*-->\s*\d{1,3}:\d\d:\d\d[,.]\d{1,3}\s*$")
_DATE = re.compile(r"\b(\d{4})[-.](\d{1,2})[-.](\d{1,2}) (\d{1,2}):(\d\d):(\d\d)(?:[.,](\d{3})(?:[.,](\d{3}))?)?")
_FONT = re.compile(r"</?font[^>]*>")
_KEY = re.compile(
    r"\b(latitude|longt?itude|altitude|rel_alt|abs_alt|gb_yaw|gb_pitch|gb_roll|focal_len|dzoom_ratio)\s*:\s*([^\s\],]*)"
)
_GPS = re.compile(r"\bGPS\s*\(([^)]*)\)")
_HOME = re.compile(r"\bHOME\s*\(([^)]*)\)")
_BAROMETER = re.compile(r"\b(?:BAROMETER\s*[:(]|Hb:)\s*([^\s)]*?)[mM]?\)?(?=\s|\)|$)")
_ABOVE_HOME = re.compile(r"(?<![\w.])H ([^\s,]+?)m\b")
_GIMBAL = re.compile(r"\bG\.PRY\s*\(([^)]*)\)")
_UNKNOWN = ("n/a", "")
_MAY_GO_ON = "0123456789.-:,("


class Fault(NamedTuple):
    """What could not be read, and where."""

    line: int
    reason: str


class Track(NamedTuple):
    """A subtitle file: what is whole in it, and what is not."""

    moments: tuple[Moment, ...]
    faults: tuple[Fault, ...]

    @property
    def dialects(self) -> tuple[str, ...]:
        """Return the dialects, commonest first."""
        return tuple(name for name, _ in Counter(m.dialect for m in self.moments).most_common())

    @property
    def placed(self) -> int:
        """Return how many moments have a position."""
        return sum(m.place is not None for m in self.moments)


class _Line(NamedTuple):
    number: int
    text: str


_Block = list[_Line]


def read(path: Path) -> Track:
    """Read a file; it is never written to.

    Raises:
        TooLarge: It is no subtitle file of a flight.

    """
    if (size := path.stat().st_size) > MAX_BYTES:
        raise TooLarge(f"{path.name} has {size} bytes; a subtitle file has at most {MAX_BYTES}.")
    return parse(path.read_bytes().decode("utf-8-sig", errors="replace"))


def parse(text: str) -> Track:
    """Read text. A block that is not whole gives a fault with its line, and no moment."""
    moments: list[Moment] = []
    faults: list[Fault] = []
    fields: list[frozenset[str]] = []
    blocks = list(_blocks(text, faults))
    for block in blocks:
        reading = _Reading()
        try:
            moments.append(reading.moment(block))
            fields.append(frozenset(reading.seen))
        except InvalidInput as error:
            faults.append(Fault(reading.line, error.message))
    _drop_torn_tail(text, blocks, moments, fields, faults)
    if not blocks and not faults:
        faults.append(Fault(1, "the file is empty"))
    return Track(tuple(moments), tuple(sorted(faults)))


def _blocks(text: str, faults: list[Fault]) -> Iterator[_Block]:
    """Split at a lone counter that a cue or a date follows: blank lines may lack, double, or stand within."""
    lines = [_Line(n, t.strip()) for n, t in enumerate(text.replace("\r\n", "\n").split("\n"), 1)]
    lines = [line for line in lines if line.text]
    block: _Block = []
    for at, line in enumerate(lines):
        following = lines[at + 1].text if at + 1 < len(lines) else "-->"
        if line.text.isdecimal() and ("-->" in following or _DATE.match(following) or _KEY.search(following)):
            if block:
                yield block
            block = [line]
        elif block:
            block.append(line)
        else:
            faults.append(Fault(line.number, "text before the first block"))
    if block:
        yield block


class _Reading:
    """One block being read; ``line`` is where it has come to."""

    def __init__(self) -> None:
        self.line = 0
        self.seen: set[str] = set()
        self._values: dict[str, float] = {}
        self._cue_ms: int | None = None
        self._time: datetime | None = None
        self._gps: tuple[str, Place | None] | None = None
        self._direction: Direction | None = None

    def moment(self, block: _Block) -> Moment:
        """Return what the block says.

        Raises:
            InvalidInput: It is not whole.

        """
        self.line = block[0].number
        if len(block) == 1:
            raise InvalidInput("the block ends after its number")
        for line in block[1:]:
            self.line = line.number
            self._read(line.text)
        if not self.seen - {"cue"}:
            raise InvalidInput("the block ends after its times")
        if "home" in self.seen and self._gps is None:
            raise InvalidInput("the block ends after HOME: no GPS")
        dialect, place = self._where()
        return Moment(block[0].number, dialect, self._cue_ms, self._time, place, self._looking(), self._focal_mm35())

    def _read(self, text: str) -> None:
        if len(text) > _MAX_LINE:
            raise InvalidInput(f"a line of {len(text)} characters")
        if "-->" in text:
            self._cue_ms = _cue_ms(text)
            self.seen.add("cue")
            return
        text = _FONT.sub("", text)
        _require_closed(text)
        if (date := _DATE.search(text)) is not None:
            self._time = _camera_time(date)
            self.seen.add("date")
        self._read_values(text)
        self._read_calls(text)
        if text and not self.seen - {"cue"}:
            self.seen.add("text")

    def _read_values(self, text: str) -> None:
        for name, said in _KEY.findall(text):
            key = "longitude" if name == "longtitude" else name
            value = number(said, name)
            if self._values.setdefault(key, value) != value:
                raise InvalidInput(f"{name} is said twice, differently", field=name)
            self.seen.add(key)

    def _read_calls(self, text: str) -> None:
        for name, pattern in (("barometer", _BAROMETER), ("above_home", _ABOVE_HOME)):
            if (found := pattern.search(text)) is not None and found[1].lower() not in _UNKNOWN:
                self._values[name] = number(found[1], name)
                self.seen.add(name)
        if _HOME.search(text) is not None:
            self.seen.add("home")
        if (gps := _GPS.search(text)) is not None:
            self._gps = _gps_place(gps[1])
            self.seen.add("gps")
        if (gimbal := _GIMBAL.search(text)) is not None:
            pitch, roll, yaw = _three(gimbal[1].replace("°", ""), "G.PRY")
            self._direction = direction_of(number(yaw, "yaw"), number(pitch, "pitch"), number(roll, "roll"))
            self.seen.add("gimbal")

    def _where(self) -> tuple[str, Place | None]:
        known = self._values
        alt_rel_m = next((known[k] for k in ("rel_alt", "barometer", "above_home") if k in known), None)
        if self._gps is not None:
            dialect, place = self._gps
            if "above_home" in known:
                dialect = "f_ss_gps"
            return dialect, place and place._replace(alt_rel_m=alt_rel_m)
        if ("latitude" in known) != ("longitude" in known):
            raise InvalidInput("one of latitude and longitude is missing", field="longitude")
        if "latitude" not in known:
            return "bracketed", None
        reported = known.get("abs_alt", known.get("altitude"))
        return "bracketed", place_of(known["latitude"], known["longitude"], alt_rel_m, reported)

    def _looking(self) -> Direction | None:
        angles = [self._values.get(f"gb_{name}") for name in ("yaw", "pitch", "roll")]
        if any(angle is None for angle in angles):
            return self._direction
        return direction_of(*(angle or 0.0 for angle in angles))

    def _focal_mm35(self) -> float | None:
        """Read 24.00 and 240 alike: the older firmware writes tenths of a millimetre without a point."""
        focal = self._values.get("focal_len")
        if focal is None or focal <= 0:
            return None
        zoom = self._values.get("dzoom_ratio", 1.0)
        millimetres = focal / 10 if focal >= 200 else focal
        return millimetres * zoom if zoom >= 1 else None


def _cue_ms(text: str) -> int:
    match = _CUE.match(text)
    if match is None:
        raise InvalidInput("the times around --> cannot be read")
    hours, minutes, seconds, fraction = (int(part) for part in match.groups())
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + fraction


def _camera_time(match: re.Match[str]) -> datetime:
    year, month, day, hour, minute, second, millis, micros = (int(part or 0) for part in match.groups())
    try:
        return datetime(year, month, day, hour, minute, second, millis * 1000 + micros)  # noqa: DTZ001 - no zone is said
    except ValueError as error:
        raise InvalidInput(f"the date {match[0]!r} does not exist", field="date") from error


def _require_closed(text: str) -> None:
    for opening, closing in ("[]", "()"):
        if text.count(opening) != text.count(closing):
            raise InvalidInput(f"cut off: a {opening} is not closed")


def _gps_place(inside: str) -> tuple[str, Place | None]:
    first, second, third = _three(inside, "GPS")
    if {first.lower(), second.lower()} & set(_UNKNOWN):
        return "home_gps", None
    one, two = number(first, "GPS"), number(second, "GPS")
    if re.fullmatch(r"\d+", third):
        return "home_gps", place_of(two, one, None, None) if int(third) else None
    if re.fullmatch(r"-?\d+(\.\d+)?[mM]|-?\d+\.\d+", third):
        return "gps_lat_lon", place_of(one, two, None, number(third.rstrip("mM"), "GPS height"))
    raise InvalidInput(f"GPS({inside[:60]}): its third field is neither a count nor a height", field="GPS")


def _three(inside: str, name: str) -> tuple[str, str, str]:
    parts = [part.strip() for part in inside.split(",")]
    if len(parts) != 3:
        raise InvalidInput(f"{name}({inside[:60]}) has {len(parts)} fields, not 3", field=name)
    return parts[0], parts[1], parts[2]


def _drop_torn_tail(
    text: str, blocks: list[_Block], moments: list[Moment], fields: list[frozenset[str]], faults: list[Fault]
) -> None:
    """Do not believe a last block that may have been cut within a number or between two lines."""
    if not moments or moments[-1].line != blocks[-1][0].number:
        return
    if text[-1] in _MAY_GO_ON:
        moments.pop()
        faults.append(Fault(blocks[-1][-1].number, "the file ends within a line that may go on"))
        return
    if len(moments) < 2 or moments[-1].dialect != moments[-2].dialect:
        return
    missing = fields[-2] - fields[-1]
    if missing or len(blocks[-1]) < len(blocks[-2]):
        lost = f"no {', '.join(sorted(missing))}" if missing else "a line is missing"
        faults.append(Fault(moments.pop().line, f"the last block is cut off: {lost}"))
