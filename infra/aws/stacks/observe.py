"""What people look at and what wakes them: service levels as alarms, each with its page of the runbook; the budget."""

from __future__ import annotations

from typing import NamedTuple

import aws_cdk as cdk
from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_logs as logs
from constructs import Construct

from contracts import resources
from infra.aws.ground import PlacedStack
from infra.aws.place import PROVISIONING_TEMPLATE, RULE_ERRORS_QUEUE, Place
from infra.aws.stacks.api import ApiStack
from infra.aws.stacks.canary import UNPROBED_QUEUE, Canary
from infra.aws.stacks.ingest import IngestStack
from infra.aws.stacks.programs import Floor
from infra.aws.stacks.workflow import WorkflowStack

RUNBOOK = "docs/runbooks.md"


class Watch(NamedTuple):
    """One alarm: a metric, its bound, and how long it must be past it."""

    name: str
    says: str
    namespace: str
    metric: str
    statistic: str
    dimensions: tuple[tuple[str, str], ...]
    bound: float
    minutes: int = 5
    periods: int = 1
    below: bool = False
    silence_is_bad: bool = False


def watches(place: Place, *, balancer: str, api: str) -> tuple[Watch, ...]:
    """Return every alarm. The names are headings of the runbook."""
    door = (("LoadBalancer", balancer),)
    machine = (("StateMachineArn", place.machine(resources.CRITICAL_FINDING_MACHINE)),)
    database = (("DBInstanceIdentifier", "kestrel"),)
    fixed = (
        Watch("api-slow", "one request in a hundred takes more than a second", "AWS/ApplicationELB",
              "TargetResponseTime", "p99", door, 1.0, periods=3),
        Watch("api-errors", "the API answers with errors of its own", "AWS/ApplicationELB",
              "HTTPCode_Target_5XX_Count", "Sum", door, 5),
        Watch("gateway-errors", "the gateway cannot reach the API", "AWS/ApiGateway", "5xx", "Sum",
              (("ApiId", api),), 5),
        Watch("telemetry-waits", "stored segments wait for more than five minutes", "AWS/SQS",
              "ApproximateAgeOfOldestMessage", "Maximum", (("QueueName", resources.MEDIA_EVENTS_QUEUE),), 300),
        Watch("vision-behind", "a segment waits for vision for more than half an hour", "AWS/SQS",
              "ApproximateAgeOfOldestMessage", "Maximum", (("QueueName", resources.VISION_JOBS_QUEUE),), 1800),
        Watch("tickets-behind", "a workflow's task waits for more than two minutes", "AWS/SQS",
              "ApproximateAgeOfOldestMessage", "Maximum", (("QueueName", resources.WORKFLOW_TASKS_QUEUE),), 120),
        Watch("workflow-failed", "a critical finding ended without its ticket", "AWS/States",
              "ExecutionsFailed", "Sum", machine, 1),
        Watch("workflow-timed-out", "a critical finding's run took too long", "AWS/States",
              "ExecutionsTimedOut", "Sum", machine, 1),
        Watch("database-busy", "the database works at more than 80 %", "AWS/RDS", "CPUUtilization", "Average",
              database, 80, periods=3),
        Watch("database-full", "less than 10 GB is free", "AWS/RDS", "FreeStorageSpace", "Minimum", database,
              10 * 1024**3, below=True),
        Watch("drones-refused", "somebody may not connect, publish or subscribe", "AWS/IoT",
              "Connect.AuthError", "Sum", (("Protocol", "MQTT"),), 5),
        Watch("canary", "the platform does not answer from outside as it should", "Kestrel", "canary-failures",
              "Sum", (), 1, periods=3, silence_is_bad=True),
        Watch("provisioning-refused", "a drone was refused its certificate", "AWS/IoT",
              "RegisterThingFailed", "Sum", (("TemplateName", PROVISIONING_TEMPLATE),), 1),
    )  # fmt: skip
    return (*fixed, *(_dead(name) for name in dead_letter_queues()))


_DOWN = Watch("api-down", "no healthy API task", "AWS/ApplicationELB", "HealthyHostCount", "Minimum", (), 1,
              minutes=1, periods=2, below=True, silence_is_bad=True)  # fmt: skip
"""On both sides together: which one is live changes with each release."""


def _healthy(api: ApiStack) -> cloudwatch.MathExpression:
    balancer = api.balancer.load_balancer_full_name
    both = {
        name: cloudwatch.Metric(
            namespace=_DOWN.namespace,
            metric_name=_DOWN.metric,
            statistic=_DOWN.statistic,
            dimensions_map={"LoadBalancer": balancer, "TargetGroup": group.target_group_full_name},
            period=cdk.Duration.minutes(_DOWN.minutes),
        )
        for name, group in (("blue", api.sides.blue), ("green", api.sides.green))
    }
    return cloudwatch.MathExpression(
        expression="FILL(blue, 0) + FILL(green, 0)", label="healthy API tasks", using_metrics=both,
        period=cdk.Duration.minutes(_DOWN.minutes),
    )  # fmt: skip


def dead_letter_queues() -> tuple[str, ...]:
    """Return every queue in which a message means that something failed for good."""
    own = [name + resources.DEAD_LETTER_SUFFIX for name in resources.QUEUES]
    return (*own, RULE_ERRORS_QUEUE, "kestrel-security-events-dlq", "kestrel-publish-dlq", UNPROBED_QUEUE)


def _dead(queue: str) -> Watch:
    metric = "ApproximateNumberOfMessagesVisible"
    says = f"{queue} holds a message that nobody could handle"
    return Watch(f"dead-letters-{queue}", says, "AWS/SQS", metric, "Maximum", (("QueueName", queue),), 1)


class ObserveStack(PlacedStack):
    """Changed most often."""

    def __init__(
        self, scope: Construct, place: Place, floor: Floor, api: ApiStack, ingest: IngestStack, workflow: WorkflowStack
    ) -> None:
        super().__init__(scope, "observe", place, description="alarms, dashboard, budget")
        self._tell = actions.SnsAction(floor.security.alarms)
        found = watches(
            place,
            balancer=api.balancer.load_balancer_full_name,
            api=api.http.http_api_id,
        )
        self._alarms = [self._alarm(watch, _metric(watch)) for watch in found]
        self._alarms.append(self._alarm(_DOWN, _healthy(api)))
        groups = {**ingest.groups, "api": api.program.group, "workflows": workflow.group}
        self._alarms += [self._errors(name, group) for name, group in groups.items()]
        Canary(self, floor, api.issuer)
        self._dashboard(found)
        self._budget(floor)

    def _alarm(self, watch: Watch, metric: cloudwatch.IMetric) -> cloudwatch.Alarm:
        operators = cloudwatch.ComparisonOperator
        silent = cloudwatch.TreatMissingData
        alarm = cloudwatch.Alarm(
            self,
            watch.name.title().replace("-", ""),
            alarm_name=f"kestrel-{watch.name}",
            alarm_description=f"{watch.says}. What to do: {RUNBOOK}#{_anchor(watch.name)}",
            metric=metric,
            threshold=watch.bound,
            evaluation_periods=watch.periods,
            comparison_operator=operators.LESS_THAN_THRESHOLD
            if watch.below
            else operators.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=silent.BREACHING if watch.silence_is_bad else silent.NOT_BREACHING,
        )
        alarm.add_alarm_action(self._tell)
        alarm.add_ok_action(self._tell)
        return alarm

    def _errors(self, name: str, group: logs.ILogGroup) -> cloudwatch.Alarm:
        """Count what a program logs as a crash: its supervisor starts it again, but somebody should look."""
        metric = f"{name}-failures"
        group.add_metric_filter(
            f"Failures{name.title()}",
            filter_pattern=logs.FilterPattern.any_term("Traceback", "task_crashed", "step_failed"),
            metric_namespace="Kestrel",
            metric_name=metric,
            metric_value="1",
            default_value=0,
        )
        says = f"the program {name} logs failures that it did not expect"
        watch = Watch(f"failures-{name}", says, "Kestrel", metric, "Sum", (), 1)
        return self._alarm(watch, _metric(watch))

    def _dashboard(self, found: tuple[Watch, ...]) -> None:
        board = cloudwatch.Dashboard(self, "Dashboard", dashboard_name="kestrel")
        board.add_widgets(cloudwatch.AlarmStatusWidget(alarms=self._alarms, width=24, height=4, title="Alarms"))
        charts = [
            cloudwatch.GraphWidget(
                title=watch.says[:1].upper() + watch.says[1:],
                left=[_metric(watch)],
                left_annotations=[cloudwatch.HorizontalAnnotation(value=watch.bound, label="alarm")],
                width=8,
            )
            for watch in found
            if not watch.name.startswith("dead-letters-")
        ]
        for first in range(0, len(charts), 3):
            board.add_widgets(*charts[first : first + 3])

    def _budget(self, floor: Floor) -> None:
        whom = [{"subscriptionType": "SNS", "address": floor.security.alarms.topic_arn}]
        notices = [
            {
                "notification": {
                    "comparisonOperator": "GREATER_THAN",
                    "notificationType": kind,
                    "threshold": share,
                    "thresholdType": "PERCENTAGE",
                },
                "subscribers": whom,
            }
            for kind, share in (("ACTUAL", 80), ("FORECASTED", 100))
        ]
        budgets.CfnBudget(
            self,
            "Budget",
            budget={
                "budgetName": "kestrel",
                "budgetType": "COST",
                "timeUnit": "MONTHLY",
                "budgetLimit": {"amount": self.place.size.budget_usd, "unit": "USD"},
            },
            notifications_with_subscribers=notices,
        )


def _anchor(name: str) -> str:
    return "dead-letters" if name.startswith("dead-letters-") else "failures" if name.startswith("failures-") else name


def _metric(watch: Watch) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace=watch.namespace,
        metric_name=watch.metric,
        statistic=watch.statistic,
        dimensions_map=dict(watch.dimensions),
        period=cdk.Duration.minutes(watch.minutes),
    )
