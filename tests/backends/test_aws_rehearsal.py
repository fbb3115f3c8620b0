"""The AWS templates deployed to the emulator, as far as it knows their resources; our own backends then use them.

Part of ``make infra-check`` (``KESTREL_AWS_REHEARSAL=1``).
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import boto3
import httpx
import pytest
from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS as SUPPORTED
from sqlalchemy import select

from cloud.backends.notify import SnsTopic, TopicChannel
from cloud.backends.objects import S3Objects
from cloud.backends.queues import SqsQueues
from cloud.backends.workflows import StepFunctions
from cloud.db import Database
from cloud.tables import Ticket
from contracts import resources
from infra.aws.gates.rehearsal import Desk, Outcome, deploy
from infra.aws.gates.templates import Templates
from infra.aws.iot_policies import policies
from infra.aws.place import Place, place_of
from tests.backends.test_stored_segments import Bench
from tests.backends.test_traces import Sap
from tests.clean_database import empty
from tests.services import MiniStack
from tests.sightings import MODEL
from tests.stand_ins import services_on
from vision.backends.jobs import SqsJobs
from vision.backends.objects import S3Objects as VisionObjects
from vision.worker import Worker as VisionWorker
from workflows.worker import Worker

REPOSITORY = Path(__file__).resolve().parents[2]
CDK_PYTHON = REPOSITORY / ".venv-aws" / "bin" / "python"
CONTEXT = {"account": "000000000000", "region": "eu-west-1", "replica_region": "eu-central-1"}
LEAST_SHARE = 0.75

pytestmark = [
    pytest.mark.backends,
    pytest.mark.skipif(
        os.environ.get("KESTREL_AWS_REHEARSAL") != "1" or not CDK_PYTHON.exists(), reason="part of make infra-check"
    ),
]


@pytest.fixture(scope="module")
def place() -> Place:
    return place_of(CONTEXT)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory, services_dir: Path) -> Iterator[list[Outcome]]:
    folder = tmp_path_factory.mktemp("aws")
    context = [part for key, value in CONTEXT.items() for part in ("-c", f"{key}={value}")]
    command = [str(CDK_PYTHON), "-m", "infra.aws", "synth", *context, "--out", str(folder)]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
    with MiniStack(services_dir / "rehearsal") as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.env.items():
            patch.setenv(name, value)
        patch.setattr(boto3, "DEFAULT_SESSION", None)
        boto3.client("ssm").put_parameter(Name="/cdk-bootstrap/hnb659fds/version", Value="25", Type="String")
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="rehearsal", CreateBucketConfiguration={"LocationConstraint": CONTEXT["region"]})

        def publish(name: str, text: str) -> str:
            s3.put_object(Bucket="rehearsal", Key=name, Body=text.encode())
            return f"{server.url}/rehearsal/{name}"

        desk = Desk(boto3.client("cloudformation"), SUPPORTED.keys(), publish, lambda: time.sleep(0.1))
        yield deploy(desk, Templates.read(folder))


def test_every_stack_is_created_and_what_the_emulator_lacks_is_listed(outcomes: list[Outcome]) -> None:
    created = sum(one.created for one in outcomes)
    dropped = Counter(kind for one in outcomes for kind in one.dropped)
    share = created / (created + dropped.total())
    print(f"\n{created} resources created, {share:.0%}; not in the emulator:")  # noqa: T201 - the report of infra-check
    for kind, number in sorted(dropped.items()):
        print(f"  {number:3} {kind}")  # noqa: T201
    assert {one.stack: (one.status, one.failures) for one in outcomes if one.status != "CREATE_COMPLETE"} == {}
    assert share >= LEAST_SHARE


def test_the_walk_from_an_upload_to_a_ticket_in_sap(
    outcomes: list[Outcome], place: Place, database_url: str, tmp_path: Path
) -> None:
    """The programs' own code on the deployed bucket, queues, topic and machine; the detector and SAP are stand-ins."""
    assert outcomes
    opened = Database(database_url)
    empty(opened)
    deployed = replace(
        services_on(opened, database_url),
        objects=S3Objects(place.bucket),
        queues=SqsQueues(),
        workflows=StepFunctions(),
        channels={"topic": TopicChannel(SnsTopic())},
        maintenance=Sap(tmp_path).client,
    )
    bench = Bench(deployed, cast("Any", deployed.queues), cast("Any", deployed.objects), cast("Any", None))
    bench.upload()
    finder = cast("Any", SimpleNamespace(card=MODEL))
    bench.analysed()
    vision = VisionWorker(SqsJobs(wait_s=1), VisionObjects(place.bucket), finder, tmp_path / "scratch")
    # S3's test event, which the bucket sent when it was made, may come first.
    assert _in_time(lambda: (bench.media_events.step(), vision.step())[1] is True), "S3 tells the queue of the upload"
    assert _in_time(lambda: bench.detections.step() is True), "the findings are recorded, and the machine started"
    worker = Worker(deployed, wait_s=1)
    machine = place.machine(resources.CRITICAL_FINDING_MACHINE)

    def run() -> dict[str, Any]:
        [found] = boto3.client("stepfunctions").list_executions(stateMachineArn=machine)["executions"]
        return cast("dict[str, Any]", found)

    assert _in_time(lambda: worker.step() is None and run()["status"] != "RUNNING")
    assert run()["status"] == "SUCCEEDED"
    with opened.session() as session:
        [number] = session.scalars(select(Ticket.number))
    assert number
    opened.close()


def _in_time(done: Callable[[], bool], times: int = 60) -> bool:
    """Try until it is done; each try waits for a queue by itself."""
    return any(done() for _ in range(times))


def test_a_stored_record_reaches_the_queue(outcomes: list[Outcome], place: Place) -> None:
    assert outcomes
    S3Objects(place.bucket).put("flights/wt-1/f-1/00000.mp4", b"video", "video/mp4")
    S3Objects(place.bucket).put("flights/wt-1/f-1/00000.json", b"{}", "application/json")
    messages = SqsQueues().receive(resources.MEDIA_EVENTS_QUEUE, 10, 5)
    keys = [row["s3"]["object"]["key"] for one in messages for row in json.loads(one.body).get("Records", [])]
    assert keys == ["flights/wt-1/f-1/00000.json"]


@pytest.mark.parametrize("queue", resources.QUEUES)
def test_a_queue_is_found_by_its_name(outcomes: list[Outcome], queue: str) -> None:
    assert outcomes
    assert SqsQueues().waiting(queue) >= 0


def test_the_engineers_topic_is_found_by_its_name(outcomes: list[Outcome]) -> None:
    assert outcomes
    assert SnsTopic().publish("Rank 5", "A crack at 12 m.", {})


def test_a_run_of_the_deployed_machine_asks_its_handlers(outcomes: list[Outcome]) -> None:
    assert outcomes
    arn = StepFunctions().start(resources.CRITICAL_FINDING_MACHINE, "finding-1", "{}")
    [task] = SqsQueues().receive(resources.WORKFLOW_TASKS_QUEUE, 1, 10)
    assert json.loads(task.body)["task"] == "check"
    assert StepFunctions().status(arn) == "RUNNING"


def test_the_gateway_itself_refuses_a_stranger_at_the_tools_and_leaves_the_rest_to_the_api(
    outcomes: list[Outcome],
) -> None:
    """The API behind it does not run here: what is let through ends without an answer."""
    assert outcomes
    gateway, people = boto3.client("apigatewayv2"), boto3.client("cognito-idp")
    [api] = [one for one in gateway.get_apis()["Items"] if one["Name"] == "kestrel"]
    root = f"{gateway.meta.endpoint_url}/_aws/execute-api/{api['ApiId']}/$default"
    [pool] = [one for one in people.list_user_pools(MaxResults=10)["UserPools"] if one["Name"] == "kestrel"]
    [client] = people.list_user_pool_clients(UserPoolId=pool["Id"])["UserPoolClients"]
    said = {"UserPoolId": pool["Id"], "Username": "ann@example.com"}
    people.admin_create_user(**said, TemporaryPassword="Long-Enough-1234")
    people.admin_set_user_password(**said, Password="Long-Enough-1234", Permanent=True)
    signed_in = people.admin_initiate_auth(
        UserPoolId=pool["Id"], ClientId=client["ClientId"], AuthFlow="ADMIN_USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": "ann@example.com", "PASSWORD": "Long-Enough-1234"},
    )  # fmt: skip
    token = signed_in["AuthenticationResult"]["IdToken"]

    def refused(path: str, **headers: str) -> bool:
        return httpx.get(root + path, headers=headers).status_code == httpx.codes.UNAUTHORIZED

    assert refused("/mcp")
    assert refused("/mcp", authorization="Bearer ksk_0badcafe42")
    assert not refused("/mcp", authorization=f"Bearer {token}")
    assert not refused("/v1/drones", authorization="Bearer ksk_0badcafe42")


def test_iot_has_the_policies_of_the_table_of_topics(outcomes: list[Outcome], place: Place) -> None:
    assert outcomes
    iot = boto3.client("iot")
    for name, document in policies(place).items():
        assert json.loads(iot.get_policy(policyName=name)["policyDocument"]) == document
