"""SQS: analysis jobs in, finished batches out; queue addresses are looked up again after a queue was recreated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from contracts import resources
from contracts.errors import Unavailable
from vision.worker import Job


class SqsJobs:
    """A queue of jobs (by default vision's) and the queue of vision's answers."""

    def __init__(self, *, wait_s: int = 2, queue: str = resources.VISION_JOBS_QUEUE) -> None:
        self._queue = queue
        config = Config(connect_timeout=3, read_timeout=30, retries={"mode": "standard", "max_attempts": 3})
        self._sqs = boto3.client("sqs", config=config)
        self._wait_s = wait_s
        self._addresses: dict[str, str] = {}

    def receive(self) -> Job | None:
        """Return the next job, hidden from others for the queue's visibility time."""
        answer = self._call(
            self._queue,
            lambda address: self._sqs.receive_message(
                QueueUrl=address,
                MaxNumberOfMessages=1,
                WaitTimeSeconds=self._wait_s,
                MessageSystemAttributeNames=["ApproximateReceiveCount"],
            ),
        )
        messages = answer.get("Messages", [])
        if not messages:
            return None
        times = int(messages[0].get("Attributes", {}).get("ApproximateReceiveCount", "1"))
        return Job(messages[0]["Body"], messages[0]["ReceiptHandle"], times)

    def extend(self, job: Job, seconds: int) -> None:
        """Hide a job from others for longer, from now; 0 gives it back at once."""
        self._call(
            self._queue,
            lambda address: self._sqs.change_message_visibility(
                QueueUrl=address, ReceiptHandle=job.receipt, VisibilityTimeout=seconds
            ),
        )

    def done(self, job: Job) -> None:
        """Remove a job for good."""
        self._call(
            self._queue,
            lambda address: self._sqs.delete_message(QueueUrl=address, ReceiptHandle=job.receipt),
        )

    def answer(self, body: str) -> None:
        """Send one answer."""
        self._call(
            resources.DETECTIONS_QUEUE, lambda address: self._sqs.send_message(QueueUrl=address, MessageBody=body)
        )

    def _call(self, queue: str, act: Callable[[str], Any]) -> Any:
        try:
            if queue not in self._addresses:
                self._addresses[queue] = self._sqs.get_queue_url(QueueName=queue)["QueueUrl"]
            return act(self._addresses[queue])
        except ClientError as error:
            self._addresses.pop(queue, None)
            code = error.response.get("Error", {}).get("Code", "")
            raise Unavailable(f"Queue {queue}: {code}.", hint="The reconciler recreates lost queues.") from error
        except BotoCoreError as error:
            raise Unavailable(f"Queue {queue} did not answer: {error}.", hint="Try again.") from error
