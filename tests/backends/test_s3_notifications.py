"""What S3 says of stored objects, on both stand-ins for AWS, is what the consumer reads."""

from __future__ import annotations

import time

import boto3

from cloud.backends.queues import SqsQueues
from cloud.consume import event_keys
from contracts.resources import BUCKET, MEDIA_EVENTS_QUEUE
from tests.services import AwsServer


def arrived(queues: SqsQueues, count: int) -> list[str]:
    """Return the keys of the next events; S3's own test event names none."""
    found: list[str] = []
    end = time.monotonic() + 20
    while len(found) < count:
        assert time.monotonic() < end, found
        for message in queues.receive(MEDIA_EVENTS_QUEUE, 10, 1, 30):
            found += event_keys(message.body)
            queues.delete(MEDIA_EVENTS_QUEUE, message.receipt)
    return found


def test_manifests_are_announced_and_videos_are_not(aws: AwsServer) -> None:
    s3, queues = boto3.client("s3"), SqsQueues()
    folder = "flights/merlin-1/flt-1"
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key=f"{folder}/00000.mp4")["UploadId"]
    part = s3.upload_part(Bucket=BUCKET, Key=f"{folder}/00000.mp4", UploadId=upload, PartNumber=1, Body=b"video")
    parts = {"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]}
    s3.complete_multipart_upload(
        Bucket=BUCKET,
        Key=f"{folder}/00000.mp4",
        UploadId=upload,
        MultipartUpload=parts,
    )
    s3.put_object(Bucket=BUCKET, Key="detections/flt-1.00000/abc.json", Body=b"{}")
    s3.put_object(Bucket=BUCKET, Key=f"{folder}/00000.json", Body=b"{}")
    s3.put_object(Bucket=BUCKET, Key=f"{folder}/flight.json", Body=b"{}")
    assert sorted(arrived(queues, 2)) == [f"{folder}/00000.json", f"{folder}/flight.json"]
    assert queues.waiting(MEDIA_EVENTS_QUEUE) == 0


def test_a_message_held_by_a_dead_consumer_comes_back_after_its_hold(aws: AwsServer) -> None:
    queues = SqsQueues()
    queues.send(MEDIA_EVENTS_QUEUE, "body")
    (held,) = queues.receive(MEDIA_EVENTS_QUEUE, 1, 5, 1)
    assert queues.receive(MEDIA_EVENTS_QUEUE, 1, 0, 1) == []
    assert queues.waiting(MEDIA_EVENTS_QUEUE) == 1
    (again,) = queues.receive(MEDIA_EVENTS_QUEUE, 1, 5, 30)
    assert (again.id, again.receives) == (held.id, 2)
    queues.delete(MEDIA_EVENTS_QUEUE, again.receipt)
    assert queues.waiting(MEDIA_EVENTS_QUEUE) == 0
