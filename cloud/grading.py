"""Severity from policy data: kind, size, place and view angle in, a grade that explains itself out.

Pure. Detector confidence and language models have no say here.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import Field, ValidationError, model_validator

from cloud import yaml_text
from contracts.errors import InvalidInput
from contracts.geo import Frozen
from contracts.vocabulary import BEYOND_BLADES, AssetKind, BladeSide, DefectKind

_TOP_RANK = 5


class Reaction(Frozen):
    """What a rank asks for."""

    letter: str = Field(pattern="^[A-Za-z0-9]{1,8}$", description="the scheme's own name of the reaction")
    action: str = Field(min_length=1, max_length=200)
    due_days: int | None = Field(ge=0)
    stop: bool = Field(default=False, description="the asset may not run on")
    code: str = Field(default="", max_length=20, description="the scheme's severity code; empty: the rank's number")
    ticket: Literal["auto", "person"] = Field(
        default="auto", description="critical ranks: a notification opens by itself, or a person is asked first"
    )
    priority: Literal["", "1", "2", "3", "4"] = Field(
        default="", description="of the notification, 1 very high to 4 low; empty: by rank"
    )
    order_type: str = Field(
        default="", pattern="^[A-Z0-9]{0,4}$", description="maintenance order to make of the notification; empty: none"
    )


class Coding(Frozen):
    """A code of the customer's catalogues, as SAP's notifications have it."""

    catalogue: str = Field(pattern="^[A-Z0-9]$", description="such as C for damage")
    group: str = Field(min_length=1, max_length=8)
    code: str = Field(min_length=1, max_length=4)


class Grade(Frozen):
    """A rank and the smallest size it starts at."""

    rank: int = Field(ge=1, le=_TOP_RANK)
    from_mm: float = Field(ge=0)
    review: str = Field(default="", max_length=200)


class Raise(Frozen):
    """One rank more at certain places."""

    kinds: tuple[DefectKind, ...] = Field(min_length=1)
    from_mm: float = Field(default=0, ge=0)
    sides: tuple[BladeSide, ...] = tuple(BladeSide)
    beyond_span_share: float = Field(default=0, ge=0, le=1)
    from_mm_per_year: float | None = Field(default=None, gt=0, description="growth, where it is beyond its error")
    because: str = Field(min_length=1, max_length=200)

    def applies(self, defect: Measured, size_mm: float) -> bool:
        """Return whether this raise holds for a defect."""
        if defect.kind not in self.kinds or size_mm < self.from_mm:
            return False
        if self.from_mm_per_year is not None and (defect.grown_mm_per_year or 0.0) < self.from_mm_per_year:
            return False
        anywhere = (
            self.from_mm_per_year is not None and self.beyond_span_share == 0 and len(self.sides) == len(BladeSide)
        )
        placed = defect.side in self.sides and (defect.span_share or 0.0) >= self.beyond_span_share
        return anywhere or (placed and defect.span_share is not None)


class Policy(Frozen):
    """A whole severity policy, as its YAML file holds it."""

    version: str = Field(min_length=1, max_length=60)
    scheme: str = Field(min_length=1, max_length=20)
    asset_kinds: tuple[AssetKind, ...] = Field(min_length=1)
    customer: str = Field(default="", max_length=80, description="whose it is; empty: anyone's")
    sources: tuple[str, ...] = Field(min_length=1)
    critical_rank: int = Field(ge=1, le=_TOP_RANK)
    grazing_deg: float = Field(ge=0, le=90)
    reactions: dict[int, Reaction]
    grades: dict[DefectKind, tuple[Grade, ...]] = Field(
        description="by kind of defect; a kind that no blade has may be left out and is then graded as `damage`"
    )
    raises: tuple[Raise, ...] = ()
    codes: dict[DefectKind, Coding] = Field(default={}, description="the notification's code by kind of defect")
    decide_within_h: float = Field(default=24, gt=0, le=720, description="time a person has to answer")
    on_silence: Literal["open", "fail"] = Field(
        default="fail", description="nobody answered: open the notification, or end as a failure people see"
    )

    @model_validator(mode="after")
    def _complete(self) -> Policy:
        if set(self.reactions) != set(range(1, _TOP_RANK + 1)):
            raise ValueError("reactions must be given for ranks 1 to 5")
        if missing := set(DefectKind) - BEYOND_BLADES - set(self.grades):
            raise ValueError(f"no grades for {', '.join(sorted(missing))}")
        for kind, grades in self.grades.items():
            sizes, ranks = [g.from_mm for g in grades], [g.rank for g in grades]
            if not sizes or sizes[0] != 0 or sizes != sorted(set(sizes)) or ranks != sorted(ranks):
                raise ValueError(f"grades of {kind} must start at 0 mm and grow in size and rank")
        return self

    def steps(self, kind: DefectKind) -> tuple[Grade, ...]:
        """Return the grades of a kind; those of ``damage`` where the policy is older than it, or leaves it out."""
        return self.grades.get(kind) or self.grades[DefectKind.DAMAGE]


class Measured(NamedTuple):
    """What is known of a defect when it is graded. ``span_share``: distance to root over blade length."""

    kind: DefectKind
    length_mm: float
    width_mm: float
    size_sigma_mm: float
    side: BladeSide | None
    span_share: float | None
    incidence_deg: float
    grown_mm_per_year: float | None = None
    """Of the length, since the previous finding; None where it is within its error or not known."""


class Severity(NamedTuple):
    """A grade. ``rank`` is 1 least to 5 most serious, whatever the scheme's own code."""

    scheme: str
    code: str
    rank: int
    reaction: str
    action: str
    due_days: int | None
    reason: str
    policy_version: str
    critical: bool

    def due_at(self, since: datetime) -> datetime | None:
        """Return when it is due, counted from when the defect was seen."""
        return None if self.due_days is None else since + timedelta(days=self.due_days)


def grade(policy: Policy, defect: Measured) -> Severity:
    """Return a defect's severity under a policy, with the numbers that led to it."""
    step, raised, rank = _ranked(policy, defect)
    reaction = policy.reactions[rank]
    return Severity(
        scheme=policy.scheme,
        code=reaction.code or str(rank),
        rank=rank,
        reaction=reaction.letter,
        action=reaction.action,
        due_days=reaction.due_days,
        reason=_reason(policy, defect, step, raised, rank),
        policy_version=policy.version,
        critical=rank >= policy.critical_rank,
    )


def rank(policy: Policy, defect: Measured) -> int:
    """Return the rank alone: what replaying a whole history needs, without its sentences."""
    return _ranked(policy, defect)[2]


def _ranked(policy: Policy, defect: Measured) -> tuple[Grade, Raise | None, int]:
    size_mm = max(defect.length_mm, defect.width_mm)
    step = next(g for g in reversed(policy.steps(defect.kind)) if size_mm >= g.from_mm)
    raised = next((r for r in policy.raises if r.applies(defect, size_mm)), None)
    return step, raised, min(_TOP_RANK, step.rank + 1) if raised else step.rank


def _reason(policy: Policy, defect: Measured, step: Grade, raised: Raise | None, rank: int) -> str:
    size = f"{defect.length_mm:.0f} x {defect.width_mm:.0f} mm (± {defect.size_sigma_mm:.0f} mm)"
    name = defect.kind.value.replace("_", " ")
    parts = [f"{name} of {size} reaches rank {step.rank} from {step.from_mm:.0f} mm"]
    if raised:
        parts.append(f"raised to {rank} because {raised.because}" if rank > step.rank else f"and {raised.because}")
    if step.review:
        parts.append(step.review)
    if defect.incidence_deg > policy.grazing_deg:
        parts.append(f"seen at {defect.incidence_deg:.0f} degrees only: the size is uncertain, a person must look")
    sentence = "; ".join(parts)
    return f"{sentence[0].upper()}{sentence[1:]} ({policy.version})."


def parse_policy(text: str, source: str) -> Policy:
    """Return the policy in a YAML text.

    Raises:
        InvalidInput: Not YAML, or a rule of the policy's shape is broken.

    """
    try:
        return Policy.model_validate(yaml_text.read(text, f"Severity policy {source}"))
    except ValidationError as error:
        raise InvalidInput(
            f"Severity policy {source} is not valid: {error}.", hint="Compare it with cloud/policies/wind_gwo_v1.yaml."
        ) from error


def load_policy(file: Path | None = None) -> Policy:
    """Return the policy of a file, or the shipped one.

    Raises:
        InvalidInput: The file does not hold a valid policy.
        OSError: The file cannot be read.

    """
    return shipped_policy() if file is None else parse_policy(file.read_text(encoding="utf-8"), str(file))


_SHIPPED = {
    AssetKind.WIND_TURBINE: "wind_gwo_v1.yaml",
    AssetKind.POWER_LINE: "utility_v2.yaml",
    AssetKind.TELECOM_TOWER: "telecom_v2.yaml",
    AssetKind.PIPELINE: "pipeline_v2.yaml",
}
_SHIPPED_BEFORE = ("utility_v1.yaml", "telecom_v1.yaml", "pipeline_v1.yaml", "tower_pipeline_v1.yaml")
"""What shipped until another file took its place: findings graded by it name it, and replays compare with it."""


@cache
def shipped_policy(asset_kind: AssetKind = AssetKind.WIND_TURBINE) -> Policy:
    """Return the policy that comes with the program for a kind of asset."""
    return _shipped_file(_SHIPPED[asset_kind])


def all_shipped() -> list[Policy]:
    """Return every policy that came with the program, those in use first."""
    return [*map(shipped_policy, AssetKind), *map(_shipped_file, _SHIPPED_BEFORE)]


@cache
def _shipped_file(name: str) -> Policy:
    return parse_policy(resources.files("cloud").joinpath("policies", name).read_text(encoding="utf-8"), name)
