"""Reads the autopilot simulator's pose log as it grows, and says where the camera was at any time."""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field, ValidationError

from contracts.geo import Enu, Finite, Frozen, GeoPoint, Pose, interpolate_yaw_deg

_GAP_US = 500_000
"""Poses further apart do not belong to one flight."""


class LoggedPose(Frozen):
    """One line of the log: the camera's true pose."""

    t_us: int = Field(ge=0)
    lat_deg: float
    lon_deg: float
    alt_m: float
    yaw_deg: Finite
    pitch_deg: float
    roll_deg: Finite
    recording: bool
    ve: Finite = 0.0
    vn: Finite = 0.0
    vu: Finite = 0.0


class PoseLog:
    """Everything logged so far. A line still being written is left for the next read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._times: list[int] = []
        self._poses: list[LoggedPose] = []

    def read(self) -> int:
        """Take in new whole lines; return how many. Lines out of order or damaged are left out."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return 0
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        before = len(self._poses)
        for line in whole.splitlines():
            self._take(line)
        return len(self._poses) - before

    def _take(self, line: bytes) -> None:
        try:
            pose = LoggedPose.model_validate_json(line)
        except ValidationError:
            return
        if not self._times or pose.t_us > self._times[-1]:
            self._times.append(pose.t_us)
            self._poses.append(pose)

    @property
    def newest(self) -> LoggedPose | None:
        """Return the newest pose."""
        return self._poses[-1] if self._poses else None

    def frames(self, after_us: int, fps: int) -> Iterator[int]:
        """Yield the numbers of frames taken after a time while recording. Frame n is taken at n / fps seconds UTC."""
        start = max(0, bisect.bisect_right(self._times, after_us) - 1)
        for index in range(start, len(self._poses) - 1):
            one, two = self._poses[index], self._poses[index + 1]
            if not one.recording or two.t_us - one.t_us > _GAP_US:
                continue
            number = -(-one.t_us * fps // 1_000_000)
            while (t_us := frame_time_us(number, fps)) < two.t_us:
                if t_us > after_us and t_us >= one.t_us:
                    yield number
                number += 1

    def at(self, t_us: int) -> tuple[Pose, Enu]:
        """Return the camera's pose and velocity (metres per second) at a time between two logged poses."""
        index = min(max(1, bisect.bisect_right(self._times, t_us)), len(self._poses) - 1)
        one, two = self._poses[index - 1], self._poses[index]
        share = (t_us - one.t_us) / (two.t_us - one.t_us)

        def mix(a: float, b: float) -> float:
            return a + share * (b - a)

        point = GeoPoint(
            lat_deg=mix(one.lat_deg, two.lat_deg),
            lon_deg=mix(one.lon_deg, two.lon_deg),
            alt_m=mix(one.alt_m, two.alt_m),
        )
        pose = Pose(
            point=point,
            yaw_deg=interpolate_yaw_deg(one.yaw_deg, two.yaw_deg, share),
            pitch_deg=mix(one.pitch_deg, two.pitch_deg),
            roll_deg=mix(one.roll_deg, two.roll_deg),
        )
        return pose, Enu(mix(one.ve, two.ve), mix(one.vn, two.vn), mix(one.vu, two.vu))


def frame_time_us(number: int, fps: int) -> int:
    """Return when a frame is taken, UTC microseconds."""
    return round(number * 1_000_000 / fps)
