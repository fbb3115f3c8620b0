"""The same templates on an emulator: cut to what it knows, deployed in order, and said what was cut.

Not a copy of the templates: resources of unknown types are taken out, and what refers to them gets a placeholder.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from typing import Any, NamedTuple, Protocol

from infra.aws.gates.templates import Templates

ORDER = (
    "security",
    "network",
    "storage",
    "data",
    "iot",
    "ingest",
    "api",
    "vision",
    "workflow",
    "ml",
    "insight",
    "observe",
)
_GONE = "not-in-the-emulator"
_GONE_ADDRESS = f"arn:aws:none:none:000000000000:{_GONE}:{_GONE}"
"""Addresses are taken apart by their colons."""
Node = Any


class Cut(NamedTuple):
    """A template that the emulator can take, and the types that it cannot."""

    template: dict[str, Any]
    dropped: tuple[str, ...]


def cut(template: dict[str, Any], supported: Collection[str]) -> Cut:
    """Return a template without resources of unknown types; references to them become a placeholder."""
    resources = template["Resources"]
    gone = {name for name, one in resources.items() if one["Type"] not in supported or _is_metric_math(one)}
    kept = {name: _placed(one, gone) for name, one in resources.items() if name not in gone}
    for one in kept.values():
        if "DependsOn" in one:
            one["DependsOn"] = [name for name in _names(one["DependsOn"]) if name not in gone]
    whole = {key: value for key, value in template.items() if key not in {"Rules", "Transform", "Resources", "Outputs"}}
    outputs = _placed(template.get("Outputs", {}), gone)
    # Machine images are looked up in a public parameter that no emulator has.
    for parameter in whole.get("Parameters", {}).values():
        if "::Image::Id" in parameter["Type"]:
            parameter |= {"Type": "String", "Default": _GONE}
    dropped = tuple(sorted(str(resources[name]["Type"]) for name in gone))
    return Cut({**whole, "Resources": kept, "Outputs": outputs}, dropped)


def _is_metric_math(resource: dict[str, Any]) -> bool:
    """Return whether this is an alarm on a formula, the one property that the emulator refuses by itself."""
    return resource["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in resource.get("Properties", {})


def _names(value: object) -> list[str]:
    return [value] if isinstance(value, str) else [str(name) for name in value] if isinstance(value, list) else []


def _placed(node: Node, gone: Collection[str]) -> Node:
    if isinstance(node, dict):
        if node.get("Ref") in gone and len(node) == 1:
            return _GONE
        target = node.get("Fn::GetAtt")
        if isinstance(target, list) and target[0] in gone:
            return _GONE_ADDRESS if str(target[1]).endswith("Arn") else _GONE
        return {key: _placed(value, gone) for key, value in node.items()}
    if isinstance(node, list):
        return [_placed(value, gone) for value in node]
    return node


class CloudFormation(Protocol):
    """The part of CloudFormation's client that a rehearsal calls."""

    def create_stack(self, **said: Any) -> Any:
        """Begin to create a stack."""

    def describe_stacks(self, **said: Any) -> Any:
        """Describe stacks."""

    def describe_stack_events(self, **said: Any) -> Any:
        """Return what happened in a stack."""


class Outcome(NamedTuple):
    """How the deployment of one stack ended."""

    stack: str
    status: str
    created: int
    dropped: tuple[str, ...]
    failures: tuple[str, ...]


class Desk(NamedTuple):
    """What a rehearsal works with."""

    client: CloudFormation
    supported: Collection[str]
    """Types of resources that the emulator knows."""
    publish: Callable[[str, str], str]
    """Store a template by name and return its address: a request holds only 51,200 bytes, as on AWS."""
    wait: Callable[[], None]


def deploy(desk: Desk, templates: Templates) -> list[Outcome]:
    """Create every stack in order; a stack that fails does not stop the others."""
    return [_deploy(desk, f"kestrel-{name}", templates) for name in ORDER]


def _deploy(desk: Desk, stack: str, templates: Templates) -> Outcome:
    part = cut(templates.stacks[stack], desk.supported)
    client, wait = desk.client, desk.wait
    address = desk.publish(stack, json.dumps(part.template))
    client.create_stack(StackName=stack, TemplateURL=address, Capabilities=["CAPABILITY_NAMED_IAM"])
    while (status := _status(client, stack)).endswith("IN_PROGRESS"):
        wait()
    events = client.describe_stack_events(StackName=stack)["StackEvents"]
    failures = tuple(
        f"{one['LogicalResourceId']} ({one['ResourceType']}): {one.get('ResourceStatusReason', '')}"
        for one in events
        if "FAILED" in one["ResourceStatus"]
    )
    return Outcome(stack, status, len(part.template["Resources"]), part.dropped, failures)


def _status(client: CloudFormation, stack: str) -> str:
    return str(client.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"])
