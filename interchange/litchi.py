"""Litchi's waypoint CSV (Mission Hub): one waypoint a row, up to 15 actions each, metric or imperial.

Source: the format description of litchiutilities.com. Altitudes are above take-off, or above the ground with
``altitudemode`` 1; ``speed(m/s)`` 0 is the mission's cruising speed; times of action 0 are milliseconds. The app keeps
heading mode, finish action and speed outside the file. A waypoint's speed holds from it to the next.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import NamedTuple

from contracts.errors import InvalidInput, TooLarge
from interchange import altitudes
from interchange.altitudes import Given, take_off_height_m
from interchange.losses import Ledger
from interchange.mission import (
    Altitude,
    AltitudeReference,
    Area,
    Hover,
    Item,
    LatLon,
    LookAt,
    Mission,
    PointCamera,
    SetHeading,
    SetSpeed,
    StartPhotos,
    StartVideo,
    Step,
    StopPhotos,
    StopVideo,
    TakeOff,
    TakePhoto,
    Waypoint,
)
from interchange.reading import make, parse_number, wrong
from interchange.text import decode

REFERENCES = (AltitudeReference.TAKE_OFF, AltitudeReference.TERRAIN)
ACTIONS = 15
_FOOT_M = 0.3048
_MAX_ROWS = 20_000
_HEAD = ["latitude", "longitude", "altitude(m)", "heading(deg)", "curvesize(m)", "rotationdir", "gimbalmode"]
_HEAD += ["gimbalpitchangle"]
_HEAD += [name for number in range(1, ACTIONS + 1) for name in (f"actiontype{number}", f"actionparam{number}")]
_HEAD += ["altitudemode", "speed(m/s)", "poi_latitude", "poi_longitude", "poi_altitude(m)", "poi_altitudemode"]
COLUMNS = (*_HEAD, "photo_timeinterval", "photo_distinterval")
_TIMED = "photo_timeinterval"
_SPACED = "photo_distinterval"
_FOCUS, _INTERPOLATE = 1, 2


class _Row:
    """One line, by column."""

    def __init__(self, cells: dict[str, str], line: int) -> None:
        self._cells, self.where = cells, f"line {line}"

    def number(self, column: str, default: float | None = None) -> float:
        text = self._cells.get(column, "").strip()
        if not text:
            if default is None:
                raise wrong(f"{self.where}, {column}", "given")
            return default
        value = parse_number(text, f"{self.where}, {column}")
        if value != value:  # noqa: PLR0124 - NaN
            raise wrong(f"{self.where}, {column}", "a number")
        return value

    def length_m(self, column: str, default: float | None = None) -> float:
        if f"{column}(ft)" in self._cells:
            return self.number(f"{column}(ft)", None if default is None else 0.0) * _FOOT_M
        return self.number(f"{column}(m)", default)


def read(content: bytes, ledger: Ledger) -> Mission:
    """Return the mission of a CSV file.

    Raises:
        InvalidInput: A column is missing or a cell is no number; line and column are named.
        TooLarge: Too many bytes or rows.

    """
    table = csv.reader(io.StringIO(decode(content)), strict=True)
    try:
        listed = [(table.line_num, cells) for cells in table if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise InvalidInput(f"Line {table.line_num}: {error}.", hint="Correct the CSV.", field="file") from error
    if not listed:
        raise wrong("line 1", "a header with latitude and longitude")
    if len(listed) > _MAX_ROWS:
        raise TooLarge(f"The file has {len(listed)} rows; at most {_MAX_ROWS} are read.", hint="Split the mission.")
    header = [cell.strip().lower() for cell in listed[0][1]]
    _check(header, ledger)
    found: list[_Row] = []
    for line, cells in listed[1:]:
        if len(cells) > len(header):
            raise wrong(f"line {line}", f"a row of {len(header)} cells (it has {len(cells)})")
        found.append(_Row(dict(zip(header, cells, strict=False)), line))
    return make(Mission, "file", items=tuple(_Reading(ledger).items(found)))


def _check(header: list[str], ledger: Ledger) -> None:
    for column in ("latitude", "longitude"):
        if column not in header:
            raise wrong("line 1", f"a header with {column}")
    if len(set(header)) != len(header):
        raise wrong("line 1", "a header with each column once")
    known = {name.replace("(m)", "(ft)") for name in COLUMNS} | set(COLUMNS)
    for column in header:
        if column not in known:
            ledger.dropped(column[:60] or "column", f"The column {column!r:.60} is not Litchi's and was not read.")


class _Reading:
    """Turns rows into items; what lasts from row to row is kept here."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._speed = 0.0
        self._series: tuple[float, float] = (-1.0, -1.0)
        self._look: LookAt = LookAt(point=None)

    def items(self, found: list[_Row]) -> Iterator[Step]:
        for row in found:
            yield self._waypoint(row)
            yield from self._on_the_way(row)
            for number in range(1, ACTIONS + 1):
                yield from self._action(row, number)

    def _waypoint(self, row: _Row) -> Step:
        altitude = _altitude(row, "altitude", "altitudemode")
        point = make(LatLon, row.where, lat_deg=row.number("latitude"), lon_deg=row.number("longitude"))
        return make(
            Waypoint,
            row.where,
            point=point,
            altitude=altitude,
            heading_deg=row.number("heading(deg)", 0.0),
            corner_radius_m=row.length_m("curvesize", 0.0),
        )

    def _on_the_way(self, row: _Row) -> Iterator[Step]:
        speed = row.number("speed(m/s)", 0.0)
        if speed != self._speed:
            self._speed = speed
            yield make(SetSpeed, row.where, speed_mps=speed or None)
        look = LookAt(point=None)
        if row.number("gimbalmode", 0.0) == _FOCUS:
            where = make(LatLon, row.where, lat_deg=row.number("poi_latitude"), lon_deg=row.number("poi_longitude"))
            look = LookAt(point=where, altitude=_altitude(row, "poi_altitude", "poi_altitudemode"))
        if look != self._look:
            self._look = look
            yield look
        if row.number("gimbalmode", 0.0) == _INTERPOLATE:
            yield make(PointCamera, row.where, pitch_deg=row.number("gimbalpitchangle", 0.0))
        series = (row.number(_TIMED, -1.0), row.number(_SPACED, -1.0))
        series = (max(series[0], 0.0), max(series[1], 0.0))
        yield from self._photos(row, series)

    def _photos(self, row: _Row, series: tuple[float, float]) -> Iterator[Step]:
        if series == self._series or (not any(series) and not any(value > 0 for value in self._series)):
            return
        self._series = series
        if series[0]:
            yield make(StartPhotos, row.where, every_s=series[0])
        elif series[1]:
            yield make(StartPhotos, row.where, every_m=series[1])
        else:
            yield StopPhotos()

    def _action(self, row: _Row, number: int) -> Iterator[Step]:
        kind, param = row.number(f"actiontype{number}", -1.0), row.number(f"actionparam{number}", 0.0)
        plain: dict[float, Step] = {1.0: TakePhoto(), 2.0: StartVideo(), 3.0: StopVideo()}
        if kind in plain:
            yield plain[kind]
        elif kind == 0.0 and param > 0:
            yield make(Hover, row.where, time_s=param / 1000.0)
        elif kind == 4.0:
            anticlockwise = row.number("rotationdir", 0.0) == 1
            yield make(SetHeading, row.where, heading_deg=param, clockwise=not anticlockwise)
        elif kind == 5.0:
            yield make(PointCamera, row.where, pitch_deg=param)
        elif kind not in (-1.0, 0.0):
            raise wrong(f"{row.where}, actiontype{number}", "an action of Litchi (-1 to 5)")


def _altitude(row: _Row, column: str, mode: str) -> Altitude:
    reference = {0.0: AltitudeReference.TAKE_OFF, 1.0: AltitudeReference.TERRAIN}.get(row.number(mode, 0.0))
    if reference is None:
        raise wrong(f"{row.where}, {mode}", "0 (above take-off) or 1 (above the ground)")
    return make(Altitude, row.where, value_m=row.length_m(column, None), reference=reference)


class _Line(NamedTuple):
    """A row being written."""

    cells: dict[str, str]
    actions: list[tuple[int, str]]


class _Writing:
    """Turns items into rows."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.lines: list[_Line] = []
        self._speed = 0.0
        self._look = LookAt(point=None)
        self._series = ("-1", "-1")

    def take(self, item: Step) -> None:
        if isinstance(item, Waypoint):
            self._waypoint(item)
        elif isinstance(item, TakeOff):
            height = take_off_height_m(item)
            said = "" if height is None else f" to {height:g} m"
            self._ledger.dropped("kind", f"Litchi takes off by itself; the climb{said} is not in the file.")
        elif item.kind in ("return_to_launch", "land"):
            self._ledger.dropped("kind", "Litchi keeps the finish action in the app: set it there.")
        elif isinstance(item, SetSpeed | LookAt | StartPhotos | StopPhotos):
            self._lasting(item)
        else:
            self._action(item)

    def _waypoint(self, item: Waypoint) -> None:
        for name, value in (("acceptance_radius_m", item.acceptance_radius_m), ("name", item.name)):
            if value:
                self._ledger.dropped(name, f"Litchi's waypoints have no {name} (here {value!s:.40}).")
        if item.heading_deg is None:
            self._ledger.defaulted("heading_deg", "Litchi's rows have a heading: 0 was written; set the heading mode.")
        if item.corner_radius_m is None:
            self._ledger.defaulted("corner_radius_m", "Litchi's rows have a curve size: 0 was written.")
        altitude = item.altitude
        if altitude is None:
            raise InvalidInput(
                f"{self._ledger.where} has no altitude; Litchi needs one.",
                hint="Give the altitude to fly where the file names none.",
                field=f"{self._ledger.where}.altitude",
            )
        cells = dict.fromkeys(COLUMNS, "0")
        cells |= {"latitude": repr(item.point.lat_deg), "longitude": repr(item.point.lon_deg)}
        cells |= {"altitude(m)": repr(altitude.value_m), "altitudemode": _mode(altitude)}
        cells |= {"heading(deg)": repr((item.heading_deg or 0.0) % 360.0)}
        cells |= {"curvesize(m)": repr(item.corner_radius_m or 0.0)}
        self.lines.append(_Line(cells, []))
        self._state()
        if item.hold_s:
            self._action(Hover(time_s=item.hold_s))

    def _state(self) -> None:
        """Write what lasts into the newest row."""
        cells = self.lines[-1].cells
        cells["speed(m/s)"] = repr(self._speed)
        cells[_TIMED], cells[_SPACED] = self._series
        point, altitude = self._look.point, self._look.altitude
        cells["gimbalmode"] = str(_FOCUS) if point else "0"
        cells["poi_latitude"] = repr(point.lat_deg) if point else "0"
        cells["poi_longitude"] = repr(point.lon_deg) if point else "0"
        cells["poi_altitude(m)"] = repr(altitude.value_m) if altitude else "0"
        cells["poi_altitudemode"] = _mode(altitude) if altitude else "0"

    def _lasting(self, item: SetSpeed | LookAt | StartPhotos | StopPhotos) -> None:
        if isinstance(item, SetSpeed):
            self._speed = item.speed_mps or 0.0
        elif isinstance(item, LookAt):
            self._look = item
            if item.point is not None and item.altitude is None:
                self._ledger.defaulted("altitude", "Litchi's point of interest has an altitude: 0 m was written.")
        elif isinstance(item, StartPhotos):
            timed = item.every_s is not None
            self._series = (repr(item.every_s), "-1") if timed else ("-1", repr(item.every_m))
        else:
            self._series = ("-1", "-1")
        if self.lines:
            self._state()
        else:
            self._ledger.approximated("kind", "Litchi has this from the first waypoint on.")

    def _action(self, item: Step) -> None:
        said = self._said(item)
        if said is None:
            self._ledger.dropped("kind", f"Litchi has no action for {item.kind}.")
        elif not self.lines:
            self._ledger.dropped("kind", f"Litchi does nothing before the first waypoint ({item.kind}).")
        elif len(self.lines[-1].actions) == ACTIONS:
            self._ledger.dropped("kind", f"A Litchi waypoint has at most {ACTIONS} actions; {item.kind} is one more.")
        else:
            self.lines[-1].actions.append(said)

    def _said(self, item: Step) -> tuple[int, str] | None:
        plain = {"take_photo": 1, "start_video": 2, "stop_video": 3}
        if item.kind in plain:
            return plain[item.kind], "0"
        if isinstance(item, Hover):
            return 0, repr(item.time_s * 1000.0)
        if isinstance(item, SetHeading):
            if self.lines:
                self.lines[-1].cells["rotationdir"] = "1" if item.clockwise is False else "0"
            if item.clockwise is None:
                self._ledger.defaulted("clockwise", "Litchi needs a direction of turn: clockwise was written.")
            return 4, repr(item.heading_deg)
        if isinstance(item, PointCamera) and item.pitch_deg is not None:
            if item.yaw_deg is not None or item.roll_deg is not None:
                self._ledger.dropped("yaw_deg", "Litchi tilts the camera only; yaw and roll are left out.")
            return 5, repr(item.pitch_deg)
        return None


def _mode(altitude: Altitude) -> str:
    return "1" if altitude.reference is AltitudeReference.TERRAIN else "0"


def write(mission: Mission, ledger: Ledger, given: Given) -> bytes:
    """Return the CSV file of a mission.

    Raises:
        InvalidInput: An altitude is missing, or cannot be said above take-off or ground; the item is named.

    """
    _book_settings(mission, ledger)
    bare = mission.model_copy(update={"rally_points": (), "items": tuple(_without_end(item) for item in mission.items)})
    writing = _Writing(ledger)
    for index, item in enumerate(altitudes.fit(bare, REFERENCES, given, ledger).items):
        with ledger.at(index, item.kind):
            for step in _steps(item, ledger):
                writing.take(step)
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(COLUMNS)
    for line in writing.lines:
        for number in range(1, ACTIONS + 1):
            kind, param = line.actions[number - 1] if number <= len(line.actions) else (-1, "0")
            line.cells[f"actiontype{number}"], line.cells[f"actionparam{number}"] = str(kind), param
        table.writerow(line.cells[column] for column in COLUMNS)
    return out.getvalue().encode()


def _without_end(item: Item) -> Item:
    """Return a landing or take-off without its altitude: Litchi writes neither."""
    if item.kind in ("land", "loiter", "orbit") or (item.kind == "take_off" and take_off_height_m(item) is None):
        return item.model_copy(update={"altitude": None})
    return item


def _steps(item: Item, ledger: Ledger) -> tuple[Step, ...]:
    if not isinstance(item, Area):
        return (item,)
    if item.items:
        ledger.approximated("pattern", f"The {item.pattern} became the {len(item.items)} items it flies.")
    else:
        ledger.dropped("pattern", f"The {item.pattern} has no items it flies; they cannot be made here.")
    return item.items


def _book_settings(mission: Mission, ledger: Ledger) -> None:
    for field, value in (
        ("name", mission.name or mission.created_at),
        ("home", mission.home),
        ("speed_mps", mission.speed_mps),
        ("fixed_wing_speed_mps", mission.fixed_wing_speed_mps),
        ("fences", mission.fences),
        ("rally_points", mission.rally_points),
    ):
        if value:
            ledger.dropped(field, f"Litchi's CSV holds waypoints only; {field} is not in it.")
