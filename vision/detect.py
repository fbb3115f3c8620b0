"""Findings in any one video file: placed on a known asset, at a point by poses alone, or only in the picture."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from pydantic import TypeAdapter, ValidationError

from contracts.errors import CorruptMedia, InvalidInput, NotFound
from contracts.findings import Detection
from contracts.media import SegmentManifest
from contracts.shapes import AnyShape, AssetGeometry
from vision.analysis import Progress, SegmentAnalyser, norm_box
from vision.bearings import Bearings
from vision.detector import BoxFinder, Card
from vision.frames import KeyFrames, choose_by_time, of_file
from vision.motion import MotionTracker
from vision.pictures import FRAME_WIDTH_PX, Box, annotated
from vision.tiling import find_in_frame
from vision.tracks import Track
from vision.video import Video

_LONE = 0.6
"""A defect seen once in video without poses must be at least this confident; below it, one is for review only."""
_SEEN_AGAIN = 0.5
"""The same for one seen in several frames: without poses nothing says where the asset ends and the fields begin."""
_PICTURES = 3


class Found(NamedTuple):
    """What ``detect`` says of a video: a JSON-able report, and which boxes to draw on which frames."""

    report: dict[str, object]
    marks: dict[int, list[tuple[Box, str]]]


def detect_plain(finder: BoxFinder, path: Path, progress: Progress | None = None) -> Found:
    """Look through a video of which only the pixels are known.

    Raises:
        CorruptMedia: Nothing of it can be decoded.

    """
    return _followed(finder, path, progress, lambda track: is_worth_a_look(track, finder.card))[0]


def _followed(
    finder: BoxFinder, path: Path, progress: Progress | None, kept: Callable[[Track], bool]
) -> tuple[Found, list[Track]]:
    """Return what a video shows, followed through the picture, and the tracks that are kept, the surest first."""
    started = time.monotonic()
    video, tracker = Video(path), MotionTracker()
    chosen = choose_by_time(video)
    looked = 0
    frames = KeyFrames(video, chosen, lambda _frame: None)
    for frame in frames:
        tracker.add(frame.frame, frame.image, find_in_frame(finder, frame.image))
        looked += 1
        if progress:
            progress(looked, len(chosen))
    if not looked and not frames.rejected:
        raise CorruptMedia(f"No frame of {path.name} can be decoded.", hint="; ".join(video.problems[:3]))
    tracks = sorted(filter(kept, tracker.tracks()), key=lambda t: -t.confidence)
    report = _about(finder, video, looked, started) | {
        "findings": [_plain(track, video, finder.card) for track in tracks]
    }
    return Found(report, _marks(tracks)), tracks


def _marks(tracks: Sequence[Track]) -> dict[int, list[tuple[Box, str]]]:
    """Return the boxes to draw on each frame."""
    marks: dict[int, list[tuple[Box, str]]] = {}
    for track in tracks:
        for look in track.looks:
            marks.setdefault(look.frame, []).append((look.xyxy, f"{track.kind} {look.confidence:.2f}"))
    return marks


def is_worth_a_look(track: Track, card: Card) -> bool:
    """Tell whether a track without place is a finding: seen twice, or once without doubt."""
    return track.confidence >= (max(card.reviews(track.kind), _SEEN_AGAIN) if len(track.frames) > 1 else _LONE)


def detect_placed(
    finder: BoxFinder, path: Path, manifest: SegmentManifest, geometry: AnyShape, progress: Progress | None
) -> Found:
    """Look through a segment whose poses and asset are known."""
    started = time.monotonic()
    result = SegmentAnalyser(finder).analyse(path, manifest, geometry, progress)
    about = _about(finder, Video(path), result.key_frames, started)
    report = about | {
        "problems": list(result.problems),
        "findings": [d.model_dump(mode="json") for d in result.detections],
        "coverage": [c.model_dump(mode="json") for c in result.coverage],
        "parts": [c.model_dump(mode="json") for c in result.parts],
    }
    return Found(report, _marks_of(result.detections, manifest))


def detect_located(finder: BoxFinder, path: Path, manifest: SegmentManifest, progress: Progress | None) -> Found:
    """Look through a segment whose poses are known and whose asset is not: findings get a point where looks cross.

    Tracks are followed through the picture and joined where their looks cross in one point: the picture's motion is
    lost on a plain surface, the poses' is not. A ``point`` is WGS 84 with CE90 and LE90, null (with the reason) where
    looks run side by side or do not agree: one look gives a direction, never a place.
    """
    found, tracks = _followed(finder, path, progress, lambda _track: True)
    video = Video(path)
    places = Bearings(of_file(manifest, video))
    kept = [t for t in places.joined(tracks) if is_worth_a_look(t, finder.card)]
    findings = [_plain(t, video, finder.card) | places.told(t) for t in kept]
    return Found(found.report | {"findings": findings}, _marks(kept))


def _marks_of(detections: tuple[Detection, ...], manifest: SegmentManifest) -> dict[int, list[tuple[Box, str]]]:
    marks: dict[int, list[tuple[Box, str]]] = {}
    width, height = manifest.camera.width_px, manifest.camera.height_px
    for found in detections:
        for look in found.evidence:
            box = (look.box.x0 * width, look.box.y0 * height, look.box.x1 * width, look.box.y1 * height)
            marks.setdefault(look.frame.frame, []).append((box, f"{found.kind} {look.confidence:.2f}"))
    return marks


def _about(finder: BoxFinder, video: Video, looked: int, started: float) -> dict[str, object]:
    return {
        "video": video.path.name,
        "width_px": video.width_px,
        "height_px": video.height_px,
        "codec": video.codec,
        "frames_total": len(video.index),
        "key_frames": looked,
        "video_s": round(video.duration_s, 3),
        "processing_s": round(time.monotonic() - started, 3),
        "model": {"name": finder.card.name, "sha256": finder.card.sha256, "threshold": finder.card.threshold},
        "problems": list(video.problems),
    }


def _plain(track: Track, video: Video, card: Card) -> dict[str, object]:
    looks = sorted(track.looks, key=lambda x: x.frame)
    return {
        "kind": track.kind.value,
        "confidence": round(track.confidence, 4),
        "sure": track.confidence >= max(_LONE, card.accepts(track.kind)),
        "first_s": round(video.index[looks[0].frame].pts_ms / 1000, 3),
        "last_s": round(video.index[looks[-1].frame].pts_ms / 1000, 3),
        "evidence": [
            {
                "frame": look.frame,
                "pts_ms": round(video.index[look.frame].pts_ms, 3),
                "confidence": round(look.confidence, 4),
                "box": norm_box(look.xyxy, video.width_px, video.height_px).model_dump(),
            }
            for look in looks
        ],
    }


def draw(path: Path, marks: dict[int, list[tuple[Box, str]]], folder: Path) -> list[Path]:
    """Write the frames with the most to show, boxes drawn in; return their files, the best first."""
    ranked = sorted(marks, key=lambda f: (-sum(float(c.rsplit(" ", 1)[1]) for _, c in marks[f]), f))[:_PICTURES]
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for decoded in Video(path).decode(sorted(ranked)):
        picture = annotated(decoded.image, marks[decoded.frame])
        scale = min(1.0, FRAME_WIDTH_PX / picture.shape[1])
        small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        files[decoded.frame] = folder / f"annotated-{decoded.frame:06d}.png"
        cv2.imwrite(str(files[decoded.frame]), np.asarray(small, np.uint8))
    return [files[f] for f in ranked if f in files]


_SHAPES: TypeAdapter[AnyShape] = TypeAdapter(AssetGeometry)


def read_manifest(path: Path) -> SegmentManifest:
    """Read a segment manifest."""
    try:
        return SegmentManifest.model_validate_json(_text(path))
    except ValidationError as error:
        raise InvalidInput(f"{path} is no segment manifest: {error.errors()[0]['msg']}.", field="manifest") from error


def read_geometry(path: Path) -> AnyShape:
    """Read an asset's geometry, of whatever class."""
    try:
        return _SHAPES.validate_json(_text(path))
    except ValidationError as error:
        raise InvalidInput(
            f"{path} is no geometry of an asset: {error.errors()[0]['msg']}.", field="geometry"
        ) from error


def _text(path: Path) -> str:
    if not path.exists():
        raise NotFound(f"There is no file {path}.")
    return path.read_text(encoding="utf-8")
