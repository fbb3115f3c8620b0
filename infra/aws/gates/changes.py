"""What a change of the code would do to a deployment, without an account: templates of before against those of now.

Which property makes CloudFormation replace a resource stands in each type's own schema (``createOnlyProperties``),
which cfn-lint brings along. A replacement or deletion of something that remembers is refused unless it is in the list.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from infra.aws.gates import nag, snapshot
from infra.aws.gates.templates import Templates

ACCEPTED = Path(__file__).parent / "accepted-changes.yaml"
REGION = "eu-central-1"
ADDED, CHANGED, MAYBE, REPLACED, DELETED = "added", "changed", "may be replaced", "replaced", "deleted"
_ORDER = (DELETED, REPLACED, MAYBE, CHANGED, ADDED)
REMEMBERS = frozenset(
    {
        "AWS::Backup::BackupVault",
        "AWS::CloudTrail::Trail",
        "AWS::Cognito::UserPool",
        "AWS::DynamoDB::GlobalTable",
        "AWS::DynamoDB::Table",
        "AWS::ECR::Repository",
        "AWS::Glue::Database",
        "AWS::IoT::ProvisioningTemplate",
        "AWS::IoT::RoleAlias",
        "AWS::IoT::ThingType",
        "AWS::KMS::Key",
        "AWS::Logs::LogGroup",
        "AWS::RDS::DBInstance",
        "AWS::S3::Bucket",
        "AWS::SQS::Queue",
        "AWS::SageMaker::ModelPackageGroup",
        "AWS::SecretsManager::Secret",
    }
)
"""Types whose replacement loses something, or what the drones and people hold of them."""


class Change(NamedTuple):
    """What would happen to one resource."""

    size: str
    what: str
    where: str
    type: str
    properties: tuple[str, ...] = ()

    @property
    def grave(self) -> bool:
        """Return whether something that remembers would be lost."""
        return self.what in {REPLACED, DELETED} and self.type in REMEMBERS

    @property
    def text(self) -> str:
        """Return it as a line."""
        told = f" ({', '.join(self.properties)})" if self.properties else ""
        return f"{self.what:<15} {self.type} {self.where}{told}"


def between(before: Templates, now: Templates, size: str) -> list[Change]:
    """Return what a deployment would change in one size, the gravest first."""
    olds = {one.where: one for one in before.all()}
    news = {one.where: one for one in now.all()}
    found = [Change(size, ADDED, where, one.type) for where, one in news.items() if where not in olds]
    found += [Change(size, DELETED, where, one.type) for where, one in olds.items() if where not in news]
    for where, new in news.items():
        old = olds.get(where)
        if old is None:
            continue
        if old.type != new.type:
            found.append(Change(size, DELETED, where, old.type))
            continue
        names = _differing(old.properties, new.properties, before, now, new.stack)
        if names:
            found.append(Change(size, _effect(new.type, names), where, new.type, names))
    return sorted(found, key=lambda one: (_ORDER.index(one.what), one.where))


def _differing(
    old: Mapping[str, Any], new: Mapping[str, Any], before: Templates, now: Templates, stack: str
) -> tuple[str, ...]:
    """Return the properties whose values differ, references to other stacks followed."""

    def same(name: str) -> bool:
        return bool(snapshot.plain(before, old.get(name), stack) == snapshot.plain(now, new.get(name), stack))

    return tuple(sorted(name for name in {*old, *new} if not same(name)))


def _effect(kind: str, names: Iterable[str]) -> str:
    always, sometimes = _replacing(kind)
    if always & set(names):
        return REPLACED
    return MAYBE if sometimes & set(names) else CHANGED


@cache
def _replacing(kind: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return the properties of a type that cannot be changed, and those that sometimes cannot."""
    from cfnlint.schema import PROVIDER_SCHEMA_MANAGER  # noqa: PLC0415 - reads a folder of schemas when imported

    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, kind).schema
    found = (schema.get("createOnlyProperties"), schema.get("conditionalCreateOnlyProperties"))
    always, sometimes = (frozenset(_named(paths or ())) for paths in found)
    return always, sometimes


def _named(paths: Iterable[str]) -> Iterator[str]:
    """Yield the top properties; a part of one that cannot be changed is the property's own affair."""
    return (path.split("/")[2] for path in paths if path.count("/") == 2)


def acceptances() -> list[nag.Acceptance]:
    """Return what may be lost, each with its reason."""
    return nag.acceptances(ACCEPTED)


def refused(changes: Iterable[Change], rows: Iterable[nag.Acceptance]) -> list[Change]:
    """Return what would lose something and stands in no row: ``rule`` is what happens, ``where`` the resource."""
    rows = list(rows)
    return [
        one for one in changes if one.grave and not any(row.takes(nag.Finding(one.what, one.where, "")) for row in rows)
    ]


def table(changes: Iterable[Change]) -> list[str]:
    """Return the changes as lines; one that several sizes have in common is said once."""
    sizes: dict[Change, list[str]] = {}
    for one in changes:
        sizes.setdefault(one._replace(size=""), []).append(one.size)
    ordered = sorted(sizes.items(), key=lambda row: (_ORDER.index(row[0].what), row[0].where))
    return [f"{'!' if one.grave else ' '} {one.text}  [{', '.join(found)}]" for one, found in ordered]
