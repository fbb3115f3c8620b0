"""``QGC WPL 110``: one MAVLink mission item a line, tab-separated; line 0 is home by custom.

Columns: index, current, frame, command, param1..4, latitude, longitude, altitude, autocontinue. The format knows no
null: a value left to the autopilot is written NaN. A yaw of 0 is read as "not stated", as ArduPilot takes it (and its
planners write it for every item); a true north is written 360.
"""

from __future__ import annotations

import math

from pydantic import JsonValue

from contracts.errors import InvalidInput, TooLarge
from interchange import altitudes, mavlink
from interchange.losses import Ledger
from interchange.mavlink_writing import read_command, record_of
from interchange.mission import Altitude, AltitudeReference, Area, Mission, Place, Step
from interchange.reading import make, parse_number, wrong
from interchange.text import decode

REFERENCES = (AltitudeReference.AMSL, AltitudeReference.TAKE_OFF, AltitudeReference.TERRAIN)
HEADER = "QGC WPL 110"
_COLUMNS = 12
_MAX_LINES = 20_000
_YAWED = {16, 21, 22}


def read(content: bytes, ledger: Ledger) -> Mission:
    """Return the mission of a waypoint file.

    Raises:
        InvalidInput: Not such a file, or a line breaks a rule; line and column are named.
        TooLarge: Too many bytes or lines.

    """
    lines = decode(content).splitlines()
    if not lines or lines[0].split() != HEADER.split():
        raise wrong("line 1", repr(HEADER))
    if len(lines) > _MAX_LINES:
        raise TooLarge(f"The file has {len(lines)} lines; at most {_MAX_LINES} are read.", hint="Split the mission.")
    numbered = [(place, line) for place, line in enumerate(lines[1:], start=2) if line.strip()]
    commands = [_command(line, f"line {place}") for place, line in numbered]
    home = _home(commands, numbered)
    if home is not None:
        commands, numbered = commands[1:], numbered[1:]
    items = []
    for command, (place, _) in zip(commands, numbered, strict=True):
        step = mavlink.step_of(command, f"line {place}", zero_yaw_is_none=True)
        items.append(mavlink.with_record(step, command.record()))
    if any(command.command in _YAWED and command.params[3] == 0 for command in commands):
        ledger.approximated("heading_deg", "A yaw of 0 was read as 'not stated', as ArduPilot does; PX4 faces north.")
    return make(Mission, "file", home=home, items=tuple(items))


def _command(line: str, where: str) -> mavlink.Command:
    cells = line.split("\t") if "\t" in line else line.split()
    if len(cells) != _COLUMNS:
        raise wrong(where, f"a line of {_COLUMNS} columns (it has {len(cells)})")
    _whole(cells[0], f"{where}, column 1 (index)")
    _whole(cells[1], f"{where}, column 2 (current)")
    numbers = [parse_number(cell, f"{where}, column {column}") for column, cell in enumerate(cells[4:11], start=5)]
    return mavlink.Command(
        _whole(cells[3], f"{where}, column 4 (command)"),
        _whole(cells[2], f"{where}, column 3 (frame)"),
        tuple(None if math.isnan(value) else value for value in numbers),
        auto_continue=_whole(cells[11], f"{where}, column 12 (autocontinue)") != 0,
    )


def _whole(text: str, where: str) -> int:
    value = parse_number(text, where)
    if math.isnan(value) or value != int(value) or not 0 <= value <= 65535:
        raise wrong(where, f"a whole number (it is {text!r:.40})")
    return int(value)


def _home(commands: list[mavlink.Command], numbered: list[tuple[int, str]]) -> Place | None:
    """Return home: the first line, where it has index 0, is a plain waypoint and says its altitude above the sea."""
    if not commands or numbered[0][1].split()[0] not in ("0", "0.0"):
        return None
    first = commands[0]
    lat, lon, alt = first.params[4:7]
    if first.command != 16 or first.frame != 0 or any(first.params[:4]) or lat is None or lon is None:
        return None
    where = f"line {numbered[0][0]}"
    altitude = None if alt is None else make(Altitude, where, value_m=alt, reference=AltitudeReference.AMSL)
    return make(Place, where, lat_deg=lat, lon_deg=lon, altitude=altitude)


def write(mission: Mission, ledger: Ledger, given: altitudes.Given) -> bytes:
    """Return the waypoint file of a mission.

    Raises:
        InvalidInput: An altitude is missing, or cannot be said as MAVLink says it; the item is named.

    """
    _book_settings(mission, ledger)
    fitted = altitudes.fit(mission.model_copy(update={"rally_points": ()}), REFERENCES, given, ledger)
    lines = [_line(0, _home_record(fitted.home, ledger), current=True)]
    for index, item in enumerate(fitted.items):
        with ledger.at(index, item.kind):
            for step in _steps(item, ledger):
                record = record_of(step, ledger, zero_yaw_is_none=True)
                if record is not None:
                    lines.append(_line(len(lines), record, current=False))
    return "\n".join([HEADER, *lines, ""]).encode()


def _book_settings(mission: Mission, ledger: Ledger) -> None:
    if mission.name or mission.created_at:
        ledger.dropped("name", "A waypoint file has neither a name nor a date.")
    if mission.speed_mps is not None or mission.fixed_wing_speed_mps is not None:
        ledger.dropped("speed_mps", "A waypoint file has no speed of its own; only items that set one are written.")
    if mission.fences:
        ledger.dropped("fences", f"{len(mission.fences)} fences: a waypoint file holds the mission only.")
    if mission.rally_points:
        ledger.dropped("rally_points", f"{len(mission.rally_points)} rally points: it holds the mission only.")


def _home_record(home: Place | None, ledger: Ledger) -> dict[str, JsonValue]:
    params: list[JsonValue] = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    if home is None:
        ledger.defaulted("home", "Line 0 is home: 0, 0 was written; the vehicle sets the true one.")
    else:
        altitude = home.altitude
        if altitude is not None and altitude.reference is not AltitudeReference.AMSL:
            ledger.dropped("home.altitude", f"It is said {altitudes.WORDS[altitude.reference]}, not above sea level.")
            altitude = None
        params[4:7] = [home.lat_deg, home.lon_deg, altitude.value_m if altitude else None]
    return {"command": 16, "frame": 0, "params": params}


def _steps(item: Step | Area, ledger: Ledger) -> tuple[Step, ...]:
    if not isinstance(item, Area):
        return (item,)
    if not item.items:
        raise InvalidInput(
            f"{ledger.where} is a {item.pattern} without the items it flies; they cannot be made here.",
            hint="Save it with its items in the program it comes from.",
            field=f"{ledger.where}.items",
        )
    ledger.approximated("pattern", f"The {item.pattern} became the {len(item.items)} items it flies.")
    return item.items


def _line(index: int, record: dict[str, JsonValue], *, current: bool) -> str:
    command = read_command(record, f"line {index}")
    params = list(command.params)
    if command.command in _YAWED and params[3] == 0 and index:
        params[3] = 360.0
    cells = [index, int(current), command.frame, command.command, *(_cell(value) for value in params)]
    return "\t".join([*map(str, cells), str(int(command.auto_continue))])


def _cell(value: float | None) -> str:
    return "NaN" if value is None else repr(value)
