"""Room is made of what can be made again; what the cloud has not confirmed stays, however full it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.events import DroneEventKind
from edge.retention import Retention


class Bench:
    """A folder of one flight, and what was announced."""

    def __init__(self, folder: Path, budget: int) -> None:
        self.flight = folder / "recordings" / "flt-1"
        self.flight.mkdir(parents=True)
        self.said: list[str] = []
        self.retention = Retention((folder / "recordings", folder / "captures"), budget, self._hear)

    def _hear(self, kind: DroneEventKind, fields: dict[str, object]) -> None:
        assert kind is DroneEventKind.SAFETY
        self.said.append(str(fields["code"]))

    def put(self, name: str, size: int) -> None:
        (self.flight / name).write_bytes(b"x" * size)

    def names(self) -> list[str]:
        return sorted(p.name for p in self.flight.iterdir())


def test_sidecars_go_with_their_video_and_the_manifest_stays(tmp_path: Path) -> None:
    bench = Bench(tmp_path, 10_000)
    for suffix in ("json", "klv", "srt", "mp4"):
        bench.put(f"00000.{suffix}", 10)
    assert bench.retention.step() is None
    (bench.flight / "00000.mp4").unlink()
    assert bench.retention.step() is True
    assert bench.names() == ["00000.json"]


def test_nothing_unconfirmed_is_freed_however_full_it_is(tmp_path: Path) -> None:
    bench = Bench(tmp_path, 100)
    for suffix in ("json", "klv", "srt", "mp4"):
        bench.put(f"00000.{suffix}", 1000)
    bench.put("00001.mp4.part", 1000)
    before = bench.names()
    bench.retention.step()
    assert bench.names() == before
    assert bench.said == ["storage_full"]


@pytest.mark.parametrize(("sizes", "said"), [
    ((10,), []),
    ((85,), ["storage_nearly_full"]),
    ((85, 100, 100), ["storage_nearly_full", "storage_full"]),
    ((100, 10), ["storage_full", "storage_ok"]),
])  # fmt: skip
def test_a_level_is_said_once_when_it_changes(tmp_path: Path, sizes: tuple[int, ...], said: list[str]) -> None:
    bench = Bench(tmp_path, 100)
    for size in sizes:
        bench.put("00000.mp4", size)
        bench.retention.step()
    assert bench.said == said
