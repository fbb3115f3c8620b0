"""Parameters of the tools: what may be asked, and how much of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from cloud.assistant.evidence import Period
from contracts.geo import Finite, Frozen
from contracts.vocabulary import Blade, BladeSide, DefectKind, FindingStatus

MAX_ROWS = 50
MAX_TELEMETRY_DAYS = 31


class Order(StrEnum):
    """What comes first."""

    SEVERITY = "severity"
    SIZE = "size"
    NEWEST = "newest"
    OLDEST = "oldest"
    CONFIDENCE = "confidence"


class GroupBy(StrEnum):
    """What findings are counted by."""

    SITE = "site"
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
    site_ids: tuple[str, ...] = ()
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
    min_width_mm: Finite | None = Field(default=None, ge=0)
    max_width_mm: Finite | None = Field(default=None, ge=0)
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

    site_ids: tuple[str, ...] = ()
    asset_ids: tuple[str, ...] = ()
    drone_ids: tuple[str, ...] = ()
    flight_ids: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    period: Period | None = Field(default=None, description="when it started, or was created when it never started")
    limit: int = Field(default=10, ge=1, le=MAX_ROWS)


class CoverageQuery(Frozen):
    """What was not seen of the assets: in a period, on named flights, or on each asset's last flight."""

    site_ids: tuple[str, ...] = ()
    asset_ids: tuple[str, ...] = ()
    flight_ids: tuple[str, ...] = ()
    blades: tuple[Blade, ...] = ()
    sides: tuple[BladeSide, ...] = ()
    period: Period | None = None
    seen_share: float = Field(default=0.8, gt=0, le=1, description="a metre counts as seen from this share on")


class TicketsQuery(Frozen):
    """Maintenance notifications, newest first."""

    site_ids: tuple[str, ...] = ()
    asset_ids: tuple[str, ...] = ()
    finding_numbers: tuple[int, ...] = ()
    ticket_numbers: tuple[str, ...] = ()
    open: bool | None = Field(default=None, description="not yet completed in the other system")
    has_number: bool | None = Field(default=None, description="False: the other system has not answered yet")
    period: Period | None = Field(default=None, description="when the ticket was made")
    limit: int = Field(default=10, ge=1, le=MAX_ROWS)


class AssetsQuery(Frozen):
    """Assets and their last inspection."""

    site_ids: tuple[str, ...] = ()
    asset_ids: tuple[str, ...] = ()
    limit: int = Field(default=MAX_ROWS, ge=1, le=MAX_ROWS)


class DronesQuery(Frozen):
    """Drones, whether they are online, and their last telemetry."""

    site_ids: tuple[str, ...] = ()
    drone_ids: tuple[str, ...] = ()
    online: bool | None = None
    limit: int = Field(default=MAX_ROWS, ge=1, le=MAX_ROWS)


class Measure(StrEnum):
    """A figure every finding has."""

    LENGTH = "length_mm"
    WIDTH = "width_mm"
    SIZE = "size_mm"
    """The larger of length and width."""
    DISTANCE = "distance_to_root_m"
    CONFIDENCE = "confidence_percent"
    SEVERITY = "severity_rank"


class Statistic(StrEnum):
    """What is made of many figures."""

    MEAN = "mean"
    MEDIAN = "median"
    MIN = "min"
    MAX = "max"
    SUM = "sum"


class MeasureQuery(FindingFilter):
    """One statistic of one figure over findings, whole or by group."""

    measure: Measure = Measure.SIZE
    statistic: Statistic = Statistic.MEAN
    group_by: GroupBy | None = None
    limit: int = Field(default=MAX_ROWS, ge=1, le=MAX_ROWS, description="groups; the largest figure first")


class TelemetryGroup(StrEnum):
    """What telemetry is summed up by."""

    DRONE = "drone"
    FLIGHT = "flight"
    HOUR = "hour"
    DAY = "day"


class TelemetryQuery(Frozen):
    """Least, mean and greatest of what drones measured; a period of at most 31 days, or named flights."""

    site_ids: tuple[str, ...] = ()
    drone_ids: tuple[str, ...] = ()
    flight_ids: tuple[str, ...] = Field(default=(), max_length=MAX_ROWS)
    period: Period | None = None
    group_by: TelemetryGroup = TelemetryGroup.DRONE
    limit: int = Field(default=20, ge=1, le=MAX_ROWS)

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        start, end = (self.period.start, self.period.end) if self.period else (None, None)
        if not self.flight_ids and (start is None or end is None or (end - start).days > MAX_TELEMETRY_DAYS):
            raise ValueError(f"name flights, or a period of at most {MAX_TELEMETRY_DAYS} days with both ends")
        return self


class SitesQuery(Frozen):
    """Sites with their assets, findings and last flight."""

    site_ids: tuple[str, ...] = ()
    limit: int = Field(default=MAX_ROWS, ge=1, le=MAX_ROWS)


class FramesQuery(Frozen):
    """The frames that show findings, the best first."""

    numbers: tuple[int, ...] = Field(min_length=1, max_length=20, description="short numbers: 142 for F-142")
    limit: int = Field(default=10, ge=1, le=MAX_ROWS)


class PolicyQuery(Frozen):
    """The severity policy in force: reactions per rank, smallest sizes per kind."""

    kinds: tuple[DefectKind, ...] = ()
    ranks: tuple[int, ...] = ()


Reference = Annotated[str, Field(pattern=r"^#E[1-9][0-9]?$", description="the rows that an earlier step found")]


class AggregateQuery(Frozen):
    """A statistic over the rows of an earlier step."""

    source: Reference
    statistic: Literal["count", "sum", "mean", "median", "min", "max"] = "count"
    column: str = Field(default="", max_length=60, description="a column of the source; not needed for count")
    group_by: str = Field(default="", max_length=60, description="a column of the source")
    limit: int = Field(default=20, ge=1, le=MAX_ROWS)


class RankQuery(Frozen):
    """The rows of an earlier step in another order, cut to the first."""

    source: Reference
    by: str = Field(max_length=60, description="a column of the source")
    descending: bool = True
    limit: int = Field(default=10, ge=1, le=MAX_ROWS)


class JoinQuery(Frozen):
    """Rows of two earlier steps that agree in a column, side by side."""

    left: Reference
    right: Reference
    on: str = Field(max_length=60, description="a column both have")
    limit: int = Field(default=20, ge=1, le=MAX_ROWS)


class DifferenceQuery(Frozen):
    """How much more or less one earlier step counted or measured than another: right minus left."""

    left: Reference
    right: Reference


class ChartQuery(Frozen):
    """A chart (Vega-Lite) of the groups of an earlier step."""

    source: Reference
    mark: Literal["bar", "line"] = "bar"
    y: str = Field(default="total", max_length=60, description="a column of figures")


class MapQuery(Frozen):
    """A map (GeoJSON) of the findings or assets of an earlier step."""

    source: Reference
