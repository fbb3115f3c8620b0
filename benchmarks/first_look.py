"""What the first look on board costs: frames a second, latency, the share of a core, memory, and what overload does.

Usage: python -m benchmarks.first_look [--seconds 20] [--json]

The detector runs in the agent's own process for it, on rendered key frames with a planted defect: Full HD and 4K, at
the distance where the picture is searched as it is (4 mm a pixel) and at half of it. Key frames are offered twice a
second, as a camera with short groups does; what could not be looked at is counted.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from contracts.first_look import FirstLook
from contracts.geo import Pose
from contracts.media import PoseSample
from contracts.optics import CameraIntrinsics
from edge.clock import now_us
from edge.first_look.detection import Detector, Means, OnboardDetection
from edge.first_look.process import DetectorProcess, detector_command
from edge.first_look.scene import Encoded
from edge.flights import Flights
from edge.poses import Poses
from simulators.encoder import GopEncoder
from simulators.tiles import TileMaker
from tests.unit.edge.world import Announcements, at, flight, route

WEIGHTS = Path(__file__).resolve().parents[1] / "models" / "kestrel-blade-n.onnx"
_EVERY_S = 0.5


def key_frame(width_px: int, height_px: int) -> bytes:
    """Return one encoded picture with a defect in its middle."""
    tile = TileMaker(5, 640).make(background=False).image
    picture = np.full((height_px, width_px, 3), 150, np.uint8)
    y, x = (height_px - 640) // 2, (width_px - 640) // 2
    picture[y : y + 640, x : x + 640] = tile
    # A camera's noise: without it the decoder has nothing to do.
    picture = cv2.add(picture, np.random.default_rng(1).integers(0, 6, picture.shape, np.uint8))
    encoder = GopEncoder(width_px, height_px, 2, 20)
    encoder.add(np.asarray(picture, np.uint8), 1_800_000_000_000_000)
    encoder.finish()
    return encoder._units[0][2]  # noqa: SLF001 - the frame without its container


def measure(folder: Path, width_px: int, height_px: int, gsd_mm_px: float, seconds: float) -> dict[str, Any]:
    """Offer key frames for a while; return what the detection says of itself."""
    flights, poses = Flights(folder / "recordings"), Poses(folder / "poses.db")
    camera = CameraIntrinsics(width_px=width_px, height_px=height_px, focal_px=3000.0)
    flights.save(flight(route=route(standoff_m=gsd_mm_px * camera.focal_px / 1000)))
    sha256 = hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
    detectors: list[DetectorProcess] = []

    def opened() -> Detector:
        detectors.append(DetectorProcess(detector_command(WEIGHTS, sha256), threading.Event()))
        return detectors[-1]

    data = key_frame(width_px, height_px)
    means = Means("drone-1", camera, sha256, 60.0, opened, lambda _packet: Encoded("h264", b"", data))
    detection = OnboardDetection(means, flights, poses, Announcements())
    detection.want(wanted=True)
    detection.step()
    ends = threading.Event()
    looking = threading.Thread(target=lambda: _turn(detection, ends))
    looking.start()
    for _ in range(round(seconds / _EVERY_S)):
        t_us = now_us()
        poses.add(PoseSample(t_us=t_us, pose=Pose(point=at(0, 0, 30), yaw_deg=0.0, pitch_deg=0.0)))
        detection.offer("flt-1", t_us, None)
        time.sleep(_EVERY_S)
    ends.set()
    looking.join()
    found, memory_mb = detection.health(), detectors[0].memory_bytes() / 1e6
    detection.close()
    looks = [FirstLook.model_validate_json(p.read_bytes()) for p in flights.folder("flt-1").glob("first-look/*.json")]
    assert found is not None
    assert looks, "the planted defect was not seen"
    kept = found.model_dump(include={"looked", "skipped", "frames_per_s", "core_percent", "look_s", "frame_to_crop_s"})
    processor_s = (found.core_percent or 0.0) / 100 / (found.frames_per_s or 1.0)
    kept["processor_s_a_look"] = processor_s
    return {"picture": f"{width_px}x{height_px}", "gsd_mm_px": gsd_mm_px, **kept, "memory_mb": memory_mb}


def _turn(detection: OnboardDetection, ends: threading.Event) -> None:
    while not ends.is_set():
        if detection.step() is not True:
            ends.wait(0.05)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    rows = []
    for width_px, height_px, gsd_mm_px in ((1920, 1080, 4.0), (3840, 2160, 2.0), (3840, 2160, 4.0)):
        with tempfile.TemporaryDirectory(prefix="kb") as name:
            rows.append(measure(Path(name), width_px, height_px, gsd_mm_px, asked.seconds))
    rounded = [{k: round(v, 2) if isinstance(v, float) else v for k, v in row.items()} for row in rows]
    print(json.dumps(rounded) if asked.json else json.dumps(rounded, indent=2))


if __name__ == "__main__":
    main()
