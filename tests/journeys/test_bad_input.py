"""Bad input at every door of the running platform: a clear error, nothing lost, nothing else disturbed."""

from __future__ import annotations

import hashlib
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import boto3
import jwt
import pytest

from contracts.errors import Unavailable
from contracts.geo import GeoPoint, Pose
from contracts.ids import segment_id
from contracts.media import FrameTime, PoseSample, SegmentManifest, manifest_key, video_key
from contracts.optics import CameraIntrinsics
from contracts.resources import BUCKET
from contracts.topics import COMMANDS, EVENTS, STATUS, TELEMETRY
from edge.backends import link
from infra.local.demo_api import Api, ApiRefused
from infra.local.stack import Stack
from tests.journeys.conftest import Flown

pytestmark = [pytest.mark.journey, pytest.mark.timeout(900)]


T = TypeVar("T")


def until(find: Callable[[], T | None], patience_s: float = 60.0) -> T:
    """Return what ``find`` finds; fail when it finds nothing for long."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if (found := find()) is not None:
            return found
        time.sleep(0.2)
    raise AssertionError("it did not happen in time")


@pytest.fixture(scope="module")
def admin(flown: Flown) -> Iterator[Api]:
    users = json.loads(Path(flown.stack.layout.state_dir, "users.json").read_text())
    password = next(u["password"] for u in users if u["username"] == "admin")
    with closing(Api(flown.stack.api_url, "admin", password)) as api:
        yield api


@pytest.fixture(autouse=True)
def undisturbed(admin: Api) -> Iterator[None]:
    """After each bad input the drone is still online and the findings are the same."""
    before = {f["finding_id"] for f in admin.all("/v1/findings")}
    yield
    assert {f["finding_id"] for f in admin.all("/v1/findings")} == before
    until(lambda: admin.get("/v1/drones/kite-01")["online"] or None)


def test_a_corrupt_video_fails_with_its_reason_and_a_dead_letter(flown: Flown, admin: Api) -> None:
    flight_id = admin.all("/v1/flights")[0]["flight_id"]
    noise = bytes(range(256)) * 400
    manifest = _manifest(flight_id, 99_000, noise)
    with closing(_s3(flown.stack)) as s3:
        s3.put_object(Bucket=BUCKET, Key=video_key("kite-01", flight_id, 99_000), Body=noise)
        key, body = manifest_key("kite-01", flight_id, 99_000), manifest.model_dump_json().encode()
        s3.put_object(Bucket=BUCKET, Key=key, Body=body)

    def failed() -> dict[str, Any] | None:
        rows = admin.all("/v1/media", flight_id=flight_id)
        return next((m for m in rows if m["segment_id"] == manifest.segment_id and m["state"] == "failed"), None)

    assert "cannot be read as video" in until(failed)["reason"]


def test_a_drone_nobody_registered_is_heard_by_no_one(flown: Flown, admin: Api) -> None:
    ghost = _connect(flown.stack, "ghost-01")
    ghost.publish(TELEMETRY.of("ghost-01"), b'{"drone_id": "ghost-01"}', qos=1, retain=False).result(timeout=20)
    until(lambda: next((d for d in admin.all("/v1/dead-letters") if "ghost-01" in d["key"] + d["reason"]), None))
    assert all(d["drone_id"] != "ghost-01" for d in admin.all("/v1/drones"))
    ghost.stop()


def test_a_certificate_of_another_authority_does_not_connect(flown: Flown, tmp_path: Path) -> None:
    stranger = Stack(tmp_path / "other")
    stranger.layout.create()
    foreign = stranger.issue_drone("kite-01")
    home = flown.stack.issue_drone("kite-01")
    rogue = _link(flown.stack, "kite-01", link.Credentials(home.ca_file, foreign.cert_file, foreign.key_file))
    rogue.start()
    assert not rogue.wait_connected(5.0)
    rogue.stop()


def test_a_drone_cannot_speak_on_anothers_topic(flown: Flown) -> None:
    ghost = _connect(flown.stack, "ghost-01")
    with pytest.raises(Unavailable):
        ghost.publish(EVENTS.of("kite-01"), b"{}", qos=1, retain=False).result(timeout=20)
    ghost.stop()


def test_a_200_kb_message_is_refused_by_the_broker(flown: Flown) -> None:
    ghost = _connect(flown.stack, "ghost-01")
    with pytest.raises(Unavailable):
        ghost.publish(TELEMETRY.of("ghost-01"), b"x" * 200_000, qos=1, retain=False).result(timeout=20)
    ghost.stop()


@pytest.mark.parametrize("age_s", [3600, 60])
def test_an_expired_token_is_refused(flown: Flown, age_s: int) -> None:
    now = datetime.now(UTC)
    key = flown.stack.keys.issuer_key_file.read_text()
    claims = {
        "iss": f"{flown.stack.api_url}/oidc",
        "aud": "kestrel",
        "sub": "operator",
        "roles": ["operator"],
        "iat": now - timedelta(seconds=age_s + 60),
        "exp": now - timedelta(seconds=age_s),
    }
    problem = _refused(flown, "/v1/flights", jwt.encode(claims, key, algorithm="ES256"))
    assert problem["code"] == "not_authenticated"


@pytest.mark.parametrize(
    ("params", "field"),
    [({"standoff_m": float("nan")}, "standoff_m"), ({"speed_mps": -1}, "speed_mps"), ({"blades": ["Z"]}, "blades")],
    ids=["NaN", "negative", "no such blade"],
)
def test_a_plan_with_an_impossible_number_is_refused_with_the_field(
    admin: Api, params: dict[str, Any], field: str
) -> None:
    body = json.dumps({"asset_id": "wt-01", "pattern": "blades", "params": params})
    with pytest.raises(ApiRefused, match=field):
        admin.post_text("/v1/plans", body)


def _refused(flown: Flown, path: str, token: str) -> dict[str, Any]:
    request = urllib.request.Request(flown.stack.api_url + path, headers={"Authorization": f"Bearer {token}"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    assert refused.value.code == 401
    with refused.value as answer:
        problem: dict[str, Any] = json.loads(answer.read())
    return problem


def _manifest(flight_id: str, index: int, video: bytes) -> SegmentManifest:
    pose = Pose(point=GeoPoint(lat_deg=56.7, lon_deg=8.2, alt_m=100), yaw_deg=0, pitch_deg=0)
    return SegmentManifest(
        segment_id=segment_id(flight_id, index),
        flight_id=flight_id,
        drone_id="kite-01",
        asset_id="wt-01",
        index=index,
        sha256=hashlib.sha256(video).hexdigest(),
        size_bytes=len(video),
        codec="h264",
        started_at=datetime.now(UTC),
        frames=(FrameTime(pts_ms=0, t_us=1),),
        poses=(PoseSample(t_us=0, pose=pose), PoseSample(t_us=2, pose=pose)),
        camera=CameraIntrinsics(width_px=3840, height_px=2160, focal_px=5120),
    )


def _s3(stack: Stack) -> Any:
    env = stack.env("aws")
    return boto3.client(
        "s3",
        endpoint_url=env["AWS_ENDPOINT_URL"],
        region_name=env["AWS_REGION"],
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
    )


def _link(stack: Stack, drone_id: str, credentials: link.Credentials) -> link.MqttLink:
    url = f"mqtts://127.0.0.1:{stack.ports['mosquitto']}"
    inbox = COMMANDS.of(drone_id)
    post = link.Post(link.Will(STATUS.of(drone_id), b"{}"), (inbox,), (inbox,))
    return link.MqttLink(url, drone_id, credentials, post)


def _connect(stack: Stack, drone_id: str) -> link.MqttLink:
    identity = stack.issue_drone(drone_id)
    drone = _link(stack, drone_id, link.Credentials(identity.ca_file, identity.cert_file, identity.key_file))
    drone.start()
    assert drone.wait_connected(20.0)
    return drone
