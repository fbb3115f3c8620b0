"""Asks the detector about the newest key frame whenever it is free, and gives up on a computer that is too weak.

There is room for one waiting frame: a newer one takes its place, and the one that was not looked at is counted. So
nothing grows, and what is looked at is never old.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol

from contracts.errors import InvalidInput, NotFound, PlatformError, Unavailable
from contracts.events import DroneEventKind
from contracts.health import FirstLookHealth
from contracts.optics import CameraIntrinsics
from edge import logbook
from edge.clock import now_us
from edge.first_look import scene, sightings
from edge.first_look.scene import Encoded, PoseTrack
from edge.first_look.wire import Message
from edge.flights import Flights

_READY_WITHIN_S = 60.0
_PATIENCE = 3.0
"""So many times the slowest look that is still of use, a frame is waited for."""
_JUDGED_BY = 5
"""So many looks in a row decide whether the computer is strong enough."""
_DEATHS = 3
"""After so many failures in a row the detector is not opened again."""
_POSE_WITHIN_S = 0.5
_KEPT = 60
_CROPS_PER_S, _CROPS_AT_ONCE = 1.0, 6.0
"""What a flight past one large defect may put on the link; what is held back is counted, and the video has it."""


class Detector(Protocol):
    """Looks at frames."""

    def ready(self, timeout_s: float) -> float:
        """Wait until it can look; InvalidInput when it never will."""

    def ask(self, frame: Message, timeout_s: float) -> Message:
        """Return what it says of a frame; Unavailable when it does not."""

    def close(self) -> None:
        """End."""

    def cpu_s(self) -> float:
        """Return the processor time taken so far."""


class Means(NamedTuple):
    """What the detection works with."""

    drone_id: str
    camera: CameraIntrinsics
    model_sha256: str
    slowest_s: float
    """A look that takes longer is of no use: a crop is to leave within seconds."""
    open_detector: Callable[[], Detector]
    encoded: Callable[[object], Encoded]
    """Takes a backend's packet apart."""


class _Waiting(NamedTuple):
    flight_id: str
    t_us: int
    frame: Encoded


class OnboardDetection:
    """``offer`` may be called by any thread and never waits; ``step`` belongs to one loop."""

    def __init__(
        self,
        means: Means,
        flights: Flights,
        poses: PoseTrack,
        announce: Callable[[DroneEventKind, dict[str, object]], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._means, self._flights, self._poses, self._announce, self._clock = means, flights, poses, announce, clock
        self._lock = threading.Lock()
        self._box: _Waiting | None = None
        self._wanted = False
        self._detector: Detector | None = None
        self._gave_up = ""
        self._failed = 0
        self._tally = _Tally(clock)
        self._allowance, self._allowed_at = _CROPS_AT_ONCE, clock()

    def want(self, wanted: bool) -> None:
        """Look from now on, or look no more. Asked for anew after having given up, it tries again."""
        if wanted == self._wanted:
            return
        with self._lock:
            self._wanted, self._box = wanted, None
            self._gave_up, self._failed = "", 0
        logbook.note("first_look", wanted=wanted)

    def offer(self, flight_id: str, t_us: int, packet: object) -> None:
        """Take note of a key frame; one that waits already is passed over for it."""
        if not self._wanted or self._gave_up:
            return
        waiting = _Waiting(flight_id, t_us, self._means.encoded(packet))
        with self._lock:
            if self._box is not None:
                self._tally.skipped += 1
            self._box = waiting

    def step(self) -> bool | None:
        """Look at the waiting frame; open or close the detector as it is wanted."""
        if not self._wanted or self._gave_up:
            self.close()
            return None
        try:
            if self._detector is None:
                self._open()
                return True
            with self._lock:
                waiting, self._box = self._box, None
            if waiting is None:
                return None
            self._look(self._detector, waiting)
            self._failed = 0
        except (InvalidInput, NotFound) as error:
            self._give_up(detail=f"{error.message} {error.hint}".strip())
        except Unavailable as error:
            return self._fail(error)
        return True

    def health(self) -> FirstLookHealth | None:
        """Return how it does; None where it is not wanted."""
        if not self._wanted:
            return None
        state = "gave_up" if self._gave_up else "looking" if self._detector is not None else "starting"
        return self._tally.health(state, self._gave_up)

    def close(self) -> None:
        """End the detector."""
        if self._detector is not None:
            self._detector.close()
            self._detector = None

    def _open(self) -> None:
        detector = self._means.open_detector()
        try:
            tile_s = detector.ready(_READY_WITHIN_S)
        except PlatformError:
            detector.close()
            raise
        self._detector = detector
        logbook.note("first_look_ready", tile_s=round(tile_s, 3))
        if tile_s > self._means.slowest_s:
            self._give_up(
                detail=f"One tile takes {tile_s:.1f} s here, {self._means.slowest_s:.1f} s is the slowest of use."
            )

    def _look(self, detector: Detector, waiting: _Waiting) -> None:
        flight = self._flights.get(waiting.flight_id)
        if flight is None:
            return
        gsd = scene.gsd_mm_px(flight.route, self._poses, waiting.t_us, self._means.camera)
        head = {
            "codec": waiting.frame.codec,
            "extradata_bytes": len(waiting.frame.extradata),
            "gsd_mm_px": gsd,
        }
        began_s, cpu_s = self._clock(), detector.cpu_s()
        asked = Message(head, waiting.frame.extradata + waiting.frame.data)
        answer = detector.ask(asked, _PATIENCE * self._means.slowest_s)
        self._tally.took(self._clock() - began_s, detector.cpu_s() - cpu_s)
        if "unreadable" in answer.head:
            logbook.warn("first_look_unreadable_frame", error=answer.head["unreadable"])
        elif answer.head["sights"]:
            self._keep(waiting, flight.route.asset_id, answer)
        self._judge()

    def _keep(self, waiting: _Waiting, asset_id: str, answer: Message) -> None:
        self._wait_for_pose(waiting.t_us)
        seen = sightings.Seen(
            self._means.drone_id,
            waiting.flight_id,
            asset_id,
            waiting.t_us,
            scene.pose_of(self._poses, waiting.t_us),
            self._means.model_sha256,
        )
        now = self._clock()
        self._allowance = min(_CROPS_AT_ONCE, self._allowance + (now - self._allowed_at) * _CROPS_PER_S)
        self._allowed_at = now
        at_us = now_us()
        stored = sightings.store(seen, answer, self._flights.folder(waiting.flight_id), at_us, int(self._allowance))
        self._allowance -= stored
        self._tally.stored(stored, int(answer.head["found"]) - stored, max(0.0, (at_us - waiting.t_us) / 1e6))

    def _wait_for_pose(self, t_us: int) -> None:
        """The pose of a frame comes a moment after it; a picture takes longer to search, as a rule."""
        deadline, pause = self._clock() + _POSE_WITHIN_S, threading.Event()
        while self._poses.latest_us() < t_us and self._clock() < deadline:
            pause.wait(0.02)

    def _judge(self) -> None:
        usual_s = self._tally.usual_s(_JUDGED_BY)
        if usual_s is not None and usual_s > self._means.slowest_s:
            most_s, of = self._means.slowest_s, _JUDGED_BY
            self._give_up(
                detail=f"A look takes {usual_s:.1f} s here (median of {of}), {most_s:.1f} s is the slowest of use."
            )

    def _fail(self, error: PlatformError) -> bool:
        self.close()
        self._failed += 1
        logbook.warn("first_look_failed", error=error.message, times=self._failed)
        if self._failed >= _DEATHS:
            self._give_up(detail=f"It failed {self._failed} times in a row, last: {error.message}")
        return False

    def _give_up(self, *, detail: str) -> None:
        """Turn itself off, and say so; the flight goes on without."""
        self.close()
        with self._lock:
            self._gave_up, self._box = detail[:300], None
        logbook.note("first_look_off", why=detail)
        self._announce(DroneEventKind.DIAGNOSTIC, {"code": "first_look_off", "detail": detail})


class _Tally:
    """Counts, and the newest measurements."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.looked, self.skipped, self.crops, self.held_back = 0, 0, 0, 0
        self._looks: deque[tuple[float, float, float]] = deque(maxlen=_KEPT)
        """When it ended, how long it took, processor time; seconds."""
        self._to_crop: deque[float] = deque(maxlen=_KEPT)

    def took(self, look_s: float, cpu_s: float) -> None:
        self.looked += 1
        self._looks.append((self._clock(), look_s, cpu_s))

    def stored(self, crops: int, held_back: int, frame_to_crop_s: float) -> None:
        self.crops, self.held_back = self.crops + crops, self.held_back + held_back
        if crops:
            self._to_crop.append(frame_to_crop_s)

    def usual_s(self, count: int) -> float | None:
        """Return the median of the newest looks; None before there are so many."""
        newest = [took for _, took, _ in self._looks][-count:]
        return statistics.median(newest) if len(newest) == count else None

    def health(self, state: str, why: str) -> FirstLookHealth:
        span_s = self._clock() - self._looks[0][0] + self._looks[0][1] if self._looks else 0.0
        busy_s = sum(cpu for _, _, cpu in self._looks)
        return FirstLookHealth.model_validate(
            {
                "state": state,
                "why": why,
                "looked": self.looked,
                "skipped": self.skipped,
                "crops": self.crops,
                "held_back": self.held_back,
                "frames_per_s": len(self._looks) / span_s if span_s else None,
                "core_percent": 100 * busy_s / span_s if span_s else None,
                "look_s": statistics.median(took for _, took, _ in self._looks) if self._looks else None,
                "frame_to_crop_s": statistics.median(self._to_crop) if self._to_crop else None,
            }
        )
