"""The header of a photo: what Pillow reads there, and of damaged ones a refusal at most."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

from contracts.captures import HeightDatum
from contracts.errors import CorruptMedia, PlatformError
from edge.captures import exif, photo
from edge.captures.terms import Heights, Terms

XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:drone-dji="http://www.dji.com/drone-dji/1.0/" drone-dji:GimbalYawDegree="+12.5" '
    b'drone-dji:GimbalPitchDegree="-30.00" drone-dji:GimbalRollDegree="0.00"/></rdf:RDF></x:xmpmeta>'
)


def jpeg(order: str = "<", *, over: int = 1) -> bytes:
    """Make a photo by Pillow, its EXIF in one byte order; ``over`` is the altitude's denominator."""
    tags = Image.Exif()
    tags.endian = order
    tags[ExifTags.Base.Model] = "FC6310S"
    tags.get_ifd(ExifTags.IFD.Exif).update(
        {
            ExifTags.Base.DateTimeOriginal: "2026:06:23 16:31:59",
            ExifTags.Base.OffsetTimeOriginal: "+02:00",
            ExifTags.Base.FocalLengthIn35mmFilm: 24,
        }
    )
    tags.get_ifd(ExifTags.IFD.GPSInfo).update(
        {
            ExifTags.GPS.GPSLatitudeRef: "S",
            ExifTags.GPS.GPSLatitude: (IFDRational(46), IFDRational(50), IFDRational(3346, 100)),
            ExifTags.GPS.GPSLongitudeRef: "E",
            ExifTags.GPS.GPSLongitude: (IFDRational(9), IFDRational(59), IFDRational(4041, 100)),
            ExifTags.GPS.GPSAltitudeRef: b"\x01",
            ExifTags.GPS.GPSAltitude: IFDRational(19831, 100 * over),
            ExifTags.GPS.GPSDateStamp: "2026:06:23",
            ExifTags.GPS.GPSTimeStamp: (IFDRational(14), IFDRational(32), IFDRational(1)),
        }
    )
    out = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(out, "JPEG", exif=tags, xmp=XMP)
    return out.getvalue()


def read(folder: Path, data: bytes) -> exif.Header:
    path = folder / "photo.jpg"
    path.write_bytes(data)
    return exif.read(path)


def plain(value: Any) -> Any:
    """Return Pillow's value as plain numbers."""
    if isinstance(value, tuple):
        return tuple(float(part) for part in value)
    return value if isinstance(value, str | bytes) else float(value)


@pytest.mark.parametrize("order", ["<", ">"], ids=["Intel", "Motorola"])
def test_it_reads_what_pillow_reads(tmp_path: Path, order: str) -> None:
    data = jpeg(order)
    found = read(tmp_path, data)
    with Image.open(io.BytesIO(data)) as image:
        tags, xmp = image.getexif(), image.info["xmp"]
        shot, gps = tags.get_ifd(ExifTags.IFD.Exif), tags.get_ifd(ExifTags.IFD.GPSInfo)
    assert (found.width_px, found.height_px, found.xmp) == (64, 48, xmp)
    assert found.image[exif.MODEL] == "FC6310S"
    assert found.shot == {tag: plain(value) for tag, value in shot.items()}
    assert found.gps == {tag: plain(value) for tag, value in gps.items()}
    assert len(found.gps) == 8


def test_a_photo_says_place_direction_time_and_lens(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(jpeg())
    said = photo.read(path, Terms("mavic-7", "wt-01", None, Heights(HeightDatum.UNSTATED)))
    assert said.place is not None
    assert (said.place.lat_deg, said.place.lon_deg) == pytest.approx((-46.842628, 9.994558), abs=1e-6)
    assert said.place.alt_m == -198.31
    assert said.direction is not None
    assert (said.direction.yaw_deg, said.direction.pitch_deg) == (12.5, -30.0)
    assert said.camera is not None
    assert said.camera.focal_px == pytest.approx(24 / 36 * 64)
    assert said.captured_at is not None
    assert said.captured_at.isoformat() == "2026-06-23T14:32:01+00:00"
    assert said.notes == ()


def test_a_fraction_over_nothing_is_no_number(tmp_path: Path) -> None:
    altitude = read(tmp_path, jpeg(over=0)).gps[exif.ALTITUDE]
    assert isinstance(altitude, float)
    assert math.isnan(altitude)


def test_stray_bytes_before_a_marker_are_passed_over(tmp_path: Path) -> None:
    data = jpeg()
    assert read(tmp_path, data[:2] + b"\x00\xff\x00\xff\xff" + data[2:]) == read(tmp_path, data)


SOUND = [jpeg("<"), jpeg(">")]
NO_JPEGS = {
    "nothing": b"",
    "words": b"\xff\xd8 not really",
    "no end": b"\xff\xd8" + b"\xff\xfe\x00\x02" * 2_000,
    "no length": b"\xff\xd8\xff\xe1\x00\x01",
    "no size": b"\xff\xd8\xff\xda\x00\x02",
    "no width": b"\xff\xd8\xff\xc0\x00\x08\x08\x00\x10\x00\x00\x03\xff\xda\x00\x02",
    "only zeros": b"\xff\xd8" + bytes(100_000),
}


@pytest.mark.parametrize("data", NO_JPEGS.values(), ids=NO_JPEGS.keys())
def test_what_is_no_jpeg_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(CorruptMedia, match="not a readable JPEG"):
        read(tmp_path, data)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_damaged_photo_is_read_or_refused_and_nothing_else(tmp_path_factory: Any, data: st.DataObject) -> None:
    """Most of a small photo's bytes are its header."""
    raw = bytearray(data.draw(st.sampled_from(SOUND)))
    for at in data.draw(st.lists(st.integers(0, len(raw) - 1), min_size=1, max_size=6)):
        raw[at] = data.draw(st.sampled_from([0, 1, 2, 5, 0x7F, 0x80, 0xFE, 0xFF]))
    path = tmp_path_factory.getbasetemp() / "damaged.jpg"
    path.write_bytes(raw[: data.draw(st.integers(0, len(raw)))])
    try:
        photo.read(path, Terms("mavic-7", "wt-01", None, Heights(HeightDatum.UNSTATED)))
    except PlatformError:
        return
