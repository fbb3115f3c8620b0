"""A memory card becomes captures: every file judged, nothing invented, the card untouched; killed, it resumes."""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.captures import Capture, CaptureKind, HeightDatum
from contracts.errors import Conflict, CorruptMedia, InvalidInput
from contracts.events import SegmentVerified
from contracts.media import FlightMedia, SegmentManifest
from edge.backends.container import Mp4File
from edge.backends.film import Mp4Films
from edge.captures.card import Inspector, Inventory, Outcome, Verdict
from edge.captures.command import Stated
from edge.captures.courier import Courier
from edge.captures.shelf import CaptureShelf, Taker
from edge.captures.terms import Heights, Terms, parse_offset, stated_utc
from edge.files import sha256_of
from edge.flights import Flights
from edge.recorder import Frame
from edge.sender import UploadJournal
from edge.uploader import Uploader
from tests.unit.edge.captures.reels import mp4, telemetry
from tests.unit.edge.test_uploader import Shop
from tests.unit.edge.world import Announcements

BRIGHTON = Path(__file__).resolve().parents[5] / "shared/data/clean/brighton_georef"
TERMS = Terms("mavic-7", "wt-01", timedelta(hours=2), Heights(HeightDatum.ELLIPSOID))


class Killed(BaseException):
    """The process dies here."""


class MortalFilms(Mp4Films):
    """Dies after so many frames."""

    def __init__(self, lives: int) -> None:
        self.lives = lives

    def frames(self, path: Path) -> Iterator[Frame]:
        for frame in super().frames(path):
            self.lives -= 1
            if self.lives < 0:
                raise Killed
            yield frame


class Desk:
    """A card and a shelf; every call is a new process."""

    def __init__(self, folder: Path) -> None:
        self.card, self.state = folder / "card", folder / "state"
        self.card.mkdir(parents=True)

    def inspect(self, terms: Terms = TERMS) -> Inventory:
        return Inspector(self.card, Mp4Films(), terms, CaptureShelf(self.state).knows).inventory()

    def take(self, films: Mp4Films | None = None, terms: Terms = TERMS) -> list[Capture]:
        inventory = self.inspect(terms)
        shelf = CaptureShelf(self.state)
        return Taker(shelf, films or Mp4Films(), Mp4File, terms, 0).take(inventory)

    def verdict(self, name: str, terms: Terms = TERMS) -> Verdict:
        return next(v for v in self.inspect(terms).verdicts if v.path == name)

    def manifests(self, capture: Capture) -> list[SegmentManifest]:
        folder = self.state / capture.capture_id
        return [SegmentManifest.model_validate_json(p.read_bytes()) for p in sorted(folder.glob("[0-9]*.json"))]

    def contents(self) -> dict[str, str]:
        return {p.relative_to(self.state).as_posix(): sha256_of(p) for p in self.state.rglob("*") if p.is_file()}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def film_on(desk: Desk, seconds: float = 9.0, *, gimbal: bool = True, codec: str = "h264", created: str = "") -> Path:
    video = mp4(desk.card / "DCIM/100MEDIA/DJI_0001.MP4", seconds, codec=codec, created=created)
    video.with_suffix(".SRT").write_text(telemetry(seconds, gimbal=gimbal))
    return video


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_a_video_becomes_segments_with_the_pose_of_its_subtitles(desk: Desk, codec: str) -> None:
    video = film_on(desk, codec=codec)
    (capture,) = desk.take()
    assert (capture.kind, capture.segments, capture.placed_segments) == (CaptureKind.VIDEO, 3, 3)
    assert capture.source_sha256 == sha256_of(video)
    assert capture.started_at == datetime(2026, 5, 27, 11, 10, tzinfo=UTC)
    manifests = desk.manifests(capture)
    assert [len(m.frames) for m in manifests] == [20, 20, 5]
    assert {m.codec for m in manifests} == {codec}
    second = manifests[1]
    pose = next(p.pose for p in second.poses if p.t_us == second.frames[0].t_us)
    assert (pose.yaw_deg, pose.pitch_deg) == (90.0, -10.0)
    assert pose.point.alt_m == pytest.approx(54.0)
    assert pose.point.lat_deg == pytest.approx(56.7000021)
    assert second.pose_sigma_m >= 1.5
    assert second.camera.focal_px == pytest.approx(24 / 36 * 64)
    for manifest in manifests:
        path = desk.state / capture.capture_id / f"{manifest.index:05d}.mp4"
        assert sha256_of(path) == manifest.sha256
        with av.open(str(path)) as opened:
            assert sum(1 for _ in opened.decode(video=0)) == len(manifest.frames)


def test_the_pictures_are_those_of_the_card(desk: Desk) -> None:
    video = film_on(desk)
    (capture,) = desk.take()

    def planes(path: Path) -> Iterator[str]:
        with av.open(str(path)) as opened:
            for frame in opened.decode(video=0):
                yield hashlib.sha256(bytes(frame.planes[0])).hexdigest()

    cut = [h for p in sorted((desk.state / capture.capture_id).glob("*.mp4")) for h in planes(p)]
    assert cut == list(planes(video))


def test_without_a_gimbal_direction_it_is_taken_and_not_placed(desk: Desk) -> None:
    film_on(desk, gimbal=False)
    (capture,) = desk.take()
    assert capture.placed_segments == 0
    assert all(m.poses == () for m in desk.manifests(capture))
    assert "no camera direction" in capture.notes


def test_a_height_of_unknown_datum_is_no_height(desk: Desk) -> None:
    film_on(desk)
    verdict = desk.verdict("DCIM/100MEDIA/DJI_0001.MP4", TERMS._replace(heights=Heights()))
    assert verdict.facts["poses"] == 0
    assert "no height above the ellipsoid" in verdict.reason


@pytest.mark.parametrize(
    ("heights", "alt_m"),
    [
        (Heights(HeightDatum.ELLIPSOID), 50.0),
        (Heights(HeightDatum.SEA_LEVEL, geoid_separation_m=41.5), 91.5),
        (Heights(take_off_alt_m=93.0), 93.0),
    ],
)
def test_what_is_stated_of_heights_is_used(desk: Desk, heights: Heights, alt_m: float) -> None:
    film_on(desk, 2.0)
    (capture,) = desk.take(terms=TERMS._replace(heights=heights))
    assert desk.manifests(capture)[0].poses[0].pose.point.alt_m == pytest.approx(alt_m)


def test_sea_level_needs_the_geoid() -> None:
    with pytest.raises(InvalidInput, match="sea_level"):
        Stated(datum=HeightDatum.SEA_LEVEL).terms()


def test_a_clock_without_a_zone_is_refused_with_what_to_state(desk: Desk) -> None:
    film_on(desk)
    verdict = desk.verdict("DCIM/100MEDIA/DJI_0001.MP4", TERMS._replace(utc_offset=None))
    assert verdict.outcome is Outcome.REFUSED
    assert "--utc-offset" in verdict.hint


def test_the_videos_own_time_shows_the_zone(desk: Desk) -> None:
    film_on(desk, created="2026-05-27T10:10:02Z")
    (capture,) = desk.take(terms=TERMS._replace(utc_offset=None))
    assert capture.started_at == datetime(2026, 5, 27, 10, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("container", "utc_hour"), [("12:00:03", None), ("10:00:03", 10), ("06:15:01", 6), ("11:52:00", None)]
)
def test_only_a_whole_quarter_of_an_hour_is_a_zone(container: str, utc_hour: int | None) -> None:
    camera = datetime(2026, 5, 27, 12, 0, 0)  # noqa: DTZ001 - a camera's clock has no zone
    utc = datetime.fromisoformat(f"2026-05-27T{container}+00:00")
    found = stated_utc(camera, None, utc)
    assert (found and found.hour) == utc_hour


@pytest.mark.parametrize(("text", "minutes"), [("+02:00", 120), ("-0330", -210), ("Z", 0), ("+00:00", 0)])
def test_offsets(text: str, minutes: int) -> None:
    assert parse_offset(text) == timedelta(minutes=minutes)


def test_what_is_no_offset_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no UTC offset"):
        parse_offset("Berlin")


def test_a_hole_in_the_positions_leaves_that_segment_unplaced(desk: Desk) -> None:
    video = film_on(desk, 13.0)
    blocks = telemetry(13.0).split("\n\n")
    video.with_suffix(".SRT").write_text("\n\n".join(b for n, b in enumerate(blocks) if not 20 <= n < 40) + "\n\n")
    (capture,) = desk.take()
    assert [bool(m.poses) for m in desk.manifests(capture)] == [True, False, True, True]
    assert capture.placed_segments == 3


def test_the_text_track_inside_a_video_counts_as_its_subtitles(desk: Desk) -> None:
    class WithText(Mp4Films):
        def subtitles(self, path: Path) -> str:
            return telemetry(2.0)

    mp4(desk.card / "DJI_0002.MP4", 2.0)
    inventory = Inspector(desk.card, WithText(), TERMS, lambda _: False).inventory()
    assert inventory.verdicts[0].facts["poses"] == 10


def test_every_file_has_a_verdict(desk: Desk) -> None:
    video = film_on(desk, 2.0)
    shutil.copy(video, desk.card / "COPY.MP4")
    (desk.card / "torn.MP4").write_bytes(video.read_bytes()[:400])
    (desk.card / "empty.MP4").touch()
    (desk.card / "fake.JPG").write_bytes(b"\xff\xd8 not really")
    (desk.card / "DJI_0001.LRF").write_bytes(b"small")
    (desk.card / "notes.txt").write_text("hello")
    (desk.card / "._DJI_0001.MP4").write_bytes(b"finder")
    (desk.card / "alone.SRT").write_text("1\n00:00:00,000 --> 00:00:01,000\n[latitude: 1] [lon")
    (desk.card / "link.MP4").symlink_to("/etc/hostname")
    said = {v.path: (v.outcome.value, v.line) for v in desk.inspect().verdicts}
    assert said == {
        "COPY.MP4": ("skipped", None),
        "DCIM/100MEDIA/DJI_0001.MP4": ("taken", None),
        "DCIM/100MEDIA/DJI_0001.SRT": ("taken", None),
        "torn.MP4": ("refused", None),
        "empty.MP4": ("refused", None),
        "fake.JPG": ("refused", None),
        "DJI_0001.LRF": ("skipped", None),
        "notes.txt": ("skipped", None),
        "._DJI_0001.MP4": ("skipped", None),
        "alone.SRT": ("refused", 3),
        "link.MP4": ("skipped", None),
    }


def test_a_second_run_takes_nothing_again(desk: Desk) -> None:
    film_on(desk, 2.0)
    assert len(desk.take()) == 1
    before = desk.contents()
    assert desk.take() == []
    assert desk.verdict("DCIM/100MEDIA/DJI_0001.MP4").reason == "taken before"
    assert desk.contents() == before


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(deaths=st.lists(st.integers(0, 46), max_size=4))
def test_killed_anywhere_it_resumes_to_the_same_capture(
    tmp_path_factory: pytest.TempPathFactory, deaths: list[int]
) -> None:
    whole, killed = Desk(tmp_path_factory.mktemp("whole")), Desk(tmp_path_factory.mktemp("killed"))
    for desk in (whole, killed):
        film_on(desk)
    whole.take()
    for lives in deaths:
        try:
            killed.take(MortalFilms(lives))
        except Killed:
            continue
    killed.take()
    assert killed.contents() == whole.contents()


def test_the_card_is_never_written_to(desk: Desk) -> None:
    film_on(desk, 2.0)

    def card() -> dict[str, tuple[int, int, str]]:
        return {
            str(p): (p.stat().st_mtime_ns, p.stat().st_mode, sha256_of(p) if p.is_file() else "")
            for p in (desk.card, *desk.card.rglob("*"))
        }

    before = card()
    for path in (*desk.card.rglob("*"), desk.card):
        path.chmod(0o555 if path.is_dir() else 0o444)
    locked = {name: (t, Path(name).stat().st_mode, h) for name, (t, _, h) in before.items()}
    desk.take()
    assert card() == locked
    for path in (desk.card, *desk.card.rglob("*")):
        path.chmod(0o755)


def test_a_full_disk_is_said_before_anything_is_copied(desk: Desk) -> None:
    film_on(desk, 2.0)
    taker = Taker(CaptureShelf(desk.state), Mp4Films(), Mp4File, TERMS, disk_floor=10**18)
    with pytest.raises(Conflict, match="are free"):
        taker.take(desk.inspect())
    assert desk.contents() == {}


def test_a_card_that_changes_under_the_hand_is_refused(desk: Desk) -> None:
    if not BRIGHTON.exists():
        pytest.skip("the public photos are not beside the repository")
    photo = desk.card / "DJI_0018.JPG"
    shutil.copy(BRIGHTON / "images/DJI_0018.JPG", photo)
    inventory = desk.inspect()
    photo.chmod(0o644)
    photo.write_bytes(photo.read_bytes()[:-1] + b"x")
    with pytest.raises(CorruptMedia, match="other bytes"):
        Taker(CaptureShelf(desk.state), Mp4Films(), Mp4File, TERMS, 0).take(inventory)


@pytest.mark.skipif(not BRIGHTON.exists(), reason="the public photos are not beside the repository")
def test_the_real_photos_come_with_place_direction_and_lens(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    shutil.rmtree(desk.card)
    desk.card = BRIGHTON
    (capture,) = desk.take(terms=Terms("mavic-7", "beach"))
    assert len(capture.photos) == 18
    first = capture.photos[0]
    assert first.place is not None
    assert first.direction is not None
    assert first.camera is not None
    assert (first.place.lat_deg, first.place.lon_deg) == pytest.approx((46.8426071, -91.9945599), abs=1e-6)
    assert (first.place.alt_m, first.place.alt_rel_m) == (198.31, 39.8)
    assert first.place.datum is HeightDatum.UNSTATED
    assert (first.direction.yaw_deg, first.direction.pitch_deg) == (45.0, -89.9)
    assert first.camera.focal_px == pytest.approx(20 / 36 * 2000)
    assert first.captured_at is None
    assert first.camera_time == datetime(2016, 6, 23, 16, 31, 59)  # noqa: DTZ001 - EXIF says no zone
    for photo in capture.photos:
        assert sha256_of(desk.state / capture.capture_id / f"{photo.index:05d}.jpg") == photo.sha256


def test_captures_go_up_record_first_and_the_space_is_freed_when_vouched_for(desk: Desk, tmp_path: Path) -> None:
    film_on(desk)
    (capture,) = desk.take()
    shelf, shop = CaptureShelf(desk.state), Shop()
    journal = UploadJournal(tmp_path / "uploads.db")
    uploader = Uploader("mavic-7", Flights(tmp_path / "r"), journal, shop, Announcements(), threading.Event())
    courier = Courier(shelf, uploader)
    while courier.step():
        continue
    names = [key.rpartition("/")[2] for key in shop.order]
    assert names == ["capture.json", "00000.mp4", "00000.json", "00001.mp4", "00001.json", "00002.mp4", "00002.json",
                     "flight.json"]  # fmt: skip
    told = FlightMedia.model_validate_json(shop.objects[shop.order[-1]])
    assert (told.flight_id, told.expected_segments) == (capture.capture_id, 3)
    assert courier.waiting() == 0
    for manifest in desk.manifests(capture):
        courier.verify(SegmentVerified(segment_id=manifest.segment_id, sha256=manifest.sha256))
    assert list((desk.state / capture.capture_id).glob("*.mp4")) == []
    assert desk.take() == []
    journal.close()


def test_a_lost_journal_stops_no_capture_though_what_it_knew_of_is_freed(desk: Desk, tmp_path: Path) -> None:
    film_on(desk, 5.0)
    (capture,) = desk.take()
    shop = Shop()
    for life in range(2):
        journal = UploadJournal(tmp_path / f"uploads-{life}.db")
        uploader = Uploader("mavic-7", Flights(tmp_path / "r"), journal, shop, Announcements(), threading.Event())
        courier = Courier(CaptureShelf(desk.state), uploader)
        while courier.step():
            continue
        assert courier.waiting() == 0
        first = desk.manifests(capture)[0]
        courier.verify(SegmentVerified(segment_id=first.segment_id, sha256=first.sha256))
        journal.close()
    names = [key.rpartition("/")[2] for key in shop.order]
    assert (names.count("00000.mp4"), names.count("00001.mp4"), names.count("flight.json")) == (1, 2, 2)


def test_other_bytes_in_the_cloud_are_sent_again(desk: Desk, tmp_path: Path) -> None:
    film_on(desk, 2.0)
    (capture,) = desk.take()
    shop, journal = Shop(), UploadJournal(tmp_path / "uploads.db")
    uploader = Uploader("mavic-7", Flights(tmp_path / "r"), journal, shop, Announcements(), threading.Event())
    courier = Courier(CaptureShelf(desk.state), uploader)
    while courier.step():
        continue
    count = len(shop.order)
    courier.verify(SegmentVerified(segment_id=f"{capture.capture_id}.00000", sha256="0" * 64))
    while courier.step():
        continue
    assert [key.rpartition("/")[2] for key in shop.order[count:]] == ["capture.json", "00000.mp4", "00000.json"]
    assert (desk.state / capture.capture_id / "00000.mp4").exists()
    journal.close()
