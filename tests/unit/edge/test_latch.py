"""What a broken rule has put into force outlives the agent, whatever the disk does."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import latch
from edge.files import write_durably
from edge.latch import InForce, Latch
from edge.legality import Refusal
from edge.rules import Action, Breach

FENCE = Breach("fence", "5.0 m outside the fence.", Action.RETURN)
HELD = InForce(Refusal("fence", FENCE.detail), FENCE, frozenset({"fence"}))
WORDS = st.text(max_size=40)
BREACHES = st.builds(Breach, WORDS, WORDS, st.sampled_from(Action), st.just(0.0))
PATIENT_S = 5.0


def kept(path: Path, held: InForce | None) -> InForce | None:
    Latch(path).keep(held, PATIENT_S)
    return Latch(path).held


@given(st.builds(InForce, st.builds(Refusal, WORDS, WORDS), st.none() | BREACHES, st.frozensets(WORDS)))
def test_another_process_reads_what_was_kept(tmp_path_factory: pytest.TempPathFactory, held: InForce) -> None:
    path = tmp_path_factory.mktemp("latch") / "latch.json"
    assert kept(path, held) == held
    assert kept(path, None) is None
    assert not path.exists()


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"{}", b"\xff", b'{"refusal": ["a"], "standing": null, "told": []}']
)
def test_a_damaged_note_is_a_rule_in_force_that_nobody_can_name(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "latch.json"
    path.write_bytes(body)
    held = Latch(path).held
    assert held is not None
    assert (held.refusal.code, held.standing) == ("latch_damaged", None)


def test_a_note_that_the_disk_does_not_give_back_is_one_too_and_the_agent_starts(tmp_path: Path) -> None:
    path = tmp_path / "latch.json"
    path.mkdir()
    held = Latch(path).held
    assert held is not None
    assert held.refusal.code == "latch_damaged"


def test_what_the_disk_refuses_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, refused = tmp_path / "latch.json", []

    def refuse(*_: object) -> None:
        refused.append(1)
        raise OSError(28, "No space left on device")

    held = Latch(path)
    with monkeypatch.context() as full:
        full.setattr(latch, "write_durably", refuse)
        held.keep(HELD, PATIENT_S)
    assert refused
    assert Latch(path).held is None
    held.keep(HELD, PATIENT_S)
    assert Latch(path).held == HELD


def test_a_disk_that_hangs_keeps_nobody_waiting_and_has_the_newest_at_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, works, write = tmp_path / "latch.json", threading.Event(), write_durably

    def hang(target: Path, body: bytes) -> None:
        works.wait(PATIENT_S)
        write(target, body)

    monkeypatch.setattr(latch, "write_durably", hang)
    held = Latch(path)
    held.keep(HELD, 0.01)
    held.keep(HELD._replace(told=frozenset({"fence", "battery"})), 0.01)
    assert not path.exists()
    works.set()
    held.keep(HELD._replace(told=frozenset({"fence", "battery"})), PATIENT_S)
    assert Latch(path).held == HELD._replace(told=frozenset({"fence", "battery"}))
