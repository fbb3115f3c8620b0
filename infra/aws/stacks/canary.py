"""The probe from outside: a function that asks the platform every five minutes what a customer would ask."""

from __future__ import annotations

from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.aws.ground import PlacedStack, dead_letters, let_events_send
from infra.aws.small_functions import Task, small_function
from infra.aws.stacks.programs import Floor

UNPROBED_QUEUE = "kestrel-canary-dlq"
RULE = "kestrel-canary"


class Canary(Construct):
    """Outside the VPC on purpose: it must come in by the public name, as people do."""

    def __init__(self, scope: PlacedStack, floor: Floor, issuer: str) -> None:
        super().__init__(scope, "Probe")
        place, security, data = scope.place, floor.security, floor.data
        secret = data.secrets["canary"]
        rights = [
            iam.PolicyStatement(actions=["secretsmanager:GetSecretValue"], resources=[secret.secret_arn]),
            iam.PolicyStatement(actions=["kms:Decrypt"], resources=[data.key.key_arn]),
        ]
        function = small_function(
            self,
            ("Log", "Role", "Function"),
            Task("canary", "Asks the platform from outside what a customer would ask"),
            rights,
            key=security.logs_key,
            place=place,
            environment={
                "CANARY_URL": f"https://{place.domain}",
                "CANARY_ISSUER": issuer,
                "CANARY_SECRET": secret.secret_arn,
            },
        )
        where = place.arn("events", f"rule/{RULE}")
        function.add_permission(
            "Clock",
            principal=iam.ServicePrincipal("events.amazonaws.com"),
            source_account=place.account,
            source_arn=where,
        )
        unprobed = dead_letters(self, "Unprobed", UNPROBED_QUEUE, security.queues_key)
        let_events_send(unprobed, [where])
        target = {"id": "probe", "arn": function.function_arn, "deadLetterConfig": {"arn": unprobed.queue_arn}}
        events.CfnRule(self, "Clock", name=RULE, schedule_expression="rate(5 minutes)", targets=[target])
