"""What the programs may do on AWS is what their code calls; MQTT policies are the table of topics."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from contracts.errors import InvalidInput
from contracts.topics import TOPICS, Direction
from infra.aws import iot_policies, sizes
from infra.aws.gates.invariants import RULES
from infra.aws.gates.templates import Templates
from infra.aws.place import Place, place_of
from infra.aws.rights import CALLS, UNSCOPED, drone, programs

REPOSITORY = Path(__file__).resolve().parents[3]
BACKENDS = [path for part in ("cloud", "edge", "vision") for path in (REPOSITORY / part / "backends").glob("*.py")]
CLIENT = re.compile(r"self\.(_\w+)(?:: Any)? = (?:boto3|session)\.client\(\"([\w-]+)\"")


@pytest.fixture(scope="module")
def place() -> Place:
    return place_of({})


def sdk_calls() -> dict[str, set[str]]:
    """Return what the backends call, read from their text; a paginator calls what it is named after."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in BACKENDS:
        text = path.read_text()
        services: dict[str, str] = dict(CLIENT.findall(text))
        assert len(services) == text.count(".client("), f"{path.name}: a client that this test does not see"
        for node in ast.walk(ast.parse(text)):
            if not (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute)):
                continue
            service = services.get(node.value.attr)
            if service and node.attr not in {"meta", "get_paginator", "exceptions"}:
                found[service].add(node.attr)
        for node in ast.walk(ast.parse(text)):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "get_paginator"
            ):
                assert isinstance(node.func.value, ast.Attribute)
                assert isinstance(node.args[0], ast.Constant)
                found[services[node.func.value.attr]].add(str(node.args[0].value))
    return found


def test_the_table_of_permissions_is_what_the_backends_call() -> None:
    assert {service: set(calls) for service, calls in CALLS.items()} == sdk_calls()


def test_every_service_that_is_called_has_a_way_that_does_not_cross_the_internet_or_a_reason() -> None:
    called = {sizes.CALLED_AS.get(service, service) for service in CALLS}
    assert called - set(sizes.ENDPOINTS) == set(sizes.WITHOUT_ENDPOINT)


def test_programs_are_granted_only_what_some_backend_calls(place: Place) -> None:
    known = {action for calls in CALLS.values() for action in calls.values()}
    granted = {action for program in programs(place).values() for right in program.rights for action in right.actions}
    assert granted <= known


def test_a_star_stands_only_beside_actions_that_know_no_resource(place: Place) -> None:
    starred = {
        action
        for program in programs(place).values()
        for right in program.rights
        if "*" in right.on
        for action in right.actions
    }
    assert starred <= set(UNSCOPED)


@pytest.mark.parametrize(
    ("program", "action", "on"),
    [
        ("vision", "s3:PutObject", "flights/"),
        ("api", "s3:PutObject", ""),
        ("ingest", "s3:GetObject", ""),
        ("consume", "sqs:ReceiveMessage", "kestrel-workflow-tasks"),
        ("workflows", "s3:GetObject", "flights/"),
        ("migrate", "", ""),
    ],
)
def test_a_program_may_not_do_anothers_work(place: Place, program: str, action: str, on: str) -> None:
    given = [(name, where) for right in programs(place)[program].rights for name in right.actions for where in right.on]
    assert [one for one in given if one[0].startswith(action) and on in one[1]] == []


def test_a_drones_certificate_writes_its_own_folder_only(place: Place) -> None:
    [right] = drone(place)
    assert right.on == ("arn:aws:s3:::kestrel-media-111111111111/flights/${credentials-iot:ThingName}/*",)
    assert set(right.actions) == {"s3:PutObject", "s3:ListMultipartUploadParts"}


def test_a_drone_speaks_on_its_own_topics_by_name(place: Place) -> None:
    said = {row["Action"]: row for row in iot_policies.drone_messages(place)["Statement"]}
    root = "arn:aws:iot:eu-central-1:111111111111"
    name = "${iot:Connection.Thing.ThingName}"
    assert said["iot:Connect"]["Resource"] == f"{root}:client/{name}"
    assert said["iot:Connect"]["Condition"]["Bool"] == {"iot:Connection.Thing.IsAttached": "true"}
    assert said["iot:Publish"]["Resource"] == [
        f"{root}:topic/kestrel/v1/drones/{name}/{row}" for row in ("telemetry", "acks", "events", "status")
    ]
    assert said["iot:RetainPublish"]["Resource"] == [f"{root}:topic/kestrel/v1/drones/{name}/status"]
    assert said["iot:Subscribe"]["Resource"] == [
        f"{root}:topicfilter/kestrel/v1/drones/{name}/{row}"
        for row in ("commands", "watermarks", "verified", "upload-orders")
    ]


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_the_platform_hears_what_drones_say_and_says_what_they_hear(place: Place, topic: object) -> None:
    row = next(one for one in TOPICS if one is topic)
    said = {one["Action"]: json.dumps(one["Resource"]) for one in iot_policies.platform(place)["Statement"]}
    up = row.direction is Direction.UP
    assert (f"topicfilter/$share/ingest/kestrel/v1/drones/+/{row.name}" in said["iot:Subscribe"]) is up
    assert (f"topic/kestrel/v1/drones/*/{row.name}" in said["iot:Publish"]) is not up


@pytest.mark.parametrize("region", ["eu-central-1", "ap-southeast-2", "us-gov-west-1"])
def test_every_policy_is_as_short_as_aws_iot_wants(region: str) -> None:
    for name, document in iot_policies.policies(place_of({"region": region})).items():
        assert len(json.dumps(document, separators=(",", ":"))) <= iot_policies.MAX_CHARACTERS, name


@pytest.mark.parametrize(
    ("context", "field"),
    [
        ({"size": "huge"}, "size"),
        ({"account": "1234"}, "account"),
        ({"region": "frankfurt"}, "region"),
        ({"replica_region": "EU-WEST-1"}, "replica_region"),
        ({"audit_account": "12"}, "audit_account"),
        ({"detect": "yes"}, "detect"),
        ({"colour": "blue"}, "colour"),
    ],
)
def test_a_wrong_context_is_refused_by_name(context: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        place_of(context)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("context", "apart", "bucket"),
    [
        ({"size": "fleet"}, False, "kestrel-trail-111111111111"),
        ({"size": "enterprise"}, True, "kestrel-trail-222222222222"),
        ({"size": "enterprise", "audit_account": "111111111111"}, False, "kestrel-trail-111111111111"),
    ],
)
def test_the_trail_lies_with_the_auditors_where_they_have_an_account(
    context: dict[str, str], bucket: str, *, apart: bool
) -> None:
    place = place_of(context)
    assert (place.audit_apart, place.trail_bucket) == (apart, bucket)


def _audited(bucket: str, stack: str, mode: str) -> Templates:
    rule = {"DefaultRetention": {"Mode": mode, "Days": 365}}
    kept = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": bucket, "ObjectLockConfiguration": {"Rule": rule}}}
    trail = {"Type": "AWS::CloudTrail::Trail", "Properties": {"S3BucketName": bucket}}
    return Templates({"kestrel-security": {"Resources": {"T": trail}}, stack: {"Resources": {"B": kept}}})


@pytest.mark.parametrize(
    ("bucket", "stack", "mode", "sound"),
    [
        ("kestrel-trail-222222222222", "kestrel-audit", "COMPLIANCE", True),
        ("kestrel-trail-222222222222", "kestrel-audit", "GOVERNANCE", False),
        ("kestrel-trail-222222222222", "kestrel-other", "COMPLIANCE", False),
        ("kestrel-trail-111111111111", "kestrel-audit", "COMPLIANCE", False),
    ],
)
def test_a_trail_that_the_platforms_people_reach_is_found(bucket: str, stack: str, mode: str, *, sound: bool) -> None:
    found = list(RULES["audit-apart"](_audited(bucket, stack, mode), place_of({"size": "enterprise"})))
    assert (found == []) is sound


STARTED_AS = "postgresql+psycopg2://kestrel@db:5432/kestrel?sslmode=verify-full&"
DRILLED_AS = "postgresql+psycopg2://kestrel:p%40ss%2Fw%3Ard%25@db:5432/kestrel?sslmode=require"


@pytest.mark.parametrize(
    ("more", "url", "role"), [({}, STARTED_AS, "true"), ({"KESTREL_DATABASE_TLS": "require"}, DRILLED_AS, None)]
)
def test_a_container_starts_with_its_secrets_in_files_and_none_in_its_variables(
    tmp_path: Path, more: dict[str, str], url: str, role: str | None
) -> None:
    """At the proxy it signs in with its role; the restore drill goes past the proxy, with the password."""
    given = {
        **more,
        "PATH": os.environ["PATH"],
        "KESTREL_RUN_DIR": str(tmp_path),
        "KESTREL_COMMAND_SIGNING_KEY": "line 1\nline 2",
        "KESTREL_DATABASE_HOST": "db",
        "KESTREL_DATABASE_PORT": "5432",
        "KESTREL_DATABASE_NAME": "kestrel",
        "KESTREL_DATABASE_USER": "kestrel",
        "KESTREL_DATABASE_PASSWORD": "p@ss/w:rd%",
    }
    start = REPOSITORY / "infra/aws/images/start"
    done = subprocess.run([start, "env", "-0"], env=given, capture_output=True, text=True, check=True)
    seen = dict(line.split("=", 1) for line in done.stdout.split("\0") if line)
    key = Path(seen["CLOUD_COMMAND_SIGNING_KEY_FILE"])
    assert key.read_text() == "line 1\nline 2\n"
    assert key.stat().st_mode & 0o777 == 0o600
    assert seen["CLOUD_DATABASE_URL"].startswith(url)
    assert seen.get("CLOUD_DATABASE_IAM") == role
    assert not {"KESTREL_COMMAND_SIGNING_KEY", "KESTREL_DATABASE_PASSWORD"} & set(seen)
