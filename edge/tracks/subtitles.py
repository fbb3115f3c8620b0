"""A segment's times and poses as subtitles, in the form DJI's own players and their many readers know. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

from contracts.geo import GeoPoint, Pose, interpolate_yaw_deg
from contracts.media import PoseSample, SegmentManifest
from edge.clock import from_us

_FILM_WIDTH_MM = 36.0


def written(manifest: SegmentManifest) -> str:
    """Return one block for each frame; a frame outside the pose track has its time and no place."""
    return "".join(_blocks(manifest))


def _blocks(manifest: SegmentManifest) -> Iterator[str]:
    frames = manifest.frames
    times = [sample.t_us for sample in manifest.poses]
    focal_mm35 = manifest.camera.focal_px * _FILM_WIDTH_MM / max(manifest.camera.width_px, manifest.camera.height_px)
    step_ms = frames[-1].pts_ms / (len(frames) - 1) if len(frames) > 1 else 1000.0
    for count, frame in enumerate(frames, 1):
        end_ms = frames[count].pts_ms if count < len(frames) else frame.pts_ms + step_ms
        taken = from_us(frame.t_us)
        pose = pose_at(manifest.poses, times, frame.t_us)
        yield (
            f"{count}\n{_clock(frame.pts_ms)} --> {_clock(end_ms)}\n"
            f'<font size="28">FrameCnt: {count}, DiffTime: {end_ms - frame.pts_ms:.0f}ms\n'
            f"{taken:%Y-%m-%d %H:%M:%S}.{taken.microsecond // 1000:03d}\n"
            f"[focal_len: {focal_mm35:.2f}]{_said(pose) if pose else ''} </font>\n\n"
        )


def pose_at(samples: tuple[PoseSample, ...], times: list[int], t_us: int) -> Pose | None:
    """Return the pose at a time, linear between two samples; None outside them."""
    right = bisect_right(times, t_us)
    if right == 0 or (right == len(times) and times[-1] != t_us):
        return None
    before = samples[right - 1]
    if right == len(times):
        return before.pose
    after = samples[right]
    share = (t_us - before.t_us) / (after.t_us - before.t_us)
    a, b = before.pose, after.pose

    def between(start: float, end: float) -> float:
        return start + share * (end - start)

    point = GeoPoint(
        lat_deg=between(a.point.lat_deg, b.point.lat_deg),
        lon_deg=between(a.point.lon_deg, b.point.lon_deg),
        alt_m=between(a.point.alt_m, b.point.alt_m),
    )
    yaw = interpolate_yaw_deg(a.yaw_deg, b.yaw_deg, share)
    return Pose(
        point=point, yaw_deg=yaw, pitch_deg=between(a.pitch_deg, b.pitch_deg), roll_deg=between(a.roll_deg, b.roll_deg)
    )


def _said(pose: Pose) -> str:
    point = pose.point
    yaw = (pose.yaw_deg + 180.0) % 360.0 - 180.0
    return (
        f" [latitude: {point.lat_deg:.8f}] [longitude: {point.lon_deg:.8f}] [abs_alt: {point.alt_m:.3f}]"
        f" [gb_yaw: {yaw:.2f} gb_pitch: {pose.pitch_deg:.2f} gb_roll: {pose.roll_deg:.2f}]"
    )


def _clock(t_ms: float) -> str:
    whole = round(t_ms)
    seconds = whole // 1000
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d},{whole % 1000:03d}"
