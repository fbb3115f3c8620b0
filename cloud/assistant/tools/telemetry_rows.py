"""The tool ``telemetry``: least, mean and greatest of what drones measured, never the samples themselves."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Double,
    Subquery,
    false,
    func,
    literal_column,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.orm import Session

from cloud.assistant.evidence import Citation, Period, Row, RowKind, Value, plain
from cloud.assistant.tools.fleet_rows import flight_citation, flight_label, within
from cloud.assistant.tools.parameters import TelemetryGroup, TelemetryQuery
from cloud.tables import Drone, Telemetry, TelemetryMinute, TelemetryRolled

_SPEED = func.sqrt(
    func.pow(Telemetry.vel_east_mps, 2) + func.pow(Telemetry.vel_north_mps, 2) + func.pow(Telemetry.vel_up_mps, 2)
)
_ONE: ColumnElement[int] = literal_column("1::bigint")


def _read(period: Period | None) -> Subquery:
    """Return one relation of what was measured: minutes where they are whole, single samples where not.

    Samples that no minute counts yet come singly, and so do those of a minute that the period cuts.
    """
    minute = func.date_trunc("minute", Telemetry.captured_at)
    rolled = select(func.max(TelemetryRolled.settled_at)).scalar_subquery()
    cut = [at for at in (period.start, period.end) if at and (at.second or at.microsecond)] if period else []
    cut = [at.replace(second=0, microsecond=0) for at in cut]
    apart = or_(Telemetry.received_at >= func.coalesce(rolled, literal_column("'-infinity'::timestamptz")),
                minute.in_(cut) if cut else false())  # fmt: skip
    t, m = Telemetry, TelemetryMinute
    singly = select(
        t.drone_id, t.flight_id, t.captured_at.label("at"), _ONE.label("samples"), t.captured_at.label("first_at"),
        t.captured_at.label("last_at"), t.battery_percent.label("least_battery"), t.battery_percent.label("battery"),
        func.num_nonnulls(t.battery_percent).label("charges"), t.wind_mps.label("most_wind"),
        t.wind_mps.label("wind"), func.num_nonnulls(t.wind_mps).label("winds"), t.alt_rel_m, _SPEED.label("speed_mps"),
        t.link_percent, t.satellites,
    ).where(apart)  # fmt: skip
    whole = select(
        m.drone_id, func.nullif(m.flight_id, ""), m.minute, m.samples, m.first_at, m.last_at, m.min_battery_percent,
        m.sum_battery_percent, m.samples - m.battery_untold, m.max_wind_mps, m.sum_wind_mps, m.wind_samples,
        m.max_alt_rel_m, m.max_speed_mps, m.min_link_percent, m.min_satellites,
    ).where(m.minute.not_in(cut) if cut else true())  # fmt: skip
    return union_all(within(singly, t.captured_at, period), within(whole, m.minute, period)).subquery("measured")


def _figures(read: Subquery) -> tuple[Any, ...]:
    c = read.c
    return (
        func.sum(c.samples).cast(BigInteger).label("samples"),
        func.min(c.first_at).label("first_at"),
        func.max(c.last_at).label("last_at"),
        func.min(c.least_battery).label("min_battery_percent"),
        (func.sum(c.battery) / func.nullif(func.sum(c.charges), 0)).cast(Double).label("mean_battery_percent"),
        func.max(c.most_wind).label("max_wind_mps"),
        (func.sum(c.wind) / func.nullif(func.sum(c.winds), 0)).cast(Double).label("mean_wind_mps"),
        func.max(c.alt_rel_m).label("max_alt_rel_m"),
        func.max(c.speed_mps).label("max_speed_mps"),
        func.min(c.link_percent).label("min_link_percent"),
        func.min(c.satellites).label("min_satellites"),
    )


def telemetry(session: Session, step: str, query: TelemetryQuery, zone: str) -> list[Row]:
    """Return one row per drone, flight, hour or day; the newest first."""
    read = _read(query.period)
    figures = _figures(read)
    statement = (
        select(_key(read, query.group_by, zone).label("key"), func.min(read.c.drone_id).label("drone_id"), Drone.name)
        .add_columns(*figures)
        .join(Drone, Drone.drone_id == read.c.drone_id)
        .group_by(literal_column("1"), Drone.name)
        .order_by(literal_column("last_at").desc(), literal_column("1"), Drone.name)
    )
    for column, wanted in (
        (Drone.site_id, query.site_ids),
        (read.c.drone_id, query.drone_ids),
        (read.c.flight_id, query.flight_ids),
    ):
        if wanted:
            statement = statement.where(column.in_(wanted))
    said = query.period.says if query.period else None
    found = session.execute(statement.limit(query.limit))
    names = [figure.name for figure in figures]
    return [_row(f"{step}.{i}", query.group_by, row, names, said) for i, row in enumerate(found, 1)]


def _key(read: Subquery, group: TelemetryGroup, zone: str) -> Any:
    if group is TelemetryGroup.FLIGHT:
        return read.c.flight_id
    if group is TelemetryGroup.DRONE:
        return read.c.drone_id
    local = func.timezone(zone, read.c.at)
    shape = "YYYY-MM-DD HH24:00" if group is TelemetryGroup.HOUR else "YYYY-MM-DD"
    return func.to_char(local, literal_column(f"'{shape}'"))


def _row(ref: str, group: TelemetryGroup, row: Any, names: list[str], said: str | None) -> Row:
    drone = Citation(kind=RowKind.DRONE, id=row.drone_id, label=plain(row.name), href="/")
    flown = group is TelemetryGroup.FLIGHT and row.key is not None
    cites = (flight_citation(row.key), drone) if flown else (drone,)
    label = flight_label(row.key) if flown else plain(row.name if group is TelemetryGroup.DRONE else row.key)
    figures: dict[str, Value] = {name: getattr(row, name) for name in names}
    values: dict[str, Value] = {"drone": plain(row.name), "group": label, "period": said, **figures}
    return Row(ref=ref, kind=RowKind.TELEMETRY, label=label, values=values, cites=cites)
