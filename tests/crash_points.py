"""A program that is killed before each of its durable operations, one after the other.

A life runs in a forked child that is stopped before each of them, and the disk at that moment is what SIGKILL would
leave: no ``finally`` and no ``except BaseException`` has run, no buffer was written out. So one life has all the
deaths; a life of its own for each took twice as many processes. A point is whatever changes a disk: a file opened for
writing (before it, and when it is there and empty), renamed, deleted or flushed, a folder made, a statement or
transaction of SQLite that writes; and what a test says is `far`. What a power cut loses beyond that, unflushed pages,
is not played.
"""

from __future__ import annotations

import builtins
import gc
import io
import os
import shutil
import signal
import sqlite3
import sys
import threading
import traceback
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

MOST_POINTS = 600
_MOST_SAID_BYTES = 65536
_PLAIN = ("replace", "rename", "unlink", "remove", "rmdir", "mkdir", "symlink", "link", "fsync", "posix_fallocate")
_WRITING_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_READING_SQL = ("SELECT", "BEGIN", "PRAGMA", "ROLLBACK")
Life = Callable[[Path], object]
"""A program on a folder, from its start to its end."""


class _Fuse:
    """Counts points in the child, and stops it at some of them."""

    def __init__(self) -> None:
        self.every = 0
        self.told = -1
        self._passed = 0
        self._quiet = threading.local()
        self._lock = threading.Lock()

    def burn(self, what: str) -> None:
        if not self.every or getattr(self._quiet, "on", False):
            return
        with self._lock:
            if self._passed % self.every == 0:
                os.write(self.told, what[-300:].encode())
                signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)  # this thread first: it is not to go on
            self._passed += 1

    @contextmanager
    def spared(self) -> Iterator[None]:
        before, self._quiet.on = getattr(self._quiet, "on", False), True
        try:
            yield
        finally:
            self._quiet.on = before


_FUSE = _Fuse()


@contextmanager
def far(what: str) -> Iterator[None]:
    """Mark one step of something that is not killed with the program: a store, a broker, an autopilot."""
    _FUSE.burn(what)
    with _FUSE.spared():
        yield


def behind(owner: type, *names: str) -> None:
    """Make points behind methods where other languages write. For the child only."""
    for name in names:
        setattr(owner, name, _behind(getattr(owner, name), f"{owner.__name__}.{name}"))


def stops(life: Callable[[], object], every: int) -> Generator[str]:
    """Run a life that stops at one of ``every`` points (0: at none); yield before what, and let it go on.

    To close this at a stop kills it there.

    Raises:
        AssertionError: It failed by itself.

    """
    said, say = os.pipe()
    child, status = os.fork(), -1
    if child == 0:
        os.close(said)
        _live(every, life, say)
    os.close(say)
    try:
        while os.WIFSTOPPED(status := os.waitpid(child, os.WUNTRACED)[1]):
            yield os.read(said, _MOST_SAID_BYTES).decode(errors="replace")
            status = -1
            os.kill(child, signal.SIGCONT)
        assert status == 0, f"a life failed by itself:\n{os.read(said, _MOST_SAID_BYTES).decode(errors='replace')}"
    finally:
        os.close(said)
        if status == -1 or os.WIFSTOPPED(status):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def walk(folder: Path, life: Life, *, every: int = 1) -> Iterator[str]:
    """Kill a life on ``folder`` at one point after the other; at each ``folder`` is what that death left of it.

    Yields before what it was killed; empty for the life that comes through, which is the last. ``every`` skips points.
    """
    with TemporaryDirectory(dir=folder.parent) as kept:
        left: list[tuple[str, Path]] = []
        with closing(stops(lambda: life(folder), every)) as deaths:
            for at in deaths:
                assert len(left) * every < MOST_POINTS, f"It has more than {MOST_POINTS} points."
                left.append((at, shutil.copytree(folder, Path(kept, str(len(left))), symlinks=True)))
        left.append(("", folder.rename(Path(kept, "whole"))))
        for at, place in left:
            shutil.rmtree(folder, ignore_errors=True)
            place.rename(folder)
            yield at


def lives(folder: Path, life: Life) -> None:
    """Run a life that is not killed, in a child like the others."""
    assert not list(stops(lambda: life(folder), 0))


def _live(every: int, life: Callable[[], object], say: int) -> None:
    gc.disable()  # a collection touches, and so copies, every page of the parent's heap
    try:
        _lay_fuse()
        _FUSE.told, _FUSE.every = say, every
        life()
        _FUSE.every = 0
        os._exit(0)
    except BaseException:  # noqa: BLE001 - the parent is told
        os.write(say, traceback.format_exc()[-4000:].encode())
    finally:
        os._exit(1)


def _lay_fuse() -> None:
    """Put the points round what the edge reaches the disk by; nothing of it is undone, as the child does not return."""
    sys.stdout = sys.stderr = io.StringIO()
    for name in _PLAIN:
        setattr(os, name, _before(getattr(os, name), name))
    opened = _when_writing(builtins.open, lambda mode: any(letter in str(mode) for letter in "wax+"), "r")
    builtins.open = opened
    io.open = opened
    os.open = _when_writing(os.open, lambda flags: bool(int(flags) & _WRITING_FLAGS), 0)
    plain_connect = sqlite3.connect

    def connect(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        return plain_connect(*args, **kwargs, factory=_Connection)

    sqlite3.connect = connect  # type: ignore[assignment]


def _before(call: Callable[..., Any], name: str) -> Callable[..., Any]:
    """A flush is counted and not done: what SIGKILL leaves, the page cache has."""

    def counted(*args: Any, **kwargs: Any) -> Any:
        if not _is_idle(name, args, kwargs):
            _FUSE.burn(f"{name} {' '.join(map(str, args))}")
        return None if name == "fsync" else call(*args, **kwargs)

    return counted


def _is_idle(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Tell calls that change nothing: a folder that is there, a file that is not."""
    if kwargs.get("dir_fd") is not None:
        return False
    if name == "mkdir":
        return Path(args[0]).is_dir()
    return name in ("unlink", "remove") and not os.path.lexists(args[0])


def _when_writing(call: Callable[..., Any], writes: Callable[[Any], bool], usual: object) -> Any:
    def counted(path: Any, how: Any = usual, *args: Any, **kwargs: Any) -> Any:
        if not writes(how):
            return call(path, how, *args, **kwargs)
        _FUSE.burn(f"open {path}")
        with _FUSE.spared():
            opened = call(path, how, *args, **kwargs)
        _FUSE.burn(f"write {path}")
        return opened

    return counted


def _behind(call: Callable[..., Any], name: str) -> Callable[..., Any]:
    def counted(*args: Any, **kwargs: Any) -> Any:
        done = call(*args, **kwargs)
        _FUSE.burn(f"behind {name}")
        return done

    return counted


class _Connection(sqlite3.Connection):
    """Counts the statements that write."""

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        self._burn(sql)
        return super().execute(_unsynced(sql), *values)

    def executemany(self, sql: str, *values: Any) -> sqlite3.Cursor:
        self._burn(sql)
        return super().executemany(sql, *values)

    def executescript(self, script: str) -> sqlite3.Cursor:
        for sql in script.split(";"):
            if sql.strip():
                self.execute(sql)
        return self.cursor()

    def close(self) -> None:
        _FUSE.burn("close the database")
        super().close()

    def _burn(self, sql: str) -> None:
        """Inside a transaction only its end is a point: whatever dies before that has done nothing."""
        word = sql.split(None, 1)[0].upper()
        if word == "COMMIT" or "journal_mode" in sql or not (self.in_transaction or word in _READING_SQL):
            _FUSE.burn(sql)


def _unsynced(sql: str) -> str:
    return "PRAGMA synchronous=OFF" if sql.startswith("PRAGMA synchronous") else sql
