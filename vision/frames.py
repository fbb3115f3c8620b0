"""Key frames: which frames of a segment to look at, chosen by what they show before anything is decoded."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from contracts.errors import InvalidInput
from contracts.geo import GeoPoint, Pose, interpolate_yaw_deg
from contracts.media import PoseSample, SegmentManifest
from vision.coverage import well_seen
from vision.grid import Grid
from vision.video import Decoded, Image, Video

MOVED_SHARE = 0.45
"""The next key frame is due when this share of the footprint on the asset is new."""
_NEIGHBOURS = 4
"""How many frames before and after a poor one may stand in for it: a camera hunts for focus over several."""
_BLURRED_SHARE = 0.6
"""Below this share of the usual sharpness a frame is replaced by a neighbour, if one is better."""
_HOPELESS_SHARE = 0.3
_BURNT_OUT = 0.5
"""More than this share of fully white pixels in the asset region: over-exposed."""
_LOOK_AHEAD = 4
_PLAIN_STEP_S = 0.5
_LEAST_NEW = 3
"""Grid points that are worth a key frame of their own; a metre of a side has twenty."""

Footprint = NDArray[np.int64]
"""Sorted numbers of the surface grid points a frame shows."""
Region = Callable[[int], NDArray[np.bool_] | None]
"""Mask of the asset in a frame by index, any scale; None: the whole frame."""


class KeyFrame(NamedTuple):
    """A decoded frame worth looking at."""

    frame: int
    """Index in the segment, from 0."""
    pts_ms: float
    image: Image
    sharpness: float


class Timeline:
    """Frame times and poses of a segment, from its manifest."""

    def __init__(self, manifest: SegmentManifest) -> None:
        self._manifest = manifest
        self._times = [sample.t_us for sample in manifest.poses]

    def t_us(self, index: int) -> int:
        """Return when a frame was taken; the manifest's last frame stands for frames past its end."""
        frames = self._manifest.frames
        return frames[min(index, len(frames) - 1)].t_us

    def pose(self, index: int) -> Pose:
        """Return the camera's pose at a frame."""
        return pose_at(self._manifest.poses, self._times, self.t_us(index))


def pose_at(samples: Sequence[PoseSample], times: Sequence[int], t_us: int) -> Pose:
    """Return the pose at a time, linear between samples, the nearest one outside them.

    Raises:
        InvalidInput: There is no sample.

    """
    if not samples:
        raise InvalidInput("The manifest holds no pose.", field="poses")
    right = bisect.bisect_left(times, t_us)
    if right == 0 or right == len(samples):
        return samples[min(right, len(samples) - 1)].pose
    first, second = samples[right - 1], samples[right]
    share = (t_us - first.t_us) / (second.t_us - first.t_us)
    a, b = first.pose, second.pose

    def between(start: float, end: float) -> float:
        return start + share * (end - start)

    point = GeoPoint(
        lat_deg=between(a.point.lat_deg, b.point.lat_deg),
        lon_deg=between(a.point.lon_deg, b.point.lon_deg),
        alt_m=between(a.point.alt_m, b.point.alt_m),
    )
    return Pose(
        point=point,
        yaw_deg=interpolate_yaw_deg(a.yaw_deg, b.yaw_deg, share),
        pitch_deg=between(a.pitch_deg, b.pitch_deg),
        roll_deg=(interpolate_yaw_deg(a.roll_deg, b.roll_deg, share) + 180.0) % 360.0 - 180.0,
    )


def of_file(manifest: SegmentManifest, video: Video) -> SegmentManifest:
    """Return the manifest with the frames that the file holds, told by their time: one lost within shifts no other."""
    if len(video.index) == len(manifest.frames):
        return manifest
    times = [frame.pts_ms for frame in manifest.frames]
    half_step_ms = (times[-1] - times[0]) / max(1, len(times) - 1) / 2
    held = []
    for entry in video.index:
        at_ms = entry.pts_ms + video.first_ms
        right = bisect.bisect_left(times, at_ms)
        near = min(range(max(0, right - 1), min(right + 1, len(times))), key=lambda i: abs(times[i] - at_ms))
        if at_ms > times[-1] + half_step_ms:
            break
        held.append(manifest.frames[near])
    return manifest.model_copy(update={"frames": tuple(held) or manifest.frames[:1]})


class Footprints(NamedTuple):
    """What frames show of the asset, one entry per frame."""

    shown: list[Footprint]
    well: list[Footprint]
    """The part shown finely and squarely enough to be judged."""


def footprints(surface: Grid, manifest: SegmentManifest, count: int) -> Footprints:
    """Return what each of ``count`` frames shows of the asset."""
    timeline = Timeline(manifest)
    sights = [surface.sight(timeline.pose(i), manifest.camera) for i in range(count)]
    well = [well_seen(s, manifest.camera, surface.judged_mm_px) for s in sights]
    return Footprints([np.nonzero(s.in_frame)[0] for s in sights], [np.nonzero(w)[0] for w in well])


def choose(prints: Sequence[Footprint], moved_share: float = MOVED_SHARE) -> list[int]:
    """Return the frames to look at: each shows enough that the one before did not, and no view is left out.

    A frame is due when ``moved_share`` of its own or of the last one's footprint is not shared; the last frame of a
    view is kept too, so that what leaves the picture was seen. Frames that show nothing are skipped.
    """
    chosen: list[int] = []
    last: Footprint | None = None
    previous: int | None = None
    for index, shown in enumerate(prints):
        if not len(shown):
            _close_view(chosen, previous)
            last = previous = None
            continue
        if last is None or _moved(last, shown) >= moved_share:
            chosen.append(index)
            last = shown
        previous = index
    _close_view(chosen, previous)
    return chosen


def _close_view(chosen: list[int], previous: int | None) -> None:
    """Keep the last frame before the asset leaves the picture."""
    if previous is not None and chosen and previous > chosen[-1]:
        chosen.append(previous)


def _moved(last: Footprint, shown: Footprint) -> float:
    shared = len(np.intersect1d(last, shown, assume_unique=True))
    return 1.0 - shared / max(len(last), len(shown), 1)


def fill(chosen: Sequence[int], well: Sequence[Footprint]) -> list[int]:
    """Return the chosen frames and those that show well what none of them does, the ones with most of it first.

    What lies at the rim of a pass or behind a tower for most of it would otherwise be recorded and never looked at.
    """
    filled = set(chosen)
    seen = np.unique(np.concatenate([np.zeros(0, np.int64), *(well[i] for i in filled)]))
    new = {i: np.setdiff1d(points, seen, assume_unique=True) for i, points in enumerate(well)}
    while new and len(new[best := max(new, key=lambda i: len(new[i]))]) >= _LEAST_NEW:
        filled.add(best)
        added = new[best]
        new = {i: np.setdiff1d(left, added, assume_unique=True) for i, left in new.items() if len(left) >= _LEAST_NEW}
    return sorted(filled)


def choose_by_time(video: Video, step_s: float = _PLAIN_STEP_S) -> list[int]:
    """Return one frame per time step, for video without poses."""
    times = [entry.pts_ms for entry in video.index]
    steps = np.arange(0.0, times[-1] + 1.0, step_s * 1000.0)
    return sorted({min(bisect.bisect_left(times, t), len(times) - 1) for t in steps})


def prefer_key_frames(video: Video, chosen: Sequence[int], prints: Sequence[Footprint]) -> list[int]:
    """Swap a chosen frame for a nearby one that decodes by itself where both show nearly the same."""
    keys = [i for i, entry in enumerate(video.index) if entry.key and i < len(prints)]
    swapped = []
    for index in chosen:
        near = min(keys, key=lambda k: abs(k - index), default=index)
        same = len(prints[near]) and _moved(prints[index], prints[near]) <= MOVED_SHARE / 3
        swapped.append(near if same else index)
    return sorted(set(swapped))


class KeyFrames:
    """Decodes the chosen frames, each replaced by its sharpest neighbour where it is blurred or burnt out.

    Attributes:
        rejected: Frames that were looked at and not used.

    """

    def __init__(self, video: Video, chosen: Sequence[int], region: Region) -> None:
        self._video = video
        self._chosen = list(chosen)
        self._region = region
        self._usual: list[float] = []
        self.rejected: list[int] = []

    def __iter__(self) -> Iterator[KeyFrame]:
        waiting: list[KeyFrame] = []
        for decoded in self._video.decode(self._chosen):
            waiting.append(self._measured(decoded))
            self._usual.append(waiting[-1].sharpness)
            if len(waiting) > _LOOK_AHEAD:
                yield from self._settled(waiting.pop(0))
        for frame in waiting:
            yield from self._settled(frame)

    def _measured(self, decoded: Decoded) -> KeyFrame:
        return KeyFrame(
            decoded.frame, decoded.pts_ms, decoded.image, sharpness(decoded.image, self._region(decoded.frame))
        )

    def _settled(self, frame: KeyFrame) -> Iterator[KeyFrame]:
        """Yield the frame, or a better neighbour, or nothing where all are hopeless."""
        usual = float(np.median(self._usual))
        if not self._is_poor(frame, _BLURRED_SHARE * usual):
            yield frame
            return
        count = len(self._video.index)
        first, last = max(0, frame.frame - _NEIGHBOURS), min(count - 1, frame.frame + _NEIGHBOURS)
        around = [i for i in range(first, last + 1) if i != frame.frame]
        candidates = [frame, *(self._measured(d) for d in self._video.decode(around))]
        best = max(candidates, key=lambda f: (not self._is_burnt_out(f), f.sharpness))
        self.rejected += [f.frame for f in candidates if f.frame != best.frame]
        if self._is_poor(best, _HOPELESS_SHARE * usual):
            self.rejected.append(best.frame)
            return
        yield best

    def _is_poor(self, frame: KeyFrame, least: float) -> bool:
        return frame.sharpness < least or self._is_burnt_out(frame)

    def _is_burnt_out(self, frame: KeyFrame) -> bool:
        small = frame.image[::8, ::8].min(axis=2)
        mask = _fitted(self._region(frame.frame), small.shape[:2])
        return bool(np.mean(small[mask] >= 254) > _BURNT_OUT) if mask.any() else False


def sharpness(image: Image, mask: NDArray[np.bool_] | None) -> float:
    """Return the variance of the Laplacian (8-bit grey) over a region, the whole picture where mask is None.

    At half the size: in soft 4K pictures the finest scale holds the codec's noise and hides a loss of focus.
    """
    half = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(half, cv2.COLOR_BGR2GRAY)
    inside = _fitted(mask, (grey.shape[0], grey.shape[1]))
    rows, columns = np.nonzero(inside.any(axis=1))[0], np.nonzero(inside.any(axis=0))[0]
    if not len(rows):
        return 0.0
    window = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    edges = cv2.Laplacian(np.ascontiguousarray(grey[window]), cv2.CV_16S, ksize=1)
    _, deviation = cv2.meanStdDev(edges, mask=inside[window].astype(np.uint8))
    return float(deviation[0, 0] ** 2)


def _fitted(mask: NDArray[np.bool_] | None, shape: tuple[int, int]) -> NDArray[np.bool_]:
    if mask is None:
        return np.ones(shape, np.bool_)
    resized = cv2.resize(mask.astype(np.uint8), (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST)
    return np.asarray(resized, np.bool_)
