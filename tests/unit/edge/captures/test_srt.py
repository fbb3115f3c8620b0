"""Every dialect of DJI's subtitles: the real files, their traps, and anything else that may be on a card."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import TooLarge
from edge.captures import srt
from edge.captures.sample import Direction, Place

DATA = Path(__file__).resolve().parents[5] / "shared/data/clean/telemetry_srt"
MANY = int(os.environ.get("KESTREL_PROPERTY_EXAMPLES", "60"))

# file: blocks read, with a position, dialect, first place, lines of faults
REAL = {
    "dji_srt/MAVIC3.srt": (1376, 1376, "bracketed", Place(3.41531, -3.3744, -2.4, 0.401), ()),
    "dji_srt/air2s.srt": (17, 17, "bracketed", Place(41.424724, 2.234156, None, 117.0), ()),
    "dji_srt/broken_empty.SRT": (0, 0, "", None, (1,)),
    "dji_srt/broken_empty2.SRT": (0, 0, "", None, (1,)),
    "dji_srt/broken_incomplete.SRT": (19, 19, "home_gps", Place(-34.7383, -58.4563, 20.1, None), (117,)),
    "dji_srt/broken_incomplete2.SRT": (4, 4, "bracketed", Place(-34.86995, -57.823395, None, 74.725998), (17, 35)),
    "dji_srt/m2zoom.SRT": (1351, 1351, "bracketed", Place(31.452012, 74.398751, None, 213.983002), ()),
    "dji_srt/matrice_300.srt": (381, 381, "gps_lat_lon", Place(36.6146, -6.112, 0.3, 0.0), ()),
    "dji_srt/mavic_2_style.SRT": (468, 468, "bracketed", Place(-20.2533, 149.0251, None, None), ()),
    "dji_srt/mavic_2pro_new.SRT": (1453, 1453, "bracketed", Place(-35.080155, -60.286702, None, None), ()),
    "dji_srt/mavic_air.SRT": (2, 0, "bracketed", None, ()),
    "dji_srt/mavic_air2.srt": (25, 25, "bracketed", Place(41.420684, 2.162162, None, 27.3), ()),
    "dji_srt/mavic_mini.SRT": (117, 117, "f_ss_gps", Place(48.0771, -121.7458, 200.7, None), ()),
    "dji_srt/mavic_pro.SRT": (468, 468, "home_gps", Place(-20.2533, 149.0251, 1.9, None), ()),
    "dji_srt/mavic_pro_buggy.SRT": (546, 530, "home_gps", Place(42.4668, -1.2218, 0.0, None), ()),
    "dji_srt/mix_p4rtk_mavic2pro.srt": (12, 12, "f_ss_gps", Place(-34.6502, -59.409424, 17.39, None), ()),
    "dji_srt/old_format.SRT": (468, 468, "home_gps", Place(-20.2533, 149.0251, 1.9, None), ()),
    "dji_srt/p4_rtk.SRT": (55, 55, "f_ss_gps", Place(-34.237922, -58.851745, 85.8, None), ()),
    "dji_srt/p4p_sample.SRT": (5, 5, "f_ss_gps", Place(47.4692, 8.209, 45.6, None), ()),
    "dji_embed/Avata360_clip.SRT": (5, 5, "bracketed", Place(53.36508, 6.460739, 5.4, -124.744), ()),
    "dji_embed/Mini5PRO_clip.SRT": (5, 5, "bracketed", Place(53.365108, 6.460719, 6.0, -122.769), ()),
    "dji_embed/air3S_clip.SRT": (5, 5, "bracketed", Place(34.270373, -84.17616, 0.0, 302.208), ()),
    "dji_embed/air3_clip.SRT": (2, 2, "bracketed", Place(59.1111, 18.2222, 5.0, 105.0), ()),
    "dji_embed/avata2_clip.SRT": (2, 2, "gps_lat_lon", Place(39.906217, 116.391305, 91.2, 69.8), ()),
    "dji_embed/mini4pro_clip.SRT": (2, 2, "bracketed", Place(59.0, 18.0, 1.0, 100.0), ()),
    "dji_embed/neo2_clip.SRT": (5, 5, "bracketed", Place(45.607181, 13.75386, 0.0, 113.9), ()),
    "dji_embed/neo2_clip_nogps.SRT": (6, 3, "bracketed", None, ()),
}
real = pytest.mark.skipif(not DATA.exists(), reason="the public sample files are not beside the repository")


@real
def test_the_table_names_every_real_file() -> None:
    found = {p.relative_to(DATA).as_posix() for p in DATA.rglob("*") if p.suffix.lower() == ".srt"}
    assert found == set(REAL)
    assert len(found) == 27


@real
@pytest.mark.parametrize("name", REAL)
def test_a_real_file_is_read_or_refused_by_line(name: str) -> None:
    moments, positions, dialect, first, lines = REAL[name]
    track = srt.read(DATA / name)
    assert (len(track.moments), track.placed) == (moments, positions)
    assert next(iter(track.dialects), "") == dialect
    assert (track.moments[0].place if track.moments else None) == first
    assert tuple(fault.line for fault in track.faults) == lines


@real
def test_the_mixed_file_keeps_both_dialects_apart() -> None:
    track = srt.read(DATA / "dji_srt/mix_p4rtk_mavic2pro.srt")
    assert [m.dialect for m in track.moments] == ["f_ss_gps"] * 6 + ["bracketed"] * 6
    assert track.moments[0].cue_ms == 904_904
    assert track.moments[0].direction == Direction(284.0, -27.3, 0.0)
    assert track.moments[6].place == Place(-34.65118, -59.409483, None, 120.060997)
    assert track.moments[6].camera_time == datetime(2020, 10, 7, 12, 0, 10, 123182)  # noqa: DTZ001 - a camera's clock has no zone


@real
def test_blocks_without_a_fix_have_no_place() -> None:
    track = srt.read(DATA / "dji_embed/neo2_clip_nogps.SRT")
    assert [m.place is None for m in track.moments] == [True, True, True, False, False, False]


def one(text: str) -> srt.Track:
    return srt.parse(f"1\n00:00:00,000 --> 00:00:01,000\n{text}\n")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("GPS(8.5,47.25,16)", Place(47.25, 8.5, None, None)),
        ("GPS (8.5, 47.25, 16), D 1m, H 45.60m, H.S n/a", Place(47.25, 8.5, 45.6, None)),
        ("GPS(47.25,8.5,16.0)", Place(47.25, 8.5, None, 16.0)),
        ("GPS(47.25,8.5,0.0M) BAROMETER:0.3M", Place(47.25, 8.5, 0.3, 0.0)),
        ("GPS(47.25,8.5,16M)", Place(47.25, 8.5, None, 16.0)),
        ("GPS(8.5,47.25,0)", None),
        ("GPS(0.0000,0.0000,12)", None),
        ("GPS (n/a, n/a, 0)", None),
        ("[latitude: 0.000000] [longitude: 0.000000]", None),
        ("[latitude : -20.25] [longtitude : 149.5] [altitude: 7.0]", Place(-20.25, 149.5, None, 7.0)),
        ("[latitude: 1.0] [longitude: 2.0] [rel_alt: 3.0 abs_alt: -124.7]", Place(1.0, 2.0, 3.0, -124.7)),
        ("[iso : 100] [shutter : 1/240.0]", None),
    ],
)
def test_where_a_block_says_it_was(text: str, place: Place | None) -> None:
    track = one(text)
    assert track.faults == ()
    assert track.moments[0].place == place


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("GPS(8.5,47.25)", "has 2 fields"),
        ("GPS(8.5,147.25,16)", "latitude 147.25 is outside"),
        ("GPS(47.25,8.5,high)", "neither a count nor a height"),
        ("GPS(47.25,8.5", "a ( is not closed"),
        ("[latitude: 47.25]", "one of latitude and longitude is missing"),
        ("[latitude: nan] [longitude: 8.5]", "latitude 'nan' is not a number"),
        ("[latitude: 4\ufffd] [longitude: 8.5]", "is not a number"),
        ("[latitude: 91] [longitude: 8.5]", "latitude 91 is outside"),
        ("[latitude: 1] [longitude: 2] [latitude: 3]", "said twice, differently"),
        ("[latitude: 1] [longi", "a [ is not closed"),
        ("2026-13-01 10:00:00\n[latitude: 1] [longitude: 2]", "does not exist"),
        ("HOME(8.5,47.25) 2017.07.03 10:15:03", "no GPS"),
        ("[latitude: 1] " + "x" * 5000, "a line of 5014 characters"),
    ],
)
def test_a_block_that_is_not_whole_is_refused_with_its_reason(text: str, reason: str) -> None:
    track = one(text)
    assert track.moments == ()
    assert reason in track.faults[0].reason
    assert track.faults[0].line == 3


def test_a_bad_block_leaves_its_neighbours() -> None:
    good = "[latitude: 1.5] [longitude: 2.5]"
    text = "".join(
        f"{n}\r\n00:00:0{n},000 --> 00:00:0{n},500\r\n{good if n != 2 else '[lat'}\r\n\r\n" for n in (1, 2, 3)
    )
    track = srt.parse(text)
    assert [m.cue_ms for m in track.moments] == [1000, 3000]
    assert [fault.line for fault in track.faults] == [7]


def test_a_last_block_cut_between_lines_is_not_believed() -> None:
    whole = "00:00:00,000 --> 00:00:00,100\n2026-01-01 10:00:00.000\n[latitude: 1.5] [longitude: 2.5]\n"
    track = srt.parse(f"1\n{whole}\n2\n00:00:00,100 --> 00:00:00,200\n2026-01-01 10:00:00.100\n")
    assert len(track.moments) == 1
    assert track.faults[0].line == 6
    assert "latitude" in track.faults[0].reason


@pytest.mark.parametrize(
    ("said", "focal_mm35"), [("24.00", 24.0), ("240", 24.0), ("24.00] [dzoom_ratio: 2.00", 48.0), ("0", None)]
)
def test_focal_lengths_in_millimetres_and_in_tenths(said: str, focal_mm35: float | None) -> None:
    assert one(f"[focal_len: {said}] [latitude: 1] [longitude: 2]").moments[0].focal_mm35 == focal_mm35


def test_a_gimbal_over_the_top_has_no_direction() -> None:
    text = "[latitude: 1] [longitude: 2] [gb_yaw: 10 gb_pitch: {} gb_roll: 0]"
    assert one(text.format("-90.3")).moments[0].direction == Direction(10.0, -90.0, 0.0)
    assert one(text.format("-135.0")).moments[0].direction is None


def test_a_file_that_cannot_be_subtitles_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "DJI_0001.SRT"
    with path.open("wb") as out:
        out.truncate(srt.MAX_BYTES + 1)
    with pytest.raises(TooLarge):
        srt.read(path)


coordinates = st.tuples(
    st.floats(-90, 90).map(lambda v: round(v, 6)), st.floats(-180, 180).map(lambda v: round(v, 6))
).filter(lambda pair: pair != (0.0, 0.0))


@settings(max_examples=MANY, deadline=None)
@given(places=st.lists(coordinates, min_size=1, max_size=6), eol=st.sampled_from(["\n", "\r\n"]), bom=st.booleans())
def test_what_is_written_in_any_dialect_is_read_back(places: list[tuple[float, float]], eol: str, bom: bool) -> None:
    forms = (
        "[latitude: {0:.6f}] [longitude: {1:.6f}]",
        "[latitude : {0:.6f}] [longtitude : {1:.6f}]",
        "GPS({1:.6f},{0:.6f},12)",
        "GPS({0:.6f},{1:.6f},30.5M)",
    )
    for form in forms:
        lines = [
            f"{n}\n00:00:00,{n:03d} --> 00:00:00,{n + 1:03d}\n{form.format(*place)}\n"
            for n, place in enumerate(places, 1)
        ]
        raw = ("\ufeff" if bom else "").encode() + "\n".join(lines).replace("\n", eol).encode()
        track = srt.parse(raw.decode("utf-8-sig"))
        assert track.faults == ()
        assert [(m.place.lat_deg, m.place.lon_deg) for m in track.moments if m.place] == places


@settings(max_examples=MANY, deadline=None)
@given(cut=st.integers(0, 2000), junk=st.text(max_size=40))
def test_cut_or_spoilt_anywhere_nothing_is_invented(cut: int, junk: str) -> None:
    """Whatever is lost, each position that comes out is one that went in."""
    blocks = "".join(
        f"{n}\n00:00:0{n},000 --> 00:00:0{n},900\nHOME(8.20,56.70) 2017.07.03 10:15:0{n}\n"
        f"GPS(8.2{n}01,56.7{n}01,19) BAROMETER:2{n}.1\nISO:100 Shutter:400 EV:-1/3 Fnum:F2.8 \n\n"
        for n in range(1, 8)
    )
    truth = {m.cue_ms: m.place for m in srt.parse(blocks).moments}
    cut %= len(blocks)
    for moment in srt.parse(blocks[:cut]).moments:
        whole = truth[moment.cue_ms]
        assert whole is not None
        assert moment.place in (None, whole, whole._replace(alt_rel_m=None))
    spoilt = srt.parse(blocks[:cut] + "\n" + junk + "\n" + blocks[cut:])
    assert all(fault.line >= 1 for fault in spoilt.faults)


@settings(max_examples=MANY, deadline=None)
@given(raw=st.binary(max_size=400))
def test_any_bytes_at_all_are_read_or_refused(raw: bytes) -> None:
    track = srt.parse(raw.decode("utf-8-sig", errors="replace"))
    assert track.moments or track.faults
