"""Every AWS resource of ``contracts.resources``, created where it is missing; safe to repeat at any time.

The emulator forgets queues, tables and machines when it is killed, so a small daemon here creates them again
as soon as the emulator is another process, and looks every 30 s besides.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from contracts import resources as names
from contracts.errors import InvalidInput
from infra.local.layout import REPOSITORY

AwsClient = Any
"""boto3 makes its clients' methods at run time."""

DEFINITIONS = REPOSITORY / "workflows" / "definitions"
_ROLE = "arn:aws:iam::000000000000:role/kestrel-workflows"
_ONLY_ON_AWS = ("TrainingImage", "TrainingRoleArn", "TrainingSubnetId", "TrainingSecurityGroupId", "MediaKeyArn")
"""Placeholders of states that are reached on AWS only: training there is a job of SageMaker."""
_RETENTION_S = 14 * 24 * 3600
_CLIENT = Config(connect_timeout=2, read_timeout=20, retries={"max_attempts": 1})


def ensure(definitions: Path = DEFINITIONS) -> list[str]:
    """Create what is missing and mend what differs; return what was changed.

    Raises:
        ClientError, BotoCoreError: AWS refused or did not answer.
        InvalidInput: A state machine's definition is not JSON.

    """
    sqs = boto3.client("sqs", config=_CLIENT)
    s3 = boto3.client("s3", config=_CLIENT)
    dynamodb = boto3.client("dynamodb", config=_CLIENT)
    sns = boto3.client("sns", config=_CLIENT)
    steps = boto3.client("stepfunctions", config=_CLIENT)
    changed = [*_ensure_queues(sqs)]
    changed += _ensure_bucket(s3, _queue_arn(sqs, names.MEDIA_EVENTS_QUEUE))
    changed += _ensure_table(dynamodb)
    topic = sns.create_topic(Name=names.ENGINEERS_TOPIC)["TopicArn"]
    tasks_queue = sqs.get_queue_url(QueueName=names.WORKFLOW_TASKS_QUEUE)["QueueUrl"]
    values = {
        "WorkflowTasksQueueUrl": tasks_queue,
        "TrainingJobsQueueUrl": sqs.get_queue_url(QueueName=names.TRAINING_JOBS_QUEUE)["QueueUrl"],
        "EngineersTopicArn": topic,
        "SegmentsMapMode": "INLINE",
        **dict.fromkeys(_ONLY_ON_AWS, "not-here"),
        "TrainingPlace": "queue",
        "MediaBucket": names.BUCKET,
    }
    changed += _ensure_machines(steps, definitions, values)
    return changed


def _ensure_queues(sqs: AwsClient) -> Iterable[str]:
    present = {url.rsplit("/", 1)[-1] for url in sqs.list_queues(QueueNamePrefix="kestrel-").get("QueueUrls", [])}
    for name in names.QUEUES:
        dead = name + names.DEAD_LETTER_SUFFIX
        if dead not in present:
            sqs.create_queue(QueueName=dead, Attributes={"MessageRetentionPeriod": str(_RETENTION_S)})
            yield dead
        if name not in present:
            redrive = {"deadLetterTargetArn": _queue_arn(sqs, dead), "maxReceiveCount": names.MAX_RECEIVES}
            attributes = {
                "VisibilityTimeout": str(names.VISIBILITY_S),
                "MessageRetentionPeriod": str(_RETENTION_S),
                "RedrivePolicy": json.dumps(redrive),
            }
            sqs.create_queue(QueueName=name, Attributes=attributes)
            yield name


def _queue_arn(sqs: AwsClient, name: str) -> str:
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    return str(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"])


def _ensure_bucket(s3: AwsClient, queue_arn: str) -> Iterable[str]:
    if names.BUCKET not in {bucket.get("Name") for bucket in s3.list_buckets().get("Buckets", [])}:
        region = s3.meta.region_name
        s3.create_bucket(
            Bucket=names.BUCKET,
            CreateBucketConfiguration={"LocationConstraint": region},
        )
        yield names.BUCKET
    if s3.get_bucket_versioning(Bucket=names.BUCKET).get("Status") != "Enabled":
        s3.put_bucket_versioning(Bucket=names.BUCKET, VersioningConfiguration={"Status": "Enabled"})
        yield f"{names.BUCKET} versioning"
    present = s3.get_bucket_notification_configuration(Bucket=names.BUCKET).get("QueueConfigurations", [])
    if [rule.get("QueueArn") for rule in present] != [queue_arn]:
        rules = [{"Name": "prefix", "Value": "flights/"}, {"Name": "suffix", "Value": ".json"}]
        rule = {"Id": "media-events", "QueueArn": queue_arn, "Events": ["s3:ObjectCreated:*"]}
        s3.put_bucket_notification_configuration(
            Bucket=names.BUCKET,
            NotificationConfiguration={"QueueConfigurations": [rule | {"Filter": {"Key": {"FilterRules": rules}}}]},
        )
        yield f"{names.BUCKET} notifications"


def _ensure_table(dynamodb: AwsClient) -> Iterable[str]:
    if names.ROUTES_TABLE in dynamodb.list_tables()["TableNames"]:
        return
    dynamodb.create_table(
        TableName=names.ROUTES_TABLE,
        AttributeDefinitions=[
            {"AttributeName": "plan_id", "AttributeType": "S"},
            {"AttributeName": "version", "AttributeType": "N"},
        ],
        KeySchema=[
            {"AttributeName": "plan_id", "KeyType": "HASH"},
            {"AttributeName": "version", "KeyType": "RANGE"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    yield names.ROUTES_TABLE


def _ensure_machines(steps: AwsClient, definitions: Path, values: dict[str, str]) -> Iterable[str]:
    present = {row["name"]: row["stateMachineArn"] for row in steps.list_state_machines()["stateMachines"]}
    for name, file in names.STATE_MACHINES.items():
        path = definitions / file
        if not path.exists():
            continue
        wanted = definition(path, values)
        arn = present.get(name)
        if arn is None:
            steps.create_state_machine(name=name, definition=wanted, roleArn=_ROLE, type="STANDARD")
            yield name
        elif json.loads(steps.describe_state_machine(stateMachineArn=arn)["definition"]) != json.loads(wanted):
            steps.update_state_machine(stateMachineArn=arn, definition=wanted)
            yield f"{name} definition"


def definition(path: Path, values: dict[str, str]) -> str:
    """Return a state machine's text with its ``${Name}`` placeholders filled.

    Raises:
        InvalidInput: The result is not JSON or a placeholder is left.

    """
    text = path.read_text()
    for key, value in values.items():
        text = text.replace("${" + key + "}", value)
    try:
        json.loads(text)
    except ValueError as error:
        raise InvalidInput(f"{path.name} is not JSON: {error}.") from error
    if "${" in text:
        left = text.split("${", 1)[1].split("}", 1)[0]
        raise InvalidInput(f"{path.name} has an unknown placeholder ${{{left}}}.", hint=f"Known: {sorted(values)}.")
    return text


class Keeper:
    """Keeps the resources there, whatever happens to the emulator."""

    def __init__(
        self,
        emulator_pid_file: Path,
        ready_file: Path,
        report: Callable[..., None],
        *,
        ensure_all: Callable[[], list[str]] = ensure,
        clock: Callable[[], float] = time.monotonic,
        every_s: float = 30.0,
    ) -> None:
        self._pid_file = emulator_pid_file
        self._ready_file = ready_file
        self._report = report
        self._ensure = ensure_all
        self._clock = clock
        self._every_s = every_s
        self._seen = ""
        self._at = 0.0
        self._failing = False

    def step(self) -> bool | None:
        """Create what is missing when the emulator is a new process or it is time; False when AWS does not answer."""
        mark = self._pid_file.read_text() if self._pid_file.exists() else ""
        if self._seen and mark == self._seen and self._clock() - self._at < self._every_s:
            return None
        try:
            changed = self._ensure()
        except (ClientError, BotoCoreError) as error:
            if not self._failing:
                self._report("resources_unavailable", error=str(error))
            self._failing = True
            return False
        if changed or self._failing:
            self._report("resources_ready", changed=changed)
        self._failing = False
        self._seen, self._at = mark or "-", self._clock()
        self._ready_file.touch()
        return True
