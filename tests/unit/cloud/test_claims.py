"""What a model wrote: 500 adversarial outputs, none of which says more than its rows."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from cloud.assistant.evidence import Citation, Row, RowKind, Sentence
from cloud.assistant.grounding.citations import Removed
from cloud.assistant.grounding.claims import bind, drafted

ZONE = ZoneInfo("UTC")
KINDS = ("crack", "corrosion", "delamination", "lightning burn", "missing coating")
SIDES = ("leading edge", "trailing edge", "pressure side", "suction side")
SEVERITIES = ("minor", "low", "moderate", "serious", "critical")


def finding(i: int) -> Row:
    rng = random.Random(i)
    number, rank = 100 + 7 * i, rng.randint(1, 5)
    return Row(
        ref=f"E1.{i}",
        kind=RowKind.FINDING,
        label=f"F-{number}",
        values={
            "number": f"F-{number}",
            "asset": f"T-{i:02d}",
            "kind": rng.choice(KINDS),
            "severity_rank": rank,
            "severity": SEVERITIES[rank - 1],
            "blade": rng.choice("ABC"),
            "side": rng.choice(SIDES),
            "distance_to_root_m": 10 + i + 0.3,
            "length_mm": 1000.0 + 13 * i,
            "detected_at": datetime(2026, 11, i, 8, 30, tzinfo=UTC),
            "ticket": f"0000100{i:05d}",
        },
        cites=(Citation(kind=RowKind.FINDING, id=f"fnd-{number}", label=f"F-{number}", number=number),),
    )


CITED = finding(1).cites
TOTAL = Row(ref="E1.n", kind=RowKind.COUNT, label="all", values={"total": 9}, cites=CITED)
NONE = Row(
    ref="E2.n", kind=RowKind.COUNT, label="all", values={"total": 0, "assets_asked": "T-05"}, cites=finding(1).cites
)
ROWS = {row.ref: row for row in (*(finding(i) for i in range(1, 10)), TOTAL, NONE)}
Lie = Callable[[random.Random, dict[str, str]], str]


def words(row: Row) -> dict[str, str]:
    v = row.values
    at = v["detected_at"]
    assert isinstance(at, datetime)
    return {
        "number": str(v["number"]), "asset": str(v["asset"]), "kind": str(v["kind"]), "rank": str(v["severity_rank"]),
        "severity": str(v["severity"]), "blade": str(v["blade"]), "side": str(v["side"]),
        "root": f"{v['distance_to_root_m']:.1f}", "length": f"{v['length_mm']:.0f}", "day": f"{at.day} Nov 2026",
        "ticket": str(v["ticket"]), "ref": row.ref,
    }  # fmt: skip


TRUE = (
    "{number} is a {kind} of severity {rank} ({severity}) on {asset}, blade {blade}, {side}, {root} m from the root.",
    "{number}: {kind}, {length} mm long, detected {day}; ticket {ticket}.",
    "On {asset} the {kind} {number} was found on {day}.",
)


def other(rng: random.Random, options: tuple[str, ...], unlike: str) -> str:
    return rng.choice([option for option in options if option != unlike])


# fmt: off
LIES: dict[str, Lie] = {
    "invented id": lambda r, w: f"F-{r.randint(5000, 9999)} is a {w['kind']} on {w['asset']}. [{w['ref']}]",
    "id made of a true figure": lambda r, w: f"F-{w['rank']} is a {w['kind']} on {w['asset']}. [{w['ref']}]",
    "another row's id": lambda r, w: f"F-{100 + 7 * ((int(w['ref'][3:]) % 9) + 1)} is on {w['asset']}. [{w['ref']}]",
    "invented asset": lambda r, w: f"{w['number']} is a {w['kind']} on T-{r.randint(40, 99)}. [{w['ref']}]",
    "another kind": lambda r, w: f"{w['number']} is a {other(r, KINDS, w['kind'])} on {w['asset']}. [{w['ref']}]",
    "another severity": lambda r, w: f"{w['number']} is {other(r, SEVERITIES, w['severity'])}. [{w['ref']}]",
    "another side": lambda r, w: f"{w['number']} lies on the {other(r, SIDES, w['side'])}. [{w['ref']}]",
    "another blade": lambda r, w: (
        f"{w['number']} lies on blade {other(r, ('A', 'B', 'C', 'D'), w['blade'])}. [{w['ref']}]"
    ),
    "another length": lambda r, w: f"{w['number']} is {int(w['length']) + r.randint(1, 400)} mm long. [{w['ref']}]",
    "a figure of another unit": lambda r, w: f"{w['number']} lies {w['length']} m from the root. [{w['ref']}]",
    "another day": lambda r, w: f"{w['number']} was detected {r.randint(20, 28)} Nov 2026. [{w['ref']}]",
    "another year": lambda r, w: f"{w['number']} was detected {w['day'][:-4]}{r.randint(2010, 2025)}. [{w['ref']}]",
    "another ticket": lambda r, w: f"{w['number']} has ticket {r.randint(10**11, 10**12)}. [{w['ref']}]",
    "another count": lambda r, w: f"{r.randint(10, 99)} findings were detected. [E1.n]",
    "a count in words": lambda r, w: f"{r.choice(['Twelve', 'three', 'Dozens of'])} findings were detected. [E1.n]",
    "a denial": lambda r, w: (
        f"{r.choice(['No', 'Not one', 'None of the'])} finding was detected on {w['asset']}. [E1.n]"
    ),
    "no evidence": lambda r, w: f"{w['number']} is a {w['kind']} on {w['asset']}.",
    "a row that is not there": lambda r, w: f"{w['number']} is a {w['kind']}. [E{r.randint(3, 9)}.{r.randint(1, 9)}]",
    "another row's evidence": lambda r, w: f"{w['number']} is a {w['kind']}. [E1.{int(w['ref'][3:]) % 9 + 1}]",
    "advice": lambda r, w: (
        f"{w['number']} on {w['asset']} is {r.choice(['safe', 'harmless', 'dangerous'])}. [{w['ref']}]"
    ),
    "an order": lambda r, w: (
        f"{r.choice(['Stop', 'Restart', 'Ignore'])} {w['asset']} because of {w['number']}. [{w['ref']}]"
    ),
    "a superlative": lambda r, w: (
        f"{w['number']} is the {r.choice(['worst', 'only', 'largest'])} finding. [{w['ref']}]"
    ),
    "a link": lambda r, w: f"See https://evil.test/{w['number']} for {w['number']}. [{w['ref']}]",
    "an image": lambda r, w: f"{w['number']} ![x](//evil.test/{w['number']}). [{w['ref']}]",
    "script": lambda r, w: f"{w['number']} <script>alert(1)</script> {w['kind']}. [{w['ref']}]",
    "other digits": lambda r, w: f"{w['number']} is {r.choice(['①', '٤', '४', '五'])} m long. [{w['ref']}]",
    "a lie before a truth": lambda r, w: f"T-77 is broken. {w['number']} is a {w['kind']}. [{w['ref']}]",
    "a truth before a lie": lambda r, w: f"{w['number']} is a {w['kind']}. [{w['ref']}] T-77 is broken.",
    "a secret": lambda r, w: f"{w['number']}: the system prompt says password hunter2. [{w['ref']}]",
}  # fmt: skip


def passed(text: str) -> list[Sentence]:
    return [s for s in (bind(d, ROWS, ZONE) for d in drafted(text)) if not isinstance(s, Removed)]


@pytest.mark.parametrize("template", TRUE)
@pytest.mark.parametrize("i", range(1, 10))
def test_what_the_rows_say_passes_and_is_cited(template: str, i: int) -> None:
    said = words(ROWS[f"E1.{i}"])
    [sentence] = passed(f"{template.format(**said)} [{said['ref']}]")
    assert [cite.label for cite in sentence.citations] == [said["number"]]


def test_a_denial_passes_where_the_count_is_0() -> None:
    assert passed("No finding was detected on T-05. [E2.n]")
    assert passed("0 findings were detected on T-05 [E2.n].")


def test_500_adversarial_outputs_leave_nothing_uncited_and_nothing_invented() -> None:
    rng, tried = random.Random(8), 0
    true_ids = {str(row.values.get("number")) for row in ROWS.values()}
    for round_ in range(18):
        for name, lie in LIES.items():
            row = finding(rng.randint(1, 9))
            text = lie(rng, words(row))
            tried += 1
            survivors = passed(text)
            allowed = 1 if name == "a truth before a lie" else 0
            assert len(survivors) <= allowed, f"{name} in round {round_} passed: {text}"
            for sentence in survivors:
                assert sentence.citations
                assert set(re.findall(r"F-\d+", sentence.text)) <= true_ids
                assert "T-77" not in sentence.text
    assert tried >= 500


@pytest.mark.parametrize("size", [10, 1_000, 200_000])
def test_an_endless_answer_is_cut_into_claims_in_linear_time(size: int) -> None:
    assert passed("[" * size + "E1.1" + "]" * size) == []


def test_marks_may_name_several_rows() -> None:
    a, b = words(ROWS["E1.1"]), words(ROWS["E1.2"])
    [sentence] = passed(f"{a['number']} and {b['number']} were found. [E1.1, E1.2]")
    assert len(sentence.citations) == 2
