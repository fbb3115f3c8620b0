"""AWS IoT Core: drones as things, policies from the table of topics, provisioning by claim, Device Defender."""

from __future__ import annotations

import json

from aws_cdk import aws_iam as iam
from aws_cdk import aws_iot as iot
from aws_cdk import aws_lambda as functions
from constructs import Construct

from contracts.topics import MAX_PAYLOAD_BYTES
from infra.aws.ground import PlacedStack, boundary, log_group, service_role, statements
from infra.aws.iot_policies import policies
from infra.aws.place import PROVISIONING_TEMPLATE, ROLE_ALIAS, Place
from infra.aws.rights import drone
from infra.aws.small_functions import Task, small_function
from infra.aws.stacks.fleet import QUARANTINE, Fleet
from infra.aws.stacks.security import SecurityStack

THING_TYPE = "kestrel-drone"
_BEHAVIOURS = (
    ("messages", "aws:num-messages-sent", 36_000),
    ("message-size", "aws:message-byte-size", MAX_PAYLOAD_BYTES),
    ("authorization-failures", "aws:num-authorization-failures", 5),
    ("connections", "aws:num-connection-attempts", 60),
)
"""Name, metric, and the most that is expected: a behaviour says what is right, Device Defender tells of the others.

Over five minutes, but for a message's size; 36,000 is 120 a second.
"""
AUDITED = (
    "CA_CERTIFICATE_EXPIRING_CHECK",
    "CA_CERTIFICATE_KEY_QUALITY_CHECK",
    "CONFLICTING_CLIENT_IDS_CHECK",
    "DEVICE_CERTIFICATE_EXPIRING_CHECK",
    "DEVICE_CERTIFICATE_KEY_QUALITY_CHECK",
    "DEVICE_CERTIFICATE_SHARED_CHECK",
    "IOT_POLICY_OVERLY_PERMISSIVE_CHECK",
    "IOT_ROLE_ALIAS_ALLOWS_ACCESS_TO_UNUSED_SERVICES_CHECK",
    "IOT_ROLE_ALIAS_OVERLY_PERMISSIVE_CHECK",
    "LOGGING_DISABLED_CHECK",
    "REVOKED_CA_CERTIFICATE_STILL_ACTIVE_CHECK",
    "REVOKED_DEVICE_CERTIFICATE_STILL_ACTIVE_CHECK",
)


class IotStack(PlacedStack):
    """Who may connect, and as what."""

    def __init__(self, scope: Construct, place: Place, security: SecurityStack) -> None:
        super().__init__(scope, "iot", place, description="things, policies, provisioning, Device Defender")
        iot.CfnThingType(self, "Drone", thing_type_name=THING_TYPE)
        for name in ("kestrel-fleet", QUARANTINE):
            iot.CfnThingGroup(self, name.title().replace("-", ""), thing_group_name=name)
        for name, document in policies(place).items():
            iot.CfnPolicy(self, name.title().replace("-", ""), policy_name=name, policy_document=document)
        self._lend(security)
        self._provision(security)
        self._audit()
        if place.detect:
            self._watch(security)
        self._record(security)
        Fleet(self, security)

    def _lend(self, security: SecurityStack) -> None:
        """A certificate lends the right to write the drone's own folder, for an hour at a time."""
        role = iam.Role(
            self,
            "DroneRole",
            role_name="kestrel-drone",
            assumed_by=iam.ServicePrincipal("credentials.iot.amazonaws.com"),
            description="What a drone's certificate lends: its own folder of the media bucket",
            permissions_boundary=boundary(self, self.place),
        )
        for statement in statements(drone(self.place)):
            role.add_to_policy(statement)
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["kms:Decrypt", "kms:GenerateDataKey"],
                resources=[security.media_key.key_arn],
                conditions={"StringEquals": {"kms:ViaService": f"s3.{self.region}.amazonaws.com"}},
            )
        )
        iot.CfnRoleAlias(
            self, "RoleAlias", role_alias=ROLE_ALIAS, role_arn=role.role_arn, credential_duration_seconds=3600
        )

    def _provision(self, security: SecurityStack) -> None:
        hook = self._admission(security)
        role = service_role(self, "ProvisioningRole", "iot.amazonaws.com", self.place)
        things = self.place.arn("iot", "thing/*")
        # The template's own needs, and no more: AWS's managed policy for it may do this to every resource.
        for actions, on in (
            (("iot:DescribeThing", "iot:UpdateThing", "iot:AttachThingPrincipal"), things),
            (("iot:AddThingToThingGroup",), things),
            (("iot:AddThingToThingGroup",), self.place.arn("iot", "thinggroup/kestrel-fleet")),
            (("iot:DescribeCertificate", "iot:UpdateCertificate", "iot:AttachPolicy"), self.place.arn("iot", "cert/*")),
            (("iot:GetPolicy",), self.place.arn("iot", "policy/kestrel-drone-*")),
        ):
            role.add_to_policy(iam.PolicyStatement(actions=list(actions), resources=[on]))
        iot.CfnProvisioningTemplate(
            self,
            "Template",
            template_name=PROVISIONING_TEMPLATE,
            description="A drone gets its certificate by claim; its thing must have been entered before",
            enabled=True,
            provisioning_role_arn=role.role_arn,
            template_body=json.dumps(_template_body()),
            pre_provisioning_hook={"payloadVersion": "2020-04-01", "targetArn": hook.function_arn},
        )

    def _admission(self, security: SecurityStack) -> functions.Function:
        rights = [
            iam.PolicyStatement(
                actions=["iot:DescribeThing", "iot:ListThingPrincipals"], resources=[self.place.arn("iot", "thing/*")]
            )
        ]
        about = "Lets only drones be provisioned that an operator has entered"
        task = Task("admission", about, timeout_s=5, at_once=10)
        ids = ("AdmissionLog", "AdmissionRole", "Admission")
        function = small_function(self, ids, task, rights, key=security.logs_key, place=self.place)
        function.add_permission(
            "Iot",
            principal=iam.ServicePrincipal("iot.amazonaws.com"),
            source_account=self.account,
            source_arn=self.place.arn("iot", f"provisioningtemplate/{PROVISIONING_TEMPLATE}"),
        )
        return function

    def _watch(self, security: SecurityStack) -> None:
        teller = service_role(self, "AlertRole", "iot.amazonaws.com", self.place)
        teller.add_to_policy(iam.PolicyStatement(actions=["sns:Publish"], resources=[security.alarms.topic_arn]))
        teller.add_to_policy(
            iam.PolicyStatement(actions=["kms:Decrypt", "kms:GenerateDataKey"], resources=[security.queues_key.key_arn])
        )
        iot.CfnSecurityProfile(
            self,
            "Profile",
            security_profile_name="kestrel-drone",
            target_arns=[self.place.arn("iot", "all/registered-things")],
            behaviors=[_behaviour(*row) for row in _BEHAVIOURS],
            alert_targets={"SNS": {"alertTargetArn": security.alarms.topic_arn, "roleArn": teller.role_arn}},
        )

    def _audit(self) -> None:
        auditor = service_role(self, "AuditRole", "iot.amazonaws.com", self.place)
        auditor.add_managed_policy(
            iam.ManagedPolicy.from_aws_managed_policy_name("service-role/AWSIoTDeviceDefenderAudit")
        )
        checks = {_camel(name): {"enabled": True} for name in AUDITED}
        iot.CfnAccountAuditConfiguration(
            self,
            "Audit",
            account_id=self.account,
            role_arn=auditor.role_arn,
            audit_check_configurations=checks,
        )
        iot.CfnScheduledAudit(
            self,
            "DailyAudit",
            scheduled_audit_name="kestrel-daily",
            frequency="DAILY",
            target_check_names=list(AUDITED),
        )

    def _record(self, security: SecurityStack) -> None:
        group = log_group(self, "Log", "iot", security.logs_key, self.place)
        role = service_role(self, "LogRole", "iot.amazonaws.com", self.place)
        actions = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"]
        wanted = [group.log_group_arn, self.place.arn("logs", "log-group:AWSIotLogsV2:*")]
        role.add_to_policy(iam.PolicyStatement(actions=actions, resources=wanted))
        iot.CfnLogging(self, "Logging", account_id=self.account, default_log_level="WARN", role_arn=role.role_arn)


def _behaviour(name: str, metric: str, most: int) -> iot.CfnSecurityProfile.BehaviorProperty:
    per_message = metric == "aws:message-byte-size"
    criteria = iot.CfnSecurityProfile.BehaviorCriteriaProperty(
        comparison_operator="less-than-equals",
        value=iot.CfnSecurityProfile.MetricValueProperty(count=str(most)),
        duration_seconds=None if per_message else 300,
        consecutive_datapoints_to_alarm=1,
        consecutive_datapoints_to_clear=1,
    )
    return iot.CfnSecurityProfile.BehaviorProperty(name=name, metric=metric, criteria=criteria)


def _camel(name: str) -> str:
    head, *rest = name.lower().split("_")
    return head + "".join(part.title() for part in rest)


def _template_body() -> dict[str, object]:
    attached = {
        name.title().replace("-", ""): {"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": name}}
        for name in ("kestrel-drone-messages", "kestrel-drone-life", "kestrel-drone-updates")
    }
    return {
        "Parameters": {"SerialNumber": {"Type": "String"}, "AWS::IoT::Certificate::Id": {"Type": "String"}},
        "Resources": {
            "thing": {
                "Type": "AWS::IoT::Thing",
                "Properties": {
                    "ThingName": {"Ref": "SerialNumber"},
                    "ThingTypeName": THING_TYPE,
                    "ThingGroups": ["kestrel-fleet"],
                },
                "OverrideSettings": {"AttributePayload": "MERGE", "ThingTypeName": "FAIL", "ThingGroups": "DO_NOTHING"},
            },
            "certificate": {
                "Type": "AWS::IoT::Certificate",
                "Properties": {"CertificateId": {"Ref": "AWS::IoT::Certificate::Id"}, "Status": "Active"},
            },
            **attached,
        },
    }
