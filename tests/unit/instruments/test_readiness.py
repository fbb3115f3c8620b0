"""A program is ready when all it needs is there and its steps go well; what it says, it says of this moment."""

from __future__ import annotations

import httpx
import pytest

from contracts.errors import Unavailable
from instruments import metrics
from instruments.readiness import NotStepping, Pulse, Readiness, pulses
from instruments.status import StatusServer

PROMETHEUS_UNITS = ("_total", "_seconds", "_messages", "_ready", "_up")


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_what_is_missing_is_named_with_its_reason_until_it_is_back() -> None:
    clock, away = Clock(), [True]

    def broker() -> None:
        if away:
            raise Unavailable("It is off.")

    def crashes() -> None:
        raise KeyError("x")

    readiness = Readiness({"broker": broker, "store": crashes, "database": lambda: None}, clock)
    assert readiness.look() == {"broker": "It is off.", "store": "no answer (KeyError)"}
    assert metrics.REGISTRY.get_sample_value("kestrel_ready", {"dependency": "broker"}) == 0
    away.clear()
    assert "broker" in readiness.look(), "answers are kept for a second"
    clock.now_s += 1
    assert readiness.look() == {"store": "no answer (KeyError)"}
    assert metrics.REGISTRY.get_sample_value("kestrel_ready", {"dependency": "broker"}) == 1


def test_a_daemon_is_ready_while_its_steps_go_well() -> None:
    clock, outcomes = Clock(), [None, False, True]
    pulse = Pulse("work", lambda: outcomes.pop(0), silent_after_s=60, clock=clock)
    with pytest.raises(NotStepping, match="first step"):
        pulse.check()
    pulse()
    pulse.check()
    pulse()
    with pytest.raises(NotStepping, match="last step failed"):
        pulse.check()
    pulse()
    pulse.check()
    clock.now_s += 61
    with pytest.raises(NotStepping, match="No step has returned for 61 s"):
        pulse.check()
    pulse.touch()
    pulse.check()


def test_a_step_that_raises_is_said_and_raised() -> None:
    def fails() -> None:
        raise Unavailable("The queue is gone.")

    pulse = Pulse("work", fails)
    with pytest.raises(Unavailable):
        pulse()
    with pytest.raises(NotStepping, match="The queue is gone"):
        pulse.check()
    tolerant = Pulse("pass", lambda: False, failures_count=False)
    tolerant()
    tolerant.check()


def test_the_status_page_answers_machines() -> None:
    away = [True]

    def store() -> None:
        if away:
            raise Unavailable("It is off.")

    readiness = Readiness({"store": store} | pulses(), clock=iter(range(100)).__next__)
    with (
        StatusServer(readiness, "127.0.0.1", 0) as server,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}") as http,
    ):
        assert http.get("/healthz").status_code == 200
        missing = http.get("/readyz")
        assert (missing.status_code, missing.json()["reasons"]) == (503, {"store": "It is off."})
        away.clear()
        assert http.get("/readyz?probe=1").json() == {"ready": True, "reasons": {}}
        shown = http.get("/metrics")
        assert shown.headers["content-type"].startswith("text/plain")
        assert 'kestrel_ready{dependency="store"} 1.0' in shown.text
        assert "kestrel_process_resident_memory_bytes" in shown.text
        assert http.get("/else").status_code == 404
        with pytest.raises(Unavailable, match="is taken"):
            StatusServer(readiness, "127.0.0.1", server.port)


@pytest.mark.parametrize("row", metrics.DECLARED, ids=lambda row: row.name)
def test_a_metric_says_its_unit_and_has_few_labels(row: metrics.Declared) -> None:
    assert row.name.startswith("kestrel_")
    assert row.name.endswith(PROMETHEUS_UNITS)
    assert (row.kind == "counter") is row.name.endswith("_total")
    assert len(row.labels) <= 3
    assert not {"drone", "drone_id", "flight", "flight_id", "user", "path", "asset"} & set(row.labels)
    assert row.help.endswith(".")
