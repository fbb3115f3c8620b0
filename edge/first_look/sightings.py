"""What the detector saw, on the drone's disk as the uploader takes it: the crop, then the record that names it."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from contracts.errors import Unavailable
from contracts.first_look import FIRST_LOOK, FirstLook
from contracts.geo import BoxNorm, Pose
from contracts.ids import AssetId, DroneId, FlightId
from contracts.vocabulary import DefectKind
from edge.clock import from_us
from edge.files import write_durably
from edge.first_look.wire import Message


class Seen(NamedTuple):
    """Of what frame the detector speaks."""

    drone_id: DroneId
    flight_id: FlightId
    asset_id: AssetId
    t_us: int
    pose: Pose | None
    model_sha256: str


def store(seen: Seen, answer: Message, folder: Path, now_us: int, most: int) -> int:
    """Write the first ``most`` sights of an answer below a flight's folder; return how many there were to write.

    Raises:
        Unavailable: The answer is none.
        OSError: The disk would not have it.

    """
    stored = 0
    for number, (sight, crop) in enumerate(itertools.islice(_sights(answer), most)):
        look = FirstLook(
            look_id=f"{seen.t_us}-{number}",
            drone_id=seen.drone_id,
            flight_id=seen.flight_id,
            asset_id=seen.asset_id,
            t_us=seen.t_us,
            captured_at=from_us(seen.t_us),
            kind=DefectKind(sight["kind"]),
            confidence=sight["confidence"],
            box=BoxNorm(**dict(zip(("x0", "y0", "x1", "y1"), sight["box"], strict=True))),
            pose=seen.pose,
            width_px=answer.head["width_px"],
            height_px=answer.head["height_px"],
            crop_sha256=hashlib.sha256(crop).hexdigest(),
            crop_bytes=len(crop),
            model_sha256=seen.model_sha256,
            latency_ms=max(0.0, (now_us - seen.t_us) / 1000),
        )
        place = folder / FIRST_LOOK / look.look_id
        write_durably(place.with_suffix(".jpg"), crop)
        write_durably(place.with_suffix(".json"), look.model_dump_json().encode())
        stored += 1
    return stored


def _sights(answer: Message) -> Iterator[tuple[dict[str, Any], bytes]]:
    start = 0
    for sight in answer.head["sights"]:
        end = start + int(sight["crop"])
        if end > len(answer.body):
            raise Unavailable("The first look's answer is shorter than it says.")
        yield sight, answer.body[start:end]
        start = end
