"""Which engine runs the detector faster on this machine: the same tiles, one run, ratios to ONNX Runtime.

Usage: python benchmarks/vision_runtime.py [--model FILE] [--rounds 5] [--json]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

from vision.detector import SHIPPED
from vision.runtimes import Frames, OnnxRuntime, OpenVino, Runtime

TILE_PX = 640


def engines(model: Path, threads: int) -> dict[str, Runtime]:
    """Return every engine that is installed."""
    made: dict[str, Runtime] = {}
    if importlib.util.find_spec("onnxruntime"):
        made["onnxruntime"] = OnnxRuntime(model, threads)
    if importlib.util.find_spec("openvino"):
        full, half = OpenVino(model, threads, half=False), OpenVino(model, threads)
        made |= {runtime.name: runtime for runtime in (full, half)}
    return made


def tile_ms(runtime: Runtime, frames: Frames) -> float:
    """Return how long one tile of a batch takes."""
    started = time.perf_counter()
    runtime.infer(frames)
    return 1000 * (time.perf_counter() - started) / len(frames)


def measure(model: Path, threads: int, rounds: int) -> list[dict[str, Any]]:
    """Interleave the engines, so that other load on the machine meets all of them alike."""
    rng = np.random.default_rng(0)
    running = engines(model, threads)
    rows: list[dict[str, Any]] = []
    for batch in (1, 4):
        frames = rng.integers(0, 255, (batch, TILE_PX, TILE_PX, 3), np.uint8)
        times: dict[str, list[float]] = {name: [] for name in running}
        for runtime in running.values():
            runtime.infer(frames)
        for _ in range(rounds):
            for name, runtime in running.items():
                times[name].append(tile_ms(runtime, frames))
        first = statistics.median(next(iter(times.values())))
        for name, taken in times.items():
            ms = statistics.median(taken)
            rows.append({"engine": name, "batch": batch, "tile_ms": round(ms, 1), "times_faster": round(first / ms, 2)})
    return rows


def main() -> None:
    """Print one row per engine and batch size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=SHIPPED)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    rows = measure(asked.model, asked.threads, asked.rounds)
    if asked.json:
        print(json.dumps(rows))
        return
    for row in rows:
        print("{engine:16} batch {batch}: {tile_ms:7.1f} ms per 640 px tile, {times_faster:5.2f} x".format(**row))


if __name__ == "__main__":
    main()
