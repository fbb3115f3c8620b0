"""The first look on board: where it looks, what it keeps, what it passes over, when it gives up."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import InvalidInput, NotFound, PlatformError, Unavailable
from contracts.events import DroneEventKind
from contracts.first_look import FirstLook
from contracts.geo import Pose
from contracts.health import FirstLookHealth
from contracts.media import PoseSample
from contracts.optics import CameraIntrinsics
from contracts.routes import Solid
from contracts.vocabulary import DefectKind
from edge.first_look import boxes
from edge.first_look.boxes import Box
from edge.first_look.card import Model, load_model
from edge.first_look.detection import Detector, Means, OnboardDetection
from edge.first_look.process import DetectorProcess
from edge.first_look.scene import Encoded, gsd_mm_px
from edge.first_look.wire import Message, packed, unpacked
from edge.flights import Flights
from edge.poses import Poses
from tests.unit.edge.world import NOW_US, Announcements, at, flight, route

CAMERA = CameraIntrinsics(width_px=1920, height_px=1080, focal_px=2000.0)
CROP = b"a picture"
SEEN = {"kind": "crack", "confidence": 0.9, "box": [0.4, 0.4, 0.5, 0.5], "crop": len(CROP)}
FULL_HD = {"width_px": 1920, "height_px": 1080}
NOTHING = Message({"sights": [], "found": 0, **FULL_HD})
CRACK = Message({"sights": [SEEN], "found": 1, **FULL_HD}, CROP)


class ScriptedDetector:
    """Answers what it is told to, and takes as long by the detection's clock."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.closed = False

    def ready(self, timeout_s: float) -> float:
        assert timeout_s > 0
        if self._bench.opens is not None:
            raise self._bench.opens
        return self._bench.tile_s

    def ask(self, frame: Message, timeout_s: float) -> Message:
        self._bench.asked.append(frame)
        self._bench.hold()
        self._bench.now_s += self._bench.takes_s
        answer = self._bench.answer
        if isinstance(answer, Message):
            return answer
        raise answer

    def close(self) -> None:
        self.closed = True

    def cpu_s(self) -> float:
        return self._bench.now_s / 2


class Bench:
    """A detection over a folder, its clock standing still but for what looks take."""

    def __init__(self, folder: Path) -> None:
        self.now_s, self.takes_s, self.tile_s = 100.0, 0.5, 0.1
        self.asked: list[Message] = []
        self.opened: list[ScriptedDetector] = []
        self.opens: PlatformError | None = None
        self.answer: Message | PlatformError = NOTHING
        self.hold: Callable[[], object] = lambda: None
        self.events = Announcements()
        self.flights = Flights(folder / "recordings")
        self.flights.save(flight())
        self.poses = Poses(folder / "poses.db")
        for t_us in (NOW_US - 50_000, NOW_US + 60_000_000):
            self.poses.add(PoseSample(t_us=t_us, pose=Pose(point=at(0, 0, 30), yaw_deg=10.0, pitch_deg=-5.0)))
        means = Means(
            "drone-1",
            CAMERA,
            "a" * 64,
            5.0,
            self._open,
            lambda packet: Encoded("h264", b"sets", bytes(str(packet), "ascii")),
        )
        self.detection = OnboardDetection(means, self.flights, self.poses, self.events, lambda: self.now_s)

    def _open(self) -> Detector:
        self.opened.append(ScriptedDetector(self))
        return self.opened[-1]

    def begin(self) -> None:
        self.detection.want(True)
        assert self.detection.step() is True

    def show(self, count: int = 1) -> None:
        for number in range(count):
            self.detection.offer("flt-1", NOW_US + number, f"frame {number}")
            self.detection.step()

    def health(self) -> FirstLookHealth:
        found = self.detection.health()
        assert found is not None
        return found

    def looks(self) -> list[FirstLook]:
        folder = self.flights.folder("flt-1") / "first-look"
        return [FirstLook.model_validate_json(p.read_bytes()) for p in sorted(folder.glob("*.json"))]

    def told(self) -> list[str]:
        return [str(fields["detail"]) for kind, fields in self.events.said if kind is DroneEventKind.DIAGNOSTIC]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_it_is_off_until_it_is_wanted(bench: Bench) -> None:
    bench.show()
    assert (bench.opened, bench.detection.health()) == ([], None)


def test_a_sight_becomes_a_crop_and_a_record_with_the_pose(bench: Bench) -> None:
    bench.begin()
    bench.answer = CRACK
    bench.show()
    (look,) = bench.looks()
    crop = (bench.flights.folder("flt-1") / "first-look" / f"{look.look_id}.jpg").read_bytes()
    assert (crop, hashlib.sha256(crop).hexdigest()) == (CROP, look.crop_sha256)
    assert (look.kind, look.t_us, look.asset_id, look.model_sha256) == (DefectKind.CRACK, NOW_US, "wt-01", "a" * 64)
    assert look.pose is not None
    assert look.pose.yaw_deg == pytest.approx(10.0)
    assert bench.asked[0].body == b"setsframe 0"


def test_overloaded_it_passes_frames_over_and_takes_the_newest(bench: Bench) -> None:
    bench.begin()
    busy, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        busy.set()
        go_on.wait(30)

    bench.hold = hold
    bench.detection.offer("flt-1", NOW_US, "first")
    looking = threading.Thread(target=bench.detection.step)
    looking.start()
    assert busy.wait(30)
    for number in range(200):
        bench.detection.offer("flt-1", NOW_US + number, f"frame {number}")
    go_on.set()
    looking.join(30)
    bench.detection.step()
    assert bench.detection.step() is None
    assert [asked.body for asked in bench.asked] == [b"setsfirst", b"setsframe 199"]
    assert (bench.health().looked, bench.health().skipped) == (2, 199)


def test_it_measures_itself(bench: Bench) -> None:
    bench.begin()
    bench.answer = CRACK
    bench.show(4)
    found = bench.health()
    assert (found.state, found.looked, found.crops) == ("looking", 4, 4)
    assert found.look_s == 0.5
    assert found.frames_per_s == pytest.approx(2.0)
    assert found.core_percent == pytest.approx(50.0)
    assert found.frame_to_crop_s is not None


def test_one_large_defect_does_not_fill_the_link(bench: Bench) -> None:
    bench.begin()
    bench.answer, bench.takes_s = CRACK, 0.0
    bench.show(20)
    assert (len(bench.looks()), bench.health().held_back) == (6, 14)


def test_on_weak_hardware_it_turns_itself_off_and_says_so(bench: Bench) -> None:
    bench.begin()
    bench.takes_s = 5.1
    bench.show(4)
    assert bench.told() == []
    bench.show(5)
    assert [("slowest of use" in told) for told in bench.told()] == [True]
    assert (bench.health().state, len(bench.asked), bench.opened[0].closed) == ("gave_up", 5, True)


def test_a_tile_that_takes_too_long_is_enough(bench: Bench) -> None:
    bench.tile_s = 6.0
    bench.begin()
    bench.show()
    assert (len(bench.told()), bench.asked, bench.health().state) == (1, [], "gave_up")


def test_a_model_that_cannot_be_opened_is_told_once_and_not_tried_again(bench: Bench) -> None:
    bench.opens = InvalidInput("The weights are others.", hint="Copy them again.")
    bench.begin()
    bench.show(3)
    assert bench.told() == ["The weights are others. Copy them again."]
    assert len(bench.opened) == 1


def test_one_that_dies_is_opened_again_three_times(bench: Bench) -> None:
    bench.begin()
    bench.answer = Unavailable("It ended.")
    for _ in range(10):
        bench.show()
    assert (len(bench.opened), len(bench.asked), len(bench.told())) == (3, 3, 1)


def test_one_death_is_forgiven_by_the_next_look(bench: Bench) -> None:
    bench.begin()
    for answer in (Unavailable("It ended."), NOTHING) * 5:
        bench.answer = answer
        bench.show(2)
    assert bench.told() == []


def test_asked_for_anew_it_tries_again(bench: Bench) -> None:
    bench.opens = InvalidInput("The weights are others.")
    bench.begin()
    bench.opens = None
    bench.detection.want(False)
    assert bench.detection.health() is None
    bench.begin()
    assert bench.health().state == "looking"


@settings(deadline=None)
@given(st.integers(33, 8000), st.integers(33, 5000))
def test_tiles_cover_the_picture_with_an_overlap(width: int, height: int) -> None:
    plan = boxes.layout(width, height)
    assert plan.height_px % boxes.STRIDE_PX == plan.width_px % boxes.STRIDE_PX == 0
    for side, size, starts in (
        (width, plan.width_px, sorted({x for x, _ in plan.corners})),
        (height, plan.height_px, sorted({y for _, y in plan.corners})),
    ):
        assert starts[0] == 0
        assert starts[-1] + size >= side
        assert all(b - a <= size - boxes.OVERLAP_PX + 1 for a, b in itertools.pairwise(starts))


MODEL = Model(b"", "", (DefectKind.CRACK, DefectKind.CORROSION), (0.5, 0.8))


def test_only_what_the_card_accepts_of_a_kind_is_a_sight() -> None:
    columns = [(10, 20, 4, 6, 0.6, 0.1), (10, 20, 4, 6, 0.1, 0.7), (30, 40, 10, 10, 0.1, 0.9), (9, 9, 2, 2, 0.4, 0.3)]
    found = boxes.decoded(np.array(columns, np.float32).T, MODEL, (100, 200))
    assert [(b.kind, b.x0, b.y0, b.x1, b.y1) for b in found] == [(0, 108, 217, 112, 223), (1, 125, 235, 135, 245)]


def test_one_thing_seen_in_two_tiles_is_one_sight() -> None:
    whole, part, other = Box(0, 0, 100, 100, 0, 0.7), Box(60, 0, 100, 100, 0, 0.9), Box(60, 0, 100, 100, 1, 0.5)
    assert boxes.distinct([whole, part, other]) == [part, other]


@pytest.mark.parametrize(("gsd_mm_px", "shrunk"), [(4.0, 1.0), (9.0, 1.0), (2.0, 2.0), (0.1, 4.0)])
def test_a_finer_picture_is_shrunk_to_what_the_detector_knows(gsd_mm_px: float, shrunk: float) -> None:
    assert boxes.shrink(gsd_mm_px) == shrunk


def test_how_fine_a_picture_is_follows_from_the_nearest_part_of_the_asset(bench: Bench) -> None:
    tower = Solid(name="tower", start=at(0, 12, 0), end=at(0, 12, 80), radius_m=2.0)
    assert gsd_mm_px(route(solids=(tower,)), bench.poses, NOW_US, CAMERA) == pytest.approx(5.0, rel=0.01)
    assert gsd_mm_px(route(standoff_m=8.0), bench.poses, NOW_US, CAMERA) == pytest.approx(4.0)


CARD = {"kinds": ["crack"], "accept": 0.4, "accept_by_kind": {"crack": 0.6}}


def _model(folder: Path, **changes: object) -> tuple[Path, str]:
    weights = folder / "small.onnx"
    weights.write_bytes(b"weights")
    sha256 = hashlib.sha256(b"weights").hexdigest()
    weights.with_suffix(".json").write_text(json.dumps(CARD | {"sha256": sha256} | changes))
    return weights, sha256


def test_a_model_is_taken_with_what_its_card_accepts(tmp_path: Path) -> None:
    weights, sha256 = _model(tmp_path)
    assert load_model(weights, sha256) == Model(b"weights", sha256, (DefectKind.CRACK,), (0.6,))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"sha256": "0" * 64}, "card of other weights"),
        ({"kinds": ["dragon"]}, "no model card"),
        ({"accept": None}, "no model card"),
        ({"kinds": None}, "no model card"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(tmp_path: Path, changes: dict[str, object], why: str) -> None:
    weights, sha256 = _model(tmp_path, **changes)
    with pytest.raises(InvalidInput, match=why):
        load_model(weights, sha256)


def test_other_weights_and_missing_ones_are_refused(tmp_path: Path) -> None:
    weights, sha256 = _model(tmp_path)
    with pytest.raises(InvalidInput, match="EDGE_FIRST_LOOK_SHA256"):
        load_model(weights, "0" * 64)
    weights.unlink()
    with pytest.raises(NotFound, match="is missing"):
        load_model(weights, sha256)


@settings(deadline=None)
@given(st.dictionaries(st.text(), st.integers() | st.text()), st.binary(), st.integers(0, 200))
def test_a_message_arrives_whole_or_not_at_all(head: dict[str, object], body: bytes, cut: int) -> None:
    sent = packed(Message(head, body))
    assert unpacked(io.BytesIO(sent).read) == Message(head, body)
    if 0 < cut < len(sent):
        with pytest.raises(Unavailable):
            unpacked(io.BytesIO(sent[:cut]).read)


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("", "ended"),
        (
            "import sys; sys.stdout.buffer.write(b'\\xff' * 9); sys.stdout.flush(); sys.stdin.read()",
            "none of the first",
        ),
        ("import sys; sys.stdin.read()", "too long"),
    ],
)
def test_a_process_that_says_nothing_of_use_is_unavailable(program: str, why: str) -> None:
    detector = DetectorProcess([sys.executable, "-c", program], threading.Event())
    try:
        with pytest.raises(Unavailable, match=why):
            detector.ready(0.5 if why == "too long" else 60.0)
    finally:
        detector.close()
