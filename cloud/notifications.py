"""Messages to the engineers about critical findings: one per finding and channel."""

from __future__ import annotations

from typing import Protocol

from sqlalchemy.orm import Session

from cloud.logbook import log
from cloud.tables import Asset, Finding, Notification
from cloud.tickets import cut_at_word, where
from contracts.errors import NotFound

CHANNEL = "engineers"
_SUBJECT_MAX = 100
"""SNS's limit on the subject of an e-mail."""


class Notifier(Protocol):
    """A channel to people."""

    def publish(self, subject: str, text: str, attributes: dict[str, str]) -> str:
        """Publish a message and return its id.

        Raises:
            Unavailable: The channel does not answer.

        """


def tell_engineers(session: Session, notifier: Notifier, finding_id: str) -> Notification:
    """Return the message sent about a finding, sending it unless it was.

    A crash between sending and committing may send it twice, under the same finding id; never not at all.

    Raises:
        NotFound: No such finding (any more).
        Unavailable: The channel does not answer.

    """
    finding = session.get(Finding, finding_id, with_for_update={"key_share": True})
    if finding is None:
        raise NotFound(f"No finding {finding_id!r}; it may have been merged into another.")
    sent = session.get(Notification, (finding_id, CHANNEL))
    if sent is not None:
        return sent
    asset = session.get_one(Asset, finding.asset_id)
    subject, text = wording(finding, asset)
    attributes = {"finding_id": finding_id, "asset_id": asset.asset_id, "rank": str(finding.severity_rank)}
    sent = Notification(finding_id=finding_id, channel=CHANNEL, message_id=notifier.publish(subject, text, attributes))
    session.add(sent)
    session.flush()
    log("engineers_told", finding_id=finding_id, message_id=sent.message_id)
    return sent


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
