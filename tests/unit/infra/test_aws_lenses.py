"""Every question of the two lenses is answered once, and what an answer names exists."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from infra.aws.gates.invariants import RULES
from infra.aws.gates.mutations import MUTATIONS

REPOSITORY = Path(__file__).resolve().parents[3]
PAGE = REPOSITORY / "docs" / "well-architected.md"
QUESTIONS = {
    "IOTOPS": 10, "IOTSEC": 15, "IOTREL": 14, "IOTPERF": 9, "IOTCOST": 6, "IOTSUS": 5,
    "MLOE-": 16, "MLSEC-": 13, "MLREL-": 13, "MLPER-": 18, "MLCOST-": 29, "MLSUS-": 16,
}  # fmt: skip
ANSWERS = {"yes", "partly", "no", "organisation", "not used"}


def rows() -> list[list[str]]:
    """Return the cells of each answer: ids, what is asked, the answer, how."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if re.match(r"\| (IOT|ML)[A-Z]+", line)]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_every_question_of_both_lenses_is_answered_once() -> None:
    asked: Counter[str] = Counter()
    for ids, *_ in rows():
        family = re.match(r"[A-Z]+-?", ids)
        assert family
        asked.update(f"{family[0]}{number}" for number in re.findall(r"\d\d", ids))
    wanted = {f"{family}{number:02}": 1 for family, most in QUESTIONS.items() for number in range(1, most + 1)}
    assert dict(asked) == wanted


def test_an_answer_is_one_of_five_and_all_but_the_organisations_say_how() -> None:
    for ids, _, answer, *how in rows():
        assert answer in ANSWERS, ids
        assert answer == "organisation" or len("".join(how)) > 10, ids


def test_what_an_answer_names_is_there() -> None:
    text = PAGE.read_text(encoding="utf-8")
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", text)]
    assert [link for link in links if not (PAGE.parent / link).exists()] == []
    files = re.findall(r"`((?:tests|infra|vision|workflows|benchmarks)/[\w./-]+)`", text)
    assert [name for name in files if not (REPOSITORY / name).exists()] == []
    for said in re.findall(r"rules? ((?:`[\w-]+`(?:, | and )?)+)", text):
        assert set(re.findall(r"`([\w-]+)`", said)) <= set(RULES)
    for said in re.findall(r"mutations ((?:\"[^\"]+\"(?:, )?)+)", text):
        assert set(re.findall(r"\"([^\"]+)\"", said)) <= {mutation.name for mutation in MUTATIONS}
