"""Importing assets: what a file describes becomes assets of a site, once, however often it is sent."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud import audit
from cloud.planning import asset_files, assets, components
from cloud.planning.asset_files import Draft, Fault
from cloud.tables import Asset
from contracts.vocabulary import AssetKind


class Outcome(StrEnum):
    """What became of a feature."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


class Imported(BaseModel):
    """One feature's fate."""

    where: str
    external_id: str = ""
    asset_id: str = ""
    outcome: Outcome
    field: str = ""
    message: str = ""


class ImportReport(BaseModel):
    """The fate of every feature. With a fault, or on a dry run, nothing is written."""

    written: bool
    rows: list[Imported]


def run(session: Session, site_id: str, content: bytes, filename: str, by: str, *, dry_run: bool) -> ImportReport:
    """Import a file; all of it or nothing.

    Raises:
        NotFound: No such site.
        InvalidInput: The file is not of its format.
        TooLarge: It is over a limit.

    """
    assets.site(session, site_id)
    drafts, faults = asset_files.read(content, filename)
    known = {row.external_id: row for row in session.scalars(select(Asset).where(Asset.site_id == site_id))}
    rows = [_fate(session, draft, known.get(draft.external_id), faults) for draft in drafts]
    if not faults and not dry_run:
        for row, draft in zip(rows, drafts, strict=True):
            _write(session, site_id, row, draft, by)
    refused = [Imported(where=f.where, outcome=Outcome.REFUSED, field=f.field, message=f.message) for f in faults]
    return ImportReport(written=not faults and not dry_run, rows=[*rows, *refused])


def _fate(session: Session, draft: Draft, known: Asset | None, faults: list[Fault]) -> Imported:
    if known is None:
        asset_id = asset_files.slug(draft.external_id)
        taken = session.get(Asset, asset_id)
        if taken is not None:
            words = f"the asset id {asset_id!r} belongs to {taken.name!r} already"
            faults.append(Fault(draft.where, "external_id", words))
        return Imported(where=draft.where, external_id=draft.external_id, asset_id=asset_id, outcome=Outcome.CREATED)
    if known.kind != draft.kind:
        faults.append(Fault(draft.where, "kind", f"{known.asset_id} is a {known.kind}; an import does not change that"))
    same = (known.name, known.functional_location, known.geometry) == (
        draft.name,
        draft.functional_location or known.functional_location,
        draft.geometry.model_dump(mode="json"),
    )
    outcome = Outcome.UNCHANGED if same else Outcome.UPDATED
    return Imported(where=draft.where, external_id=draft.external_id, asset_id=known.asset_id, outcome=outcome)


def _write(session: Session, site_id: str, row: Imported, draft: Draft, by: str) -> None:
    if row.outcome is Outcome.CREATED:
        assets.add_asset(
            session,
            by,
            AssetKind(draft.kind),
            draft.geometry,
            asset_id=row.asset_id,
            site_id=site_id,
            name=draft.name,
            functional_location=draft.functional_location,
            external_id=draft.external_id,
        )
    elif row.outcome is Outcome.UPDATED:
        asset = assets.asset(session, row.asset_id)
        before = {"name": asset.name, "functional_location": asset.functional_location, "geometry": asset.geometry}
        asset.name = draft.name
        asset.functional_location = draft.functional_location or asset.functional_location
        asset.geometry = draft.geometry.model_dump(mode="json")
        session.flush()
        components.grow(session, asset.asset_id, draft.geometry)
        audit.record(session, by, "asset.import", asset.asset_id, before=before, after={"geometry": asset.geometry})
