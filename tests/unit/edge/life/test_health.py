"""Health is read from the kernel; what is not there is None, not a guess. The watchdog speaks systemd's words."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from edge.life import health
from edge.life.watchdog import Watchdog


def test_this_computer_has_a_health(tmp_path: Path) -> None:
    found = health.read(tmp_path)
    assert found.storage_free_bytes > 0
    assert found.agent_memory_bytes is not None
    assert found.agent_memory_bytes > 1_000_000


def test_what_is_not_told_is_none(tmp_path: Path) -> None:
    found = health.read(tmp_path, tmp_path / "proc", tmp_path / "thermal", tmp_path / "run" / "synchronized")
    assert (found.memory_free_percent, found.agent_memory_bytes, found.temperature_c) == (None, None, None)
    assert (found.uptime_s, found.clock_synchronised) == (None, None)


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("thermal/thermal_zone1/temp", "91000", "91 °C"),
        ("proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 50 kB\n", "5 % of memory"),
    ],
)
def test_what_a_person_should_look_at(tmp_path: Path, name: str, content: str, complaint: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_text(content)
    found = health.read(tmp_path, tmp_path / "proc", tmp_path / "thermal", tmp_path / "run" / "synchronized")
    assert any(complaint in line for line in found.complaints())


def test_systemd_hears_ready_then_life_while_the_loops_turn(tmp_path: Path) -> None:
    alive = [True]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        watchdog = Watchdog(str(tmp_path / "notify"), lambda: alive[0])
        watchdog.step()
        alive[0] = False
        assert watchdog.step() is False
        watchdog.stopping()
        assert [systemd.recv(100) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]


def test_without_systemd_it_is_silent() -> None:
    assert Watchdog("", lambda: True).step() is None
