"""Keys, the trail of every API call, threat detection, posture rules, and the topic where alarms go."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_cloudtrail as cloudtrail
from aws_cdk import aws_config as config
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_guardduty as guardduty
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_securityhub as securityhub
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from infra.aws.ground import PlacedStack, access_log_bucket, dead_letters, log_group, private_bucket, service_role
from infra.aws.place import Place
from infra.aws.rights import BOUNDARY

WATCHED = (
    "S3_DATA_EVENTS",
    "RDS_LOGIN_EVENTS",
    "LAMBDA_NETWORK_LOGS",
    "EBS_MALWARE_PROTECTION",
    "RUNTIME_MONITORING",
)
"""What GuardDuty reads beside CloudTrail, flow logs and DNS."""
_AGENTS: Mapping[str, str] = MappingProxyType({"RUNTIME_MONITORING": "ECS_FARGATE_AGENT_MANAGEMENT"})
"""Feature -> what makes GuardDuty bring its agent into each task; without it nobody watches what runs."""
CONFIG_RULES = (
    "S3_BUCKET_PUBLIC_READ_PROHIBITED",
    "S3_BUCKET_PUBLIC_WRITE_PROHIBITED",
    "RDS_INSTANCE_PUBLIC_ACCESS_CHECK",
    "RDS_STORAGE_ENCRYPTED",
    "INCOMING_SSH_DISABLED",
    "VPC_DEFAULT_SECURITY_GROUP_CLOSED",
    "ROOT_ACCOUNT_MFA_ENABLED",
    "CLOUD_TRAIL_LOG_FILE_VALIDATION_ENABLED",
    "CMK_BACKING_KEY_ROTATION_ENABLED",
)


DETECTOR_EVENTS: Mapping[str, dict[str, Any]] = MappingProxyType(
    {
        "GuardDutyFinding": {
            "source": ["aws.guardduty"],
            "detail-type": ["GuardDuty Finding"],
            "detail": {"severity": [{"numeric": [">=", 4]}]},
        },
        "IotViolation": {
            "source": ["aws.securityhub"],
            "detail-type": ["Security Hub Findings - Imported"],
            "detail": {
                "findings": {"ProductName": ["IoT Device Defender - Audit", "IoT Device Defender - Detect"]},
            },
        },
    }
)
"""Findings that people are told of (alarm topic), and that become security events of the platform (its own queue)."""


class SecurityStack(PlacedStack):
    """Made first, changed least."""

    def __init__(self, scope: Construct, place: Place) -> None:
        super().__init__(scope, "security", place, description="keys, audit trail, threat detection, alarm topic")
        self.logs_key = self._key("Logs", "log groups and the audit trail")
        self.media_key = self._key("Media", "video, crops, detections, the lake")
        self.queues_key = self._key("Queues", "queues and topics")
        self.data_key = self._key("Data", "database, routes, secrets, backups")
        self.evidence_key = kms.Key(
            self,
            "Evidence",
            description="Kestrel: signs evidence bundles",
            key_spec=kms.KeySpec.ECC_NIST_P256,
            key_usage=kms.KeyUsage.SIGN_VERIFY,
            removal_policy=cdk.RemovalPolicy.RETAIN,
        )
        self._open_keys_to_services()
        self._boundary()
        # Access logs can be written to a bucket with S3's own key only.
        self.access_logs = access_log_bucket(self, f"kestrel-access-logs-{place.account}")
        self.alarms = sns.Topic(
            self, "Alarms", topic_name="kestrel-alarms", master_key=self.queues_key, enforce_ssl=True
        )
        self.alarms.add_subscription(subscriptions.EmailSubscription(place.alarm_email))
        self._trail()
        self._detection()
        self._posture()

    def _key(self, name: str, what: str) -> kms.Key:
        return kms.Key(
            self,
            name,
            description=f"Kestrel: {what}",
            alias=f"kestrel/{name.lower()}",
            enable_key_rotation=True,
            removal_policy=cdk.RemovalPolicy.RETAIN,
        )

    def _open_keys_to_services(self) -> None:
        """Let AWS services that act by themselves (no role of ours) use the keys, for this account's resources only."""
        account = {"StringEquals": {"aws:SourceAccount": self.account}}
        logs_of_ours = {
            "ArnLike": {"kms:EncryptionContext:aws:logs:arn": self.place.arn("logs", "log-group:*")},
        }
        uses = (
            (self.logs_key, f"logs.{self.region}.amazonaws.com", logs_of_ours),
            (self.logs_key, "cloudtrail.amazonaws.com", account),
            (self.queues_key, "s3.amazonaws.com", account),
            (self.queues_key, "sns.amazonaws.com", account),
            (self.queues_key, "events.amazonaws.com", account),
            (self.queues_key, "cloudwatch.amazonaws.com", account),
            (self.queues_key, "iot.amazonaws.com", account),
            (self.queues_key, "budgets.amazonaws.com", account),
        )
        for key, service, conditions in uses:
            actions = ["kms:Decrypt", "kms:GenerateDataKey*"]
            if "logs." in service:
                actions = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
            principal = iam.ServicePrincipal(service)
            key.add_to_resource_policy(
                iam.PolicyStatement(actions=actions, resources=["*"], principals=[principal], conditions=conditions)
            )

    def _boundary(self) -> None:
        """No role of ours may touch identities, keys' policies, the trail or the detectors, whatever it is given."""
        away = [
            "iam:*User*",
            "iam:*Group*",
            "iam:Create*",
            "iam:Put*",
            "iam:Attach*",
            "kms:PutKeyPolicy",
            "kms:ScheduleKeyDeletion",
            "cloudtrail:StopLogging",
            "cloudtrail:DeleteTrail",
            "guardduty:Delete*",
            "s3:PutBucketPolicy",
            "s3:BypassGovernanceRetention",
            "organizations:*",
        ]
        services = ["s3", "sqs", "sns", "dynamodb", "states", "kms", "logs", "bedrock", "secretsmanager", "ecr", "iot",
                    "xray", "firehose", "glue", "sagemaker", "ec2", "ecs", "ssmmessages", "lambda", "events", "config",
                    "cloudwatch", "rds-db", "rds", "backup", "athena", "autoscaling",
                    "elasticloadbalancing"]  # fmt: skip
        iam.ManagedPolicy(
            self,
            "Boundary",
            managed_policy_name=BOUNDARY,
            description="The most that any role of Kestrel may ever do; grants nothing by itself",
            statements=[
                iam.PolicyStatement(actions=[f"{service}:*" for service in services], resources=["*"]),
                iam.PolicyStatement(
                    actions=["iam:PassRole"],
                    resources=[f"arn:aws:iam::{self.account}:role/kestrel-*"],
                    conditions={
                        "StringEquals": {"iam:PassedToService": ["ecs-tasks.amazonaws.com", "sagemaker.amazonaws.com"]}
                    },
                ),
                iam.PolicyStatement(effect=iam.Effect.DENY, actions=away, resources=["*"]),
            ],
        )

    def _trail(self) -> None:
        trail = cloudtrail.Trail(
            self,
            "Trail",
            trail_name="kestrel",
            bucket=self._trail_bucket(),
            encryption_key=self.logs_key,
            enable_file_validation=True,
            is_multi_region_trail=True,
            send_to_cloud_watch_logs=True,
            cloud_watch_log_group=log_group(self, "TrailLog", "trail", self.logs_key, self.place),
        )
        # The CDK makes this role itself, for any account's trail and without a boundary.
        role = trail.node.find_child("LogsRole").node.default_child
        only_ours = {"StringEquals": {"aws:SourceAccount": self.account}}
        role.add_property_override("AssumeRolePolicyDocument.Statement.0.Condition", only_ours)
        role.add_property_override("PermissionsBoundary", f"arn:aws:iam::{self.account}:policy/{BOUNDARY}")

    def _trail_bucket(self) -> s3.IBucket:
        """Return where the trail is written. In the auditors' account they must be able to read what our key closed."""
        name = self.place.trail_bucket
        if not self.place.audit_apart:
            return private_bucket(self, "TrailLogs", name, self.logs_key, self.access_logs)
        self.logs_key.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.AccountPrincipal(self.place.audit_account)],
                actions=["kms:Decrypt", "kms:DescribeKey"],
                resources=["*"],
                conditions={"StringEquals": {"kms:EncryptionContext:aws:cloudtrail:arn": self.place.trail}},
            )
        )
        return s3.Bucket.from_bucket_name(self, "TrailLogs", name)

    def _detection(self) -> None:
        guardduty.CfnDetector(
            self,
            "GuardDuty",
            enable=True,
            finding_publishing_frequency="FIFTEEN_MINUTES",
            features=[_feature(name) for name in WATCHED],
        )
        securityhub.CfnHub(self, "SecurityHub", enable_default_standards=True)
        unheard = dead_letters(self, "Unheard", "kestrel-security-events-dlq", self.queues_key)
        for name, pattern in DETECTOR_EVENTS.items():
            events.Rule(
                self,
                name,
                event_pattern=events.EventPattern(
                    source=pattern["source"], detail_type=pattern["detail-type"], detail=pattern["detail"]
                ),
                targets=[targets.SnsTopic(self.alarms, dead_letter_queue=unheard)],
            )

    def _posture(self) -> None:
        bucket = private_bucket(self, "Posture", f"kestrel-config-{self.account}", self.logs_key, self.access_logs)
        role = service_role(self, "ConfigRole", "config.amazonaws.com", self.place)
        role.add_managed_policy(iam.ManagedPolicy.from_aws_managed_policy_name("service-role/AWS_ConfigRole"))
        written = f"{bucket.bucket_arn}/AWSLogs/{self.account}/*"
        role.add_to_policy(iam.PolicyStatement(actions=["s3:PutObject"], resources=[written]))
        role.add_to_policy(iam.PolicyStatement(actions=["s3:GetBucketAcl"], resources=[bucket.bucket_arn]))
        role.add_to_policy(
            iam.PolicyStatement(actions=["kms:Decrypt", "kms:GenerateDataKey"], resources=[self.logs_key.key_arn])
        )
        recorder = config.CfnConfigurationRecorder(
            self,
            "Recorder",
            role_arn=role.role_arn,
            recording_group={"allSupported": True, "includeGlobalResourceTypes": True},
        )
        channel = config.CfnDeliveryChannel(self, "Channel", s3_bucket_name=bucket.bucket_name)
        for identifier in CONFIG_RULES:
            rule = config.ManagedRule(self, identifier.title().replace("_", ""), identifier=identifier)
            rule.node.add_dependency(recorder, channel)


def _feature(name: str) -> dict[str, object]:
    agent = _AGENTS.get(name)
    more = {"additionalConfiguration": [{"name": agent, "status": "ENABLED"}]} if agent else {}
    return {"name": name, "status": "ENABLED", **more}
