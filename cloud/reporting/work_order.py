"""One repair as one sheet (PDF) for its ticket, with the code that leads the crew's phone to its page."""

from __future__ import annotations

import tempfile
from datetime import datetime
from importlib import resources
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud import merging, places, tickets
from cloud.assistant.words import kind_label, severity_label
from cloud.repairs import calendar
from cloud.repairs.methods import Method, load
from cloud.services import Services
from cloud.tables import Asset, CrewRow, EvidenceRow, Finding, RepairSlot
from contracts.errors import NotFound
from contracts.geo import Frozen
from contracts.vocabulary import AssetKind

_TEMPLATE = resources.files("cloud.reporting").joinpath("templates", "work_order.typ")


class WorkOrder(Frozen):
    """What the sheet says; ``rows``: (name, value)."""

    finding_id: str
    title: str
    asset: str
    functional_location: str
    rows: tuple[tuple[str, str], ...]
    steps: tuple[str, ...]
    wind_limit: str
    safety: str
    page: str
    picture: bool


def sheet(services: Services, session: Session, slot: RepairSlot, page: str) -> bytes:
    """Return the sheet of a repair that has a crew and a time. The same facts give the same bytes.

    Raises:
        Unavailable: The store does not answer.

    """
    finding = session.get_one(Finding, slot.finding_id)
    crop = _crop(services, session, finding)
    method = load(services.settings.repair_methods_file).of(finding.kind)
    order = gather(session, finding, slot, method, page, picture=crop is not None)
    return pdf(order, crop, slot.updated_at)


_SAFETY = {
    AssetKind.WIND_TURBINE: ("hub height", "Lock the rotor"),
    AssetKind.POWER_LINE: ("working height", "Touch nothing before the line is switched off, tested dead and earthed"),
    AssetKind.TELECOM_TOWER: ("working height", "Have the antennas near the place switched off"),
    AssetKind.PIPELINE: ("the ground", "Find the pipe before you dig, and have its operator's permit"),
}
"""Where the wind counts, and what is done first."""


def gather(
    session: Session, finding: Finding, slot: RepairSlot, method: Method, page: str, *, picture: bool
) -> WorkOrder:
    """Return what the sheet says, as the database has it now."""
    asset, ticket = session.get_one(Asset, finding.asset_id), tickets.of_defect(session, finding)
    crew = session.get(CrewRow, slot.crew_id) if slot.crew_id else None
    zone = ZoneInfo(crew.zone) if crew else ZoneInfo("UTC")
    grade = f"{finding.severity_scheme.upper()} {finding.severity_code}, {severity_label(finding.severity_rank)}"
    rows = (
        ("Ticket", f"{ticket.system.upper()} {ticket.number}" if ticket and ticket.number else "none yet"),
        ("Place", places.where(finding)),
        ("Size", f"{finding.length_mm:.0f} x {finding.width_mm:.0f} mm (± {finding.size_sigma_mm:.0f} mm)"),
        ("Severity", grade),
        ("Crew", crew.name if crew else "none yet"),
        ("When", _span(slot, zone)),
        ("Due", f"{finding.due_at.astimezone(zone):%Y-%m-%d} ({zone.key})" if finding.due_at else "no date"),
        ("Parts", ", ".join(part.replace("_", " ") for part in method.parts) or "none"),
    )
    at, safety = _SAFETY[AssetKind(asset.kind)]
    return WorkOrder(
        finding_id=finding.finding_id,
        title=f"F-{finding.number} {kind_label(finding.kind)}",
        asset=asset.name,
        functional_location=asset.functional_location,
        rows=rows,
        steps=(finding.action or "Repair.", "Photograph the place before and after.", "Answer by the code above."),
        wind_limit=f"{method.max_wind_mps:g} m/s (ten-minute mean at {at})",
        safety=safety,
        page=page,
        picture=picture,
    )


def _span(slot: RepairSlot, zone: ZoneInfo) -> str:
    if slot.starts_at is None or slot.ends_at is None:
        return "no time yet"
    from_, to = slot.starts_at.astimezone(zone), slot.ends_at.astimezone(zone)
    return f"{from_:%Y-%m-%d %H:%M} to {to:%H:%M} ({zone.key})"


def _crop(services: Services, session: Session, finding: Finding) -> bytes | None:
    query = select(EvidenceRow).where(EvidenceRow.finding_id == finding.finding_id, EvidenceRow.crop_key != "")

    def worth(row: EvidenceRow) -> tuple[float, str]:
        seen = {"confidence": row.confidence, "gsd_mm_px": row.gsd_mm_px, "incidence_deg": row.incidence_deg}
        return merging.quality(**seen), row.evidence_id

    best = max(session.scalars(query), key=worth, default=None)
    try:
        return services.objects.get(best.crop_key) if best else None
    except NotFound:
        return None


def pdf(order: WorkOrder, crop: bytes | None, as_of: datetime) -> bytes:
    """Return a sheet set by Typst, as PDF/A-2a."""
    import typst  # noqa: PLC0415 - 80 MB of code that only this needs

    with tempfile.TemporaryDirectory(prefix="order-") as folder:
        Path(folder, "code.png").write_bytes(calendar.code_png(order.page))
        if crop is not None:
            Path(folder, "crop.jpg").write_bytes(crop)
        source = Path(folder, "work_order.typ")
        source.write_text(_TEMPLATE.read_text(encoding="utf-8"), encoding="utf-8")
        made = typst.compile(
            str(source),
            root=folder,
            ignore_system_fonts=True,
            format="pdf",
            pdf_standards=["a-2a"],
            timestamp=int(as_of.timestamp()),
            sys_inputs={"order": order.model_dump_json()},
        )
    return bytes(made)
