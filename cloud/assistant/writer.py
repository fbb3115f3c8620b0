"""From rows to sentences. Every number, name and date written here comes from a row the sentence refers to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from cloud.assistant import statements
from cloud.assistant.evidence import Row, RowKind, Sentence, day, moment
from cloud.assistant.executor import StepRows
from cloud.assistant.phrases import capital, noun, number, place, plural, when, words
from cloud.assistant.plans import Plan, Subject

_TOOLS = {
    Subject.FINDING: "findings",
    Subject.COUNT: "count_findings",
    Subject.MEASURE: "measure_findings",
    Subject.COMPARE: "difference",
}
"""The tool that answers, where it is not called like the subject."""


class Writer:
    """Writes one answer in the asker's zone."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone

    def write(self, plan: Plan, done: list[StepRows]) -> list[Sentence]:
        """Return the sentences of an answer, the summing one first."""
        by_tool = {step.step.tool: step for step in done}
        if plan.subject is Subject.REPORT:
            return self._report(plan, done, by_tool)
        main = self._main(plan, by_tool)
        if main is None or not _found(main):
            return self._absence(plan, by_tool)
        if plan.subject is Subject.COMPARE:
            first, second = done[0].rows[0], done[1].rows[0]
            return statements.compared(first, second, main.rows[0])
        return self._step(plan, main)

    def _report(self, plan: Plan, done: list[StepRows], by_tool: dict[str, StepRows]) -> list[Sentence]:
        """Say each part of a report that found anything; where there is no finding, what was looked at instead."""
        if not _found(done[0]):
            return self._absence(plan.model_copy(update={"subject": Subject.FINDINGS}), by_tool)
        parts = [step for step in done if _found(step) and step.step.tool != "assets"]
        return [sentence for step in parts for sentence in self._step(plan, step)]

    def _step(self, plan: Plan, main: StepRows) -> list[Sentence]:
        if main.step.tool == "findings":
            return self._findings(plan, main.rows)
        writers: dict[str, Callable[[tuple[Row, ...]], list[Sentence]]] = {
            "count_findings": self._counts,
            "coverage": self._coverage,
            "flights": self._flights,
            "tickets": self._tickets,
            "assets": self._assets,
            "drones": self._drones,
            "measure_findings": statements.measured,
            "telemetry": lambda rows: statements.telemetry(rows, self._zone),
            "sites": lambda rows: statements.sites(rows, self._zone),
            "policy": statements.policy,
            "frames": lambda rows: statements.frames(rows, self._zone),
        }
        return writers[main.step.tool](main.rows)

    def _main(self, plan: Plan, by_tool: dict[str, StepRows]) -> StepRows | None:
        return by_tool.get(_TOOLS.get(plan.subject, plan.subject.value))

    def _findings(self, plan: Plan, rows: tuple[Row, ...]) -> list[Sentence]:
        total, items = rows[0], [row for row in rows if row.kind is RowKind.FINDING]
        if plan.subject is Subject.FINDING:
            return [s for row in items for s in (_of(self._finding(row), row), *self._why(row))]
        count = int(str(total.values["total"]))
        lead = f"{count} {noun(total, count)} {'was' if count == 1 else 'were'} detected{place(total)}{when(total)}"
        rest = "" if len(items) >= count else "; the first of them are listed"
        if len(items) < count and _ordered_by_severity(plan):
            rest = "; the first by severity are listed"
        sentences = [_of(f"{lead}{rest}.", total), *(_of(self._finding(row), row) for row in items)]
        return [*sentences, *_left_out(rows)]

    def _finding(self, row: Row) -> str:
        v = row.values
        where = [f"on {v['asset']}"]
        if v["blade"]:
            where.append(f"blade {v['blade']}")
        if v["side"]:
            where.append(str(v["side"]))
        if v["distance_to_root_m"] is not None:
            where.append(f"{number(v['distance_to_root_m'], 1)} m from the root")
        if v["place"]:
            where.append(str(v["place"]))
        size = f"{number(v['length_mm'])} × {number(v['width_mm'])} mm (± {number(v['size_sigma_mm'])} mm)"
        parts = [
            f"{v['number']}: {v['kind']}, severity {v['severity_rank']} ({v['severity']}), {', '.join(where)}",
            f"{size}, seen {self._moment(v['detected_at'])} with {number(v['confidence_percent'])} % confidence",
        ]
        if v["ticket"]:
            parts.append(f"ticket {v['ticket']}")
        elif v["ticket_wanted"]:
            parts.append("ticket waiting for its number")
        if v["status"] != "open":
            parts.append(f"{v['status']}" + (f" by {v['reviewed_by']}" if v["reviewed_by"] else ""))
        return "; ".join(parts) + "."

    def _why(self, row: Row) -> list[Sentence]:
        v, found = row.values, []
        if v["reason"]:
            found.append(_of(f"{v['number']} was graded so because: {v['reason']}", row))
        if v["action"]:
            due = f" Due {day(v['due_at'], self._zone)}." if isinstance(v["due_at"], datetime) else ""
            found.append(_of(f"Recommended for {v['number']}: {v['action']}{due}", row))
        return found

    def _counts(self, rows: tuple[Row, ...]) -> list[Sentence]:
        total = rows[0]
        groups = [row for row in rows if "group" in row.values]
        count = int(str(total.values["total"]))
        lead = f"{count} {noun(total, count)} {'was' if count == 1 else 'were'} detected{place(total)}{when(total)}"
        if not groups:
            spread = f" on {total.values['assets']} assets" if int(str(total.values["assets"])) > 1 else ""
            worst = f"{spread}; the worst is of severity {total.values['worst_rank']} ({total.values['worst']})."
            return [_of(lead + worst, total), *_left_out(rows)]
        listed = sum(int(str(row.values["total"])) for row in groups)
        rest = ""
        if listed < count:
            rest = "; the first group is listed" if len(groups) == 1 else "; the first groups are listed"
        sentences = [_of(f"{lead}{rest}.", total)]
        for row in groups:
            held = int(str(row.values["total"]))
            if held == 0:
                continue
            worst = f", the worst of severity {row.values['worst_rank']} ({row.values['worst']})"
            what = "finding" if held == 1 else "findings"
            sentences.append(_of(f"{capital(str(row.values['group']))}: {held} {what}{worst}.", row))
        return [*sentences, *_left_out(rows)]

    def _coverage(self, rows: tuple[Row, ...]) -> list[Sentence]:
        sentences = []
        for row in rows:
            v = row.values
            if row.kind is RowKind.ASSET:
                sentences.append(_of(f"No flight looked at {v['asset']}{when(row)}, so nothing of it was seen.", row))
            elif "towers" in v:
                sentences.append(_of(f"Towers of {v['asset']}: {v['towers']}.", row))
            elif "gaps" in v:
                sentences.append(_of(f"Not seen on {v['asset']}: {v['gaps']}.", row))
            elif "beyond" in v:
                sentences.append(_of(f"Of {v['asset']} that flight says nothing of: {v['beyond']}.", row))
            elif "ranges" in v:
                text = f"Not seen on {v['asset']}, blade {v['blade']}, {v['side']}: {v['ranges']} from the root"
                sentences.append(_of(f"{text} ({v['unseen_m']} of {v['length_m']} m).", row))
            else:
                sentences.append(_of(self._seen(row), row))
        return sentences

    def _seen(self, row: Row) -> str:
        v = row.values
        flights = int(str(v["flights"]))
        by = f"on {flights} flights" if flights > 1 else f"on the flight of {self._moment(v['flight_at'])}"
        rule = f"a metre counts as seen when {number(v['rule_percent'])} % of it was"
        whole = f"{v['seen_m']} of {v['whole_m']} m of {v['surface']}"
        missing = "nothing was missed" if v["unseen_m"] == 0 else f"{v['unseen_m']} m were not"
        name = ", ".join([str(v["asset"]), *(f"blade {b}" for b in words(v, "blades")), *words(v, "asked_sides")])
        return f"{name}: {whole} ({number(v['seen_percent'], 1)} %) were seen {by}{when(row)}, {missing} ({rule})."

    def _flights(self, rows: tuple[Row, ...]) -> list[Sentence]:
        total = rows[0]
        count = int(str(total.values["total"]))
        states = " or ".join(words(total.values, "states"))
        lead = f"{count} {states}{' ' if states else ''}{plural('flight', count)}{place(total)}{when(total)}"
        sentences = [_of(f"{lead}.", total)]
        for row in rows[1:]:
            v = row.values
            expected = f" of {v['expected_segments']}" if v["expected_segments"] is not None else ""
            landed = f", landed {self._moment(v['landed_at'])}" if v["landed_at"] else ""
            text = f"{v['asset']} by {v['drone']}, {self._moment(v['at'])}{landed}: {v['state']}"
            media = f"{v['analysed']}{expected} video {plural('segment', v['analysed'])} analysed"
            media += f", {v['findings']} {plural('finding', v['findings'])}"
            sentences.append(_of(f"{text}; {media}.", row))
        return sentences

    def _tickets(self, rows: tuple[Row, ...]) -> list[Sentence]:
        total = rows[0]
        count = int(str(total.values["total"]))
        kind = "open " if total.values["open"] else "completed " if total.values["open"] is False else ""
        waiting = " waiting for a number" if total.values["has_number"] is False else ""
        lead = f"{count} {kind}{plural('ticket', count)}{waiting}{place(total)}{when(total)}"
        sentences = [_of(f"{lead}.", total)]
        for row in rows[1:]:
            v = row.values
            about = f"for {v['finding']} ({v['kind']}, {v['asset']})"
            if v["ticket"] is None:
                sentences.append(_of(f"The ticket {about} is waiting for its number from {v['system']}.", row))
                continue
            phase = f", phase {v['phase']}" if v["phase"] else ""
            priority = f", priority {v['priority']}" if v["priority"] else ""
            took = ""
            if v["frame_to_ticket_s"] is not None:
                took = f"; opened {self._moment(v['opened_at'])}, {number(v['frame_to_ticket_s'], 1)} s after the frame"
            sentences.append(_of(f"{v['system']} ticket {v['ticket']} {about}{phase}{priority}{took}.", row))
        return sentences

    def _assets(self, rows: tuple[Row, ...]) -> list[Sentence]:
        total = rows[0]
        count = int(str(total.values["total"]))
        sentences = [_of(f"{count} {'asset is' if count == 1 else 'assets are'} known.", total)] if count > 1 else []
        for row in rows[1:]:
            v = row.values
            last = f"last flown {self._moment(v['last_flight_at'])}" if v["last_flight_at"] else "not flown yet"
            held = f"{v['findings']} {plural('finding', v['findings'])}"
            worst = f", the worst of severity {v['worst_rank']} ({v['worst']})" if v["worst"] else ""
            sentences.append(_of(f"{v['asset']}, {v['kind']}, {v['functional_location']}: {last}; {held}{worst}.", row))
        return sentences

    def _drones(self, rows: tuple[Row, ...]) -> list[Sentence]:
        total = rows[0]
        count = int(str(total.values["total"]))
        state = f"{total.values['online']} drone" if total.values["online"] else "drone"
        named = len(rows) == 2 and not total.values["online"]
        sentences = [] if named else [_of(f"{count} {state}{'' if count == 1 else 's'}.", total)]
        for row in rows[1:]:
            v = row.values
            text = f"{v['drone']} is {v['online']}"
            if v["captured_at"]:
                text += f"; {v['state']}, {number(v['alt_rel_m'])} m above take-off"
                told = v["battery_percent"] is not None
                text += f", battery {number(v['battery_percent'])} %" if told else ", battery charge not told"
                text += f" at {self._moment(v['captured_at'])}"
            sentences.append(_of(f"{text}.", row))
        return sentences

    def _absence(self, plan: Plan, by_tool: dict[str, StepRows]) -> list[Sentence]:
        """Say what was not found, and what that is worth: which flights looked, and how much they saw."""
        flights, assets = by_tool.get("flights"), by_tool.get("assets")
        main = self._main(plan, by_tool)
        basis = [
            row
            for step in (flights, assets)
            if step
            for row in step.rows
            if row.kind in {RowKind.FLIGHT, RowKind.ASSET}
        ]
        if not basis:
            return []
        total = [row for row in main.rows if row.ref.endswith(".n")] if main else []
        states = " or ".join(words(total[0].values, "states")) if total else ""
        what = {
            Subject.TICKETS: "such ticket exists",
            Subject.FLIGHTS: "flight" + (f" is {states}" if states else " was made"),
            Subject.DRONES: "drone matches",
            Subject.ASSETS: "asset matches",
            Subject.SITES: "site matches",
            Subject.TELEMETRY: "telemetry was recorded",
            Subject.FRAMES: "frame shows it",
        }.get(plan.subject, f"{noun(total[0], 1) if total else 'finding'} was detected")
        around = place(total[0]) + when(total[0]) if total else ""
        refs = [*total, *basis[:10]]
        sentences = [Sentence(text=f"No {what}{around}.", refs=tuple(row.ref for row in refs))]
        if plan.subject in {Subject.FINDINGS, Subject.COUNT, Subject.MEASURE}:
            sentences += self._looked(flights, by_tool.get("coverage"), basis)
            sentences += _left_out(main.rows) if main else []
        return sentences

    def _looked(self, flights: StepRows | None, seen: StepRows | None, basis: list[Row]) -> list[Sentence]:
        flown = [row for row in flights.rows if row.kind is RowKind.FLIGHT] if flights else []
        if not flown:
            text = "No flight looked, so this says nothing about the state of the blades."
            return [Sentence(text=text, refs=tuple(row.ref for row in basis[:10]))]
        rows = [row for row in (seen.rows if seen else ()) if row.kind is RowKind.COVERAGE and "seen_m" in row.values]
        return [_of(self._seen(row), row) for row in rows[:5]]

    def _moment(self, value: Any) -> str:
        return moment(value, self._zone) if isinstance(value, datetime) else "at an unknown time"


def _of(text: str, *rows: Row) -> Sentence:
    return Sentence(text=text, refs=tuple(row.ref for row in rows))


def _found(step: StepRows) -> bool:
    totals = [row.values["total"] for row in step.rows if row.ref.endswith(".n") and "total" in row.values]
    return bool(totals[0]) if totals else bool(step.rows)


def _ordered_by_severity(plan: Plan) -> bool:
    orders = [step.parameters.get("order", "severity") for step in plan.steps if step.tool == "findings"]
    return orders == ["severity"]


def _left_out(rows: tuple[Row, ...]) -> list[Sentence]:
    found = []
    for row in rows:
        if row.ref.endswith(".r"):
            are = "is" if row.values["total"] == 1 else "are"
            found.append(_of(f"{row.values['total']} more, which a person rejected, {are} left out.", row))
    return found
