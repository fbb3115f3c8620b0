"""What the detector that spoke last misses of planted defects: measured on simulated flights, kept in its card."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.blind.answers import MARK
from cloud.miss_rate import Share, share
from cloud.tables import DetectionRow, Media
from contracts.findings import ModelCard, PlantedRate
from contracts.vocabulary import AssetKind

_LATELY = 200
"""Segments analysed last among which one with a detection is looked for."""


def spoke_last(session: Session) -> ModelCard | None:
    """Return the card of the detector that told something last, among what the asker may see."""
    lately = (
        select(Media.segment_id, Media.analysed_at)
        .where(Media.analysed_at.is_not(None))
        .order_by(Media.analysed_at.desc())
        .limit(_LATELY)
        .subquery()
    )
    card = session.scalars(
        select(DetectionRow.model)
        .join(lately, lately.c.segment_id == DetectionRow.segment_id)
        .where(DetectionRow.model.is_not(None), DetectionRow.detection_id.not_like(f"{MARK}-%"))
        .order_by(lately.c.analysed_at.desc(), DetectionRow.detection_id)
        .limit(1)
    ).first()
    return None if card is None else ModelCard.model_validate(card)


def missed(rate: PlantedRate) -> Share:
    """Return the share that was not told, with its exact interval; flights count as one."""
    return share(rate.of - rate.found, rate.of)


def in_words(card: ModelCard | None, kind: AssetKind) -> str:
    """Return what a report says of it."""
    rate = card.planted if card is not None else None
    if card is None or rate is None or rate.asset_kind is not kind:
        return "Not measured for this detector and class of asset."
    of = missed(rate)
    return (
        f"{of.estimate or 0:.0%} (95 % interval {of.low:.0%} to {of.high:.0%}). Of {of.of} defects of {rate.from_px:g} "
        f"pixels and more that a simulator planted on {rate.flights} flights, {of.hits} were no finding of {card.name} "
        f"({card.sha256[:8]}), measured {rate.measured_at:%Y-%m-%d}. Rendered pictures are no field."
    )
