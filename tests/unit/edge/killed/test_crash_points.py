"""What a life that is stopped at a point has on its disk is what it leaves when it is killed there."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path

import pytest

from tests.crash_points import far, lives, stops, walk


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def works(folder: Path) -> None:
    """Write in all the ways there are: through a buffer, a log, a thread; and clean up."""
    database = sqlite3.connect(folder / "a.db", isolation_level=None)
    try:
        with (folder / "buffered").open("w") as out:
            out.write("not written out before it is closed")
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("CREATE TABLE t (n)")
            database.execute("BEGIN")
            database.execute("INSERT INTO t VALUES (1)")
            database.execute("COMMIT")
        beside = threading.Thread(target=(folder / "beside").write_text, args=("done",))
        beside.start()
        beside.join()
        (folder / "buffered").replace(folder / "whole")
        with far("told"):
            (folder / "told").write_text("yes")
    finally:
        (folder / "whole").unlink()


@pytest.fixture
def drone(tmp_path: Path) -> Path:
    """Return a folder that lives are lived on."""
    folder = tmp_path / "drone"
    folder.mkdir()
    return folder


def test_what_is_there_at_a_stop_is_what_a_kill_leaves(tmp_path: Path) -> None:
    number, at = 0, "the first"
    while at:
        folder = tmp_path / str(number)
        folder.mkdir()
        with closing(stops(partial(works, folder), 1)) as deaths:
            at = next(islice(deaths, number, None), "")
            stopped = _contents(folder)
        assert _contents(folder) == stopped, at
        number += 1
    assert number > 10


def test_each_death_is_walked_to_and_the_last_one_is_none(drone: Path) -> None:
    found = {
        at.removeprefix("open ").removeprefix("write "): {path.name for path in drone.iterdir()}
        for at in walk(drone, works)
    }
    assert found["COMMIT"] == {"a.db", "a.db-shm", "a.db-wal", "buffered"}
    assert found["told"] == {"a.db", "a.db-shm", "a.db-wal", "beside", "whole"}
    assert list(found)[-1] == ""
    assert found[""] == {"a.db", "a.db-shm", "a.db-wal", "beside", "told"}


def test_some_points_can_be_skipped(drone: Path) -> None:
    every = list(walk(drone, works))
    for path in drone.iterdir():
        path.unlink()
    assert list(walk(drone, works, every=3)) == [*every[:-1:3], ""]


def test_a_life_that_fails_by_itself_says_why(drone: Path) -> None:
    with pytest.raises(AssertionError, match="No such file"):
        lives(drone, lambda folder: (folder / "nothing").read_text())


def test_nothing_goes_on_behind_a_walk_that_is_left(drone: Path) -> None:
    def says_who_it_is() -> None:
        (drone / "pid").write_text(str(os.getpid()))
        (drone / "more").touch()

    with closing(stops(says_who_it_is, 1)) as deaths:
        assert next(islice(deaths, 2, None)).startswith("open ")
        child = Path("/proc", (drone / "pid").read_text())
        assert child.exists()
    assert not child.exists()
