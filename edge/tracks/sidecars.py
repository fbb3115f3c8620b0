"""What is written beside each segment for other programs: its pose track as KLV, its frames as subtitles.

Both follow from the manifest, so they can be made again at any time; they carry nothing of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from contracts.media import SegmentManifest
from edge.files import write_durably
from edge.tracks import klv, subtitles


def write(video: Path, manifest: SegmentManifest) -> None:
    """Write ``<segment>.klv`` (where poses are known) and ``<segment>.srt`` beside the video."""
    for name, content in contents(manifest):
        write_durably(video.with_suffix(name), content)


def contents(manifest: SegmentManifest) -> Iterator[tuple[str, bytes]]:
    """Yield each sidecar's suffix and bytes."""
    if manifest.poses:
        mission = klv.Mission(manifest.flight_id, manifest.drone_id, manifest.camera, manifest.pose_sigma_m)
        yield ".klv", klv.track(manifest.poses, mission)
    yield ".srt", subtitles.written(manifest).encode()
