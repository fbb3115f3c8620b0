"""Security regressions that people really make, put into sound templates: the gates must find them.

A mutation that no resource takes is an error, so that the table cannot rot.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any, NamedTuple

from contracts.errors import NotFound
from infra.aws.gates import iam, invariants
from infra.aws.gates.templates import Properties, Resource, Templates
from infra.aws.place import Place
from infra.aws.sizes import SIZES

Change = Callable[[Properties, dict[str, Any]], None]


class Mutation(NamedTuple):
    """One regression: which resource, and what becomes of its properties."""

    name: str
    type: str
    holding: str
    """Text that ``stack/id`` holds; empty: the first of its type."""
    change: Change
    size: str = "pilot"
    """The smallest size that has such a resource."""


def _put(path: str, value: object) -> Change:
    *way, last = path.split(".")

    def change(properties: Properties, _whole: dict[str, Any]) -> None:
        node: Any = properties
        for part in way:
            node = node[int(part)] if isinstance(node, list) else node.setdefault(part, {})
        node[int(last) if isinstance(node, list) else last] = value

    return change


def _drop(path: str) -> Change:
    *way, last = path.split(".")

    def change(properties: Properties, _whole: dict[str, Any]) -> None:
        node: Any = properties
        for part in way:
            node = node[int(part)] if isinstance(node, list) else node[part]
        del node[last]

    return change


def _forget(properties: Properties, whole: dict[str, Any]) -> None:
    del properties
    whole["DeletionPolicy"] = "Delete"


def _open_ssh(properties: Properties, _whole: dict[str, Any]) -> None:
    rule = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIp": "0.0.0.0/0"}
    properties.setdefault("SecurityGroupIngress", []).append(rule)


def _twice(properties: Properties, _whole: dict[str, Any]) -> None:
    properties["SecurityGroupEgress"].append(dict(properties["SecurityGroupEgress"][0]))


def _everything_out(properties: Properties, _whole: dict[str, Any]) -> None:
    properties["SecurityGroupEgress"] = [{"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}]


def _public_read(properties: Properties, _whole: dict[str, Any]) -> None:
    said = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}
    properties["PolicyDocument"]["Statement"].append(said)


def _plain_http(properties: Properties, _whole: dict[str, Any]) -> None:
    kept = [row for row in properties["PolicyDocument"]["Statement"] if "SecureTransport" not in str(row)]
    properties["PolicyDocument"]["Statement"] = kept


def _star_action(properties: Properties, _whole: dict[str, Any]) -> None:
    properties["PolicyDocument"]["Statement"][0]["Action"] = "s3:*"


def _star_resource(properties: Properties, _whole: dict[str, Any]) -> None:
    said = {"Effect": "Allow", "Action": "sqs:DeleteMessage", "Resource": "*"}
    properties["PolicyDocument"]["Statement"].append(said)


def _borrowed_star(properties: Properties, _whole: dict[str, Any]) -> None:
    said = {"Effect": "Allow", "Action": "states:SendTaskSuccess", "Resource": "*"}
    properties["PolicyDocument"]["Statement"].append(said)


def _pass_any(properties: Properties, _whole: dict[str, Any]) -> None:
    said = {"Effect": "Allow", "Action": "iam:PassRole", "Resource": "arn:aws:iam::111111111111:role/kestrel-drone"}
    properties["PolicyDocument"]["Statement"].append(said)


def _any_account(properties: Properties, _whole: dict[str, Any]) -> None:
    properties["AssumeRolePolicyDocument"]["Statement"][0].pop("Condition")


def _all_topics(properties: Properties, _whole: dict[str, Any]) -> None:
    publish = next(row for row in properties["PolicyDocument"]["Statement"] if row["Action"] == "iot:Publish")
    publish["Resource"] = "arn:aws:iot:eu-central-1:111111111111:topic/kestrel/v1/drones/*"


def _unattached(properties: Properties, _whole: dict[str, Any]) -> None:
    connect = next(row for row in properties["PolicyDocument"]["Statement"] if row["Action"] == "iot:Connect")
    connect["Condition"].pop("Bool")


def _all_flights(properties: Properties, _whole: dict[str, Any]) -> None:
    for said in properties["PolicyDocument"]["Statement"]:
        if "s3:" in str(said["Action"]):
            said["Resource"] = "arn:aws:s3:::kestrel-media-111111111111/flights/*"


def _plain_secret(properties: Properties, _whole: dict[str, Any]) -> None:
    variable = {"Name": "CLOUD_SAP_PASSWORD", "Value": "in plain text"}
    properties["ContainerDefinitions"][0]["Environment"].append(variable)


def _governed(properties: Properties, _whole: dict[str, Any]) -> None:
    properties["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]["Mode"] = "GOVERNANCE"


def _key_for_all(properties: Properties, _whole: dict[str, Any]) -> None:
    said = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:*", "Resource": "*"}
    properties["KeyPolicy"]["Statement"].append(said)


def _any_token(properties: Properties, _whole: dict[str, Any]) -> None:
    properties["JwtConfiguration"]["Audience"].append("somebody-else")


def _plain_disk(properties: Properties, _whole: dict[str, Any]) -> None:
    properties.update(json.loads(json.dumps(properties).replace("VolumeKmsKeyId", "VolumeLabel")))


_CLOSED = "PublicAccessBlockConfiguration.BlockPublicPolicy"
MUTATIONS: tuple[Mutation, ...] = (
    Mutation("bucket open to the public", "AWS::S3::Bucket", "storage/Media", _put(_CLOSED, False)),
    Mutation("bucket readable by everybody", "AWS::S3::BucketPolicy", "storage/Media", _public_read),
    Mutation("bucket takes plain HTTP", "AWS::S3::BucketPolicy", "storage/Media", _plain_http),
    Mutation("bucket without our key", "AWS::S3::Bucket", "storage/Media", _drop("BucketEncryption")),
    Mutation("evidence without a lock", "AWS::S3::Bucket", "storage/Media", _drop("ObjectLockConfiguration")),
    Mutation("bucket deleted with its stack", "AWS::S3::Bucket", "storage/Media", _forget),
    Mutation("people deleted with their stack", "AWS::Cognito::UserPool", "", _forget),
    Mutation("queue without our key", "AWS::SQS::Queue", "detections", _drop("KmsMasterKeyId")),
    Mutation("queue without dead letters", "AWS::SQS::Queue", "visionjobsQueue", _drop("RedrivePolicy")),
    Mutation("topic without our key", "AWS::SNS::Topic", "Engineers", _drop("KmsMasterKeyId")),
    Mutation("database on the internet", "AWS::RDS::DBInstance", "", _put("PubliclyAccessible", True)),
    Mutation("database not encrypted", "AWS::RDS::DBInstance", "", _put("StorageEncrypted", False)),
    Mutation("database without TLS", "AWS::RDS::DBParameterGroup", "", _put("Parameters", {})),
    Mutation("database without backups", "AWS::RDS::DBInstance", "", _put("BackupRetentionPeriod", 0)),
    Mutation("key without rotation", "AWS::KMS::Key", "security/Media", _drop("EnableKeyRotation")),
    Mutation("key for everybody", "AWS::KMS::Key", "security/Media", _key_for_all),
    Mutation("SSH open to the world", "AWS::EC2::SecurityGroup", "Services", _open_ssh),
    Mutation("everything out", "AWS::EC2::SecurityGroup", "Services", _everything_out),
    Mutation("the same rule twice", "AWS::EC2::SecurityGroup", "Services", _twice),
    Mutation("network ACL open to anywhere", "AWS::EC2::NetworkAclEntry", "DataAclIn", _put("CidrBlock", "0.0.0.0/0")),
    Mutation(
        "SSH through the network ACL", "AWS::EC2::NetworkAclEntry", "ServicesAclAnswers", _put("PortRange.From", 22)
    ),
    Mutation(
        "every protocol through the network ACL", "AWS::EC2::NetworkAclEntry", "PublicAclOut", _put("Protocol", -1)
    ),
    Mutation(
        "subnet without its network ACL",
        "AWS::EC2::SubnetNetworkAclAssociation",
        "ervicesSubnet",
        _put("SubnetId", "subnet-of-somebody-else"),
    ),
    Mutation("action on a whole service", "AWS::IAM::Policy", "vision/TaskRole", _star_action),
    Mutation("action on every resource", "AWS::IAM::Policy", "ConsumeTaskRole", _star_resource),
    Mutation("star that another role may have", "AWS::IAM::Policy", "vision/TaskRole", _borrowed_star),
    Mutation("role passed to any service", "AWS::IAM::Policy", "TrainRole", _pass_any),
    Mutation("tools without a token", "AWS::ApiGatewayV2::Route", "mcp", _put("AuthorizationType", "NONE")),
    Mutation("token that was made for others", "AWS::ApiGatewayV2::Authorizer", "", _any_token),
    Mutation("role for any account", "AWS::IAM::Role", "RuleRole", _any_account),
    Mutation("drone on every drone's topics", "AWS::IoT::Policy", "KestrelDroneMessages", _all_topics),
    Mutation("drone without its thing", "AWS::IoT::Policy", "KestrelDroneMessages", _unattached),
    Mutation("drone in every drone's folder", "AWS::IAM::Policy", "DroneRole", _all_flights),
    Mutation("rule without error action", "AWS::IoT::TopicRule", "", _drop("TopicRulePayload.ErrorAction")),
    Mutation("container as root", "AWS::ECS::TaskDefinition", "", _put("ContainerDefinitions.0.User", "0")),
    Mutation("secret in plain text", "AWS::ECS::TaskDefinition", "Workflows", _plain_secret),
    Mutation("alarm that tells nobody", "AWS::CloudWatch::Alarm", "ApiDown", _put("AlarmActions", [])),
    Mutation("tasks that nobody watches", "AWS::GuardDuty::Detector", "", _drop("Features.4.AdditionalConfiguration")),
    Mutation("trail switched off", "AWS::CloudTrail::Trail", "", _put("IsLogging", False)),
    Mutation(
        "bound of Device Defender upside down",
        "AWS::IoT::SecurityProfile",
        "",
        _put("Behaviors.0.Criteria.ComparisonOperator", "greater-than"),
    ),
    Mutation("proxy that takes passwords", "AWS::RDS::DBProxy", "", _put("Auth.0.IAMAuth", "DISABLED")),
    Mutation("training on a plain disk", "AWS::SageMaker::Pipeline", "", _plain_disk),
    Mutation("guardrail without filters", "AWS::Bedrock::Guardrail", "", _drop("ContentPolicyConfig")),
    Mutation("broker over the internet", "AWS::Route53::RecordSet", "BrokerName", _put("Name", "other."), "fleet"),
    Mutation("service over the internet", "AWS::EC2::VPCEndpoint", "Sqs", _put("ServiceName", "none"), "fleet"),
    Mutation("database without its standby", "AWS::RDS::DBInstance", "data/", _put("MultiAZ", False), "fleet"),
    Mutation("trail beside the platform", "AWS::CloudTrail::Trail", "", _put("S3BucketName", "own"), "enterprise"),
    Mutation("trail that can be deleted", "AWS::S3::Bucket", "audit/TrailLogs", _governed, "enterprise"),
    Mutation("analysts without a second factor", "AWS::IAM::Role", "AnalystRole", _any_account, "enterprise"),
    Mutation("copy that everybody reads", "AWS::S3::BucketPolicy", "replica/Media", _public_read, "enterprise"),
    Mutation("routes in one region only", "AWS::DynamoDB::GlobalTable", "", _put("Replicas", []), "enterprise"),
)


def of_size(name: str) -> list[Mutation]:
    """Return the mutations that the templates of a size can take."""
    sizes = list(SIZES)
    return [one for one in MUTATIONS if sizes.index(one.size) <= sizes.index(name)]


class Verdict(NamedTuple):
    """What the gates said of one mutation; nothing when it slipped through."""

    mutation: Mutation
    findings: tuple[str, ...]


def _target(templates: Templates, mutation: Mutation) -> Resource:
    for resource in templates.all(mutation.type):
        if mutation.holding in resource.where:
            return resource
    raise NotFound(f"{mutation.name}: no {mutation.type} that holds {mutation.holding!r}.")


def judge(templates: Templates, place: Place, mutation: Mutation) -> Verdict:
    """Return what the gates find in a copy with this regression and not without it.

    Raises:
        NotFound: No resource takes the mutation.

    """
    sound = _target(templates, mutation)
    mutant = Templates({**templates.stacks, sound.stack: copy.deepcopy(templates.stacks[sound.stack])})
    target = _target(mutant, mutation)
    mutation.change(target.properties, target.whole)
    before = {*invariants.findings(templates, place), *iam.findings(templates)}
    after = (*invariants.findings(mutant, place), *iam.findings(mutant))
    return Verdict(mutation, tuple(said for said in after if said not in before))
