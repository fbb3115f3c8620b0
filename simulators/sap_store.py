"""Notifications in SQLite: committed to disk before anyone hears of them, and never deduplicated."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from contracts.errors import InvalidInput
from simulators.sap_fields import BY_NAME, DURATION, FIELDS, MILLIS, Edm

FIRST_NUMBER: Final = 10_000_001
_OUTSTANDING: Final = {
    "NotifProcessingPhase": "1",
    "NotifProcessingPhaseDesc": "Outstanding",
    "MaintNotifProcessPhaseCode": "010",
    "MaintNotifProcessSubPhaseCode": "0010",
}
PHASES: Final = {"1": "Outstanding", "2": "Postponed", "3": "In process", "4": "Completed", "5": "Deletion Flag"}
_EMPTY: Final[dict[Edm, object]] = {Edm.STRING: "", Edm.BOOLEAN: False}
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS notification(number INTEGER PRIMARY KEY, body TEXT NOT NULL, changed_us INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS by_reference
    ON notification(json_extract(body, '$.MaintNotifExtReferenceNumber'));
"""


class Notification(NamedTuple):
    """One stored notification: every property, and the instant of its last change (its version)."""

    number: str
    body: dict[str, object]
    changed_us: int

    @property
    def etag(self) -> str:
        """Return the weak ETag of this version."""
        moment = datetime.fromtimestamp(self.changed_us / 1_000_000, UTC)
        return f"W/\"datetimeoffset'{moment:%Y-%m-%dT%H%%3A%M%%3A%S}.{self.changed_us % 1_000_000:06d}0Z'\""


class Store:
    """The notifications of one file."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        try:
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_SCHEMA)
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise InvalidInput(
                f"{path}: {error}.", hint="Give a new or an SAP simulator's file.", field="state"
            ) from error

    def create(self, given: Mapping[str, object], user: str, now_us: int) -> Notification:
        """Store a new notification under the next number."""
        today = now_us // 86_400_000_000 * 86_400_000
        body = {field.name: _EMPTY.get(field.edm) for field in FIELDS} | _OUTSTANDING
        body |= {"CreatedByUser": user, "NotificationCreationDate": f"/Date({today})/"}
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            (last,) = self._db.execute(
                "SELECT coalesce(max(number), ?) FROM notification", (FIRST_NUMBER - 1,)
            ).fetchone()
            body["MaintenanceNotification"] = f"{last + 1:012d}"
            _change(body, given, user, now_us)
            self._db.execute("INSERT INTO notification VALUES (?, ?, ?)", (last + 1, json.dumps(body), now_us))
            self._db.execute("COMMIT")
        return Notification(f"{last + 1:012d}", body, now_us)

    def get(self, number: str) -> Notification | None:
        """Return a notification by its number, with or without leading zeros."""
        if not number.isdigit() or len(number) > 12:
            return None
        with self._lock:
            row = self._db.execute("SELECT * FROM notification WHERE number = ?", (int(number),)).fetchone()
        return _read(row) if row else None

    def change(
        self, number: str, given: Mapping[str, object], etag: str, now_us: int, user: str
    ) -> Notification | None:
        """Change a notification if its version is still ``etag``; None when it is not."""
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            old = _read(self._db.execute("SELECT * FROM notification WHERE number = ?", (int(number),)).fetchone())
            if etag not in {"*", old.etag}:
                self._db.execute("ROLLBACK")
                return None
            changed_us = max(now_us, old.changed_us + 1)
            _change(old.body, given, user, changed_us)
            values = json.dumps(old.body), changed_us, int(number)
            self._db.execute("UPDATE notification SET body = ?, changed_us = ? WHERE number = ?", values)
            self._db.execute("COMMIT")
        return Notification(old.number, old.body, changed_us)

    def move(self, number: str, phase: str, order: str, now_us: int, user: str) -> Notification | None:
        """Do what people do inside SAP: put a notification into a phase, and an order to it. None without it."""
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            row = self._db.execute("SELECT * FROM notification WHERE number = ?", (int(number),)).fetchone()
            if row is None:
                self._db.execute("ROLLBACK")
                return None
            old = _read(row)
            changed_us = max(now_us, old.changed_us + 1)
            old.body.update(NotifProcessingPhase=phase, NotifProcessingPhaseDesc=PHASES[phase])
            old.body["MaintenanceOrder"] = order or old.body["MaintenanceOrder"]
            day = now_us // 86_400_000_000 * 86_400_000
            old.body["NotificationCompletionDate"] = f"/Date({day})/" if phase == "4" else None
            _change(old.body, {}, user, changed_us)
            values = json.dumps(old.body), changed_us, int(number)
            self._db.execute("UPDATE notification SET body = ?, changed_us = ? WHERE number = ?", values)
            self._db.execute("COMMIT")
        return Notification(old.number, old.body, changed_us)

    def order(self, number: str, order: str) -> None:
        """Put an order's number into its notification, which is in process from then on."""
        if self.get(number) is not None:
            self.move(number, "3", order, time.time_ns() // 1000, "")

    def find(self, wanted: Sequence[tuple[str, object]], top: int, skip: int) -> tuple[list[Notification], int]:
        """Return (page, number of all) of notifications whose properties equal ``wanted``, newest last.

        Property names must be of the entity; they are built into the query.
        """
        terms = ["json_extract(body, '$." + BY_NAME[name].name + "') = ?" for name, _ in wanted]
        where = " WHERE " + " AND ".join(terms) if terms else ""
        values = [value for _, value in wanted]
        with self._lock:
            (count,) = self._db.execute(f"SELECT count(*) FROM notification{where}", values).fetchone()  # noqa: S608
            query = f"SELECT * FROM notification{where} ORDER BY number LIMIT ? OFFSET ?"  # noqa: S608
            rows = self._db.execute(query, [*values, top, skip]).fetchall()
        return [_read(row) for row in rows], count

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def _read(row: tuple[int, str, int]) -> Notification:
    return Notification(f"{row[0]:012d}", json.loads(row[1]), row[2])


def _change(body: dict[str, object], given: Mapping[str, object], user: str, now_us: int) -> None:
    body.update({name: _stored(name, value) for name, value in given.items()})
    if body["TechObjIsEquipOrFuncnlLoc"] == "EAMS_EQUI" and body["TechnicalObject"]:
        bare = str(body["TechnicalObject"]).lstrip("0")
        body["TechnicalObject"], body["TechnicalObjectLabel"] = bare.zfill(18), bare
    elif body["TechnicalObject"] and not body["TechnicalObjectLabel"]:
        body["TechnicalObjectLabel"] = body["TechnicalObject"]
    body["LastChangedByUser"] = user
    body["LastChangeDateTime"] = f"/Date({now_us // 1000}+0000)/"


def _stored(name: str, value: object) -> object:
    """Return a checked value as SAP reads it back: dates at midnight, two-digit times, no date as null."""
    edm = BY_NAME[name].edm
    if edm not in {Edm.DATE, Edm.TIME}:
        return value
    if not value:
        return None
    if edm is Edm.DATE:
        return f"/Date({_millis(str(value)) // 86_400_000 * 86_400_000})/"
    match = DURATION.match(str(value))
    return None if match is None else "PT{:02d}H{:02d}M{:02d}S".format(*(int(part) for part in match.groups()))


def _millis(text: str) -> int:
    match = MILLIS.match(text)
    if match is not None:
        return int(match[1])
    moment = datetime.fromisoformat(text)
    return round(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() * 1000)
