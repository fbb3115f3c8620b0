"""What is set on the autopilot for one flight is given back, whenever the agent dies."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from edge.loan import Loan
from edge.refusals import AutopilotRefused

WANTED = {"FS_GCS_ENABLE": 3.0, "FENCE_ACTION": 3.0}


class Killed(BaseException):
    """The agent dies here."""


class Shelf:
    """An autopilot's parameters; ``dies_at`` the n-th time it is asked or told something."""

    def __init__(self, **values: float) -> None:
        self.values = {"FS_GCS_ENABLE": 1.0, "FENCE_ACTION": 1.0} | values
        self.dies_at, self.turns = 0, 0

    def parameter(self, name: str) -> float | None:
        self._turn()
        return self.values.get(name)

    def put_parameter(self, name: str, value: float) -> bool:
        self._turn()
        self.values[name] = value
        self._turn()
        return True

    def _turn(self) -> None:
        self.turns += 1
        if self.turns == self.dies_at:
            raise Killed


def test_what_was_lent_is_given_back_as_it_was(tmp_path: Path) -> None:
    shelf = Shelf()
    loan = Loan(tmp_path / "loan.json", shelf)
    loan.take(WANTED)
    assert shelf.values == WANTED
    assert loan.held == dict.fromkeys(WANTED, (1.0, 3.0))
    assert loan.give_back() == ["FS_GCS_ENABLE=1", "FENCE_ACTION=1"]
    assert (shelf.values, loan.held) == (Shelf().values, {})
    assert Loan(tmp_path / "loan.json", shelf).held == {}


@pytest.mark.parametrize("moment", range(1, 13))
def test_killed_anywhere_a_new_agent_gives_back_what_was(tmp_path: Path, moment: int) -> None:
    shelf, path = Shelf(), tmp_path / "loan.json"
    shelf.dies_at = moment
    with contextlib.suppress(Killed):
        loan = Loan(path, shelf)
        loan.take(WANTED)
        loan.give_back()
    Loan(path, shelf).give_back()
    assert shelf.values == Shelf().values


def test_a_second_flight_before_it_was_given_back_does_not_forget_what_was(tmp_path: Path) -> None:
    shelf = Shelf()
    Loan(tmp_path / "loan.json", shelf).take(WANTED)
    again = Loan(tmp_path / "loan.json", shelf)
    again.due = True
    again.take(WANTED)
    assert again.due is False
    again.give_back()
    assert shelf.values == Shelf().values


def test_what_somebody_has_changed_meanwhile_stays_theirs(tmp_path: Path) -> None:
    shelf = Shelf()
    loan = Loan(tmp_path / "loan.json", shelf)
    loan.take(WANTED)
    shelf.values["FS_GCS_ENABLE"] = 5.0
    assert loan.give_back() == ["FENCE_ACTION=1"]
    assert shelf.values["FS_GCS_ENABLE"] == 5.0


def test_an_owners_own_choice_is_no_loan(tmp_path: Path) -> None:
    loan = Loan(tmp_path / "loan.json", Shelf(FS_GCS_ENABLE=3.0))
    loan.take({"FS_GCS_ENABLE": 3.0})
    assert loan.held == {}


def test_what_the_autopilot_does_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AutopilotRefused, match="no parameter BATT_FS_LOW_ACT"):
        Loan(tmp_path / "loan.json", Shelf()).take({"BATT_FS_LOW_ACT": 3.0})


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"A": 1}', b'{"A": [1]}', b'{"A": ["x", 2]}'], ids=repr)
def test_a_damaged_note_is_set_aside(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "loan.json").write_bytes(content)
    assert Loan(tmp_path / "loan.json", Shelf()).held == {}
    assert (tmp_path / "loan.json.corrupt").read_bytes() == content
