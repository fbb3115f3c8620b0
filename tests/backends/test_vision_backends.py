"""Vision's queues and bucket, the same against both AWS stand-ins, and the worker on top of them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import boto3
import pytest

from contracts import resources
from contracts.errors import NotFound, Unavailable
from contracts.events import AnalyseSegment, BatchReady
from contracts.findings import DetectionBatch
from contracts.vocabulary import BladeSide
from tests.services import AwsServer
from tests.vision_views import SMALL, TURBINE, RedFinder, corners_of, encode, manifest_of, painted, pass_along, place_at
from vision.backends.jobs import SqsJobs
from vision.backends.objects import S3Objects
from vision.worker import Job, Worker

pytestmark = pytest.mark.backends


@pytest.fixture
def jobs(aws: AwsServer) -> SqsJobs:
    sqs = boto3.client("sqs")
    for queue in (resources.VISION_JOBS_QUEUE, resources.DETECTIONS_QUEUE):
        address = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        while messages := sqs.receive_message(QueueUrl=address, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                sqs.delete_message(QueueUrl=address, ReceiptHandle=message["ReceiptHandle"])
    return SqsJobs(wait_s=1)


@pytest.fixture
def objects(aws: AwsServer) -> S3Objects:
    return S3Objects(resources.BUCKET)


def ask(body: str) -> None:
    sqs = boto3.client("sqs")
    address = sqs.get_queue_url(QueueName=resources.VISION_JOBS_QUEUE)["QueueUrl"]
    sqs.send_message(QueueUrl=address, MessageBody=body)


def answers() -> list[BatchReady]:
    sqs = boto3.client("sqs")
    address = sqs.get_queue_url(QueueName=resources.DETECTIONS_QUEUE)["QueueUrl"]
    found = sqs.receive_message(QueueUrl=address, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
    return [BatchReady.model_validate_json(m["Body"]) for m in found]


def test_objects_come_back_with_their_hash(objects: S3Objects, tmp_path: Path) -> None:
    body = bytes(range(256)) * 9000
    objects.put("crops/a.jpg", body, "image/jpeg")
    assert objects.get("crops/a.jpg") == body
    fetched = objects.fetch("crops/a.jpg", tmp_path / "a.jpg")
    assert fetched.sha256 == hashlib.sha256(body).hexdigest()
    assert (tmp_path / "a.jpg").read_bytes() == body
    assert objects.exists("crops/a.jpg")


def test_a_missing_object_is_not_found(objects: S3Objects, tmp_path: Path) -> None:
    assert not objects.exists("crops/none.jpg")
    with pytest.raises(NotFound):
        objects.get("crops/none.jpg")
    with pytest.raises(NotFound):
        objects.fetch("crops/none.jpg", tmp_path / "none.jpg")


def test_a_missing_bucket_may_come_back(aws: AwsServer) -> None:
    with pytest.raises(Unavailable):
        S3Objects("no-such-bucket").get("a")


def test_a_job_is_hidden_until_given_back_and_gone_when_done(jobs: SqsJobs) -> None:
    ask("one")
    job = jobs.receive()
    assert job is not None
    assert (job.body, job.times_received) == ("one", 1)
    assert jobs.receive() is None
    jobs.extend(job, 0)
    again = jobs.receive()
    assert again is not None
    assert again.times_received == 2
    jobs.done(again)
    assert jobs.receive() is None


def test_a_lost_queue_is_unavailable(jobs: SqsJobs) -> None:
    with pytest.raises(Unavailable):
        jobs.done(Job("body", "no-such-receipt", 1))


def test_a_segment_is_analysed_through_the_queues(jobs: SqsJobs, objects: S3Objects, tmp_path: Path) -> None:
    poses = pass_along(BladeSide.PS, 7.0, 9.0, 8)
    patch = corners_of(place_at(BladeSide.PS, 8.0), 0.4, 0.3)
    video = encode(tmp_path / "v.mp4", [painted(p, SMALL, [patch]) for p in poses])
    manifest = manifest_of(video, poses)
    objects.put("flights/drone-1/flt-one/00000.mp4", video, "video/mp4")
    objects.put("flights/drone-1/flt-one/00000.json", manifest.model_dump_json().encode(), "application/json")
    asked = AnalyseSegment(
        segment_id=manifest.segment_id,
        flight_id=manifest.flight_id,
        drone_id=manifest.drone_id,
        asset_id=manifest.asset_id,
        video_key="flights/drone-1/flt-one/00000.mp4",
        manifest_key="flights/drone-1/flt-one/00000.json",
        video_sha256=manifest.sha256,
        geometry=TURBINE,
    )
    ask(asked.model_dump_json())
    assert Worker(jobs, objects, RedFinder(), tmp_path / "scratch").step() is True
    ready = answers()
    assert [a.failed_reason for a in ready] == [""]
    batch = DetectionBatch.model_validate_json(objects.get(ready[0].batch_key))
    assert len(batch.detections) == 1
    assert objects.exists(batch.detections[0].evidence[0].crop_key)
    assert jobs.receive() is None
