from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from contracts.errors import Conflict
from infra.local import child, leftovers, supervisor
from infra.local.files import write_private
from infra.local.layout import Layout, layout_of
from infra.local.processes import Probe, ProcessSpec, State, Status, read_mark
from infra.local.supervisor import Supervisor

PATIENCE_S = 20.0
ENV = {"PATH": os.environ["PATH"]}


def sleeper(name: str, *needs: str, **more: object) -> ProcessSpec:
    """A process that is ready at once and sleeps."""
    ready = Probe(kind="command", target="true")
    fields = {"probe": ready, "env": ENV} | more
    return ProcessSpec.model_validate({"name": name, "command": ("sleep", "600"), "needs": needs} | fields)


class Bench:
    """A supervisor over a list of specs that a test may change."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.specs: list[ProcessSpec] = []
        self.events: list[dict[str, object]] = []
        self.supervisor = Supervisor(layout, lambda: self.specs, self._report)

    def _report(self, event: str, **fields: object) -> None:
        self.events.append({"event": event, **fields})

    def run_until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < deadline, self.rows()
            self.supervisor.step()
            time.sleep(0.005)

    def rows(self) -> dict[str, Status]:
        return {row.name: row for row in supervisor.statuses(self.layout)}

    def state(self, name: str) -> State | None:
        row = self.rows().get(name)
        return row.state if row else None

    def order(self, state: State) -> list[object]:
        return [e["process"] for e in self.events if e["event"] == "process_state" and e["state"] is state]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    layout = layout_of(tmp_path / "state")
    layout.create()
    made = Bench(layout)
    yield made
    made.supervisor.stop()


def test_what_is_needed_starts_first_and_stops_last(bench: Bench) -> None:
    bench.specs = [sleeper("api", "database"), sleeper("database")]
    bench.run_until(lambda: bench.state("api") is State.READY)
    bench.supervisor.stop()
    assert bench.order(State.READY) == ["database", "api"]
    assert bench.order(State.STOPPED) == ["api", "database"]
    assert list(bench.layout.run.glob("*.pid")) == []


def test_a_task_runs_once_before_what_needs_it(bench: Bench) -> None:
    done = bench.layout.run / "done"
    task = ProcessSpec(name="migrate", command=("touch", str(done)), env=ENV, probe=Probe(kind="exit"))
    bench.specs = [sleeper("api", "migrate"), task]
    bench.run_until(lambda: bench.state("api") is State.READY)
    assert done.exists()
    assert bench.state("migrate") is State.DONE
    assert bench.order(State.STARTING).count("migrate") == 1


def test_a_failing_task_is_tried_again_and_holds_up_others(bench: Bench) -> None:
    marker = bench.layout.run / "second"
    script = f"test -e {marker} || {{ touch {marker}; exit 3; }}"
    task = ProcessSpec(name="migrate", command=("sh", "-c", script), env=ENV, probe=Probe(kind="exit"))
    bench.specs = [task, sleeper("api", "migrate")]
    bench.run_until(lambda: bench.state("migrate") is State.BACKOFF)
    assert bench.rows()["migrate"].last_exit == "exit 3"
    assert bench.state("api") is State.WAITING
    bench.run_until(lambda: bench.state("api") is State.READY)


def test_a_killed_process_comes_back(bench: Bench) -> None:
    bench.specs = [sleeper("ingest")]
    bench.run_until(lambda: bench.state("ingest") is State.READY)
    pid = bench.rows()["ingest"].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    bench.run_until(lambda: bench.state("ingest") is State.READY and bench.rows()["ingest"].pid != pid)
    assert bench.rows()["ingest"].last_exit == "signal SIGKILL"
    assert bench.rows()["ingest"].restarts == 1


def test_the_wait_before_a_restart_doubles_to_a_limit(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "FIRST_BACKOFF_S", 0.01)
    monkeypatch.setattr(child, "LONGEST_BACKOFF_S", 0.05)
    bench.specs = [ProcessSpec(name="bad", command=("false",), env=ENV)]
    bench.run_until(lambda: len([e for e in bench.events if e["event"] == "process_ended"]) >= 5)
    waits = [e["again_in_s"] for e in bench.events if e["event"] == "process_ended"]
    assert waits[:5] == [0.01, 0.02, 0.04, 0.05, 0.05]


def test_a_missing_program_is_reported_not_fatal(bench: Bench) -> None:
    bench.specs = [ProcessSpec(name="gone", command=("/no/such/program",), env=ENV), sleeper("other")]
    bench.run_until(lambda: bench.state("other") is State.READY and bench.state("gone") is State.BACKOFF)
    assert "cannot start /no/such/program" in bench.rows()["gone"].last_exit


def test_what_ignores_the_signal_is_killed(bench: Bench) -> None:
    script = f"trap '' TERM; touch {bench.layout.ready('deaf')}; while :; do sleep 0.1; done"
    probe = Probe(kind="file", target=str(bench.layout.ready("deaf")))
    bench.specs = [ProcessSpec(name="deaf", command=("sh", "-c", script), env=ENV, probe=probe, grace_s=0.1)]
    bench.run_until(lambda: bench.state("deaf") is State.READY)
    bench.supervisor.stop()
    assert any(e["event"] == "process_killed" for e in bench.events)
    assert bench.rows()["deaf"].last_exit == "signal SIGKILL"


def test_processes_are_added_replaced_and_taken_away_by_files(bench: Bench) -> None:
    wish = bench.layout.extra / "drone.json"
    write_private(wish, sleeper("drone").model_dump_json())
    bench.run_until(lambda: bench.state("drone") is State.READY)
    first = bench.rows()["drone"].pid
    write_private(wish, sleeper("drone", env=ENV | {"X": "1"}).model_dump_json())
    bench.run_until(lambda: bench.state("drone") is State.READY and bench.rows()["drone"].pid != first)
    wish.unlink()
    bench.run_until(lambda: bench.state("drone") is None)


def test_grandchildren_do_not_outlive_a_killed_child(bench: Bench) -> None:
    inner = bench.layout.run / "inner"
    probe = Probe(kind="file", target=str(inner))
    script = f"sleep 600 & echo $! > {inner}.new && mv {inner}.new {inner}; wait"
    bench.specs = [ProcessSpec(name="parent", command=("sh", "-c", script), env=ENV, probe=probe)]
    bench.run_until(lambda: bench.state("parent") is State.READY)
    grandchild = int(inner.read_text())
    outer = bench.rows()["parent"].pid
    assert outer is not None
    os.kill(outer, signal.SIGKILL)
    bench.run_until(lambda: not _runs(grandchild))


def test_the_next_supervisor_ends_what_the_dead_one_left(bench: Bench) -> None:
    bench.specs = [sleeper("worker")]
    bench.run_until(lambda: bench.state("worker") is State.READY)
    pid = bench.rows()["worker"].pid
    assert pid is not None
    assert leftovers.end_leftovers(bench.layout, bench.specs) == {"worker": pid}
    assert not _runs(pid)
    assert read_mark(bench.layout.pid("worker")) is None


def test_a_long_log_is_cut_and_kept_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "LOG_LIMIT_BYTES", 10)
    bench.layout.log("api").write_text("x" * 100)
    bench.supervisor.step()
    assert bench.layout.log("api").read_text() == ""
    assert (bench.layout.logs / "api.log.1").read_text() == "x" * 100


def test_one_supervisor_per_state_directory(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "_LOCK_PATIENCE_S", 0.05)
    assert supervisor.holder(bench.layout) is None
    with supervisor.locked(bench.layout):
        assert supervisor.holder(bench.layout) == os.getpid()
        code = (
            "import sys; from infra.local import supervisor; from infra.local.layout import layout_of\n"
            "supervisor._LOCK_PATIENCE_S = 0.05\n"
            "with supervisor.locked(layout_of(sys.argv[1])): pass"
        )
        command = [sys.executable, "-c", code, str(bench.layout.state_dir)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert Conflict.__name__ in done.stderr
    assert supervisor.holder(bench.layout) is None


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
