"""What plans are made from: crews, parts and wind forecasts, as people and other systems give them."""

from __future__ import annotations

from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy.orm import Session

from cloud import audit
from cloud.tables import CrewRow, RepairPart, Site, WindForecast
from contracts.errors import InvalidInput, NotFound


def put_crew(session: Session, crew_id: str, by: str, **told: Any) -> CrewRow:
    """Keep a crew, new or changed; what it was given before stays until the next plan.

    Raises:
        InvalidInput: The zone does not exist, or the shift ends before it starts.

    """
    try:
        ZoneInfo(told["zone"])
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidInput(f"No time zone {told['zone']!r}.", hint="Such as Europe/Berlin.", field="zone") from error
    if time.fromisoformat(told["shift_start"]) >= time.fromisoformat(told["shift_end"]):
        raise InvalidInput("The shift ends before it starts.", hint="Both are of one day.", field="shift_end")
    row = session.get(CrewRow, crew_id, with_for_update=True)
    before = None if row is None else {name: getattr(row, name) for name in told}
    if row is None:
        row = CrewRow(crew_id=crew_id, created_by=by)
        session.add(row)
    for name, value in told.items():
        setattr(row, name, value)
    audit.record(session, by, "crew.put", crew_id, before=before, after=told)
    session.flush()
    return row


def put_part(session: Session, part: str, by: str, in_stock: int, more_at: datetime | None) -> RepairPart:
    """Keep how much of a part is there, and from when on there is enough."""
    row = session.get(RepairPart, part, with_for_update=True) or RepairPart(part=part)
    row.in_stock, row.more_at, row.updated_by = in_stock, more_at, by
    session.add(row)
    after = {"in_stock": in_stock, "more_at": more_at.isoformat() if more_at else None}
    audit.record(session, by, "part.put", part, after=after)
    session.flush()
    return row


def put_forecast(session: Session, site_id: str, by: str, steps: list[dict[str, Any]]) -> WindForecast:
    """Replace a site's forecast. Steps are in order of time.

    Raises:
        NotFound: No such site.
        InvalidInput: The steps are not in order.

    """
    if session.get(Site, site_id) is None:
        raise NotFound(f"No site {site_id!r}.", hint="List them with GET /v1/sites.", field="site_id")
    times = [datetime.fromisoformat(step["at"]) for step in steps]
    if times != sorted(set(times)):
        raise InvalidInput("The steps are not in order of time, each once.", hint="Sort them by time.", field="steps")
    row = session.get(WindForecast, site_id, with_for_update=True) or WindForecast(site_id=site_id)
    row.steps, row.given_by = steps, by
    session.add(row)
    audit.record(session, by, "forecast.put", site_id, after={"steps": len(steps)})
    session.flush()
    session.refresh(row)
    return row
