"""The same weights over one 4K clip with known defects: Kestrel, `yolo predict` and SAHI's slices, in one run.

Usage: python -m benchmarks.vision [--seconds 10] [--step 12] [--json]

The clip is rendered: a pass along the side of a blade that has most defects, 24 frames a second. Kestrel gets the
video with its poses, as a worker does, and is measured over all of it. The others look at every ``--step``-th frame
only, being slow: their frames/s is over those. A defect counts as found when a finding lies within 0.3 m of it
(Kestrel, which says one finding per defect) or when any box touches it in any frame (the others, which say one per
frame).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from contracts.media import SegmentManifest
from contracts.places import AnyPlace
from contracts.turbine import SurfacePlace
from contracts.vocabulary import Blade, BladeSide
from simulators.defects import PlantedDefect, planted_in
from simulators.render import Renderer
from simulators.sensor import Shot
from simulators.truthboxes import Truth
from simulators.world import default_scene
from tests.vision_views import manifest_of, square_on
from vision.analysis import SegmentAnalyser
from vision.boxes import KINDS, Boxes, Image
from vision.card import Card
from vision.detector import SHIPPED, BoxFinder, open_detector
from vision.offline import load_ultralytics
from vision.video import Video

FPS, SPEED_MPS, STANDOFF_M = 24, 1.5, 10.0
NEAR_M = 0.3
PLAIN = "plain.onnx"
SLICE_PX, OVERLAP, CONFIDENCE = 640, 0.2, 0.25
"""SAHI's and ultralytics' own defaults but for the slice, which is what the weights were trained at."""
SCENE = default_scene(7)
ASSET = SCENE.assets[0]
Box = tuple[float, float, float, float]


class Row(NamedTuple):
    """What one contestant made of the clip."""

    name: str
    frames: int
    frames_per_s: float
    recall: float
    false: int
    cpu_s: float
    memory_mb: float
    stages_s: dict[str, float]


def clip_side() -> tuple[Blade, BladeSide, list[PlantedDefect]]:
    """Return the side with most defects."""
    sides: dict[tuple[Blade, BladeSide], list[PlantedDefect]] = {}
    for defect in planted_in(SCENE, 1):
        if defect.asset_id == ASSET.asset_id:
            sides.setdefault((defect.place.blade, defect.place.side), []).append(defect)
    (blade, side), defects = max(sides.items(), key=lambda item: len(item[1]))
    return blade, side, defects


def write_clip(folder: Path, seconds: float) -> None:
    """Render the pass; leave ``clip.mp4``, ``manifest.json`` and ``truth.json`` (frame -> [id, box])."""
    blade, side, mine = clip_side()
    along = [d.place.distance_to_root_m for d in mine]
    middle = max(along, key=lambda m: sum(abs(other - m) <= seconds * SPEED_MPS / 2 for other in along))
    poses = []
    for number in range(int(seconds * FPS)):
        distance = min(max(3.0, middle + (number / FPS - seconds / 2) * SPEED_MPS), ASSET.geometry.blade_length_m - 0.5)
        offset = ASSET.geometry.side_width_m(side, distance) / 2
        place = SurfacePlace(blade=blade, side=side, distance_to_root_m=distance, offset_m=offset)
        poses.append(square_on(ASSET.geometry, place, STANDOFF_M))
    defects = [d for d in planted_in(SCENE, 1) if d.asset_id == ASSET.asset_id]
    renderer, truth = Renderer(SCENE, ASSET, defects), Truth(ASSET.geometry, defects)
    facet = ASSET.geometry.facet(blade, side)
    velocity = facet.first_tip.minus(facet.first_root).unit().times(SPEED_MPS)
    with av.open(str(folder / "clip.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = SCENE.camera.width_px, SCENE.camera.height_px, "yuv420p"
        stream.codec_context.gop_size = FPS
        stream.options = {"preset": "ultrafast", "crf": "21"}
        for number, pose in enumerate(poses):
            said(f"rendering {number + 1} of {len(poses)}")
            shot = Shot(shutter_s=1 / 2000, velocity=velocity, noise=1.0, noise_seed=number)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(renderer.frame(pose, shot=shot), format="bgr24")))
        container.mux(stream.encode(None))
    boxes = [
        [(b.defect.defect_id, (b.x0, b.y0, b.x1, b.y1)) for b in truth.visible(pose, SCENE.camera)] for pose in poses
    ]
    (folder / "truth.json").write_text(json.dumps(boxes))
    manifest = manifest_of((folder / "clip.mp4").read_bytes(), poses, SCENE.camera, FPS)
    (folder / "manifest.json").write_text(manifest.model_dump_json())


def write_plain_model(path: Path) -> None:
    """Write the shipped weights with the input that ultralytics and SAHI give: RGB 0..1, (batch, 3, height, width)."""
    model = onnx.load(str(SHIPPED))
    graph, names = model.graph, {index: kind.value for index, kind in enumerate(KINDS)}
    first = next(t for t in graph.initializer if t.name.removesuffix("_half") == "model.0.conv.weight")
    weights = numpy_helper.to_array(first).astype(np.float32)[:, ::-1] * 255.0
    first.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(weights, np.float32), first.name))
    for node in [n for n in graph.node if n.output[0] in {"frames_float", "images"}]:
        graph.node.remove(node)
    del graph.input[:]
    shape = ["batch", 3, "height", "width"]
    graph.input.append(helper.make_tensor_value_info("images", TensorProto.FLOAT, shape))
    helper.set_model_props(model, {"stride": "32", "task": "detect", "batch": "1", "names": str(names),
                                   "imgsz": str([SLICE_PX, SLICE_PX])})  # fmt: skip
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


class Timed:
    """A detector with a stop watch."""

    def __init__(self, finder: BoxFinder) -> None:
        self._finder = finder
        self.stages_s = {"detect": 0.0, "second look": 0.0}

    @property
    def card(self) -> Card:
        """Return the detector's own."""
        return self._finder.card

    def find(self, images: Sequence[Image]) -> list[Boxes]:
        """Find, timed."""
        return self._timed("detect", lambda: self._finder.find(images))

    def confirm(self, image: Image, boxes: Boxes) -> Boxes:
        """Look again, timed."""
        return self._timed("second look", lambda: self._finder.confirm(image, boxes))

    def suspect(self, image: Image, boxes: Boxes) -> Boxes:
        """Suspect, timed."""
        return self._timed("second look", lambda: self._finder.suspect(image, boxes))

    def _timed(self, stage: str, work: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        try:
            return work()
        finally:
            self.stages_s[stage] += time.perf_counter() - started


def kestrel(folder: Path, _step: int) -> Row:
    """Analyse the segment as a worker does."""
    finder = Timed(open_detector(SHIPPED))
    manifest = SegmentManifest.model_validate_json((folder / "manifest.json").read_text())
    started, cpu = time.perf_counter(), time.process_time()
    result = SegmentAnalyser(finder).analyse(folder / "clip.mp4", manifest, ASSET.geometry)
    took_s, cpu_s = time.perf_counter() - started, time.process_time() - cpu
    defects = {d.defect_id: d for d in planted_in(SCENE, 1)}
    wanted = {name for frame in truth_of(folder) for name, _ in frame}
    found, false = set[str](), 0
    for detection in (d for d in result.detections if not d.for_review):
        near = [n for n, d in defects.items() if _apart_m(d.place, detection.place) <= NEAR_M + d.length_mm / 2000]
        found.update(near)
        false += not near
    stages = finder.stages_s | {"frames, places, pictures": took_s - sum(finder.stages_s.values())}
    return Row("Kestrel", result.frames_total, result.frames_total / took_s, len(found & wanted) / len(wanted),
               false, cpu_s, _memory_mb(), stages)  # fmt: skip


def _apart_m(one: SurfacePlace, other: AnyPlace | None) -> float:
    if other is None or one.surface != other.surface:
        return float("inf")
    return abs(one.along_m - other.along_m)


def predict(folder: Path, step: int) -> Row:
    """Run `yolo predict` as it comes: the frame shrunk to the size the weights were trained at."""
    model = load_ultralytics().YOLO(str(folder / PLAIN), task="detect")

    def look(image: Image) -> list[Box]:
        [answer] = model.predict(image, imgsz=SLICE_PX, conf=CONFIDENCE, device="cpu", verbose=False)
        return [tuple(map(float, row)) for row in answer.boxes.xyxy.tolist()]

    return _framewise("yolo predict", look, folder, step)


def sahi(folder: Path, step: int) -> Row:
    """Run SAHI's sliced prediction around the same model."""
    load_ultralytics()
    # Its set-up, and that of torch, must not weigh on the others' memory.
    from sahi import AutoDetectionModel  # noqa: PLC0415
    from sahi.predict import get_sliced_prediction  # noqa: PLC0415

    model = AutoDetectionModel.from_pretrained(
        model_type="ultralytics", model_path=str(folder / PLAIN), confidence_threshold=CONFIDENCE, device="cpu",
        image_size=SLICE_PX,
    )  # fmt: skip

    def look(image: Image) -> list[Box]:
        answer = get_sliced_prediction(
            np.ascontiguousarray(image[..., ::-1]), model, slice_height=SLICE_PX, slice_width=SLICE_PX,
            overlap_height_ratio=OVERLAP, overlap_width_ratio=OVERLAP, verbose=0,
        )  # fmt: skip
        return [tuple(map(float, p.bbox.to_xyxy())) for p in answer.object_prediction_list]

    return _framewise("SAHI", look, folder, step)


def _framewise(name: str, look: Callable[[Image], list[Box]], folder: Path, step: int) -> Row:
    truth, video = truth_of(folder), Video(folder / "clip.mp4")
    chosen = range(0, len(truth), step)
    look(np.zeros((2160, 3840, 3), np.uint8))  # what a first call loads is not measured
    started, cpu, found, false, looked_s = time.perf_counter(), time.process_time(), set[str](), 0, 0.0
    for decoded in video.decode(list(chosen)):
        said(f"{name}: frame {decoded.frame} of {len(truth)}")
        began = time.perf_counter()
        boxes = look(decoded.image)
        looked_s += time.perf_counter() - began
        for box in boxes:
            touched = {defect_id for defect_id, other in truth[decoded.frame] if _touch(box, other)}
            found |= touched
            false += not touched
    took_s, cpu_s = time.perf_counter() - started, time.process_time() - cpu
    wanted = {defect_id for frame in truth for defect_id, _ in frame}
    # Decoding only what is chosen still decodes the groups they are in: not charged to the others.
    return Row(name, len(chosen), len(chosen) / looked_s, len(found) / len(wanted), false, cpu_s, _memory_mb(),
               {"detect": looked_s, "decoding": took_s - looked_s})  # fmt: skip


def truth_of(folder: Path) -> list[list[tuple[str, Box]]]:
    """Return the visible defects of each frame."""
    return [[(name, tuple(box)) for name, box in frame] for frame in json.loads((folder / "truth.json").read_text())]


def _touch(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def said(text: str) -> None:
    """Show progress on a terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{text:60}")


def rows(folder: Path, step: int) -> Iterator[Row]:
    """Run each contestant in a process of its own, one after another."""
    for contestant in (kestrel, predict, sahi):
        yield alone(contestant, folder, step)


def alone(work: Callable[[Path, Any], Any], folder: Path, asked: float) -> Any:
    """Run something in a new process: what it keeps, and its peak of memory, is its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, folder, asked).result()


def main() -> None:
    """Print a row for each and the ratio to SAHI."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--step", type=int, default=12)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_plain_model(Path(folder) / PLAIN)
        alone(write_clip, Path(folder), asked.seconds)
        found = list(rows(Path(folder), asked.step))
    if asked.json:
        print(json.dumps([row._asdict() for row in found]))
        return
    slowest = found[-1].frames_per_s
    for row in found:
        stages = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in row.stages_s.items())
        speed = f"{row.frames_per_s:7.2f} frames/s ({row.frames_per_s / slowest:5.1f} x SAHI) over {row.frames}"
        quality = f"recall {row.recall:.2f}, {row.false} false"
        print(f"{row.name:13} {speed}, {quality}, {row.cpu_s:.0f} s of CPU, {row.memory_mb:.0f} MB; {stages}")


if __name__ == "__main__":
    main()
