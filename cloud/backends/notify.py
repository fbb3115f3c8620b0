"""SNS: messages to people."""

from __future__ import annotations

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from cloud.tickets import cut_at_word
from contracts.errors import Unavailable
from contracts.resources import ENGINEERS_TOPIC

SUBJECT_MAX = 100
"""SNS's limit on the subject of an e-mail."""


class SnsTopic:
    """One topic, by name; its ARN is looked up once and again after it was recreated."""

    def __init__(self, name: str = ENGINEERS_TOPIC) -> None:
        config = Config(connect_timeout=3, read_timeout=30, retries={"mode": "standard", "max_attempts": 3})
        self._sns = boto3.client("sns", config=config)
        self._name = name
        self._arn = ""

    def publish(self, subject: str, text: str, attributes: dict[str, str]) -> str:
        """Publish a message and return its id."""
        sent = {key: {"DataType": "String", "StringValue": value} for key, value in attributes.items()}
        try:
            answer = self._sns.publish(TopicArn=self._lookup(), Subject=subject, Message=text, MessageAttributes=sent)
        except ClientError as error:
            self._arn = ""
            code = error.response.get("Error", {}).get("Code", "")
            raise Unavailable(f"SNS refused a message to {self._name}: {code}.", hint="Try again.") from error
        except BotoCoreError as error:
            raise Unavailable(f"SNS did not answer: {error}.", hint="Try again.") from error
        return str(answer["MessageId"])

    def _lookup(self) -> str:
        if not self._arn:
            pages = self._sns.get_paginator("list_topics").paginate()
            found = (t["TopicArn"] for page in pages for t in page["Topics"])
            self._arn = next((arn for arn in found if arn.rpartition(":")[2] == self._name), "")
        if not self._arn:
            raise Unavailable(f"SNS has no topic {self._name!r}.", hint="Create the resources (`kestrel doctor`).")
        return self._arn


class TopicChannel:
    """The topic as a channel of alerts: whoever subscribed is told."""

    def __init__(self, topic: SnsTopic) -> None:
        self._topic = topic

    def send(self, address: str, subject: str, text: str, key: str) -> str:
        """Publish a message and return its id."""
        return self._topic.publish(cut_at_word(subject, SUBJECT_MAX), text, {"key": key, "address": address})
