"""Where the camera was and looked, 20 times a second, kept on disk so that video that arrives late can be placed."""

from __future__ import annotations

import threading
from pathlib import Path

from contracts.geo import GeoPoint, Pose
from contracts.media import PoseSample
from edge.database import open_or_renew

_SCHEMA = """
CREATE TABLE IF NOT EXISTS poses(
  t_us INTEGER PRIMARY KEY, lat REAL, lon REAL, alt REAL, yaw REAL, pitch REAL, roll REAL)
"""
_KEEP_US = 12 * 3_600 * 1_000_000
_PRUNE_EVERY = 20_000


class Poses:
    """Thread-safe. Survives the death of the process; a power cut may cost the last moments, which end the flight."""

    def __init__(self, path: Path) -> None:
        self._db = open_or_renew(path, _SCHEMA, durable=False)
        self._lock = threading.Lock()
        self._added = 0

    def add(self, sample: PoseSample) -> None:
        """Keep one pose; of two at the same instant the first stays."""
        p = sample.pose
        row = (sample.t_us, p.point.lat_deg, p.point.lon_deg, p.point.alt_m, p.yaw_deg, p.pitch_deg, p.roll_deg)
        with self._lock:
            self._db.execute("INSERT OR IGNORE INTO poses VALUES(?,?,?,?,?,?,?)", row)
            self._added += 1
            if self._added % _PRUNE_EVERY == 0:
                self._db.execute("DELETE FROM poses WHERE t_us < ?", (sample.t_us - _KEEP_US,))

    def latest_us(self) -> int:
        """Return the time of the newest pose; 0 when there is none."""
        with self._lock:
            return int(self._db.execute("SELECT coalesce(max(t_us), 0) FROM poses").fetchone()[0])

    def covering(self, start_us: int, end_us: int) -> tuple[PoseSample, ...]:
        """Return the poses from the last one not after ``start_us`` to the first not before ``end_us``, in order."""
        query = (
            "SELECT * FROM poses WHERE t_us >= coalesce((SELECT max(t_us) FROM poses WHERE t_us <= ?), ?) "
            "AND t_us <= coalesce((SELECT min(t_us) FROM poses WHERE t_us >= ?), ?) ORDER BY t_us"
        )
        with self._lock:
            rows = self._db.execute(query, (start_us, start_us, end_us, end_us)).fetchall()
        return tuple(_sample(row) for row in rows)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()


def _sample(row: tuple[int, float, float, float, float, float, float]) -> PoseSample:
    t_us, lat, lon, alt, yaw, pitch, roll = row
    point = GeoPoint(lat_deg=lat, lon_deg=lon, alt_m=alt)
    return PoseSample(t_us=t_us, pose=Pose(point=point, yaw_deg=yaw, pitch_deg=pitch, roll_deg=roll))
