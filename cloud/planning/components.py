"""The parts of an asset, as a tree: what its geometry says it has, with the customer's names for them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud import audit
from cloud.planning.surveys import AnyGeometry
from cloud.tables import Component
from contracts.errors import Conflict, NotFound
from contracts.parts import line_tower_part
from contracts.pipeline import Pipeline
from contracts.powerline import PowerLine
from contracts.tower import TelecomTower
from contracts.turbine import TurbineGeometry
from contracts.vocabulary import Blade, BladeSide

_SECTION_M = 1000.0
"""Pipes are kept record of by the kilometre."""


class Part(NamedTuple):
    """A part: its short name is unique within the asset and never changes."""

    key: str
    kind: str
    name: str
    parent: str | None
    place: dict[str, Any]
    external_id: str | None = None


def parts_of(geometry: AnyGeometry) -> Iterator[Part]:
    """Yield the parts of a geometry, each after the one it belongs to."""
    match geometry:
        case TurbineGeometry():
            yield from _of_turbine(geometry)
        case PowerLine():
            yield from _of_line(geometry)
        case TelecomTower():
            yield from _of_mast(geometry)
        case Pipeline():
            yield from _of_pipe(geometry)


def _of_turbine(turbine: TurbineGeometry) -> Iterator[Part]:
    yield Part("tower", "tower", "Tower", None, {"height_m": turbine.hub_height_m})
    yield Part("nacelle", "nacelle", "Nacelle", "tower", {"length_m": turbine.nacelle_length_m})
    yield Part("rotor", "rotor", "Rotor", "nacelle", {})
    for blade in Blade:
        key = f"blade-{blade.value.lower()}"
        yield Part(
            key, "blade", f"Blade {blade.value}", "rotor", {"blade": blade.value, "length_m": turbine.blade_length_m}
        )
        for side in BladeSide:
            place = {"blade": blade.value, "side": side.value}
            yield Part(f"{key}-{side.value.lower()}", "blade_side", f"Blade {blade.value} {side.value}", key, place)


def _of_line(line: PowerLine) -> Iterator[Part]:
    for number, tower in enumerate(line.towers):
        key = line_tower_part(number)
        yield Part(key, "line_tower", f"Tower {tower.name}", None, {"tower": number}, tower.external_id)
        for phase, offset_m in enumerate(line.phase_offsets_m):
            place = {"tower": number, "phase": phase, "offset_m": offset_m}
            name = f"Insulator string {phase + 1} at tower {tower.name}"
            yield Part(f"{key}-string-{phase}", "insulator_string", name, key, place)
    for number, (one, other) in enumerate(pairwise(line.towers)):
        place = {"span": number, "length_m": round(line.span(number).length_m, 1)}
        yield Part(f"span-{number:04d}", "span", f"Span {one.name} to {other.name}", None, place)


def _of_mast(mast: TelecomTower) -> Iterator[Part]:
    yield Part("mast", "mast", "Mast", None, {"height_m": mast.height_m})
    for face in range(mast.faces):
        bearing_deg = round(mast.face_bearing_of(face), 1)
        yield Part(f"face-{face}", "face", f"Face {face}", "mast", {"face": face, "bearing_deg": bearing_deg})
    for number, mount in enumerate(mast.mounts):
        place = {"face": mount.face, "height_m": mount.height_m}
        yield Part(f"mount-{number}", "mount", mount.name, f"face-{mount.face}", place, mount.external_id)


def _of_pipe(pipe: Pipeline) -> Iterator[Part]:
    chainages = pipe.chainages_m()
    first_m, last_m = chainages[0], chainages[-1]
    number = 0
    while first_m + number * _SECTION_M < last_m:
        start_m = first_m + number * _SECTION_M
        end_m = min(start_m + _SECTION_M, last_m)
        place = {"from_chainage_m": round(start_m, 1), "to_chainage_m": round(end_m, 1)}
        yield Part(
            f"section-{number:05d}", "pipe_section", f"km {start_m / 1000:.3f} to {end_m / 1000:.3f}", None, place
        )
        number += 1


def grow(session: Session, asset_id: str, geometry: AnyGeometry) -> None:
    """Store the parts of a geometry; parts that are there already keep the customer's names for them."""
    known = {row.component_id: row for row in of_asset(session, asset_id)}
    for part in parts_of(geometry):
        component_id = f"{asset_id}.{part.key}"
        row = known.get(component_id)
        if row is None:
            row = Component(component_id=component_id, asset_id=asset_id, functional_location="")
            row.external_id = part.external_id
            session.add(row)
        row.kind, row.name, row.place = part.kind, part.name, part.place
        row.parent_id = f"{asset_id}.{part.parent}" if part.parent else None
        row.external_id = part.external_id or row.external_id
    session.flush()


def of_asset(session: Session, asset_id: str) -> list[Component]:
    """Return an asset's parts by id."""
    query = select(Component).where(Component.asset_id == asset_id).order_by(Component.component_id)
    return list(session.scalars(query))


def rename(
    session: Session, component_id: str, by: str, *, external_id: str | None, functional_location: str | None
) -> Component:
    """Give a part the customer's names; None leaves one as it is.

    Raises:
        NotFound: No such part.
        Conflict: Another part of the asset has that external id.

    """
    row = session.get(Component, component_id)
    if row is None:
        raise NotFound(f"No component {component_id!r}.", hint="List them with GET /v1/assets/{asset_id}/components.")
    before = {"external_id": row.external_id, "functional_location": row.functional_location}
    if external_id is not None:
        taken = select(Component.component_id).where(
            Component.asset_id == row.asset_id,
            Component.external_id == external_id,
            Component.component_id != component_id,
        )
        other = session.scalar(taken)
        if other is not None:
            raise Conflict(f"{other} has the external id {external_id!r} already.", field="external_id")
        row.external_id = external_id
    if functional_location is not None:
        row.functional_location = functional_location
    session.flush()
    after = {"external_id": row.external_id, "functional_location": row.functional_location}
    audit.record(session, by, "component.name", component_id, before=before, after=after)
    return row
