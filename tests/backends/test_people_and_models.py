"""SNS on both stand-ins for AWS, and Bedrock Converse against a server that speaks its wire format."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import boto3
import pytest

from cloud.backends.language_model import BedrockConverse
from cloud.backends.notify import SnsTopic
from contracts.errors import Unavailable
from contracts.resources import ENGINEERS_TOPIC
from tests.services import AwsServer


def mailbox(topic_arn: str) -> str:
    """Subscribe a queue to a topic and return its address."""
    sqs, sns = boto3.client("sqs"), boto3.client("sns")
    url = sqs.create_queue(QueueName="mailbox")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=arn)
    return str(url)


def test_a_message_reaches_the_subscribers(aws: AwsServer) -> None:
    sns = boto3.client("sns")
    (arn,) = [t["TopicArn"] for t in sns.list_topics()["Topics"] if t["TopicArn"].endswith(ENGINEERS_TOPIC)]
    url = mailbox(arn)
    assert SnsTopic().publish("GWO 5: crack on T-01", "Look.", {"finding_id": "fnd-1"})
    (message,) = boto3.client("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"]
    body = json.loads(message["Body"])
    assert (body["Subject"], body["Message"]) == ("GWO 5: crack on T-01", "Look.")
    assert body["MessageAttributes"]["finding_id"]["Value"] == "fnd-1"


def test_a_topic_that_is_not_there_yet_is_unavailable_and_found_when_it_is(aws: AwsServer) -> None:
    topic = SnsTopic("kestrel-later")
    with pytest.raises(Unavailable, match="no topic 'kestrel-later'"):
        topic.publish("s", "t", {})
    boto3.client("sns").create_topic(Name="kestrel-later")
    assert topic.publish("s", "t", {})


def test_a_topic_that_was_made_anew_is_found_again(aws: AwsServer) -> None:
    sns = boto3.client("sns")
    first = sns.create_topic(Name="kestrel-anew")["TopicArn"]
    topic = SnsTopic("kestrel-anew")
    assert topic.publish("s", "t", {})
    sns.delete_topic(TopicArn=first)
    with pytest.raises(Unavailable):
        topic.publish("s", "t", {})
    sns.create_topic(Name="kestrel-anew")
    assert topic.publish("s", "t", {})


class Bedrock(BaseHTTPRequestHandler):
    """Answers Converse requests with what the test put there."""

    asked: ClassVar[list[tuple[str, dict[str, Any]]]] = []
    answer: ClassVar[tuple[int, dict[str, Any]]] = (200, {})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.asked.append((self.path, body))
        status, said = self.answer
        text = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        if status != 200:
            self.send_header("x-amzn-errortype", "ThrottlingException")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def bedrock(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Bedrock]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Bedrock)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", f"http://127.0.0.1:{server.server_port}")
    for name, value in {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    Bedrock.asked.clear()
    yield Bedrock
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_model_is_asked_and_its_text_returned(bedrock: type[Bedrock]) -> None:
    said = {"output": {"message": {"role": "assistant", "content": [{"text": "One. "}, {"text": "Two."}]}}}
    usage = {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}
    bedrock.answer = (200, said | {"stopReason": "end_turn", "usage": usage, "metrics": {"latencyMs": 1}})
    model = BedrockConverse("a.model-v1:0")
    assert model.name == "bedrock:a.model-v1:0"
    assert model.complete("Be brief.", "Facts: 1", max_tokens=50) == "One. Two."
    ((path, body),) = bedrock.asked
    assert path == "/model/a.model-v1%3A0/converse"
    assert body["system"] == [{"text": "Be brief."}]
    assert body["messages"] == [{"role": "user", "content": [{"text": "Facts: 1"}]}]
    assert body["inferenceConfig"] == {"maxTokens": 50, "temperature": 0.0}


def test_throttling_is_unavailable(bedrock: type[Bedrock]) -> None:
    bedrock.answer = (429, {"message": "Too many requests"})
    with pytest.raises(Unavailable, match="Bedrock did not answer"):
        BedrockConverse("a.model").complete("s", "p")
