"""The on-call rota: who is told, by what, after how long, and when it may wait. Policy data, versioned; pure."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from importlib import resources
from pathlib import Path
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AwareDatetime, Field, ValidationError, field_validator, model_validator

from cloud import yaml_text
from contracts.errors import InvalidInput
from contracts.geo import Frozen

ChannelName = Literal["topic", "email", "webhook"]
EVERYONE_OF_TOPIC = "engineers"


class Person(Frozen):
    """Where a person is reached."""

    email: str = Field(default="", max_length=254, pattern=r"^$|^[^@\s]+@[^@\s]+$")
    webhook: str = Field(default="", max_length=500)


class Rotation(Frozen):
    """Who is on call in turn, from an instant on; each for some days."""

    people: tuple[str, ...] = Field(min_length=1)
    since: AwareDatetime
    days: float = Field(default=7, gt=0)


class Override(Frozen):
    """Somebody stands in for whoever is on call."""

    person: str
    since: AwareDatetime
    until: AwareDatetime


class QuietHours(Frozen):
    """Local hours in which ranks up to ``until_rank`` wait for the morning; they may go over midnight."""

    start: time
    end: time
    until_rank: int = Field(ge=1, le=5)


class Step(Frozen):
    """One round of messages."""

    after_min: float = Field(ge=0, description="since the alert")
    to: Literal["on_call", "next", "everyone"]
    channels: tuple[ChannelName, ...] = Field(min_length=1)


class Digest(Frozen):
    """Beyond so many messages to one address within a while, one message stands for all."""

    more_than: int = Field(ge=1)
    within_min: float = Field(gt=0)


class Recipient(NamedTuple):
    """One address of one person."""

    person: str
    channel: ChannelName
    address: str


class Rota(Frozen):
    """A whole rota, as its YAML file holds it."""

    version: str = Field(min_length=1, max_length=60)
    time_zone: str = "UTC"
    people: dict[str, Person] = Field(default_factory=dict)
    rotation: Rotation | None = None
    overrides: tuple[Override, ...] = ()
    quiet_hours: QuietHours | None = None
    steps: tuple[Step, ...] = Field(min_length=1)
    repeat_min: float | None = Field(default=None, gt=0, description="the last step again, until acknowledged")
    give_up_h: float = Field(default=24, gt=0)
    digest: Digest = Digest(more_than=5, within_min=10)

    @field_validator("time_zone")
    @classmethod
    def _exists(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"{value!r} is no time zone") from error
        return value

    @model_validator(mode="after")
    def _complete(self) -> Rota:
        named = {o.person for o in self.overrides} | set(self.rotation.people if self.rotation else ())
        if missing := named - set(self.people):
            raise ValueError(f"people has no {', '.join(sorted(missing))}")
        after = [step.after_min for step in self.steps]
        if after != sorted(set(after)):
            raise ValueError("steps must come one after the other")
        for step in self.steps:
            if self.rotation is None and step.to != "everyone":
                raise ValueError(f"a step to {step.to} needs a rotation")
        return self

    def on_call(self, at: datetime, ahead: int = 0) -> str:
        """Return who is on call at an instant; ``ahead`` 1 is who comes next."""
        if self.rotation is None:
            return EVERYONE_OF_TOPIC
        standing_in = next((o.person for o in self.overrides if o.since <= at < o.until), None)
        if standing_in is not None and ahead == 0:
            return standing_in
        turn = (at - self.rotation.since) // timedelta(days=self.rotation.days)
        return self.rotation.people[(turn + ahead) % len(self.rotation.people)]

    def recipients(self, round_number: int, at: datetime) -> list[Recipient]:
        """Return whom a round of messages goes to, each address once."""
        step = self.steps[min(round_number, len(self.steps) - 1)]
        ahead = 1 if step.to == "next" else 0
        people = list(self.people) if step.to == "everyone" else [self.on_call(at, ahead)]
        found = [r for channel in step.channels for r in self._addresses(channel, people)]
        return list(dict.fromkeys(found))

    def addresses_of(self, person: str) -> list[Recipient]:
        """Return every way to reach one person; none where the rota does not know them."""
        known = [person] if person in self.people else []
        return self._addresses("email", known) + self._addresses("webhook", known)

    def _addresses(self, channel: ChannelName, people: list[str]) -> list[Recipient]:
        if channel == "topic":
            return [Recipient(EVERYONE_OF_TOPIC, "topic", EVERYONE_OF_TOPIC)]
        known = [(name, getattr(self.people[name], channel)) for name in people]
        return [Recipient(name, channel, address) for name, address in known if address]

    def pause(self, round_number: int) -> timedelta | None:
        """Return how long to wait after a round for the next; None when there is none."""
        if round_number + 1 < len(self.steps):
            return timedelta(minutes=self.steps[round_number + 1].after_min - self.steps[round_number].after_min)
        return None if self.repeat_min is None else timedelta(minutes=self.repeat_min)

    def quiet_until(self, rank: int, at: datetime) -> datetime | None:
        """Return when a message of this rank may go out; None when it may at once."""
        quiet = self.quiet_hours
        if quiet is None or rank > quiet.until_rank:
            return None
        local = at.astimezone(ZoneInfo(self.time_zone))
        now = local.time()
        over_midnight = quiet.start > quiet.end
        inside = (now >= quiet.start or now < quiet.end) if over_midnight else quiet.start <= now < quiet.end
        if not inside:
            return None
        day = local.date() + timedelta(days=1 if over_midnight and now >= quiet.start else 0)
        return datetime.combine(day, quiet.end, ZoneInfo(self.time_zone)).astimezone(at.tzinfo)


def parse(text: str, source: str) -> Rota:
    """Return the rota in a YAML text.

    Raises:
        InvalidInput: Not YAML, or a rule of its shape is broken.

    """
    try:
        return Rota.model_validate(yaml_text.read(text, f"Rota {source}"))
    except ValidationError as error:
        raise InvalidInput(f"Rota {source} is not valid: {error}.", hint="Compare it with docs/alerts.md.") from error


def load(file: Path | None = None) -> Rota:
    """Return the rota of a file, or the shipped one; read anew each time, so that a change holds at once.

    Raises:
        InvalidInput: The file does not hold a valid rota.
        OSError: The file cannot be read.

    """
    shipped = resources.files("cloud").joinpath("policies", "rota_v1.yaml")
    return parse((file or shipped).read_text(encoding="utf-8"), str(file or "rota_v1.yaml"))
