"""The broker of one machine: a drone in quarantine is denied every topic in Mosquitto's rules, which it reads again.

Its messages are refused from then on; the agent keeps them and sends them when it is let in again.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from contracts.errors import Unavailable
from contracts.topics import denial


class BrokerRules:
    """The rules file that the broker reads, and where it wrote its process id."""

    def __init__(self, rules_file: Path, pid_file: Path) -> None:
        self._rules_file = rules_file
        self._pid_file = pid_file

    def shut(self, drone_id: str) -> None:
        """Deny a drone every topic.

        Raises:
            Unavailable: The rules cannot be written.

        """
        block = denial(drone_id)
        text = self._read()
        if block not in text:
            self._write(text + block)

    def reopen(self, drone_id: str) -> None:
        """Take the denial back."""
        block = denial(drone_id)
        text = self._read()
        if block in text:
            self._write(text.replace(block, ""))

    def _read(self) -> str:
        try:
            return self._rules_file.read_text()
        except OSError as error:
            raise Unavailable(f"The broker's rules cannot be read: {error}.", hint="See `kestrel doctor`.") from error

    def _write(self, text: str) -> None:
        new = self._rules_file.with_suffix(".new")
        try:
            new.write_text(text)
            new.chmod(0o600)
            new.replace(self._rules_file)
        except OSError as error:
            raise Unavailable(
                f"The broker's rules cannot be changed: {error}.", hint="See `kestrel doctor`."
            ) from error
        self._have_it_read()

    def _have_it_read(self) -> None:
        """Signal the broker; one that is down reads its rules when it starts."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, ValueError):
            pid = int(self._pid_file.read_text())
            # A file left by a killed broker may name a process of somebody else by now.
            if Path(f"/proc/{pid}/comm").read_text().strip() == "mosquitto":
                os.kill(pid, signal.SIGHUP)
