"""Operations against botocore's stubs, which know each call's parameters and answers. None has met a real account."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber

from contracts.errors import Conflict, InvalidInput, NotFound, PlatformError, Unavailable
from contracts.updates import SignedUpdate
from edge.life.jobs import JobDocument
from infra.aws.operations import deployment, drift, drill, environments, migration, rollout, teardown
from infra.aws.operations.account import Account
from infra.aws.place import place_of

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
PLACE = place_of({"account": "222222222222", "image_tag": "2.0.0"})
TASK = "arn:aws:ecs:eu-central-1:222222222222:task/kestrel/1"
REVISION = "arn:aws:ecs:eu-central-1:222222222222:task-definition/kestrel-migrate:8"
NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-1"], "securityGroups": ["sg-1"]}}
Answer = tuple[str, dict[str, Any]]


class Stubs:
    """An account whose services answer in the order given; each call is checked against AWS's own model."""

    def __init__(self) -> None:
        names = ("ecs", "ecr", "rds", "cloudformation", "lambda", "elbv2", "s3", "iot")
        session: Any = boto3.Session("x", "x", region_name="eu-central-1")
        self.clients = {name: session.client(name) for name in names}
        self.stubs = {name: Stubber(client) for name, client in self.clients.items()}
        for stub in self.stubs.values():
            stub.activate()
        self.waited: list[float] = []
        self.account = Account(PLACE, *self.clients.values())._replace(wait=self.waited.append)

    def say(self, service: str, call: str, answer: dict[str, Any], expected: dict[str, Any] | None = None) -> None:
        self.stubs[service].add_response(call, answer, expected)

    def fail(self, service: str, call: str, code: str) -> None:
        self.stubs[service].add_client_error(call, code)

    def all_asked(self) -> None:
        for stub in self.stubs.values():
            stub.assert_no_pending_responses()


@pytest.fixture(scope="module")
def _made() -> Stubs:
    return Stubs()


@pytest.fixture
def aws(_made: Stubs) -> Stubs:
    for stub in _made.stubs.values():
        stub._queue.clear()  # type: ignore[attr-defined]
    _made.waited.clear()
    return _made


def shape(image: str = "222222222222.dkr.ecr.eu-central-1.amazonaws.com/kestrel/cloud:1.0.0") -> dict[str, Any]:
    main = {"name": "main", "image": image, "command": ["kestrel-cloud", "migrate"]}
    return {
        "family": "kestrel-migrate",
        "revision": 7,
        "status": "ACTIVE",
        "cpu": "512",
        "containerDefinitions": [main],
    }


def snapshot_taken(aws: Stubs, *states: str) -> None:
    aws.say("rds", "create_db_snapshot", {}, {"DBInstanceIdentifier": "kestrel", "DBSnapshotIdentifier": SNAPSHOT})
    for state in states:
        aws.say("rds", "describe_db_snapshots", {"DBSnapshots": [{"Status": state}]})


SNAPSHOT = "kestrel-before-2-0-0-20261126-120000"


def task_runs(aws: Stubs, code: int | None, *, stopped: str = "Essential container in task exited") -> None:
    aws.say("ecs", "describe_services", {"services": [{"networkConfiguration": NETWORK}]})
    aws.say("ecs", "run_task", {"tasks": [{"taskArn": TASK}], "failures": []})
    aws.say("ecs", "describe_tasks", {"tasks": [{"lastStatus": "RUNNING"}]})
    last = {"lastStatus": "STOPPED", "stoppedReason": stopped}
    containers = [{"name": "main", **({"exitCode": code} if code is not None else {})}]
    for _ in range(2):
        aws.say("ecs", "describe_tasks", {"tasks": [{**last, "containers": containers}]})


class TestMigration:
    def test_a_snapshot_then_the_new_versions_migration_as_one_task(self, aws: Stubs) -> None:
        aws.say("ecs", "describe_task_definition", {"taskDefinition": shape()})
        snapshot_taken(aws, "creating", "available")
        [main] = shape()["containerDefinitions"]
        image = main["image"].replace("1.0.0", "2.0.0")
        wanted = {"family": "kestrel-migrate", "cpu": "512", "containerDefinitions": [{**main, "image": image}]}
        aws.say("ecs", "register_task_definition", {"taskDefinition": {"taskDefinitionArn": REVISION}}, wanted)
        task_runs(aws, 0)
        assert migration.migrate(aws.account, lambda _: None, now=NOW) == (SNAPSHOT, TASK)
        aws.all_asked()

    @pytest.mark.parametrize("code", [1, 137, None])
    def test_a_migration_that_fails_ends_the_deployment(self, aws: Stubs, code: int | None) -> None:
        aws.say("ecs", "describe_task_definition", {"taskDefinition": shape()})
        snapshot_taken(aws, "available")
        aws.say("ecs", "register_task_definition", {"taskDefinition": {"taskDefinitionArn": REVISION}})
        task_runs(aws, code)
        with pytest.raises(Conflict, match=f"ended with {code}"):
            migration.migrate(aws.account, lambda _: None, now=NOW)

    def test_without_a_snapshot_nothing_is_migrated(self, aws: Stubs) -> None:
        aws.say("ecs", "describe_task_definition", {"taskDefinition": shape()})
        snapshot_taken(aws, "failed")
        with pytest.raises(Unavailable, match="nothing was migrated"):
            migration.migrate(aws.account, lambda _: None, now=NOW)
        aws.all_asked()

    def test_a_task_that_aws_cannot_place_says_why(self, aws: Stubs) -> None:
        aws.say("ecs", "describe_services", {"services": [{"networkConfiguration": NETWORK}]})
        aws.say("ecs", "run_task", {"tasks": [], "failures": [{"reason": "RESOURCE:FARGATE"}]})
        with pytest.raises(Unavailable, match="RESOURCE:FARGATE"):
            migration.run(aws.account, REVISION, [], what="migration")

    def test_where_nothing_is_deployed_there_is_nothing_to_migrate(self, aws: Stubs) -> None:
        aws.fail("ecs", "describe_task_definition", "ClientException")
        assert migration.migrate(aws.account, lambda _: None, now=NOW) is None


def images_are_there(aws: Stubs) -> None:
    for _ in deployment.IMAGES:
        aws.say("ecr", "describe_images", {"imageDetails": []})


def probed(aws: Stubs, said: dict[str, Any]) -> None:
    body = json.dumps(said).encode()
    aws.say("lambda", "invoke", {"Payload": StreamingBody(io.BytesIO(body), len(body))})


class TestDeployment:
    def test_ground_then_migration_then_programs_then_a_look(self, aws: Stubs, monkeypatch: pytest.MonkeyPatch) -> None:
        done: list[str] = []

        def migrated(*_: object) -> migration.Migrated:
            done.append("migrate")
            return migration.Migrated("s", "t")

        monkeypatch.setattr(migration, "migrate", migrated)
        images_are_there(aws)
        images_are_there(aws)
        probed(aws, {"failed": {}, "ms": 240})
        deployment.deploy(aws.account, lambda arguments: done.append(arguments[1]), lambda _: None)
        assert done == ["kestrel-security", "migrate", "kestrel-ingest"]
        aws.all_asked()

    def test_a_version_without_its_image_touches_nothing(self, aws: Stubs) -> None:
        aws.fail("ecr", "describe_images", "ImageNotFoundException")
        with pytest.raises(NotFound, match=r"kestrel/cloud:2\.0\.0"):
            deployment.deploy(aws.account, lambda _: pytest.fail("deployed"), lambda _: None)

    def test_a_failed_migration_leaves_the_programs_alone(self, aws: Stubs, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object) -> None:
            raise Conflict("The migration ended with 1.")

        done: list[Sequence[str]] = []
        monkeypatch.setattr(migration, "migrate", refuse)
        images_are_there(aws)
        images_are_there(aws)
        with pytest.raises(Conflict):
            deployment.deploy(aws.account, done.append, lambda _: None)
        assert [arguments[1] for arguments in done] == ["kestrel-security"]

    def test_a_probe_that_sees_something_wrong_is_said(self, aws: Stubs) -> None:
        probed(aws, {"failed": {"known": "401 instead of 200"}, "ms": 9})
        with pytest.raises(Conflict, match="known"):
            deployment.look(aws.account)

    def test_releases_are_listed_with_why_they_were_turned_back(self, aws: Stubs) -> None:
        row = {"createdAt": NOW, "status": "ROLLBACK_SUCCESSFUL", "statusReason": "alarm kestrel-release-errors"}
        aws.say("ecs", "list_service_deployments", {"serviceDeployments": [row]})
        [(_, status, reason)] = deployment.releases(aws.account)
        assert (status, reason) == ("ROLLBACK_SUCCESSFUL", "alarm kestrel-release-errors")

    def test_a_command_of_the_cdk_that_fails_ends_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        npx = tmp_path / "npx"
        npx.write_text('#!/bin/sh\nprintf "%s\\n" "$*" >"$0.said"\nexit 3\n')
        npx.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        with pytest.raises(Conflict, match="ended with 3"):
            deployment.cdk(tmp_path)(["diff", "--fail"])
        assert (tmp_path / "npx.said").read_text().split() == ["--yes", deployment.CLI, "diff", "--fail", "--app",
                                                               str(tmp_path)]  # fmt: skip

    def test_every_stack_of_the_app_is_deployed_once(self) -> None:
        assert len({*deployment.GROUND, *deployment.PROGRAMS}) == 12


def drifted(aws: Stubs, kind: str, state: str, *paths: str) -> None:
    number = "11111111-1111-1111-1111-111111111111"
    aws.say("cloudformation", "detect_stack_drift", {"StackDriftDetectionId": number})
    said = {"StackId": "s", "StackDriftDetectionId": number, "DetectionStatus": "DETECTION_COMPLETE", "Timestamp": NOW}
    aws.say("cloudformation", "describe_stack_drift_detection_status", said)
    changes = [
        {"PropertyPath": path, "ExpectedValue": "1", "ActualValue": "2", "DifferenceType": "NOT_EQUAL"}
        for path in paths
    ]
    row = {"StackId": "s", "LogicalResourceId": "R", "ResourceType": kind, "StackResourceDriftStatus": state,
           "PropertyDifferences": changes, "Timestamp": NOW}  # fmt: skip
    aws.say("cloudformation", "describe_stack_resource_drifts", {"StackResourceDrifts": [row]})


@pytest.mark.parametrize(
    ("kind", "state", "paths", "how"),
    [
        (
            "AWS::S3::Bucket",
            "MODIFIED",
            ["/PublicAccessBlockConfiguration"],
            "MODIFIED /PublicAccessBlockConfiguration",
        ),
        ("AWS::S3::Bucket", "DELETED", [], "DELETED"),
        ("AWS::ECS::Service", "MODIFIED", ["/DesiredCount"], None),
        ("AWS::ECS::Service", "MODIFIED", ["/DesiredCount", "/EnableExecuteCommand"], "MODIFIED /EnableExecuteCommand"),
        ("AWS::ElasticLoadBalancingV2::ListenerRule", "MODIFIED", ["/Actions/0/ForwardConfig"], None),
        ("AWS::ElasticLoadBalancingV2::ListenerRule", "DELETED", [], "DELETED"),
    ],
)
def test_drift_is_what_no_service_changes_by_design(
    aws: Stubs, kind: str, state: str, paths: list[str], how: str | None
) -> None:
    drifted(aws, kind, state, *paths)
    assert [one.how for one in drift.drifts(aws.account, ["kestrel-api"])] == ([] if how is None else [how])


def listed(aws: Stubs, *states: tuple[str, str]) -> None:
    rows = [{"StackName": name, "StackStatus": state, "CreationTime": NOW} for name, state in states]
    aws.say("cloudformation", "list_stacks", {"StackSummaries": rows})


class TestTakingDown:
    def test_it_needs_the_accounts_number(self, aws: Stubs) -> None:
        with pytest.raises(InvalidInput):
            teardown.take_down(aws.account, lambda _: None, confirmed="yes")

    def test_programs_go_and_the_ground_stays(self, aws: Stubs) -> None:
        for name in reversed(deployment.PROGRAMS):
            listed(aws, *([(name, "CREATE_COMPLETE")] if name == "kestrel-api" else [(name, "DELETE_COMPLETE")]))
        door = "arn:aws:elasticloadbalancing:eu-central-1:222222222222:loadbalancer/app/kestrel/1"
        aws.say("elbv2", "describe_load_balancers", {"LoadBalancers": [{"LoadBalancerArn": door}]})
        aws.say("elbv2", "modify_load_balancer_attributes", {})
        aws.say("cloudformation", "update_termination_protection", {})
        aws.say("cloudformation", "delete_stack", {}, {"StackName": "kestrel-api"})
        listed(aws, ("kestrel-api", "DELETE_IN_PROGRESS"))
        listed(aws, ("kestrel-api", "DELETE_COMPLETE"))
        gone = teardown.take_down(aws.account, lambda _: None, confirmed=PLACE.account)
        assert gone == ["kestrel-api"]
        aws.all_asked()


def test_a_restore_drill_measures_what_would_be_lost_and_leaves_nothing(aws: Stubs) -> None:
    source = {
        "LatestRestorableTime": NOW - timedelta(minutes=4),
        "DBSubnetGroup": {"DBSubnetGroupName": "data"},
        "VpcSecurityGroups": [{"VpcSecurityGroupId": "sg-1"}],
        "DBInstanceClass": "db.t4g.medium",
    }
    aws.say("rds", "describe_db_instances", {"DBInstances": [source]})
    aws.say("rds", "restore_db_instance_to_point_in_time", {})
    aws.say("rds", "describe_db_instances", {"DBInstances": [{"DBInstanceStatus": "creating"}]})
    aws.say("rds", "describe_db_instances", {"DBInstances": [{"DBInstanceStatus": "available"}]})
    aws.say("rds", "describe_db_instances", {"DBInstances": [{"Endpoint": {"Address": "drill.local"}}]})
    task_runs(aws, 0)
    aws.say("rds", "delete_db_instance", {})
    ticks = iter([0.0, 1800.0])
    measured = drill.restore(aws.account, lambda _: None, now=NOW, clock=lambda: next(ticks))
    assert measured == (240.0, 1800.0)
    aws.all_asked()


def test_a_drill_that_fails_deletes_its_copy_too(aws: Stubs) -> None:
    source = {
        "LatestRestorableTime": NOW,
        "DBSubnetGroup": {"DBSubnetGroupName": "data"},
        "VpcSecurityGroups": [],
        "DBInstanceClass": "db.t4g.medium",
    }
    aws.say("rds", "describe_db_instances", {"DBInstances": [source]})
    aws.say("rds", "restore_db_instance_to_point_in_time", {})
    aws.say("rds", "describe_db_instances", {"DBInstances": [{"DBInstanceStatus": "incompatible-restore"}]})
    aws.say("rds", "delete_db_instance", {})
    with pytest.raises(Unavailable, match="incompatible-restore"):
        drill.restore(aws.account, lambda _: None, now=NOW)
    aws.all_asked()


@pytest.mark.parametrize("name", ["example", "nowhere", "../secrets", "broken", "list"])
def test_an_environment_that_cannot_be_deployed_to_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "example.json").write_text((environments.FOLDER / "example.json").read_text())
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "list.json").write_text('{"size": 3}')
    with pytest.raises(PlatformError):
        environments.place_in(name, folder=tmp_path)


def test_an_enterprise_names_the_auditors_account_or_its_own(tmp_path: Path) -> None:
    said = {"account": "444444444444", "size": "enterprise", "analyst_account": "555555555555"}
    (tmp_path / "forgotten.json").write_text(json.dumps(said))
    (tmp_path / "alone.json").write_text(json.dumps({**said, "audit_account": "444444444444"}))
    with pytest.raises(PlatformError, match="audit_account"):
        environments.place_in("forgotten", folder=tmp_path)
    assert not environments.place_in("alone", folder=tmp_path).audit_apart


def test_an_environment_is_its_file_and_the_version_asked_for(tmp_path: Path) -> None:
    (tmp_path / "staging.json").write_text('{"account": "222222222222", "size": "fleet"}')
    place = environments.place_in("staging", "3.1.0", tmp_path)
    assert (place.account, place.size.name, place.image_tag) == ("222222222222", "fleet", "3.1.0")


PACKAGE = b"a zip of wheels"


def release_in(folder: Path, **said: object) -> tuple[Path, Path]:
    named = {"version": "1.1.0", "sha256": hashlib.sha256(PACKAGE).hexdigest(), "size_bytes": len(PACKAGE), **said}
    order = {"payload": json.dumps(named), "signature_b64": "A" * 88, "key_id": "release-1"}
    (folder / "order.json").write_text(json.dumps(order))
    (folder / "kestrel-1.1.0.zip").write_bytes(PACKAGE)
    return folder / "kestrel-1.1.0.zip", folder / "order.json"


def test_a_release_of_the_agent_is_offered_in_stages_and_ended_when_drones_fail(aws: Stubs, tmp_path: Path) -> None:
    package, order = release_in(tmp_path)
    aws.say("s3", "put_object", {})
    aws.say("iot", "create_job", {})
    asked: dict[str, Any] = {}
    event = "provide-client-params.iot.CreateJob"
    aws.clients["iot"].meta.events.register(event, lambda params, **_rest: asked.update(params), unique_id="seen")
    assert rollout.offer(aws.account, print, package, order, now=NOW) == "kestrel-1-1-0-20261126-120000"
    aws.all_asked()
    document = JobDocument.model_validate({**json.loads(asked["document"]), "package_url": "https://signed.example"})
    assert document.order == SignedUpdate.model_validate_json(order.read_text())
    assert "/kestrel-media-222222222222/releases/" in json.loads(asked["document"])["package_url"]
    assert asked["presignedUrlConfig"]["roleArn"] == "arn:aws:iam::222222222222:role/kestrel-job-packages"
    assert asked["jobExecutionsRolloutConfig"]["exponentialRate"]["baseRatePerMinute"] == 1
    [end] = asked["abortConfig"]["criteriaList"]
    assert (end["action"], end["failureType"]) == ("CANCEL", "ALL")


@pytest.mark.parametrize("said", [{"size_bytes": 3}, {"sha256": "0" * 64}, {"version": "newest"}])
def test_a_package_that_its_order_does_not_name_is_not_offered(
    aws: Stubs, tmp_path: Path, said: dict[str, object]
) -> None:
    package, order = release_in(tmp_path, **said)
    with pytest.raises(InvalidInput):
        rollout.offer(aws.account, print, package, order)
