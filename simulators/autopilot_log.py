"""The pose log: the truth about every instant, for the simulated camera only. The agent never sees it."""

from __future__ import annotations

import json
import os
from pathlib import Path

from simulators.autopilot_pilot import Pilot


class PoseLog:
    """Appends one JSON line per tick; a line is either whole or, after a crash, cut off and removed."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        self.last_us = self._repair()

    def append(self, pilot: Pilot) -> None:
        """Write the true pose of the camera's axis now."""
        state = pilot.state
        place, velocity = pilot.true_place()
        point, gimbal = pilot.frame.to_geo(place), state.craft.gimbal
        record = {
            "t_us": state.t_us,
            "lat_deg": round(point.lat_deg, 10),
            "lon_deg": round(point.lon_deg, 10),
            "alt_m": round(point.alt_m, 4),
            "yaw_deg": round(gimbal.yaw_deg, 5),
            "pitch_deg": round(gimbal.pitch_deg, 5),
            "roll_deg": 0.0,
            "recording": state.controls.recording,
            "ve": round(velocity.east, 4),
            "vn": round(velocity.north, 4),
            "vu": round(velocity.up, 4),
        }
        os.write(self._file, json.dumps(record, separators=(",", ":")).encode() + b"\n")
        self.last_us = state.t_us

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _repair(self) -> int:
        """Cut off an unfinished last line; return the time of the last whole record, 0 where there is none."""
        size = os.lseek(self._file, 0, os.SEEK_END)
        start = max(0, size - 4096)
        tail = os.pread(self._file, size - start, start)
        end = tail.rfind(b"\n") + 1
        os.ftruncate(self._file, start + end)
        lines = tail[:end].splitlines()
        return int(json.loads(lines[-1])["t_us"]) if lines else 0
