"""What the grammar learnt after lists and counts: statistics, comparisons, follow-ups, German, Spanish, the policy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from cloud.assistant.conversation import Answer, answer
from cloud.assistant.tools.declarations import Asker
from cloud.db import Database
from cloud.grading import shipped_policy
from cloud.security import Principal
from cloud.tables import Asset, Drone
from contracts.vocabulary import Role
from tests.scenes import seed_history

pytestmark = pytest.mark.backends

NOW = datetime(2026, 11, 20, 16, 40, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
ANA = Principal("ana", frozenset({Role.VIEWER}), "token")
FROM = (
    "FROM findings f JOIN assets a USING (asset_id) LEFT JOIN tickets t USING (finding_id) WHERE f.status <> 'rejected'"
)
MEDIAN = "percentile_cont(0.5) WITHIN GROUP (ORDER BY greatest(f.length_mm, f.width_mm))"


@pytest.fixture(scope="module")
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    with opened.session() as session:
        world = seed_history(session, NOW)
        asset, drone = session.get_one(Asset, "t-01"), session.get_one(Drone, "merlin-1")
        world.fly(world.flight(asset, drone, NOW.replace(minute=0)), share=0.05, gap=(0.5, 0.6))
    yield opened
    opened.close()


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    with database.session() as unit:
        yield unit


def ask(session: Session, question: str, previous: str = "") -> Answer:
    found = answer(Asker(session, ANA, NOW, BERLIN), question, previous)
    assert found.answered, found.reason
    assert found.removed == ()
    assert all(sentence.citations for sentence in found.sentences)
    return found


def value(session: Session, sql: str) -> Any:
    return session.execute(text(sql), {"now": NOW} if ":now" in sql else {}).scalar_one()


STATISTICS: list[tuple[str, str, str, int]] = [
    ("What is the average crack length?", "avg(f.length_mm)", "f.kind = 'crack'", 0),
    ("median size of delaminations", MEDIAN, "f.kind = 'delamination'", 0),
    ("how long are cracks on average", "avg(f.length_mm)", "f.kind = 'crack'", 0),
    ("total length of damage on T-01", "sum(f.length_mm)", "a.name = 'T-01'", 0),
    ("maximum width of corrosion on blade B", "max(f.width_mm)", "f.kind = 'corrosion' AND f.blade = 'B'", 0),
    ("average severity of findings on T-03", "avg(f.severity_rank)", "a.name = 'T-03'", 2),
    ("mean distance from the root of lightning burns", "avg(f.distance_to_root_m)", "f.kind = 'lightning_burn'", 1),
    ("lowest confidence of critical findings", "100 * min(f.confidence)", "f.severity_rank >= 4", 0),
]  # fmt: skip


@pytest.mark.parametrize(("question", "figure", "where", "decimals"), STATISTICS, ids=[row[0] for row in STATISTICS])
def test_statistics(session: Session, question: str, figure: str, where: str, decimals: int) -> None:
    expected = value(session, f"SELECT {figure} {FROM} AND {where}")
    found = ask(session, question)
    said = re.search(r" is (\d+(?:\.\d+)?)", found.sentences[0].text)
    assert said
    assert said[1] == f"{float(expected):.{decimals}f}"


COMPARISONS: list[tuple[str, str, str]] = [
    ("Compare T-01 with T-02", "a.name = 'T-01'", "a.name = 'T-02'"),
    ("Are there more cracks on T-03 than on T-01?", "f.kind = 'crack' AND a.name = 'T-03'",
     "f.kind = 'crack' AND a.name = 'T-01'"),
    ("cracks versus corrosion on T-02", "f.kind = 'crack' AND a.name = 'T-02'",
     "f.kind = 'corrosion' AND a.name = 'T-02'"),
    ("compare blade A and blade C", "f.blade = 'A'", "f.blade = 'C'"),
    ("How many findings this month compared to last month?",
     "f.detected_at >= '2026-10-01 00:00+02' AND f.detected_at < '2026-11-01 00:00+01'",
     "f.detected_at >= '2026-11-01 00:00+01' AND f.detected_at < :now"),
    ("findings in the last 30 days compared to the period before",
     "f.detected_at >= :now - interval '60 days' AND f.detected_at < :now - interval '30 days'",
     "f.detected_at >= :now - interval '30 days' AND f.detected_at < :now"),
    ("Vergleiche T-01 mit T-02", "a.name = 'T-01'", "a.name = 'T-02'"),
]  # fmt: skip


@pytest.mark.parametrize(("question", "first", "second"), COMPARISONS, ids=[row[0] for row in COMPARISONS])
def test_comparisons(session: Session, question: str, first: str, second: str) -> None:
    before, after = (value(session, f"SELECT count(*) {FROM} AND {where}") for where in (first, second))
    said = [sentence.text for sentence in ask(session, question).sentences]
    assert said[0].startswith(f"{before or 'No'} ")
    assert said[1].startswith(f"{after or 'No'} ")
    assert f"{before}, then {after}" in said[2] or before == after
    assert ("more" in said[2]) is (after > before)


FOLLOW_UPS: list[tuple[str, str, str]] = [
    ("How many cracks on T-01?", "and on T-02?", "f.kind = 'crack' AND a.name = 'T-02'"),
    ("How many findings on blade A of T-03?", "and on blade B?", "f.blade = 'B' AND a.name = 'T-03'"),
    ("How many critical findings this month?", "what about last month?",
     "f.severity_rank >= 4 AND f.detected_at >= :now - interval '30 days' AND f.detected_at < :now"),
    ("number of findings without a ticket", "only delaminations", "t.ticket_id IS NULL AND f.kind = 'delamination'"),
]  # fmt: skip


@pytest.mark.parametrize(("first", "then", "where"), FOLLOW_UPS, ids=[f"{a} {b}" for a, b, _ in FOLLOW_UPS])
def test_follow_ups_keep_the_conditions_they_do_not_name(session: Session, first: str, then: str, where: str) -> None:
    expected = value(session, f"SELECT count(*) {FROM} AND {where}")
    assert ask(session, then, first).sentences[0].text.startswith(f"{expected or 'No'} ")


def test_a_follow_up_without_a_question_before_is_refused(session: Session) -> None:
    assert not answer(Asker(session, ANA, NOW, BERLIN), "and on blade B?").answered


SAME: list[tuple[str, str]] = [
    ("Wie viele kritische Befunde gab es letzte Woche?", "How many critical findings last week?"),
    ("Welche Anlage hat die meisten Risse?", "Which turbine has the most cracks?"),
    ("Zeige die 5 größten Risse an der Vorderkante", "Show the 5 largest cracks on the leading edge"),
    ("Was wurde auf T-01 nicht inspiziert?", "What was not inspected on T-01?"),
    ("Befunde pro Monat", "findings per month"),
    ("Welche kritischen Befunde haben kein Ticket?", "Which critical findings have no ticket?"),
    ("Befunde auf T-03 seit dem 1. Oktober 2026", "findings on T-03 since 1 October 2026"),
    ("durchschnittliche Länge der Risse", "average length of cracks"),
    ("Korrosion weiter als 10 m von der Wurzel", "corrosion beyond 10 m from the root"),
    ("¿Cuántas grietas hay en la pala B de T-01?", "How many cracks on blade B of T-01?"),
    ("¿Cuáles fueron los defectos más críticos de la semana pasada?", "worst defects last week"),
    ("hallazgos por tipo en los últimos 3 meses", "findings by kind in the last 3 months"),
    ("¿Qué turbina tiene más hallazgos?", "Which turbine has the most findings?"),
    ("hallazgos críticos sin ticket", "critical findings without a ticket"),
    ("delaminaciones en el borde de salida", "delaminations on the trailing edge"),
    ("¿Cuántos vuelos hubo este mes?", "How many flights this month?"),
]


@pytest.mark.parametrize(("foreign", "english"), SAME, ids=[row[0] for row in SAME])
def test_german_and_spanish_are_answered_like_english(session: Session, foreign: str, english: str) -> None:
    assert [s.text for s in ask(session, foreign).sentences] == [s.text for s in ask(session, english).sentences]


def test_what_a_severity_asks_for_is_the_policys_word(session: Session) -> None:
    action = shipped_policy().reactions[5].action
    assert action in ask(session, "What does severity 5 mean?").sentences[0].text
    assert "from 700 mm" in ask(session, "From which size is a crack of severity 5?").sentences[0].text


def test_telemetry_sites_and_frames(session: Session) -> None:
    battery = value(session, "SELECT min(battery_percent) FROM telemetry")
    assert f"battery from {battery:.0f} %" in ask(session, "lowest battery on the last flight").sentences[0].text
    assert f"battery from {battery:.0f} %" in ask(session, "telemetry today").sentences[0].text
    assert ask(session, "list the sites").sentences[0].text.startswith("Nordmarsch: 6 assets, ")
    number = value(session, "SELECT f.number FROM evidence e JOIN findings f USING (finding_id) LIMIT 1")
    assert f"F-{number}: frame " in ask(session, f"Which frames show F-{number}?").sentences[1].text


def test_a_report_says_every_part_and_cites_it(session: Session) -> None:
    count = value(session, f"SELECT count(*) {FROM} AND f.detected_at >= :now - interval '30 days' "
                           "AND f.detected_at < :now")  # fmt: skip
    found = ask(session, "monthly report for site Nordmarsch")
    said = [sentence.text for sentence in found.sentences]
    assert said[0].startswith(f"{count} findings were detected on Nordmarsch from ")
    assert [step["step"]["tool"] for step in found.steps] == [
        "count_findings", "findings", "count_findings", "flights", "coverage", "tickets", "assets"
    ]  # fmt: skip
    for part in ("Severity ", "F-", "T-0", " flights ", " m of blade sides", "ticket"):
        assert any(part in text for text in said), part
    assert len(ask(session, "weekly report").sentences) > 3
