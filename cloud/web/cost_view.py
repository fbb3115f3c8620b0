"""What inspecting and repairing takes: hours flown, video kept, hours of repair; in money where the rates are known."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cloud.repairs import methods
from cloud.settings import Settings
from cloud.tables import Flight, Media
from cloud.web.insights_view import Live, Wanted


class Repairs(NamedTuple):
    """The live defects of one severity and the crew's hours they take."""

    rank: int
    defects: int
    hours: float


class Cost(NamedTuple):
    """Hours and bytes; ``per_crew_hour`` and ``per_flight_hour`` are in ``currency``, None where nobody set them."""

    repairs: tuple[Repairs, ...]
    flown_hours: float
    stored_bytes: int
    per_crew_hour: float | None
    per_flight_hour: float | None
    currency: str

    @property
    def repair_hours(self) -> float:
        """Return the hours that all live defects take."""
        return sum(row.hours for row in self.repairs)


def build(session: Session, wanted: Wanted, live: Iterable[Live], since: datetime, settings: Settings) -> Cost:
    """Return what the live defects will take, by the repair methods, and what the period's flights took."""
    known = methods.load(settings.repair_methods_file)
    defects: Counter[int] = Counter()
    hours: defaultdict[int, float] = defaultdict(float)
    for row in live:
        defects[row.rank] += row.defects
        hours[row.rank] += row.defects * known.of(row.kind).hours
    flown = func.sum(func.extract("epoch", Flight.landed_at - Flight.started_at))
    seconds = session.scalar(select(flown).where(Flight.started_at >= since, *wanted.among(Flight.asset_id)))
    stored = select(func.sum(Media.size_bytes)).where(Media.started_at >= since, *wanted.among(Media.asset_id))
    return Cost(
        repairs=tuple(Repairs(rank, defects[rank], hours[rank]) for rank in (5, 4, 3, 2, 1) if defects[rank]),
        flown_hours=float(seconds or 0) / 3600,
        stored_bytes=int(session.scalar(stored) or 0),
        per_crew_hour=settings.crew_hour_cost,
        per_flight_hour=settings.flight_hour_cost,
        currency=settings.currency,
    )
