"""Small functions of Python beside the platform: each with a log, a role of its own and its folder of functions/."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as functions
from constructs import Construct

from infra.aws.ground import log_group, service_role
from infra.aws.place import Place

_CODE = Path(__file__).resolve().parent / "functions"


class Task(NamedTuple):
    """What a function is for. ``name``: its folder, and after ``kestrel-`` its name on AWS."""

    name: str
    description: str
    timeout_s: int = 60
    at_once: int = 1
    """Concurrent runs that are reserved for it."""


def small_function(  # noqa: PLR0913 - what a function stands on, one parameter each
    scope: Construct,
    ids: tuple[str, str, str],
    task: Task,
    rights: Iterable[iam.PolicyStatement],
    *,
    key: kms.IKey,
    place: Place,
    environment: Mapping[str, str] | None = None,
) -> functions.Function:
    """Return a function; ``ids`` are those of its log, its role and itself: they name deployed resources."""
    log_id, role_id, function_id = ids
    group = log_group(scope, log_id, task.name, key, place)
    role = service_role(scope, role_id, "lambda.amazonaws.com", place)
    for right in rights:
        role.add_to_policy(right)
    group.grant_write(role)
    return functions.Function(
        scope,
        function_id,
        function_name=f"kestrel-{task.name}",
        description=task.description,
        runtime=functions.Runtime.PYTHON_3_14,
        architecture=functions.Architecture.ARM_64,
        handler="index.handler",
        code=functions.Code.from_asset(str(_CODE / task.name), exclude=["__pycache__"]),
        timeout=cdk.Duration.seconds(task.timeout_s),
        memory_size=256,
        reserved_concurrent_executions=task.at_once,
        environment=dict(environment) if environment else None,
        environment_encryption=key,
        role=role,
        log_group=group,
    )
