"""The probe from outside: a function that asks the platform every five minutes what a customer would ask."""

from __future__ import annotations

from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as functions
from constructs import Construct

from infra.aws.ground import PlacedStack, dead_letters, let_events_send, log_group, service_role
from infra.aws.stacks.programs import Floor

CODE = Path(__file__).resolve().parents[1] / "functions" / "canary"
UNPROBED_QUEUE = "kestrel-canary-dlq"
RULE = "kestrel-canary"


class Canary(Construct):
    """Outside the VPC on purpose: it must come in by the public name, as people do."""

    def __init__(self, scope: PlacedStack, floor: Floor, issuer: str) -> None:
        super().__init__(scope, "Probe")
        place, security, data = scope.place, floor.security, floor.data
        group = log_group(self, "Log", "canary", security.logs_key, place)
        role = service_role(self, "Role", "lambda.amazonaws.com", place)
        secret = data.secrets["canary"]
        for actions, where in (
            (["secretsmanager:GetSecretValue"], secret.secret_arn),
            (["kms:Decrypt"], data.key.key_arn),
        ):
            role.add_to_policy(iam.PolicyStatement(actions=actions, resources=[where]))
        group.grant_write(role)
        function = functions.Function(
            self,
            "Function",
            function_name="kestrel-canary",
            description="Asks the platform from outside what a customer would ask",
            runtime=functions.Runtime.PYTHON_3_14,
            architecture=functions.Architecture.ARM_64,
            handler="index.handler",
            code=functions.Code.from_asset(str(CODE), exclude=["__pycache__"]),
            timeout=cdk.Duration.seconds(60),
            memory_size=256,
            reserved_concurrent_executions=1,
            environment={
                "CANARY_URL": f"https://{place.domain}",
                "CANARY_ISSUER": issuer,
                "CANARY_SECRET": secret.secret_arn,
            },
            environment_encryption=security.logs_key,
            role=role,
            log_group=group,
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
