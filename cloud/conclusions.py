"""What an inspection comes to once its media are there: waited for, looked at whole, graded, reported.

Segments go to vision as they arrive; nothing here holds that up. Every step may run twice.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud import consume, coverage, flights
from cloud.history import identity
from cloud.logbook import log
from cloud.reporting import facts
from cloud.reporting.forms import MEDIA_TYPES, ReportFormat, said
from cloud.services import Services
from cloud.tables import Media
from contracts.errors import NotFound, StillAnalysing
from contracts.vocabulary import MediaState

KEPT = (ReportFormat.HTML, ReportFormat.CSV, ReportFormat.GEOJSON, ReportFormat.JSON)
"""PDF is made on demand: its setter costs more than the rest of an inspection's end together."""
_WAITED = "It is waited for."


def segments(session: Session, flight_id: str) -> list[str]:
    """Return a flight's segments in order.

    Raises:
        NotFound: No such flight.
        StillAnalysing: Fewer segments are stored than the drone recorded.

    """
    flight = flights.flight(session, flight_id)
    found = session.scalars(select(Media.segment_id).where(Media.flight_id == flight_id).order_by(Media.index)).all()
    if flight.expected_segments is not None and len(found) < flight.expected_segments:
        said = f"{len(found)} of {flight.expected_segments} segments of {flight_id} are stored."
        raise StillAnalysing(said, hint=_WAITED)
    return list(found)


def settle(services: Services, segment_id: str) -> str:
    """Return analysed or failed; a segment that vision was never asked for is sent to it.

    Raises:
        NotFound: No such segment.
        StillAnalysing: Vision has not answered yet.

    """
    with services.database.session() as session:
        row = session.get(Media, segment_id)
        if row is None:
            raise NotFound(f"No segment {segment_id!r}.", hint="List them with GET /v1/media.")
        state = row.state
    if state in (MediaState.ANALYSED.value, MediaState.FAILED.value):
        return state
    if state == MediaState.STORED.value:
        consume.send_job(services, segment_id)
    raise StillAnalysing(f"The segment {segment_id} is {state}.", hint=_WAITED)


def unseen(session: Session, flight_id: str) -> list[str]:
    """Return what the flight did not see, in words.

    Raises:
        NotFound: No such flight.

    """
    flights.flight(session, flight_id)
    return [str(gap) for gap in coverage.gaps(session, flight_id)]


def identify(session: Session, flight_id: str) -> int:
    """Link the flight's findings to what earlier inspections know; returns how many links changed.

    Raises:
        NotFound: No such flight.

    """
    flight = flights.flight(session, flight_id, lock=True)
    return identity.link_asset(session, flight.asset_id, since=flight)


def report(services: Services, flight_id: str) -> list[str]:
    """Keep the report as it stands, in every form but PDF; returns the keys, equal for the same day's run.

    Raises:
        NotFound: No such flight.
        Unavailable: The store does not answer.

    """
    with services.database.session() as session:
        gathered = facts.gather(session, flight_id)
    keys = []
    for form in KEPT:
        content = said(gathered, form, services.objects)
        key = f"reports/{flight_id}/{datetime.now(UTC):%Y-%m-%d}.{form}"
        body = content.encode() if isinstance(content, str) else content
        keys.append(services.objects.put(key, body, MEDIA_TYPES[form]).key)
    log("report_kept", flight_id=flight_id, keys=len(keys))
    return keys
