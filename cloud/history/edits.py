"""What people decide about identity: merge, split, answers to suggestions, undo.

Audited; links computed later never overwrite it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud import audit
from cloud.db import notify
from cloud.history.identity import link_asset
from cloud.history.joining import move
from cloud.tables import DefectLink, Finding, LinkEdit, LinkSuggestion
from contracts.errors import Conflict, InvalidInput, NotFound
from contracts.ids import mint
from contracts.vocabulary import FindingStatus

PERSON = "person"


def merge(session: Session, kept: str, other: str, *, by: str, reason: str) -> LinkEdit:
    """Say that two defects are one; ``kept`` is the group that goes on.

    Raises:
        NotFound: One of the groups does not exist.
        InvalidInput: They are the same group, or lie on different assets.

    """
    one, two = _members(session, kept), _members(session, other)
    if kept == other:
        raise InvalidInput(f"{kept} is one defect already.", hint="Name another defect.", field="other")
    if one[0].asset_id != two[0].asset_id:
        raise InvalidInput("The two defects are on different assets.", hint="Merge within an asset.", field="other")
    # Both sides become a person's: a link computed later must not take one of them away again.
    return _edit(session, "merge", [*one, *two], dict.fromkeys((f.finding_id for f in two), kept), (by, reason, None))


def split(session: Session, group: str, finding_ids: Iterable[str], *, by: str, reason: str) -> LinkEdit:
    """Say that some findings of a defect are another one; they get a group of their own.

    Raises:
        NotFound: The group does not exist.
        InvalidInput: A finding is not of this group, or none would stay in it.

    """
    members, leaving = _members(session, group), set(finding_ids)
    if foreign := leaving - {f.finding_id for f in members}:
        raise InvalidInput(f"{min(foreign)} is not of defect {group}.", hint="See its sightings.", field="finding_ids")
    if not leaving or len(leaving) == len(members):
        raise InvalidInput("A split takes some findings and leaves some.", hint="Name fewer.", field="finding_ids")
    return _edit(session, "split", members, dict.fromkeys(leaving, mint("dft")), (by, reason, None))


def keep_apart(session: Session, finding_id: str, *, by: str, reason: str) -> LinkEdit:
    """Say that a finding is not the defect it was suggested to be: it is not asked again.

    Raises:
        NotFound: No such finding, or nothing is suggested for it.

    """
    suggested(session, finding_id)
    return _edit(session, "keep_apart", [session.get_one(Finding, finding_id)], {}, (by, reason, None))


def accept(session: Session, finding_id: str, group: str | None, *, by: str, reason: str) -> LinkEdit:
    """Say that a finding is the defect it was suggested to be, or (``group``) another one that it may be.

    Raises:
        NotFound: No such finding, or nothing is suggested for it.
        InvalidInput: The group is none of those that it may be.

    """
    asked = suggested(session, finding_id)
    candidates = [asked.link_group, *(other for other, _ in asked.others)]
    if group is not None and group not in candidates:
        raise InvalidInput(
            f"{finding_id} was not suggested to be {group}.", hint="Merge the two defects instead.", field="link_group"
        )
    own = session.get_one(Finding, finding_id).link_group
    return merge(session, group or asked.link_group, own, by=by, reason=reason)


def suggested(session: Session, finding_id: str) -> LinkSuggestion:
    """Return what a finding is suggested to be; NotFound when nothing is."""
    asked = session.get(LinkSuggestion, finding_id)
    if asked is None:
        raise NotFound(
            f"Nothing is suggested for {finding_id!r}.", hint="It was decided, or a later flight has told them apart."
        )
    return asked


def undo(session: Session, edit_id: int, *, by: str, reason: str) -> LinkEdit:
    """Take a decision back: every finding returns to the group and the kind of link it had.

    Raises:
        NotFound: No such edit.
        Conflict: It was undone already, or a later edit moved the same findings.

    """
    edit = session.get(LinkEdit, edit_id, with_for_update=True)
    if edit is None:
        raise NotFound(f"No edit {edit_id}.", hint="See the defect's edits.")
    ids = list(edit.before)
    findings = list(session.scalars(select(Finding).where(Finding.finding_id.in_(ids)).order_by(Finding.finding_id)))
    moved = [f.finding_id for f in findings if _said(session, f) != edit.after[f.finding_id]]
    if moved or _undone(session, edit_id):
        raise Conflict(
            f"Edit {edit_id} was undone already, or a later edit moved the same findings.", hint="Undo the later first."
        )
    groups = {f.finding_id: edit.before[f.finding_id]["link_group"] for f in findings}
    sources = {f.finding_id: edit.before[f.finding_id]["source"] for f in findings}
    return _edit(session, "undo", findings, groups, (by, reason, edit_id), sources)


def edits_of(session: Session, group: str) -> list[LinkEdit]:
    """Return the edits that touched a defect's findings, newest first."""
    members = _members(session, group)
    query = select(LinkEdit).where(LinkEdit.asset_id == members[0].asset_id).order_by(LinkEdit.edit_id.desc())
    ids = {f.finding_id for f in members}
    return [edit for edit in session.scalars(query) if not ids.isdisjoint(edit.before)]


def _members(session: Session, group: str) -> list[Finding]:
    query = select(Finding).where(Finding.link_group == group, Finding.status != FindingStatus.REJECTED.value)
    found = list(session.scalars(query.order_by(Finding.detected_at, Finding.finding_id)))
    if not found:
        raise NotFound(f"No defect {group!r}.", hint="List defects with GET /v1/defects.")
    return found


def _undone(session: Session, edit_id: int) -> bool:
    return session.scalar(select(LinkEdit.edit_id).where(LinkEdit.undoes == edit_id)) is not None


def _said(session: Session, finding: Finding) -> dict[str, Any]:
    link = session.get(DefectLink, finding.finding_id)
    return {"link_group": finding.link_group, "source": link.source if link else "computed"}


def _edit(
    session: Session,
    action: str,
    findings: list[Finding],
    groups: dict[str, str],
    who: tuple[str, str, int | None],
    sources: dict[str, str] | None = None,
) -> LinkEdit:
    """Apply new groups, keep both states, and bring states and growth of the asset up to date."""
    by, reason, undoes = who
    before = {f.finding_id: _said(session, f) for f in findings}
    for finding in findings:
        move(session, finding, groups.get(finding.finding_id, finding.link_group))
        link = session.get(DefectLink, finding.finding_id)
        if link is None:
            link = DefectLink(finding_id=finding.finding_id, flight_id=finding.flight_id, state="new")
            session.add(link)
        link.link_group, link.probability, link.distance_m = finding.link_group, 1.0, None
        link.source = PERSON if sources is None else sources[finding.finding_id]
        notify(session, "finding", finding.finding_id)
    session.flush()
    after = {f.finding_id: _said(session, f) for f in findings}
    asset_id = findings[0].asset_id
    edit = LinkEdit(action=action, asset_id=asset_id, by=by, reason=reason, before=before, after=after, undoes=undoes)
    session.add(edit)
    audit.record(session, by, f"defect.{action}", findings[0].link_group, before=before, after=after)
    session.flush()
    link_asset(session, asset_id)
    return edit
