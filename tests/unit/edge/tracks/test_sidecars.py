"""A pose track as KLV and as subtitles: what is written is read back, by us and by an independent reader."""

from __future__ import annotations

import io
import math
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import av
import klvdata
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import InvalidInput
from contracts.geo import GeoPoint, Pose
from contracts.media import FrameTime, PoseSample, SegmentManifest
from contracts.optics import CameraIntrinsics
from edge.backends.film import transport_stream
from edge.captures import srt
from edge.tracks import klv, sidecars, subtitles
from tests.unit.edge.captures.reels import FPS, mp4

MANY = int(os.environ.get("KESTREL_PROPERTY_EXAMPLES", "60"))
CAMERA = CameraIntrinsics(width_px=3840, height_px=2160, focal_px=3000.0)
MISSION = klv.Mission("flt-1", "mavic-7", CAMERA, 0.03)

degrees = st.floats(-180, 180)
poses = st.builds(
    Pose,
    point=st.builds(GeoPoint, lat_deg=st.floats(-90, 90), lon_deg=degrees, alt_m=st.floats(-900, 9000)),
    yaw_deg=st.floats(0, 359.9),
    pitch_deg=st.floats(-90, 90),
    roll_deg=st.floats(-179, 179),
)
samples = st.builds(PoseSample, t_us=st.integers(0, 2**53), pose=poses)


def turn(a_deg: float, b_deg: float) -> float:
    return abs((a_deg - b_deg + 180) % 360 - 180)


def well_inside(pose: Pose) -> bool:
    near_360 = min(360 - pose.roll_deg % 360, 360 - pose.yaw_deg)
    return abs(pose.point.lat_deg) < 89.9 and abs(pose.point.lon_deg) < 179.9 and near_360 > 0.001


@settings(max_examples=MANY, deadline=None)
@given(track=st.lists(samples, max_size=5))
def test_what_is_written_is_read_back(track: list[PoseSample]) -> None:
    read = [packet.pose() for packet in klv.read(klv.track(track, MISSION))]
    assert [sample.t_us for sample in read] == [sample.t_us for sample in track]
    for before, after in zip(track, read, strict=True):
        a, b = before.pose, after.pose
        assert abs(a.point.lat_deg - b.point.lat_deg) <= 5e-8
        assert abs(a.point.lon_deg - b.point.lon_deg) <= 1e-7
        assert abs(a.point.alt_m - b.point.alt_m) <= 1e-3
        assert max(turn(a.yaw_deg, b.yaw_deg), turn(a.roll_deg, b.roll_deg), abs(a.pitch_deg - b.pitch_deg)) <= 2e-7


def without_fine_height(raw: bytes) -> bytes:
    """Return a packet without tag 104, which klvdata takes for 16 bits; the sum at its end is not looked at there."""
    _, start = klv._ber_at(raw, len(klv.UAS_LOCAL_SET))
    body = raw[start:-10] + raw[-4:]
    assert raw[-10] == 104
    return klv.UAS_LOCAL_SET + bytes([0x81, len(body)]) + body


@settings(max_examples=MANY, deadline=None)
@given(sample=samples.filter(lambda s: well_inside(s.pose)))
def test_an_independent_reader_reads_the_same(sample: PoseSample) -> None:
    """klvdata rounds past the ends of its own ranges and then refuses them: they are left out."""
    raw = klv.packet(sample, MISSION)
    assert klvdata.common.packet_checksum(raw) == raw[-2:]
    (packet,) = klvdata.StreamParser(without_fine_height(raw))
    said: dict[int, tuple[Any, ...]] = packet.MetadataList()
    assert next(iter(said)) == 2
    assert float(said[13][3]) == pytest.approx(sample.pose.point.lat_deg, abs=1e-6)
    assert float(said[14][3]) == pytest.approx(sample.pose.point.lon_deg, abs=1e-6)
    assert float(said[75][3]) == pytest.approx(sample.pose.point.alt_m, abs=0.31)
    assert turn(float(said[18][3]), sample.pose.yaw_deg) <= 1e-6
    assert float(said[19][3]) == pytest.approx(sample.pose.pitch_deg, abs=1e-6)
    assert said[3][3] == "flt-1"
    assert said[10][3] == "mavic-7"
    assert float(said[16][3]) == pytest.approx(2 * math.degrees(math.atan(1920 / 3000)), abs=0.003)


@settings(max_examples=MANY, deadline=None)
@given(sample=samples, data=st.data())
def test_a_spoilt_packet_is_refused(sample: PoseSample, data: st.DataObject) -> None:
    raw = bytearray(klv.packet(sample, MISSION))
    at, bit = data.draw(st.integers(0, len(raw) - 1)), data.draw(st.integers(0, 7))
    raw[at] ^= 1 << bit
    with pytest.raises(InvalidInput):
        list(klv.read(bytes(raw)))


@settings(max_examples=MANY, deadline=None)
@given(raw=st.binary(max_size=80), headed=st.booleans())
def test_any_bytes_are_read_or_refused(raw: bytes, headed: bool) -> None:
    data = klv.UAS_LOCAL_SET + raw if headed else raw
    if data:
        with pytest.raises(InvalidInput):
            list(klv.read(data))


def test_a_cut_track_gives_what_is_whole_first() -> None:
    pose = Pose(point=GeoPoint(lat_deg=56.7, lon_deg=8.2, alt_m=50.0), yaw_deg=1.0, pitch_deg=-2.0)
    raw = klv.track([PoseSample(t_us=t, pose=pose) for t in (1, 2)], MISSION)
    reader = klv.read(raw[:-1])
    assert next(reader).t_us == 1
    with pytest.raises(InvalidInput, match="cut off"):
        next(reader)


def manifest(frames: int = 10, pose_every_us: int = 50_000) -> SegmentManifest:
    start = 1_795_176_000_000_000
    span = frames * 1_000_000 // FPS
    track = tuple(
        PoseSample(
            t_us=start + t,
            pose=Pose(
                point=GeoPoint(lat_deg=56.7 + t / 1e13, lon_deg=8.2, alt_m=50 + t / 1e6),
                yaw_deg=(350 + t / 1e5) % 360,
                pitch_deg=-10,
            ),
        )
        for t in range(0, span + pose_every_us, pose_every_us)
    )
    return SegmentManifest(
        segment_id="flt-1.00000", flight_id="flt-1", drone_id="mavic-7", asset_id="wt-01", index=0, sha256="0" * 64,
        size_bytes=1, codec="h264", started_at=datetime(2026, 11, 20, tzinfo=UTC), camera=CAMERA, poses=track,
        frames=tuple(FrameTime(pts_ms=n * 1000 / FPS, t_us=start + n * 1_000_000 // FPS) for n in range(frames)),
    )  # fmt: skip


def test_subtitles_are_read_back_by_our_own_parser() -> None:
    said = manifest()
    track = srt.parse(subtitles.written(said))
    assert track.faults == ()
    assert len(track.moments) == len(said.frames)
    for frame, moment in zip(said.frames, track.moments, strict=True):
        assert moment.cue_ms == frame.pts_ms
        assert moment.place is not None
        assert moment.direction is not None
        at_s = (frame.t_us - said.frames[0].t_us) / 1e6
        assert moment.place.alt_reported_m == pytest.approx(50 + at_s, abs=1e-3)
        assert turn(moment.direction.yaw_deg, 350 + at_s * 10) < 0.01
        assert moment.focal_mm35 == pytest.approx(3000 * 36 / 3840, abs=0.01)


def test_frames_outside_the_track_get_no_place() -> None:
    said = manifest()
    short = said.model_copy(update={"poses": said.poses[:5]})
    track = srt.parse(subtitles.written(short))
    assert [m.place is not None for m in track.moments] == [True, True] + [False] * 8


def test_a_segment_without_poses_has_subtitles_and_no_klv() -> None:
    said = manifest().model_copy(update={"poses": ()})
    assert [suffix for suffix, _ in sidecars.contents(said)] == [".srt"]


def test_a_segment_and_its_track_make_one_stanag_4609_stream(tmp_path: Path) -> None:
    video = mp4(tmp_path / "00000.mp4", 2.0)
    out = io.BytesIO()
    transport_stream(video, manifest(), out)
    with av.open(io.BytesIO(out.getvalue()), mode="r", format="mpegts") as opened:
        assert [s.type for s in opened.streams] == ["video", "data"]
        packets = [(p.stream.type, bytes(p)) for p in opened.demux() if p.size]
    raw = b"".join(body for kind, body in packets if kind == "data")
    assert [p.t_us for p in klv.read(raw)] == [s.t_us for s in manifest().poses]
    assert sum(kind == "video" for kind, _ in packets) == 10
