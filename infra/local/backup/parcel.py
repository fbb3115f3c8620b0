"""A backup as files: a folder, or one tar file. It is written aside and appears under its name when it is whole.

Both hold private keys: folders are 0700, files 0600. Members are read back with the hash the manifest says.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol, Self

from contracts.errors import Conflict, CorruptMedia, InvalidInput, NotFound
from infra.local.backup import manifest
from infra.local.backup.manifest import Manifest, Member
from infra.local.files import write_private

TAR_SUFFIX = ".tar"
_PIECE_BYTES = 1 << 20


class Bytes(Protocol):
    """Anything that is read in pieces: a file, an object's body, a tar's member."""

    def read(self, size: int = ..., /) -> bytes:
        """Return up to ``size`` bytes, none at the end."""


class _Hashed(io.RawIOBase):
    """Passes bytes on and keeps count and hash of them."""

    def __init__(self, source: Bytes) -> None:
        super().__init__()
        self._source = source
        self._digest = hashlib.sha256()
        self.size_bytes = 0

    def read(self, size: int = -1) -> bytes:
        """Return up to ``size`` bytes."""
        piece = self._source.read(size if size > 0 else _PIECE_BYTES)
        self._digest.update(piece)
        self.size_bytes += len(piece)
        return piece

    def member(self, name: str) -> Member:
        """Return what has passed, as a member."""
        return Member(name=name, size_bytes=self.size_bytes, sha256=self._digest.hexdigest())


class Writer(Protocol):
    """Takes members, one after the other."""

    def add(self, name: str, source: Bytes, size_bytes: int) -> Member:
        """Write one member of exactly this size."""


class _Folder:
    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700)
        self._folder = folder

    def add(self, name: str, source: Bytes, size_bytes: int) -> Member:
        path = self._folder / name
        for parent in reversed(path.relative_to(self._folder).parents[:-1]):
            (self._folder / parent).mkdir(mode=0o700, exist_ok=True)
        passing = _Hashed(source)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            shutil.copyfileobj(passing, file, _PIECE_BYTES)
            file.flush()
            os.fsync(file.fileno())
        return _whole(passing.member(name), size_bytes)

    def close(self) -> None:
        """Nothing is left to write."""

    def abandon(self) -> None:
        """Nothing is open."""


class _Tar:
    def __init__(self, path: Path) -> None:
        self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        self._tar = tarfile.open(fileobj=self._file, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - see close

    def add(self, name: str, source: Bytes, size_bytes: int) -> Member:
        head = tarfile.TarInfo(name)
        head.size, head.mode = size_bytes, 0o600
        passing = _Hashed(source)
        try:
            self._tar.addfile(head, passing)
        except OSError as error:
            if error.errno is not None:
                raise
            raise _other_size(name, passing.size_bytes, size_bytes) from error
        return _whole(passing.member(name), size_bytes)

    def close(self) -> None:
        """Write the end and have it on disk."""
        self._tar.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def abandon(self) -> None:
        """Close what is open; the file is removed."""
        self._file.close()


def _whole(member: Member, size_bytes: int) -> Member:
    if member.size_bytes != size_bytes:
        raise _other_size(member.name, member.size_bytes, size_bytes)
    return member


def _other_size(name: str, came: int, said: int) -> Conflict:
    return Conflict(f"{name}: {came} bytes came, {said} were announced.", hint="Take the backup again.")


@contextmanager
def written(target: Path) -> Iterator[Writer]:
    """Yield a writer; the parcel is at ``target`` when the block ends well, and nowhere when it does not.

    Raises:
        Conflict: Something is there already.
        NotFound: The folder it shall lie in does not exist.

    """
    if target.exists():
        raise Conflict(f"{target} exists.", hint="Name a new file or folder.")
    if not target.parent.is_dir():
        raise NotFound(f"There is no folder {target.parent}.", hint="Create it first.")
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    writer: _Tar | _Folder = _Tar(aside) if target.suffix == TAR_SUFFIX else _Folder(aside)
    try:
        yield writer
        writer.close()
        aside.rename(target)
        _sync(target.parent)
    finally:
        writer.abandon()
        if aside.is_dir():
            shutil.rmtree(aside)
        else:
            aside.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Parcel:
    """A backup to be read."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise NotFound(f"There is no backup at {path}.", hint="Name the file or folder that was written.")
        self.path = path
        self._tar = self._open_tar(path) if path.is_file() else None
        try:
            self._places = self._members()
            self.manifest: Manifest = manifest.parse(self._manifest())
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._tar:
            self._tar.close()

    @staticmethod
    def _open_tar(path: Path) -> tarfile.TarFile:
        try:
            return tarfile.open(path, "r:")
        except tarfile.TarError as error:
            raise CorruptMedia(
                f"{path} is not a tar file: {error}.", hint="Give what `kestrel backup` wrote."
            ) from error

    def _members(self) -> dict[str, tarfile.TarInfo]:
        try:
            return {head.name: head for head in self._tar if head.isfile()} if self._tar else {}
        except tarfile.TarError as error:
            raise CorruptMedia(f"{self.path} breaks off: {error}.", hint="Restore another backup.") from error

    def _manifest(self) -> bytes:
        try:
            with self.open(manifest.NAME) as file:
                return file.read()
        except NotFound as error:
            raise CorruptMedia(f"{self.path} has no {manifest.NAME}: it is half a backup, or none.") from error

    def open(self, name: str) -> IO[bytes]:
        """Return one member's bytes.

        Raises:
            NotFound: The parcel has no such member.

        """
        if self._tar is not None:
            found = self._tar.extractfile(self._places[name]) if name in self._places else None
        else:
            path = self.path / name
            # What came from elsewhere may hold links: only plain files below the folder are members.
            inside = path.is_file() and path.resolve().is_relative_to(self.path.resolve())
            found = path.open("rb") if inside else None
        if found is None:
            raise NotFound(f"{self.path} has no {name}.", hint="It is not whole: take another backup.")
        return found

    def read(self, member: Member) -> bytes:
        """Return a small member whole, as the manifest says it."""
        with self.open(member.name) as file:
            return file.read()

    def check(self, member: Member) -> None:
        """Read a member through.

        Raises:
            CorruptMedia: It is missing, or not what was written.

        """
        try:
            with self.open(member.name) as file:
                passing = _Hashed(file)
                while passing.read(_PIECE_BYTES):
                    pass
        except (NotFound, tarfile.TarError, EOFError) as error:
            raise CorruptMedia(
                f"{member.name} is missing from {self.path}.", hint="The backup is not whole."
            ) from error
        if passing.member(member.name) != member:
            raise CorruptMedia(
                f"{member.name} in {self.path} is not what was written: its size or SHA-256 differs.",
                hint="Restore another backup.",
            )

    def extract(self, prefix: str, folder: Path) -> int:
        """Write every member of the manifest's own list below ``prefix`` into a folder; return how many.

        Raises:
            InvalidInput: A name leads out of the folder.

        """
        found = [member for member in self.manifest.members if member.name.startswith(prefix)]
        for member in found:
            path = folder / member.name.removeprefix(prefix)
            if not path.resolve().is_relative_to(folder.resolve()):
                raise InvalidInput(
                    f"The member {member.name} leads out of its folder.",
                    hint="Nobody's backup holds that: do not trust this one.",
                    field="name",
                )
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private(path, self.read(member))
        return len(found)
