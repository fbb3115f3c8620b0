"""Where everything of one instance lies below its state directory."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).resolve().parents[2]
DEFAULT_STATE_DIR = Path(".kestrel/default")
_SOCKET_PATH_LIMIT = 100
"""Unix socket paths over 107 bytes fail; Postgres adds ``.s.PGSQL.<port>.lock``."""


class Layout(NamedTuple):
    """Paths of one instance. Directories are 0700, files with secrets 0600."""

    state_dir: Path

    @property
    def certificates(self) -> Path:
        """Return the folder of the local CA and every key it issued."""
        return self.state_dir / "certificates"

    @property
    def drones(self) -> Path:
        """Return the folder of the drones' own state."""
        return self.state_dir / "drones"

    @property
    def run(self) -> Path:
        """Return the folder of pid, ready and status files."""
        return self.state_dir / "run"

    @property
    def extra(self) -> Path:
        """Return the folder of processes asked for at run time, one JSON file each."""
        return self.run / "extra"

    @property
    def logs(self) -> Path:
        """Return the folder of log files, one per process."""
        return self.state_dir / "logs"

    @property
    def instance_file(self) -> Path:
        """Return the file of ports and passwords, chosen once."""
        return self.state_dir / "instance.json"

    @property
    def lock_file(self) -> Path:
        """Return the file the supervisor holds locked while it lives; it holds its pid."""
        return self.run / "supervisor.lock"

    @property
    def status_file(self) -> Path:
        """Return the file in which the supervisor says how each process is."""
        return self.run / "status.json"

    @property
    def wanted_file(self) -> Path:
        """Return the file that names the processes wanted."""
        return self.run / "wanted.json"

    def log(self, name: str) -> Path:
        """Return the log file of a process."""
        return self.logs / f"{name}.log"

    def pid(self, name: str) -> Path:
        """Return the pid file of a process."""
        return self.run / f"{name}.pid"

    def ready(self, name: str) -> Path:
        """Return the file a process touches when it is ready."""
        return self.run / f"{name}.ready"

    def of(self, name: str) -> Path:
        """Return the folder of a process's own data."""
        return self.state_dir / name

    def sockets(self) -> Path:
        """Return a folder short enough for Unix sockets."""
        inside = self.state_dir / "sockets"
        if len(str(inside)) <= _SOCKET_PATH_LIMIT - len("/.s.PGSQL.65535.lock"):
            return inside
        digest = hashlib.sha256(str(self.state_dir).encode()).hexdigest()[:10]
        return Path(tempfile.gettempdir()) / f"kestrel-{os.getuid()}-{digest}"

    def create(self) -> None:
        """Create the folders."""
        # 0711 lets the account that runs Postgres pass through when we are root, and shows nothing.
        mode = 0o711 if os.geteuid() == 0 else 0o700
        self.state_dir.mkdir(parents=True, exist_ok=True)
        self.state_dir.chmod(mode)
        for folder in (self.certificates, self.drones, self.run, self.extra, self.logs):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o700)


def layout_of(state_dir: Path | str) -> Layout:
    """Return the layout of a state directory, as an absolute path."""
    return Layout(Path(state_dir).resolve())
