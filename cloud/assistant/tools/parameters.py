"""Parameters of the tools: what may be asked, and how much of it."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from cloud.assistant.evidence import Period
from contracts.geo import Finite, Frozen
from contracts.vocabulary import Blade, BladeSide, DefectKind, FindingStatus

MAX_ROWS = 50


class Order(StrEnum):
    """What comes first."""

    SEVERITY = "severity"
    SIZE = "size"
    NEWEST = "newest"
    OLDEST = "oldest"
    CONFIDENCE = "confidence"


class GroupBy(StrEnum):
    """What findings are counted by."""

    ASSET = "asset"
    BLADE = "blade"
    SIDE = "side"
    COMPONENT = "component"
    """Blade and side together."""
    KIND = "kind"
    SEVERITY = "severity"
    STATUS = "status"
    FLIGHT = "flight"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


CALENDAR = frozenset({GroupBy.DAY, GroupBy.WEEK, GroupBy.MONTH})


class FindingFilter(Frozen):
    """Which findings. Rejected ones are left out unless a status is asked for."""

    numbers: tuple[int, ...] = Field(default=(), description="short numbers: 142 for F-142")
    asset_ids: tuple[str, ...] = ()
    flight_ids: tuple[str, ...] = ()
    kinds: tuple[DefectKind, ...] = ()
    without_kinds: tuple[DefectKind, ...] = ()
    blades: tuple[Blade, ...] = ()
    sides: tuple[BladeSide, ...] = ()
    min_rank: int | None = Field(default=None, ge=1, le=5, description="severity rank, 5 is most serious")
    max_rank: int | None = Field(default=None, ge=1, le=5)
    statuses: tuple[FindingStatus, ...] = ()
    reviewed: bool | None = None
    has_ticket: bool | None = None
    min_distance_m: Finite | None = Field(default=None, ge=0, description="from the blade root")
    max_distance_m: Finite | None = Field(default=None, ge=0)
    min_length_mm: Finite | None = Field(default=None, ge=0, description="larger dimension of the defect")
    max_length_mm: Finite | None = Field(default=None, ge=0)
    period: Period | None = Field(default=None, description="when the best frame was taken")


class FindingsQuery(FindingFilter):
    """Findings in an order."""

    order: Order = Order.SEVERITY
    limit: int = Field(default=10, ge=1, le=MAX_ROWS)


class CountQuery(FindingFilter):
    """How many findings there are, whole or by group."""

    group_by: GroupBy | None = None
    limit: int = Field(
        default=MAX_ROWS, ge=1, le=MAX_ROWS, description="groups; the largest first, or in calendar order"
    )


class FlightsQuery(Frozen):
    """Flights, newest first. A flight is also the inspection it makes."""

    asset_ids: tuple[str, ...] = ()
    drone_ids: tuple[str, ...] = ()
    flight_ids: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    period: Period | None = Field(default=None, description="when it started, or was created when it never started")
    limit: int = Field(default=10, ge=1, le=MAX_ROWS)


class CoverageQuery(Frozen):
    """What was not seen of the blades: in a period, on named flights, or on each asset's last flight."""

    asset_ids: tuple[str, ...] = ()
    flight_ids: tuple[str, ...] = ()
    blades: tuple[Blade, ...] = ()
    sides: tuple[BladeSide, ...] = ()
    period: Period | None = None
    seen_share: float = Field(default=0.8, gt=0, le=1, description="a metre counts as seen from this share on")


class TicketsQuery(Frozen):
    """Maintenance notifications, newest first."""

    asset_ids: tuple[str, ...] = ()
    finding_numbers: tuple[int, ...] = ()
    ticket_numbers: tuple[str, ...] = ()
    open: bool | None = Field(default=None, description="not yet completed in the other system")
    has_number: bool | None = Field(default=None, description="False: the other system has not answered yet")
    period: Period | None = Field(default=None, description="when the ticket was made")
    limit: int = Field(default=10, ge=1, le=MAX_ROWS)


class AssetsQuery(Frozen):
    """Assets and their last inspection."""

    asset_ids: tuple[str, ...] = ()
    limit: int = Field(default=MAX_ROWS, ge=1, le=MAX_ROWS)


class DronesQuery(Frozen):
    """Drones, whether they are online, and their last telemetry."""

    drone_ids: tuple[str, ...] = ()
    online: bool | None = None
    limit: int = Field(default=MAX_ROWS, ge=1, le=MAX_ROWS)
