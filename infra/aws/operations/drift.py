"""Drift: what was changed by hand since the stacks were deployed, less what services change by design."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from contracts.errors import Unavailable
from infra.aws.operations.account import Account, until

BY_DESIGN = {
    "AWS::ElasticLoadBalancingV2::ListenerRule": "ECS turns it over with each release of the API",
    "AWS::ECS::Service": "its number of tasks follows the load",
    "AWS::AutoScaling::AutoScalingGroup": "its number of machines follows the backlog",
}
_FREE = {
    "AWS::ElasticLoadBalancingV2::ListenerRule": ("/Actions/",),
    "AWS::ECS::Service": ("/DesiredCount",),
    "AWS::AutoScaling::AutoScalingGroup": ("/DesiredCapacity",),
}


class Drift(NamedTuple):
    """One resource that is not as its template says."""

    stack: str
    resource: str
    how: str
    """``MODIFIED``, ``DELETED``, and which properties."""


def drifts(account: Account, stacks: Sequence[str]) -> list[Drift]:
    """Ask CloudFormation about each stack; this takes minutes.

    Raises:
        Unavailable: A detection failed or does not end.

    """
    found: list[Drift] = []
    for stack in stacks:
        _detect(account, stack)
        for row in _rows(account, stack):
            changed = [str(one["PropertyPath"]) for one in row.get("PropertyDifferences", [])]
            free = _FREE.get(row["ResourceType"], ())
            meant = [path for path in changed if not path.startswith(free)] if free else changed
            if row["StackResourceDriftStatus"] == "DELETED" or meant:
                how = f"{row['StackResourceDriftStatus']} {' '.join(meant)}".strip()
                found.append(Drift(stack, str(row["LogicalResourceId"]), how))
    return found


def _rows(account: Account, stack: str) -> Iterator[dict[str, Any]]:
    """Yield what differs; boto3 has no paginator for this call."""
    said: dict[str, Any] = {"StackName": stack, "StackResourceDriftStatusFilters": ["MODIFIED", "DELETED"]}
    while True:
        page = account.cloudformation.describe_stack_resource_drifts(**said)
        yield from page["StackResourceDrifts"]
        if not page.get("NextToken"):
            return
        said["NextToken"] = page["NextToken"]


def _detect(account: Account, stack: str) -> None:
    number = account.cloudformation.detect_stack_drift(StackName=stack)["StackDriftDetectionId"]

    def state() -> str:
        said = account.cloudformation.describe_stack_drift_detection_status(StackDriftDetectionId=number)
        return str(said["DetectionStatus"])

    ends = {"DETECTION_COMPLETE", "DETECTION_FAILED"}
    if until(account, state, ends, every_s=5, times=240, what=f"drift of {stack}") == "DETECTION_FAILED":
        # Types that know no drift fail the whole; what could be compared is described all the same.
        said = account.cloudformation.describe_stack_drift_detection_status(StackDriftDetectionId=number)
        if "StackDriftStatus" not in said:
            raise Unavailable(f"Drift of {stack}: {said.get('DetectionStatusReason', 'no reason given')}.")
