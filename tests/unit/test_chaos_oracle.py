"""The oracle of the random kills sees each invariant broken, and only then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.chaos import oracle
from tests.chaos.__main__ import outcome
from tests.chaos.oracle import Stream
from tests.chaos.scenarios import ELSEWHERE, FAULT_ROWS, SCENARIOS

ROOT = Path(__file__).parents[2]
ONE = Stream("kite-01", "boot-1", "telemetry")
OTHER = Stream("kite-01", "boot-2", "telemetry")
NAME = "kite-01/boot-1/telemetry"
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
LATE = AT + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (oracle.lost_records({ONE: {1, 2, 3}}, {ONE: {1}}, {ONE: {3}}), ["I1 kite-01/boot-1/telemetry misses 2"]),
        (oracle.lost_records({ONE: {1, 2}}, {ONE: {1}}, {ONE: {2}}), []),
        (oracle.lost_records({ONE: set(range(9))}, {}, {}), [f"I1 {NAME} misses 0, 1, 2, 3, 4 and 4 more"]),
        (oracle.changed_records([(1, 54.0)], [(1, 55.0)]), ["I2 stored (1, 54.0), measured (1, 55.0)"]),
        (oracle.changed_records([(1, 54.0)], [(1, 54.0)]), []),
        (
            oracle.unknown_records({OTHER: {1}}, {"boot-1"}),
            ["I3 kite-01/boot-2/telemetry is of no boot that there was"],
        ),
        (oracle.marks_beyond({ONE: 3}, {ONE: {1, 3}}, {}), [f"I4 the watermark 3 of {NAME} passes 2"]),
        (oracle.marks_beyond({ONE: 3}, {ONE: {1, 3}}, {ONE: {2}}), []),
        (oracle.marks_fallen({ONE: 3}, {ONE: 2}), ["I4 the watermark of kite-01/boot-1/telemetry fell from 3 to 2"]),
        (oracle.marks_fallen({ONE: 3}, {}), ["I4 the watermark of kite-01/boot-1/telemetry fell from 3 to None"]),
        (oracle.marks_fallen({ONE: 3}, {ONE: 3, OTHER: 1}), []),
        (oracle.over_the_cap("it", 2, 1), ["I5 it takes 2 of 1 bytes"]),
        (oracle.over_the_cap("it", 1, 1), []),
        (oracle.commands([("a", AT), ("a", AT)], {"a": AT}), ["I7 a ran 2 times"]),
        (oracle.commands([("b", AT)], {}), ["I7 b was never sent"]),
        (oracle.commands([("a", LATE)], {"a": AT}), [f"I7 a ran at {LATE}, after its time"]),
        (oracle.commands([("a", AT)], {"a": AT, "b": AT}), []),
        (
            oracle.notifications(["f1", "f1", "f3"], {"f1", "f2"}),
            ["T1 f2 has no notification", "T1 f1 has 2 notifications", "T1 a notification for f3, which is none"],
        ),
        (oracle.notifications(["f1"], {"f1"}), []),
    ],
)
def test_what_is_broken_is_said(said: list[str], wanted: list[str]) -> None:
    assert said == wanted


def test_every_row_of_the_fault_table_has_tests_that_there_are() -> None:
    assert list(FAULT_ROWS) == list(range(1, 19))
    for _, tests in FAULT_ROWS.values():
        for test in tests:
            path, _, name = test.partition("::")
            assert not name or f"def {name}(" in (ROOT / path).read_text()
            assert (ROOT / path).exists()


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_a_scenario_kills_what_there_is(scenario: Any) -> None:
    known = {"postgres", "mosquitto", "emulator", "api", "ingest", "consume", "reconcile", "workflows", "vision", "sap",
             "lender"}  # fmt: skip
    assert set(scenario.victims) <= known | {"*", "supervisor", "drone"}
    assert set(scenario.link_faults) <= {"cut", "dark", "slow"}


def case(name: str, ending: str = "") -> ET.Element:
    made = ET.Element("testcase", classname="tests.unit.test_a", name=name)
    if ending:
        ET.SubElement(made, ending)
    return made


@pytest.mark.parametrize(
    ("cases", "covered", "ok"),
    [
        ([case("test_x"), case("test_y[1]")], True, True),
        ([case("test_x"), case("test_y[1]", "skipped"), case("test_y[2]")], True, True),
        ([case("test_x"), case("test_y[1]", "skipped")], False, False),
        ([case("test_x"), case("test_y[1]"), case("test_y[2]", "failure")], True, False),
        ([case("test_x", "error")], False, False),
        ([case("test_z")], False, False),
        ([], False, False),
    ],
)
def test_a_row_is_covered_when_each_of_its_tests_has_passed(cases: list[ET.Element], covered: bool, ok: bool) -> None:
    told = outcome(1, ("tests/unit/test_a.py::test_x", "tests/unit/test_a.py::test_y"), cases)
    assert (told["covered"], told["ok"]) == (covered, ok)


def test_a_row_without_tests_names_the_verb_that_covers_it() -> None:
    assert {row for row, (_, tests) in FAULT_ROWS.items() if not tests} == set(ELSEWHERE)
    assert outcome(18, (), []) | {"ok": True, "covered": False} == outcome(18, (), [])


def test_the_page_tells_every_row_and_what_covers_it() -> None:
    page = (ROOT / "docs" / "chaos.md").read_text()
    for row, (fault, tests) in FAULT_ROWS.items():
        [line] = [line for line in page.splitlines() if line.startswith(f"| {row} | {fault} |")]
        names = [test.rpartition("::")[2] or test for test in tests] or [ELSEWHERE[row]]
        assert all(Path(name).name in line for name in names), line
