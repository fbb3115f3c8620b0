"""The uploader's store, the same against both AWS stand-ins."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import boto3
import pytest

from contracts.errors import PlatformError, Unavailable
from contracts.media import manifest_key, video_key
from contracts.resources import BUCKET
from edge.backends.objects import S3Objects
from edge.backends.signed_http import Answer, Pace, Request, SignedHttp
from edge.flights import Flights, Phase
from edge.sender import PART_BYTES, Part, UploadGone, UploadJournal
from edge.uploader import Uploader
from tests.services import AwsServer
from tests.unit.edge.test_uploader import Bench as UploadBench
from tests.unit.edge.world import NOW_US, Announcements, flight

pytestmark = pytest.mark.backends


def stored(key: str) -> bytes:
    return bytes(boto3.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read())


@pytest.fixture(params=["CRC64NVME", "CRC32"])
def store(aws: AwsServer, request: pytest.FixtureRequest) -> S3Objects:
    return S3Objects(BUCKET, checksum=request.param)


def test_a_whole_object_goes_in_and_its_checksum_is_checked(store: S3Objects) -> None:
    store.put("flights/d/f/00000.json", b"{}")
    assert stored("flights/d/f/00000.json") == b"{}"


def test_parts_are_listed_and_made_whole(store: S3Objects) -> None:
    key, bodies = "flights/d/f/00001.mp4", [b"a" * PART_BYTES, b"tail"]
    upload = store.begin(key)
    parts = {n: store.part(key, upload, n, body) for n, body in enumerate(bodies, 1)}
    assert store.parts(key, upload) == {n: part.etag for n, part in parts.items()}
    store.complete(key, upload, parts, store.crc(bodies[1], store.crc(bodies[0])))
    assert stored(key) == b"".join(bodies)


def test_the_checksum_is_the_published_one(aws: AwsServer) -> None:
    store = S3Objects(BUCKET)
    assert store.crc(b"123456789") == 0xAE8B14860A799888, "the check value of CRC-64/NVME"
    assert store.crc(b"6789", store.crc(b"12345")) == 0xAE8B14860A799888


def test_an_unknown_upload_is_gone(store: S3Objects) -> None:
    with pytest.raises(UploadGone):
        store.parts("flights/d/f/00002.mp4", "no-such-upload")


def test_a_missing_bucket_is_an_error_never_a_success(aws: AwsServer) -> None:
    with pytest.raises(PlatformError):
        S3Objects("no-such-bucket-here").put("k", b"x")
    with pytest.raises(PlatformError):
        S3Objects("no-such-bucket-here").reachable("flights/d")


def test_a_check_asks_for_nothing_that_a_drones_role_has_no_right_to(
    store: S3Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The role may write into its own folder and list the parts there; of the bucket it may not even ask."""
    asked: list[Request] = []
    send = SignedHttp.send

    def noted(self: SignedHttp, request: Request, pace: Pace | None = None) -> Answer:
        asked.append(request)
        return send(self, request, pace)

    monkeypatch.setattr(SignedHttp, "send", noted)
    assert store.reachable("flights/d") == f"s3://{BUCKET}/flights/d answers."
    assert [(one.method, one.path, sorted(one.query)) for one in asked] == [
        ("GET", f"/{BUCKET}/flights/d/check", ["part-number-marker", "uploadId"])
    ]


def test_a_store_that_is_not_there_is_unavailable(aws: AwsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(Unavailable):
        S3Objects(BUCKET).put("k", b"x")


class _Dying(S3Objects):
    """A store whose process dies before the second part."""

    def part(self, key: str, upload_id: str, number: int, body: bytes) -> Part:
        if number == 2:
            raise Unavailable("killed")
        return super().part(key, upload_id, number, body)


def test_an_upload_goes_on_after_a_crash_between_parts(aws: AwsServer, tmp_path: Path) -> None:
    body = hashlib.sha256(b"seed").digest() * (PART_BYTES // 32) * 2 + b"end"
    bench = UploadBench(tmp_path)
    manifest = bench.record(0, body)
    flights = Flights(tmp_path / "recordings")
    flights.save(flight(phase=Phase.ENDED, ended_us=NOW_US + 1, segments=1))

    def uploader(store: S3Objects) -> Uploader:
        journal = UploadJournal(tmp_path / "uploads.db")
        return Uploader("drone-1", flights, journal, store, Announcements(), threading.Event())

    dying = uploader(_Dying(BUCKET))
    assert [dying.step(), dying.step()] == [True, False], "the inventory goes, the video breaks off"
    after = uploader(S3Objects(BUCKET))
    assert after.step() is True
    assert hashlib.sha256(stored(video_key("drone-1", "flt-1", 0))).hexdigest() == manifest.sha256
    assert stored(manifest_key("drone-1", "flt-1", 0))
    assert after.step() is True
    assert after.step() is None
