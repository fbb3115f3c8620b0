"""Policy versions in the database: stored as drafts, activated by a second person, the old one retired."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cloud import audit
from cloud.grading import Policy, all_shipped, parse_policy, shipped_policy
from cloud.tables import Asset, PolicyRow
from contracts.errors import Conflict, Forbidden, NotFound
from contracts.vocabulary import AssetKind

DRAFT, ACTIVE, RETIRED = "draft", "active", "retired"


def store(session: Session, text: str, *, by: str) -> PolicyRow:
    """Keep a policy as a draft.

    Raises:
        InvalidInput: The text is not a valid policy.
        Conflict: The version exists with another text; the same text again is harmless.

    """
    policy = parse_policy(text, "the request")
    known = session.get(PolicyRow, policy.version)
    if known is not None or policy.version in {p.version for p in all_shipped()}:
        if known is not None and known.body == text:
            return known
        raise Conflict(f"Version {policy.version!r} exists.", hint="Give the new text a new version.", field="version")
    row = PolicyRow(
        version=policy.version,
        scheme=policy.scheme,
        asset_kinds=[kind.value for kind in policy.asset_kinds],
        customer=policy.customer,
        body=text,
        state=DRAFT,
        created_by=by,
    )
    session.add(row)
    session.flush()
    audit.record(session, by, "policy.store", policy.version, before=None, after={"state": DRAFT})
    return row


def approve(session: Session, version: str, *, by: str, reason: str) -> PolicyRow:
    """Make a version the active one of its kinds of asset; those active until now are retired.

    Raises:
        NotFound: No such version is stored.
        Forbidden: Its author may not approve it.
        Conflict: It is active already.

    """
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended("policies", 0))))
    row = session.get(PolicyRow, version, with_for_update=True)
    if row is None:
        raise NotFound(f"No policy version {version!r} is stored.", hint="POST /v1/policies first.")
    if row.state == ACTIVE:
        raise Conflict(f"{version} is active already.")
    if row.created_by == by:
        raise Forbidden(f"{by} wrote {version} and may not approve it.", hint="A second person approves.")
    for other in session.scalars(select(PolicyRow).where(PolicyRow.state == ACTIVE)):
        if other.customer == row.customer and set(other.asset_kinds) & set(row.asset_kinds):
            other.state = RETIRED
            audit.record(
                session, by, "policy.retire", other.version, before={"state": ACTIVE}, after={"state": RETIRED}
            )
    before = {"state": row.state}
    row.state, row.approved_by, row.reason, row.activated_at = ACTIVE, by, reason, datetime.now(UTC)
    session.flush()
    audit.record(session, by, "policy.activate", version, before=before, after={"state": ACTIVE, "reason": reason})
    return row


def policy_of(session: Session, version: str) -> Policy:
    """Return a stored or shipped version.

    Raises:
        NotFound: No such version.

    """
    row = session.get(PolicyRow, version)
    if row is not None:
        return parse_policy(row.body, version)
    for policy in all_shipped():
        if policy.version == version:
            return policy
    raise NotFound(f"No policy version {version!r}.", hint="List them with GET /v1/policies.")


def active_policy(session: Session, asset_id: str, otherwise: Policy) -> Policy:
    """Return the policy an asset is graded by.

    The active version of its kind; else ``otherwise`` (the configured file) where it covers the kind; else what ships.
    """
    asset = session.get(Asset, asset_id)
    kind = AssetKind(asset.kind) if asset is not None else AssetKind.WIND_TURBINE
    active = session.scalars(
        select(PolicyRow)
        .where(PolicyRow.state == ACTIVE, PolicyRow.asset_kinds.contains([kind.value]))
        .order_by(PolicyRow.activated_at.desc())
    ).first()
    if active is not None:
        return parse_policy(active.body, active.version)
    return otherwise if kind in otherwise.asset_kinds else shipped_policy(kind)


def versions(session: Session) -> Sequence[PolicyRow]:
    """Return the stored versions, newest first."""
    return session.scalars(select(PolicyRow).order_by(PolicyRow.created_at.desc(), PolicyRow.version)).all()
