"""The tool ``telemetry``: least, mean and greatest of what drones measured, never the samples themselves."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, literal_column, select
from sqlalchemy.orm import Session

from cloud.assistant.evidence import Citation, Row, RowKind, Value, plain
from cloud.assistant.tools.fleet_rows import flight_citation, flight_label, within
from cloud.assistant.tools.parameters import TelemetryGroup, TelemetryQuery
from cloud.tables import Drone, Telemetry

_SPEED = func.sqrt(
    func.pow(Telemetry.vel_east_mps, 2) + func.pow(Telemetry.vel_north_mps, 2) + func.pow(Telemetry.vel_up_mps, 2)
)
_FIGURES = (
    func.count().label("samples"),
    func.min(Telemetry.captured_at).label("first_at"),
    func.max(Telemetry.captured_at).label("last_at"),
    func.min(Telemetry.battery_percent).label("min_battery_percent"),
    func.avg(Telemetry.battery_percent).label("mean_battery_percent"),
    func.max(Telemetry.wind_mps).label("max_wind_mps"),
    func.avg(Telemetry.wind_mps).label("mean_wind_mps"),
    func.max(Telemetry.alt_rel_m).label("max_alt_rel_m"),
    func.max(_SPEED).label("max_speed_mps"),
    func.min(Telemetry.link_percent).label("min_link_percent"),
    func.min(Telemetry.satellites).label("min_satellites"),
)


def telemetry(session: Session, step: str, query: TelemetryQuery, zone: str) -> list[Row]:
    """Return one row per drone, flight, hour or day; the newest first."""
    key = _key(query.group_by, zone)
    statement = within(
        select(key.label("key"), func.min(Telemetry.drone_id).label("drone_id"), Drone.name, *_FIGURES)
        .join(Drone, Drone.drone_id == Telemetry.drone_id)
        .group_by(literal_column("1"), Drone.name)
        .order_by(literal_column("last_at").desc(), literal_column("1"), Drone.name),
        Telemetry.captured_at,
        query.period,
    )
    for column, wanted in (
        (Drone.site_id, query.site_ids),
        (Telemetry.drone_id, query.drone_ids),
        (Telemetry.flight_id, query.flight_ids),
    ):
        if wanted:
            statement = statement.where(column.in_(wanted))
    said = query.period.says if query.period else None
    found = session.execute(statement.limit(query.limit))
    return [_row(f"{step}.{i}", query.group_by, row, said) for i, row in enumerate(found, 1)]


def _key(group: TelemetryGroup, zone: str) -> Any:
    if group is TelemetryGroup.FLIGHT:
        return Telemetry.flight_id
    if group is TelemetryGroup.DRONE:
        return Telemetry.drone_id
    local = func.timezone(zone, Telemetry.captured_at)
    shape = "YYYY-MM-DD HH24:00" if group is TelemetryGroup.HOUR else "YYYY-MM-DD"
    return func.to_char(local, literal_column(f"'{shape}'"))


def _row(ref: str, group: TelemetryGroup, row: Any, said: str | None) -> Row:
    drone = Citation(kind=RowKind.DRONE, id=row.drone_id, label=plain(row.name), href="/")
    flown = group is TelemetryGroup.FLIGHT and row.key is not None
    cites = (flight_citation(row.key), drone) if flown else (drone,)
    label = flight_label(row.key) if flown else plain(row.name if group is TelemetryGroup.DRONE else row.key)
    figures: dict[str, Value] = {column.name: getattr(row, column.name) for column in _FIGURES}
    values: dict[str, Value] = {"drone": plain(row.name), "group": label, "period": said, **figures}
    return Row(ref=ref, kind=RowKind.TELEMETRY, label=label, values=values, cites=cites)
