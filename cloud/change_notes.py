"""Notes that triggers leave of what changed, taken to bring rows that are kept up to date."""

from __future__ import annotations

from sqlalchemy import delete, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session


def take(
    session: Session, lock: str, note: InstrumentedAttribute[int], subject: InstrumentedAttribute[str], most: int
) -> frozenset[str]:
    """Take the oldest notes; returns what they are about. ``note`` is a note's number, ``subject`` what it names.

    A change committed after the first statement stays noted and is taken next time; two do not take at once (``lock``
    tells them apart from others), as the one that read earlier might write last.
    """
    if not session.scalar(select(func.pg_try_advisory_xact_lock(func.hashtext(lock)))):
        return frozenset()
    oldest = select(note).order_by(note).limit(most)
    return frozenset(session.scalars(delete(note.class_).where(note.in_(oldest)).returning(subject)))
