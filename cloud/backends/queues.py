"""SQS, by queue name; addresses are looked up once and again after the queue was recreated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from cloud.services import Message
from contracts.errors import Unavailable


class SqsQueues:
    """Every queue of the account."""

    def __init__(self) -> None:
        config = Config(connect_timeout=3, read_timeout=30, retries={"mode": "standard", "max_attempts": 3})
        self._sqs = boto3.client("sqs", config=config)
        self._addresses: dict[str, str] = {}

    def send(self, queue: str, body: str) -> None:
        """Send one message."""
        self._call(queue, lambda address: self._sqs.send_message(QueueUrl=address, MessageBody=body))

    def receive(self, queue: str, max_messages: int = 10, wait_s: int = 0, hold_s: int | None = None) -> list[Message]:
        """Return messages, hidden from others for ``hold_s`` or the queue's own visibility time."""
        hold = {} if hold_s is None else {"VisibilityTimeout": hold_s}
        answer = self._call(
            queue,
            lambda address: self._sqs.receive_message(
                QueueUrl=address,
                MaxNumberOfMessages=max_messages,
                WaitTimeSeconds=wait_s,
                MessageSystemAttributeNames=["ApproximateReceiveCount"],
                **hold,
            ),
        )
        return [
            Message(
                m["MessageId"],
                m["Body"],
                m["ReceiptHandle"],
                int(m.get("Attributes", {}).get("ApproximateReceiveCount", "1")),
            )
            for m in answer.get("Messages", [])
        ]

    def delete(self, queue: str, receipt: str) -> None:
        """Remove a handled message."""
        self._call(queue, lambda address: self._sqs.delete_message(QueueUrl=address, ReceiptHandle=receipt))

    def delete_all(self, queue: str, receipts: Sequence[str]) -> None:
        """Remove up to ten handled messages; one that is not removed comes back."""
        entries = [{"Id": str(number), "ReceiptHandle": receipt} for number, receipt in enumerate(receipts)]
        if entries:
            self._call(queue, lambda address: self._sqs.delete_message_batch(QueueUrl=address, Entries=entries))

    def extend(self, queue: str, receipt: str, seconds: int) -> None:
        """Hide a message for longer, from now."""
        self._call(
            queue,
            lambda address: self._sqs.change_message_visibility(
                QueueUrl=address, ReceiptHandle=receipt, VisibilityTimeout=seconds
            ),
        )

    def waiting(self, queue: str) -> int:
        """Return about how many messages are in a queue, those being worked on included."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self._call(
            queue, lambda address: self._sqs.get_queue_attributes(QueueUrl=address, AttributeNames=names)
        )
        return sum(int(answer["Attributes"][name]) for name in names)

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
