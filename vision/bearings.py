"""Points for the tracks of a segment whose poses are known and whose asset is not."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import combinations

from contracts.geo import LocalFrame
from contracts.media import SegmentManifest
from vision.frames import Timeline
from vision.tracks import Look, Track
from vision.triangulation import Bearing, Crossing, cross

_AGREEING_SHARE = 0.9
_WHOLE_SHARE, _CUT_SHARE = 0.1, 0.5
"""1-sigma error of a box's middle as a share of its side: of a whole one, of one that the picture's border cuts."""


class Bearings:
    """Turns looks into bearings by the poses of a segment, and tracks into points."""

    def __init__(self, manifest: SegmentManifest) -> None:
        self._manifest = manifest
        self._timeline = Timeline(manifest)
        self._local = LocalFrame(manifest.poses[0].pose.point)

    def joined(self, tracks: Sequence[Track]) -> list[Track]:
        """Return the tracks, those of one kind joined whose looks cross in one point; two in one frame are two."""
        left = sorted((Track(list(t.looks)) for t in tracks), key=lambda t: (-len(t.looks), -t.confidence))
        while pair := next((p for p in combinations(left, 2) if self._are_one(*p)), None):
            pair[0].looks += pair[1].looks
            left.remove(pair[1])
        return sorted(left, key=lambda t: -t.confidence)

    def told(self, track: Track) -> dict[str, object]:
        """Return a track's point and its errors, or why it has none."""
        if len(track.frames) < 2:
            return {"point": None, "why_no_point": "seen in one frame only"}
        crossing = self._crossing(track.looks)
        if crossing is None:
            return {"point": None, "why_no_point": "its looks run side by side or do not agree"}
        return {
            "point": self._local.to_geo(crossing.point).model_dump(),
            "ce90_m": round(crossing.ce90_m, 3),
            "le90_m": round(crossing.le90_m, 3),
            "looks_agreeing": sum(crossing.agreeing),
        }

    def _are_one(self, group: Track, track: Track) -> bool:
        if group.kind is not track.kind or group.frames & track.frames:
            return False
        crossing = self._crossing([*group.looks, *track.looks])
        return crossing is not None and sum(crossing.agreeing) >= _AGREEING_SHARE * len(crossing.agreeing)

    def _crossing(self, looks: Iterable[Look]) -> Crossing | None:
        return cross([self._bearing(look) for look in looks])

    def _bearing(self, look: Look) -> Bearing:
        stated, pose = self._manifest, self._timeline.pose(look.frame)
        middle = (look.xyxy[0] + look.xyxy[2]) / 2, (look.xyxy[1] + look.xyxy[3]) / 2
        sigma = stated.pose_sigma_m, math.hypot(stated.attitude_sigma_deg, self._middle_sigma_deg(look))
        return Bearing.of_pixel(self._local.to_enu(pose.point), pose, stated.camera, middle, sigma)

    def _middle_sigma_deg(self, look: Look) -> float:
        """Return how far, 1 sigma, the middle of a box may lie from the middle of what it shows."""
        side_px = max(look.xyxy[2] - look.xyxy[0], look.xyxy[3] - look.xyxy[1])
        share = _CUT_SHARE if look.clipped else _WHOLE_SHARE
        return math.degrees(share * side_px / self._manifest.camera.focal_px)
