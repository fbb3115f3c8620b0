"""The IAM gate: every policy and every trust in the templates, against the rules of the house."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from infra.aws.gates.templates import Resource, Templates, listed
from infra.aws.rights import BOUNDARY, STARS, TRUSTED_WITHOUT_SOURCE, UNSCOPED

Statement = dict[str, Any]
_POLICY_OF = re.compile(r"(?P<role>.+?)(?:DefaultPolicy)?[0-9A-F]{8}")
"""The CDK names a role's policy after the role, with eight digits behind."""


def findings(templates: Templates) -> list[str]:
    """Return what is wrong, each as ``stack/resource: sentence``."""
    found: list[str] = []
    for resource, statement in statements(templates):
        found += [f"{resource.where}: {said}" for said in _of_statement(statement)]
    for role in templates.all("AWS::IAM::Role"):
        found += [f"{role.where}: {said}" for said in _of_role(role)]
    return [*found, *_of_stars(templates)]


def stars(templates: Templates) -> dict[str, set[str]]:
    """Return what each role may do on every resource, by the role's name in its template."""
    found: dict[str, set[str]] = defaultdict(set)
    for resource, statement in statements(templates):
        if statement.get("Effect") == "Allow" and "*" in listed(statement.get("Resource")):
            named = _POLICY_OF.fullmatch(resource.where)
            found[named["role"] if named else resource.where] |= {str(one) for one in listed(statement.get("Action"))}
    return found


def _of_stars(templates: Templates) -> Iterator[str]:
    """Compare the stars of the templates with the table of those that are meant, in both directions."""
    found = stars(templates)
    for role in sorted({*found, *STARS}):
        given, meant = found.get(role, set()), set(STARS.get(role, ()))
        for action in sorted(given - meant):
            yield f"{role}: {action} on resource *, which rights.STARS does not give it"
        for action in sorted(meant - given):
            yield f"{role}: rights.STARS gives it {action} on resource *, and no statement does: take it out there"


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
        if scoped:
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
