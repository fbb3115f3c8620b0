"""The parsers: each takes any bytes and answers with a value or a PlatformError, soon and in little memory."""

from __future__ import annotations

import os
import tempfile
import zlib
from collections.abc import Callable
from datetime import timedelta
from functools import cache, partial
from pathlib import Path
from typing import cast

import httpx
import numpy as np
from pydantic import BaseModel, ValidationError

from cloud import packed_samples, sample_rows
from cloud.backends.sap import SapOData
from cloud.consume import event_keys
from cloud.grading import parse_policy
from cloud.planning import asset_files
from cloud.planning.terrain import Datum, Terrain
from contracts.errors import PlatformError
from contracts.events import AnalyseSegment, BatchReady
from contracts.media import FlightInventory, SegmentManifest
from contracts.topics import TOPICS, decode, decode_samples
from edge import sei
from edge.backends.film import Mp4Films
from edge.captures import photo, srt
from edge.captures.terms import Terms
from edge.frames import carve
from edge.tracks import klv
from evidence.verification import verify
from infra.local.backup.parcel import Parcel
from interchange import conversion, formats
from interchange.formats import Format
from vision.datasets import read_yolo
from vision.video import Video

Target = Callable[[bytes], object]
MAX_BYTES = 65_536
"""Inputs the fuzzer makes are no longer; what a parser does with more is its own limit's test."""
_TILE_BYTES = 2 * 1201 * 1201
_TERMS = Terms("kite-01", "wt-01", utc_offset=timedelta(hours=1))
_MODELS: tuple[type[BaseModel], ...] = (SegmentManifest, FlightInventory, AnalyseSegment, BatchReady)


@cache
def _scratch() -> Path:
    """Return a folder in memory, one for each process."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of its own inside
    return Path(tempfile.mkdtemp(prefix=f"kf{os.getpid()}-", dir=memory if memory.is_dir() else None))


def _file(data: bytes, name: str) -> Path:
    path = _scratch() / name
    path.write_bytes(data)
    return path


def _plan(source: Format, data: bytes) -> None:
    mission, _ = conversion.read(data, source)
    conversion.write(mission, source)


def _told_format(data: bytes) -> object:
    return formats.of_content(data, "plan.bin")


def _assets(suffix: str, data: bytes) -> object:
    return asset_files.read(data, f"assets.{suffix}")


def _terrain(name: str, data: bytes) -> object:
    ground = Terrain([_file(data, name)], Datum.EGM96)
    return ground.heights_m(np.array([54.5, 54.6]), np.array([8.5, 8.6]))


def _hgt(data: bytes) -> object:
    """A tile has one size; what is given is its beginning, or after ``RAW`` the whole file."""
    return _terrain("N54E008.hgt", data[3:] if data.startswith(b"RAW") else data.ljust(_TILE_BYTES, b"\0"))


def _odata(data: bytes) -> None:
    answer = httpx.MockTransport(lambda _request: httpx.Response(200, content=data, headers={"x-csrf-token": "t"}))
    sap = SapOData("http://sap.test", "user", "password", transport=answer)
    try:
        for ask in (
            partial(sap.find, "ref"),
            partial(sap.read, "10"),
            partial(sap.pictures, "10"),
            partial(sap.find_order, "10"),
        ):
            _refusable(ask)
    finally:
        sap.close()


def _refusable(ask: Callable[[], object]) -> None:
    try:
        ask()
    except PlatformError:
        return


def _mqtt(data: bytes) -> None:
    for topic in TOPICS:
        _refusable(partial(decode, topic.of("kite-01"), data))
    _refusable(partial(decode_samples, TOPICS[0].of("kite-01"), data))


def _packed(data: bytes) -> None:
    """Read a packed message's text both ways: arrays take nothing that care refuses, or stores otherwise."""
    topic, payload = TOPICS[0].of("kite-01"), zlib.compress(data, 1)
    (taken,) = packed_samples.rows([(topic, payload)])
    try:
        with_care = sample_rows.rows(decode_samples(topic, payload))
    except PlatformError:
        if taken is not None:
            raise AssertionError("Arrays take a message that care refuses.") from None
        raise
    if taken not in (None, with_care):
        raise AssertionError("Two readings of one message differ.")


def _messages(data: bytes) -> None:
    _refusable(lambda: list(event_keys(data.decode("utf-8", "replace"))))
    for model in _MODELS:
        try:
            model.model_validate_json(data)
        except ValidationError:
            continue


def _mp4(data: bytes) -> None:
    path, films = _file(data, "film.mp4"), Mp4Films()
    for act in (films.probe, films.subtitles, lambda p: sum(1 for _ in films.frames(p)), Video):
        _refusable(partial(cast("Callable[[Path], object]", act), path))


def _frames(data: bytes) -> None:
    sei.frame_time_us(data)
    for hevc in (False, True):
        sei.parameter_sets(data, hevc=hevc)
    list(carve(data))


def _policy(data: bytes) -> object:
    return parse_policy(data.decode("utf-8", "replace"), "fuzz")


def _labels(data: bytes) -> object:
    root = _scratch() / "yolo"
    for kind in ("images", "labels"):
        (root / kind / "train").mkdir(parents=True, exist_ok=True)
    (root / "images" / "train" / "one.jpg").touch()
    (root / "labels" / "train" / "one.txt").write_bytes(data)
    return read_yolo(root, "train")


def _backup(data: bytes) -> None:
    with Parcel(_file(data, "backup.tar")) as parcel:
        for member in parcel.manifest.every_member():
            parcel.check(member)
        parcel.extract("keys/", _scratch() / "keys")


TARGETS: dict[str, Target] = {
    **{f"plan-{source.value}": partial(_plan, source) for source in Format},
    "plan-format": _told_format,
    **{f"assets-{suffix}": partial(_assets, suffix) for suffix in ("geojson", "kml", "kmz", "csv")},
    "terrain-hgt": _hgt,
    "terrain-tif": partial(_terrain, "ground.tif"),
    "srt": lambda data: srt.read(_file(data, "film.srt")),
    "klv": lambda data: list(klv.read(data)),
    "jpeg": lambda data: photo.read(_file(data, "photo.jpg"), _TERMS),
    "mp4": _mp4,
    "frames": _frames,
    "odata": _odata,
    "mqtt": _mqtt,
    "mqtt-packed": _packed,
    "messages": _messages,
    "policy": _policy,
    "labels": _labels,
    "bundle": verify,
    "backup": _backup,
}


def run(name: str, data: bytes) -> str:
    """Return what became of an input: ``read`` or ``refused``; anything else comes out as the error it is."""
    try:
        TARGETS[name](data)
    except PlatformError as error:
        return "refused" if error.message else "refused without a word"
    return "read"
