"""The blind audits' sample of a segment, taken while its key frames pass by: each is encoded only while it is in it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from contracts import audits
from contracts.audits import Drawn
from contracts.findings import AuditBox, AuditFrame, Frame
from contracts.media import SegmentManifest, audit_key
from vision.boxes import Image
from vision.pictures import jpeg

MOST_PX = 3840
"""Longer side of a picture that is kept; a 4K frame is kept as it is."""


class _Kept(NamedTuple):
    about: Frame
    picture: bytes
    width_px: int
    height_px: int


class Sample:
    """Which key frames of a segment are kept for people to look at, whatever is found on them."""

    def __init__(self, manifest: SegmentManifest, share: float = audits.SHARE) -> None:
        self._manifest = manifest
        self._share = share
        self._kept: dict[Drawn, _Kept] = {}

    def offer(self, about: Frame, image: Image) -> None:
        """Keep a key frame where it is in the sample of those seen so far; drop whom it puts out."""
        drawn = Drawn(audits.draw(about.segment_id, about.frame), about.frame)
        now = audits.sample([*self._kept, drawn], self._share)
        if drawn in now and drawn not in self._kept:
            self._kept[drawn] = _Kept(about, jpeg(image, MOST_PX), image.shape[1], image.shape[0])
        self._kept = {one: self._kept[one] for one in now}

    def sizes_px(self) -> dict[int, tuple[int, int]]:
        """Return width and height of each frame that is kept."""
        return {drawn.frame: (kept.width_px, kept.height_px) for drawn, kept in self._kept.items()}

    def pictures(self) -> dict[str, bytes]:
        """Return the pictures by object key."""
        return {self._key(drawn): kept.picture for drawn, kept in self._kept.items()}

    def frames(self, boxes: Iterable[tuple[int, AuditBox]]) -> tuple[AuditFrame, ...]:
        """Return the sample, lowest number first; ``boxes`` holds (frame, box) of what the batch tells."""
        told = list(boxes)
        return tuple(
            AuditFrame(
                frame=kept.about,
                draw=drawn.number,
                share=self._share,
                camera=self._manifest.camera,
                pose_sigma_m=self._manifest.pose_sigma_m,
                attitude_sigma_deg=self._manifest.attitude_sigma_deg,
                picture_key=self._key(drawn),
                picture_sha256=hashlib.sha256(kept.picture).hexdigest(),
                boxes=tuple(box for frame, box in told if frame == drawn.frame)[:200],
            )
            for drawn, kept in self._kept.items()
        )

    def _key(self, drawn: Drawn) -> str:
        return audit_key(self._manifest.segment_id, drawn.frame)
