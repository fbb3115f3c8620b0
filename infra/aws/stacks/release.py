"""A new version of the API beside the old one: it gets the traffic when it is healthy, and loses it when it fails.

ECS does this by itself (its blue/green strategy): it starts the new tasks in the target group that has none, turns the
listener's rule over, waits ``BAKE``, and turns back when the alarm of errors rings or tasks do not become healthy.
"""

from __future__ import annotations

from typing import NamedTuple

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_elasticloadbalancingv2 as balancing
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns

from infra.aws.ground import PlacedStack, service_role

BAKE = cdk.Duration.minutes(10)
ALARM = "kestrel-release-errors"
_ERRORS = 10
_LOOKS = ("DescribeListeners", "DescribeRules", "DescribeTargetGroups", "DescribeTargetHealth")


class Sides(NamedTuple):
    """Two target groups, and the rule that says which one is live. ECS changes its weights."""

    blue: balancing.ApplicationTargetGroup
    green: balancing.ApplicationTargetGroup
    rule: balancing.ApplicationListenerRule


def sides(scope: PlacedStack, vpc: ec2.IVpc, listener: balancing.ApplicationListener, port: int) -> Sides:
    """Make both groups; at the first deployment blue is live."""

    def group(name: str) -> balancing.ApplicationTargetGroup:
        return balancing.ApplicationTargetGroup(
            scope,
            name,
            vpc=vpc,
            port=port,
            protocol=balancing.ApplicationProtocol.HTTP,
            target_type=balancing.TargetType.IP,
            deregistration_delay=cdk.Duration.seconds(30),
            health_check=balancing.HealthCheck(path="/healthz", healthy_http_codes="200"),
        )

    blue, green = group("Targets"), group("Green")
    rule = balancing.ApplicationListenerRule(
        scope,
        "Live",
        listener=listener,
        priority=1,
        conditions=[balancing.ListenerCondition.path_patterns(["/*"])],
        action=balancing.ListenerAction.weighted_forward(
            [
                balancing.WeightedTargetGroup(target_group=blue, weight=100),
                balancing.WeightedTargetGroup(target_group=green, weight=0),
            ]
        ),
    )
    return Sides(blue, green, rule)


def turn_over(scope: PlacedStack, service: ecs.FargateService, found: Sides, port: int) -> None:
    """Give a service both sides and the right to turn the rule over, and no other rule."""
    role = service_role(scope, "TurnRole", "ecs.amazonaws.com", scope.place)
    groups = [found.blue.target_group_arn, found.green.target_group_arn]
    turned = [found.rule.listener_rule_arn]
    for names, where in (
        (_LOOKS, ["*"]),
        (("RegisterTargets", "DeregisterTargets"), groups),
        (("ModifyRule",), turned),
    ):
        granted = [f"elasticloadbalancing:{name}" for name in names]
        role.add_to_policy(iam.PolicyStatement(actions=granted, resources=where))
    alternate = ecs.AlternateTarget(
        "Alternate",
        alternate_target_group=found.green,
        production_listener=ecs.ListenerRuleConfiguration.application_listener_rule(found.rule),
        role=role,
    )
    target = service.load_balancer_target(container_name="main", container_port=port, alternate_target=alternate)
    target.attach_to_application_target_group(found.blue)
    service.node.add_dependency(found.rule, role)


def errors_alarm(scope: PlacedStack, balancer: balancing.ApplicationLoadBalancer, topic: sns.ITopic) -> None:
    """Ring while a release bakes and callers get errors of the API, whichever side gives them."""
    alarm = cloudwatch.Alarm(
        scope,
        "ReleaseErrors",
        alarm_name=ALARM,
        alarm_description="callers get errors; a release under way is turned back. "
        "What to do: docs/runbooks.md#release-errors",
        metric=cloudwatch.Metric(
            namespace="AWS/ApplicationELB",
            metric_name="HTTPCode_Target_5XX_Count",
            statistic="Sum",
            dimensions_map={"LoadBalancer": balancer.load_balancer_full_name},
            period=cdk.Duration.minutes(1),
        ),
        threshold=_ERRORS,
        evaluation_periods=2,
        comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
        treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
    )
    alarm.add_alarm_action(actions.SnsAction(topic))
