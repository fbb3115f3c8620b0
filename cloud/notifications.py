"""Messages to the engineers about critical findings: one per finding and channel."""

from __future__ import annotations

from sqlalchemy.orm import Session

from cloud import findings
from cloud.alerts import book
from cloud.places import where
from cloud.tables import Asset, Finding, Notification
from cloud.tickets import cut_at_word

CHANNEL = "engineers"
_SUBJECT_MAX = 100
"""SNS's limit on the subject of an e-mail."""


def tell_engineers(session: Session, finding_id: str) -> Notification:
    """Return the record that an alert was raised about a finding, raising it unless it was.

    Whom it reaches, by what and how often is the rota's: see :mod:`cloud.alerts`.

    Raises:
        NotFound: No such finding (any more).

    """
    finding = findings.finding(session, finding_id, kept=True)
    raised = session.get(Notification, (finding_id, CHANNEL))
    if raised is not None:
        return raised
    asset = session.get_one(Asset, finding.asset_id)
    subject, text = wording(finding, asset)
    alert = book.raise_alert(session, finding_id, finding.severity_rank, subject, text)
    raised = Notification(finding_id=finding_id, channel=CHANNEL, message_id=alert.alert_id)
    session.add(raised)
    session.flush()
    return raised


def wording(finding: Finding, asset: Asset) -> tuple[str, str]:
    """Return subject and text; the subject is ASCII and fits an e-mail."""
    kind = finding.kind.replace("_", " ")
    subject = f"{finding.severity_scheme.upper()} {finding.severity_code}: {kind} on {asset.name}, {where(finding)}"
    due = f" Due {finding.due_at:%Y-%m-%d}." if finding.due_at else ""
    text = (
        f"Finding F-{finding.number} on {asset.name} ({asset.asset_id}): {kind}, {where(finding)}.\n"
        f"{finding.severity_reason}\n{finding.action}{due}\n"
        f"Seen {finding.detected_at:%Y-%m-%d %H:%M:%S} UTC. Reference {finding.finding_id}.\n"
    )
    return cut_at_word(subject.encode("ascii", "replace").decode(), _SUBJECT_MAX), text
