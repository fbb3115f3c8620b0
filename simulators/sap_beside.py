"""What the services beside the notifications have alike: a table of their own in the same file."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

from simulators.sap_faults import FaultFile
from simulators.sap_store import Store


class ServiceBeside:
    """A service that keeps something about notifications in the same SQLite file."""

    def __init__(self, path: Path, schema: str, notifications: Store, faults: FaultFile) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute(schema)
        self._notifications = notifications
        self._faults = faults

    def close(self) -> None:
        """Close the file."""
        self._db.close()
