"""What a conversion could not carry over, item by item, in words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

from pydantic import Field

from contracts.geo import Frozen


class Severity(StrEnum):
    """How a value was lost."""

    DROPPED = "dropped"
    """It is not in the output."""
    APPROXIMATED = "approximated"
    """The output says something near it, or the same under a stated assumption."""
    DEFAULTED = "defaulted"
    """The output needs a value the source does not have; one was chosen."""


class Loss(Frozen):
    """One thing that the far side will not get as it was."""

    item: int | None = Field(description="index in the items of the mission; null: the mission as a whole")
    kind: str = Field(description="of the item, else 'mission'")
    field: str = Field(description="dotted, as in the mission")
    severity: Severity
    words: str


class Ledger:
    """Collects losses while a format is read or written."""

    def __init__(self) -> None:
        self.losses: list[Loss] = []
        self._item: int | None = None
        self._kind = "mission"

    @contextmanager
    def at(self, item: int, kind: str) -> Iterator[None]:
        """Book what follows on one item."""
        before = self._item, self._kind
        self._item, self._kind = item, kind
        try:
            yield
        finally:
            self._item, self._kind = before

    def book_all(self, trial: Ledger) -> None:
        """Take over what a trial booked, on the item worked on here."""
        self.losses += [loss.model_copy(update={"item": self._item, "kind": self._kind}) for loss in trial.losses]

    @property
    def where(self) -> str:
        """Return the place being worked on, as an input field's name."""
        return "mission" if self._item is None else f"items[{self._item}]"

    def dropped(self, field: str, words: str) -> None:
        self._add(Severity.DROPPED, field, words)

    def approximated(self, field: str, words: str) -> None:
        self._add(Severity.APPROXIMATED, field, words)

    def defaulted(self, field: str, words: str) -> None:
        self._add(Severity.DEFAULTED, field, words)

    def _add(self, severity: Severity, field: str, words: str) -> None:
        self.losses.append(Loss(item=self._item, kind=self._kind, field=field, severity=severity, words=words))
