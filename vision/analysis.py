"""One segment, looked at: key frames, boxes, places, tracks, coverage; no storage, no queues."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from contracts import audits
from contracts.errors import CorruptMedia
from contracts.findings import AuditBox, AuditFrame, CoverageCell, Detection, Evidence, Frame, PartCell
from contracts.geo import BoxNorm
from contracts.media import SegmentManifest, crop_key, frame_key
from contracts.places import AnyPlace
from contracts.shapes import AnyShape, kind_of
from contracts.turbine import SurfacePlace
from contracts.vocabulary import AssetKind, DefectKind
from vision.asset_class import OnAsset
from vision.boxes import KINDS, Boxes, Image
from vision.coverage import Coverage
from vision.detector import BoxFinder
from vision.frames import KeyFrame, KeyFrames, Timeline, choose, fill, footprints, of_file, prefer_key_frames, sharpness
from vision.georef import CE90_PER_SIGMA, LE90_PER_SIGMA, Accuracy, Georeferencer
from vision.grid import Grid
from vision.grids import grid_of
from vision.motion import touches_border
from vision.pictures import crop_jpeg, frame_jpeg
from vision.sampling import Sample
from vision.tiling import Mask, asset_mask, look_over
from vision.tracks import Look, Track, apart, estimate, group_by_place
from vision.video import Video

_EVIDENCE = 6
_MAX_INCIDENCE_DEG = 75.0
"""A side seen more aslant than this tells nothing: the box is of what stands before or behind it."""
Progress = Callable[[int, int], None]
"""Called after each key frame with (done, chosen)."""


class Analysis(NamedTuple):
    """What was found in a segment; ``pictures`` holds each evidence and audit picture by its object key."""

    detections: tuple[Detection, ...]
    coverage: tuple[CoverageCell, ...]
    parts: tuple[PartCell, ...]
    """Coverage of what is no blade."""
    audit_frames: tuple[AuditFrame, ...]
    pictures: dict[str, bytes]
    frames_total: int
    key_frames: int
    video_s: float
    processing_s: float
    problems: tuple[str, ...]


class _Shot(NamedTuple):
    """What is kept of a key frame with boxes, so that its pixels need not be."""

    frame: Frame
    picture: bytes
    crops: dict[tuple[float, float, float, float], bytes]
    width_px: int
    height_px: int


class SegmentAnalyser:
    """Analyses segments of one asset after another with one detector."""

    def __init__(self, finder: BoxFinder, audit_share: float = audits.SHARE) -> None:
        self._finder = finder
        self._audit_share = audit_share

    def analyse(
        self, video_file: Path, manifest: SegmentManifest, geometry: AnyShape, progress: Progress | None = None
    ) -> Analysis:
        """Return everything one segment shows.

        Raises:
            CorruptMedia: No frame of the video can be decoded.

        """
        started = time.monotonic()
        video = Video(video_file)
        recorded, manifest = len(manifest.frames), of_file(manifest, video)
        sample = Sample(manifest, self._audit_share)
        pass_ = _Pass(self._on(geometry), manifest, grid_of(geometry, manifest), sample)
        prints = footprints(pass_.surface, manifest, min(len(video.index), len(manifest.frames)))
        chosen = fill(prefer_key_frames(video, choose(prints.shown), prints.shown), prints.well)
        frames = KeyFrames(video, chosen, pass_.mask)
        for frame in frames:
            pass_.look(frame)
            if progress:
                progress(pass_.key_frames, len(chosen))
        if chosen and not pass_.key_frames and not frames.rejected:
            raise CorruptMedia(f"No frame of {video_file.name} can be decoded.", hint="; ".join(video.problems[:3]))
        detections, pictures, audited = pass_.results()
        missing = recorded - len(video.index)
        lost = [f"{missing} of {recorded} frames are missing"] if missing > 0 else []
        return Analysis(
            detections=detections,
            coverage=pass_.coverage.cells(),
            parts=pass_.coverage.parts(),
            audit_frames=audited,
            pictures=pictures | sample.pictures(),
            frames_total=len(video.index),
            key_frames=pass_.key_frames,
            video_s=video.duration_s,
            processing_s=time.monotonic() - started,
            problems=(*lost, *video.problems),
        )

    def analyse_views(
        self, images: Iterable[Image], manifest: SegmentManifest, geometry: AnyShape
    ) -> tuple[tuple[Detection, ...], tuple[CoverageCell, ...]]:
        """Return what pictures show that are key frames already, one for each frame of the manifest."""
        pass_ = _Pass(self._on(geometry), manifest, grid_of(geometry, manifest), None)
        for number, (image, time_) in enumerate(zip(images, manifest.frames, strict=True)):
            pass_.look(KeyFrame(number, time_.pts_ms, image, sharpness(image, pass_.mask(number))))
        return pass_.results()[0], pass_.coverage.cells()

    def _on(self, geometry: AnyShape) -> OnAsset:
        return OnAsset(self._finder, AssetKind(kind_of(geometry)))


class _Pass:
    """One run over a segment's key frames."""

    def __init__(self, finder: BoxFinder, manifest: SegmentManifest, surface: Grid, sample: Sample | None) -> None:
        self.surface = surface
        self.coverage = Coverage(surface, manifest.camera)
        self.key_frames = 0
        self._finder = finder
        self._manifest = manifest
        self._timeline = Timeline(manifest)
        accuracy = Accuracy(manifest.pose_sigma_m, manifest.attitude_sigma_deg)
        self._georef = Georeferencer(surface, manifest.camera, accuracy)
        self._looks: list[Look] = []
        self._suspected: list[Look] = []
        self._shots: dict[int, _Shot] = {}
        self._sample = sample
        self.mask = lru_cache(maxsize=16)(self._mask)

    def look(self, frame: KeyFrame) -> None:
        """Find and place what one key frame shows."""
        self.key_frames += 1
        pose = self._timeline.pose(frame.frame)
        if self._sample:
            self._sample.offer(self._about(frame), frame.image)
        self.coverage.add(self.surface.sight(pose, self._manifest.camera), frame.sharpness)
        seen = look_over(self._finder, frame.image, self.mask(frame.frame))
        looks, suspected = (self._placed(frame, boxes) for boxes in seen)
        if looks or suspected:
            self._looks += looks
            self._suspected += suspected
            self._shots[frame.frame] = self._shot(frame, [*looks, *suspected])

    def results(self) -> tuple[tuple[Detection, ...], dict[str, bytes], tuple[AuditFrame, ...]]:
        """Return detections, accepted or left to a person; their pictures by object key; the blind audits' sample."""
        detections: dict[str, Detection] = {}
        pictures: dict[str, bytes] = {}
        shown: list[tuple[int, AuditBox]] = []
        for track, made in self._told():
            if made.detection_id not in detections:
                detections[made.detection_id] = made
                shot = self._shots[track.best.frame]
                pictures[made.evidence[0].frame_key] = shot.picture
                pictures[made.evidence[0].crop_key] = shot.crops[track.best.xyxy]
                shown += self._on_sample(track, made)
        told = tuple(sorted(detections.values(), key=lambda d: (-d.confidence, d.detection_id)))
        return told, pictures, self._sample.frames(shown) if self._sample else ()

    def _told(self) -> Iterator[tuple[Track, Detection]]:
        """Yield what the product of both looks finds, then what their fusion does elsewhere, then what waits."""
        card, fusion = self._finder.card, self._finder.card.fusion
        found = [
            (t, self._detection(t, card.reviews(t.kind), card.accepts(t.kind))) for t in group_by_place(self._looks)
        ]
        told = [(track, made) for track, made in found if made and not made.for_review]
        if fusion:
            suspects = group_by_place(apart(self._suspected, [track for track, _ in told]))
            told += [(t, made) for t in suspects if (made := self._detection(t, fusion.review, fusion.accept))]
        yield from told
        known = [track for track, _ in told]
        yield from (
            (t, made) for t, made in found if made and made.for_review and len(apart(t.looks, known)) == len(t.looks)
        )

    def _on_sample(self, track: Track, made: Detection) -> list[tuple[int, AuditBox]]:
        """Return where a detection shows on sampled frames, by frame."""
        sizes = self._sample.sizes_px() if self._sample else {}
        return [
            (look.frame, AuditBox(detection_id=made.detection_id, kind=look.kind, box=norm_box(look.xyxy, *size)))
            for look in track.looks
            if (size := sizes.get(look.frame)) is not None
        ]

    def _mask(self, frame: int) -> Mask:
        return asset_mask(self.surface, self._timeline.pose(frame), self._manifest.camera)

    def _placed(self, frame: KeyFrame, boxes: Boxes) -> list[Look]:
        """Return the boxes that lie on the asset, none of them too aslant."""
        pose = self._timeline.pose(frame.frame)
        height, width = frame.image.shape[:2]
        made = []
        for row in range(len(boxes)):
            x0, y0, x1, y1 = (float(v) for v in boxes.xyxy[row])
            made.append(
                Look(
                    frame=frame.frame,
                    kind=KINDS[int(boxes.kind[row])],
                    confidence=float(boxes.confidence[row]),
                    xyxy=(x0, y0, x1, y1),
                    placed=self._georef.place(pose, (x0, y0, x1, y1)),
                    clipped=touches_border(boxes.xyxy[row], width, height),
                )
            )
        return [x for x in made if x.placed and x.placed.incidence_deg <= _MAX_INCIDENCE_DEG]

    def _about(self, frame: KeyFrame) -> Frame:
        taken = datetime.fromtimestamp(self._timeline.t_us(frame.frame) / 1e6, UTC)
        return Frame(
            segment_id=self._manifest.segment_id,
            frame=frame.frame,
            pts_ms=frame.pts_ms,
            captured_at=taken,
            pose=self._timeline.pose(frame.frame),
            sharpness=round(frame.sharpness, 3),
        )

    def _shot(self, frame: KeyFrame, looks: list[Look]) -> _Shot:
        image: Image = frame.image
        crops = {look.xyxy: crop_jpeg(image, look.xyxy) for look in looks}
        return _Shot(self._about(frame), frame_jpeg(image), crops, image.shape[1], image.shape[0])

    def _detection(self, track: Track, least: float, sure: float) -> Detection | None:
        """Return a track as a detection; None where the looks that could show it do not reach ``least`` on average.

        A person is asked where they do not reach ``sure``.
        """
        found = estimate(track)
        if found is None:
            return None
        placed = found.placed
        chances = max(self.coverage.looks_at(placed.place), len(track.frames))
        supported = support(track, chances)
        if supported < least:
            return None
        detection_id = detection_name(self._manifest.segment_id, self._finder.card.sha256, track.kind, placed.place)
        return Detection(
            detection_id=detection_id,
            kind=track.kind,
            confidence=min(1.0, track.confidence),
            place=placed.place,
            point=self._georef.to_geo(self.surface.point_of(placed.place)),
            ce90_m=CE90_PER_SIGMA * found.sigma_m,
            le90_m=LE90_PER_SIGMA * placed.height_sigma_m,
            length_mm=placed.length_mm,
            width_mm=placed.width_mm,
            size_sigma_mm=placed.size_sigma_mm,
            evidence=self._evidence(track, detection_id),
            for_review=supported < sure,
        )

    def _evidence(self, track: Track, detection_id: str) -> tuple[Evidence, ...]:
        made = []
        for rank, look in enumerate(track.by_quality()[:_EVIDENCE]):
            shot, placed = self._shots[look.frame], look.placed
            if placed is None:
                continue
            pictures: dict[str, str] = {}
            if rank == 0:
                segment = self._manifest.segment_id
                pictures = {
                    "crop_key": crop_key(segment, detection_id),
                    "crop_sha256": hashlib.sha256(shot.crops[look.xyxy]).hexdigest(),
                    "frame_key": frame_key(segment, look.frame),
                    "frame_sha256": hashlib.sha256(shot.picture).hexdigest(),
                }
            made.append(
                Evidence(
                    frame=shot.frame,
                    box=norm_box(look.xyxy, shot.width_px, shot.height_px),
                    confidence=min(1.0, look.confidence),
                    gsd_mm_px=placed.gsd_mm_px,
                    incidence_deg=placed.incidence_deg,
                    **pictures,
                )
            )
        return tuple(made)


def support(track: Track, chances: int) -> float:
    """Return the mean confidence over every key frame that could have shown the defect."""
    per_frame = {f: max(x.confidence for x in track.looks if x.frame == f) for f in track.frames}
    return sum(per_frame.values()) / max(chances, 1)


def detection_name(segment: str, model_sha256: str, kind: DefectKind, place: AnyPlace) -> str:
    """Return an id that the same segment, model and place give again (places to 5 cm)."""
    along, across = (round(metres / 0.05) for metres in (place.along_m, place.across_m))
    text = f"{segment}/{model_sha256}/{kind}/{_short(place)}/{along}/{across}"
    return f"det-{hashlib.sha256(text.encode()).hexdigest()[:20]}"


def _short(place: AnyPlace) -> str:
    return f"{place.blade}{place.side}" if isinstance(place, SurfacePlace) else place.surface


def norm_box(xyxy: tuple[float, float, float, float], width: int, height: int) -> BoxNorm:
    """Return a pixel box as fractions of the picture, clipped to it."""
    x0, y0, x1, y1 = (min(1.0, max(0.0, v / s)) for v, s in zip(xyxy, (width, height, width, height), strict=True))
    return BoxNorm(x0=x0, y0=y0, x1=x1, y1=y1)
