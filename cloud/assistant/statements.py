"""Rows of the younger tools as sentences: statistics, differences, telemetry, sites, policy, frames."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from cloud.assistant.evidence import Row, Sentence, moment
from cloud.assistant.phrases import capital, noun, number, place, plural, when

_DECIMALS = {"mm": 0, "m from the root": 1, "%": 0, "": 2}


def of(text: str, *rows: Row) -> Sentence:
    """Return a sentence that stands on rows."""
    return Sentence(text=text, refs=tuple(row.ref for row in rows))


def measured(rows: tuple[Row, ...]) -> list[Sentence]:
    """Say a statistic, whole and by group."""
    total = rows[0]
    count = int(str(total.values["total"]))
    lead = f"The {total.values['statistic']} {total.values['measure']} of {count} {noun(total, count)}"
    sentences = [of(f"{lead}{place(total)}{when(total)} is {_figure(total)}.", total)]
    for row in rows[1:]:
        if row.values["figure"] is not None:
            held = f"{row.values['total']} {plural('finding', row.values['total'])}"
            sentences.append(of(f"{capital(str(row.values['group']))}: {_figure(row)}, {held}.", row))
    return sentences


def _figure(row: Row) -> str:
    unit = str(row.values["unit"])
    figure = number(row.values["figure"], _DECIMALS[unit])
    return f"{figure} {unit}".strip()


def compared(first: Row, second: Row, change: Row) -> list[Sentence]:
    """Say two counts, and by how much the second differs."""
    sentences = []
    for row in (first, second):
        count = int(str(row.values["total"]))
        verb = "was" if count == 1 else "were"
        sentences.append(of(f"{count or 'No'} {noun(row, count or 1)} {verb if count else 'was'} detected"
                            f"{place(row)}{when(row)}.", row))  # fmt: skip
    v = change.values
    if v["difference"] == 0:
        text = f"That is the same number: {v['left']} and {v['right']}."
    else:
        sign = "more" if str(v["difference"])[0] != "-" else "fewer"
        share = f" ({number(v['percent'])} %)" if v["percent"] is not None else ""
        text = f"That is {v['more']} {sign} in the second than in the first{share}: {v['left']}, then {v['right']}."
    return [*sentences, of(text, change)]


def telemetry(rows: tuple[Row, ...], zone: ZoneInfo) -> list[Sentence]:
    """Say what drones measured, one sentence per drone, flight, hour or day."""
    sentences = []
    for row in rows:
        v = row.values
        who = str(v["group"]) if v["group"] == v["drone"] else f"{v['group']}, {v['drone']}"
        parts = ["battery charge not told"]
        if v["mean_battery_percent"] is not None:
            least, mean = number(v["min_battery_percent"]), number(v["mean_battery_percent"])
            parts = [f"battery from {least} % up, {mean} % on average"]
        if v["max_wind_mps"] is not None:
            parts.append(f"wind up to {number(v['max_wind_mps'], 1)} m/s, {number(v['mean_wind_mps'], 1)} on average")
        parts.append(f"up to {number(v['max_alt_rel_m'], 1)} m above take-off")
        parts.append(f"up to {number(v['max_speed_mps'], 1)} m/s")
        if v["min_link_percent"] is not None:
            parts.append(f"link from {number(v['min_link_percent'])} % up")
        span = f"{v['samples']} samples from {_at(v['first_at'], zone)} to {_at(v['last_at'], zone)}"
        sentences.append(of(f"{capital(who)}: {'; '.join(parts)}; {span}.", row))
    return sentences


def sites(rows: tuple[Row, ...], zone: ZoneInfo) -> list[Sentence]:
    """Say how many sites there are and what each holds."""
    count = int(str(rows[0].values["total"]))
    sentences = [of(f"{count} sites are known.", rows[0])] if count > 1 else []
    for row in rows[1:]:
        v = row.values
        worst = f", the worst of severity {v['worst_rank']} ({v['worst']})" if v["worst"] else ""
        last = f"last flown {_at(v['last_flight_at'], zone)}" if v["last_flight_at"] else "not flown yet"
        held = f"{v['assets']} {plural('asset', v['assets'])}, {v['findings']} {plural('finding', v['findings'])}"
        sentences.append(of(f"{v['site']}: {held}{worst}; {last}.", row))
    return sentences


def policy(rows: tuple[Row, ...]) -> list[Sentence]:
    """Say what a severity asks for, or from which size a kind has it."""
    sentences = []
    for row in rows:
        v = row.values
        grade = f"severity {v['severity_rank']} ({v['severity']})"
        if "from_mm" in v:
            size = number(v["from_mm"])
            text = f"{capital(str(v['kind']))} is of {grade} from {size} mm on, by policy {v['policy']}."
        else:
            due = f" Within {v['due_days']} days." if v["due_days"] is not None else ""
            text = f"{capital(grade)} asks, by policy {v['policy']}: {v['action']}{due}"
        sentences.append(of(text, row))
    return sentences


def frames(rows: tuple[Row, ...], zone: ZoneInfo) -> list[Sentence]:
    """Say which frames show a finding."""
    count = int(str(rows[0].values["total"]))
    sentences = [of(f"{count} {plural('frame', count)} {'shows' if count == 1 else 'show'} it.", rows[0])]
    for row in rows[1:]:
        v = row.values
        seen = f"{number(v['gsd_mm_px'], 1)} mm per pixel, {number(v['incidence_deg'])}° off square"
        sentences.append(of(f"{v['finding']}: frame {v['frame']} of {v['segment']}, {_at(v['captured_at'], zone)}, "
                            f"{seen}, {number(v['confidence_percent'])} % confidence.", row))  # fmt: skip
    return sentences


def _at(value: object, zone: ZoneInfo) -> str:
    return moment(value, zone) if isinstance(value, datetime) else "at an unknown time"
