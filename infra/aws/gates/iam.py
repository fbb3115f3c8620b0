"""The IAM gate: every policy and every trust in the templates, against the rules of the house."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from infra.aws.gates.templates import Resource, Templates, listed
from infra.aws.rights import BOUNDARY, TRUSTED_WITHOUT_SOURCE, UNSCOPED

Statement = dict[str, Any]


def findings(templates: Templates) -> list[str]:
    """Return what is wrong, each as ``stack/resource: sentence``."""
    found: list[str] = []
    for resource, statement in statements(templates):
        found += [f"{resource.where}: {said}" for said in _of_statement(statement)]
    for role in templates.all("AWS::IAM::Role"):
        found += [f"{role.where}: {said}" for said in _of_role(role)]
    return found


def statements(templates: Templates) -> Iterator[tuple[Resource, Statement]]:
    """Yield every statement of every identity policy, the boundary's excepted: it grants nothing."""
    for resource in templates.all("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::Role"):
        documents = [resource.properties.get("PolicyDocument")]
        documents += [policy.get("PolicyDocument") for policy in resource.properties.get("Policies", [])]
        if resource.properties.get("ManagedPolicyName") == BOUNDARY:
            continue
        for document in documents:
            for statement in listed((document or {}).get("Statement")):
                yield resource, statement


def _of_statement(statement: Statement) -> Iterator[str]:
    if statement.get("Effect") != "Allow":
        return
    if "NotAction" in statement or "NotResource" in statement:
        yield "grants by exclusion (NotAction, NotResource): nobody can say what that is"
    actions = [str(action) for action in listed(statement.get("Action"))]
    for action in actions:
        if action == "*" or action.endswith(":*"):
            yield f"action {action} grants a whole service"
    if "*" in listed(statement.get("Resource")):
        scoped = [action for action in actions if action not in UNSCOPED]
        if scoped and "ecs:cluster" not in json.dumps(statement.get("Condition", {})):
            yield f"resource * for {', '.join(scoped)}, which can be given on one resource"
    if "iam:PassRole" in actions and "iam:PassedToService" not in json.dumps(statement.get("Condition", {})):
        yield "iam:PassRole without iam:PassedToService: the role could be given to any service"


def _of_role(role: Resource) -> Iterator[str]:
    for statement in listed(role.properties.get("AssumeRolePolicyDocument", {}).get("Statement")):
        principal = statement.get("Principal", {})
        if principal == "*" or (isinstance(principal, dict) and "*" in listed(principal.get("AWS"))):
            yield "anybody may take this role"
            continue
        if "AWS" in principal and "aws:MultiFactorAuthPresent" not in json.dumps(statement.get("Condition", {})):
            yield "people of another account may take it without a second factor"
        services = {str(name) for name in listed(principal.get("Service"))}
        condition = json.dumps(statement.get("Condition", {}))
        if services - set(TRUSTED_WITHOUT_SOURCE) and "aws:SourceA" not in condition:
            yield f"{', '.join(sorted(services))} may take it for any account: no aws:SourceAccount"
    if "PermissionsBoundary" not in role.properties:
        yield "has no permissions boundary"
