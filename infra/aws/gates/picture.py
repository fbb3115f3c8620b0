"""The picture of the AWS deployment, from its templates: a box per stack, and what of others it uses.

A line leads to a stack one row above; what lies farther off is named in the box, for a line would pass behind others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from html import escape
from types import MappingProxyType

from infra.aws.gates.templates import Templates

NAMES: Mapping[str, str] = MappingProxyType(
    {
        "AWS::EC2::VPC": "VPC",
        "AWS::EC2::NatGateway": "NAT gateway",
        "AWS::EC2::VPCEndpoint": "VPC endpoint",
        "AWS::EC2::NetworkAcl": "network ACL",
        "AWS::EC2::FlowLog": "flow log",
        "AWS::KMS::Key": "KMS key",
        "AWS::CloudTrail::Trail": "CloudTrail",
        "AWS::GuardDuty::Detector": "GuardDuty",
        "AWS::SecurityHub::Hub": "Security Hub",
        "AWS::Config::ConfigRule": "Config rule",
        "AWS::S3::Bucket": "S3 bucket",
        "AWS::SQS::Queue": "SQS queue",
        "AWS::SNS::Topic": "SNS topic",
        "AWS::ECR::Repository": "ECR repository",
        "AWS::RDS::DBInstance": "RDS Postgres",
        "AWS::RDS::DBProxy": "RDS Proxy",
        "AWS::DynamoDB::GlobalTable": "DynamoDB table",
        "AWS::SecretsManager::Secret": "secret",
        "AWS::Backup::BackupPlan": "Backup plan",
        "AWS::IoT::Policy": "IoT policy",
        "AWS::IoT::ProvisioningTemplate": "provisioning template",
        "AWS::IoT::RoleAlias": "role alias",
        "AWS::IoT::SecurityProfile": "Defender profile",
        "AWS::IoT::TopicRule": "IoT rule",
        "AWS::Lambda::Function": "Lambda",
        "AWS::ECS::Service": "ECS service",
        "AWS::KinesisFirehose::DeliveryStream": "Firehose",
        "AWS::Cognito::UserPool": "Cognito pool",
        "AWS::ApiGatewayV2::Api": "HTTP API",
        "AWS::ApiGatewayV2::VpcLink": "VPC link",
        "AWS::ElasticLoadBalancingV2::LoadBalancer": "load balancer",
        "AWS::WAFv2::WebACL": "WAF",
        "AWS::AutoScaling::AutoScalingGroup": "GPU machines",
        "AWS::StepFunctions::StateMachine": "state machine",
        "AWS::Bedrock::Guardrail": "Bedrock guardrail",
        "AWS::SageMaker::Pipeline": "SageMaker pipeline",
        "AWS::SageMaker::ModelPackageGroup": "model registry",
        "AWS::Glue::Table": "Glue table",
        "AWS::Athena::WorkGroup": "Athena workgroup",
        "AWS::QuickSight::Dashboard": "QuickSight dashboard",
        "AWS::CloudWatch::Alarm": "alarm",
        "AWS::CloudWatch::Dashboard": "dashboard",
        "AWS::Budgets::Budget": "budget",
    }
)
"""What is worth a line in a box; the rest is counted."""
_WIDTH, _GAP, _ROW, _LINE = 200, 36, 60, 15
_INK, _PAPER, _EDGE = "#1d2733", "#f6f8fa", "#9fb0c0"


def uses(templates: Templates) -> dict[str, set[str]]:
    """Return for each stack the stacks whose exports it imports."""
    exporters = {
        str(output["Export"]["Name"]): stack
        for stack, template in templates.stacks.items()
        for output in template.get("Outputs", {}).values()
        if "Export" in output
    }
    return {stack: set(_imports(template, exporters)) - {stack} for stack, template in templates.stacks.items()}


def _imports(node: object, exporters: Mapping[str, str]) -> list[str]:
    if isinstance(node, dict):
        own = node.get("Fn::ImportValue")
        if isinstance(own, str):
            return [exporters[own]]
        return [name for value in node.values() for name in _imports(value, exporters)]
    if isinstance(node, list):
        return [name for value in node for name in _imports(value, exporters)]
    return []


def _direct(found: dict[str, set[str]], stack: str) -> list[str]:
    """Return what a stack uses, less what another of these uses too: who draws all lines draws none that is seen."""
    implied = {name for used in found[stack] for name in _all(found, used)}
    return sorted(found[stack] - implied)


def _all(found: dict[str, set[str]], stack: str) -> set[str]:
    return found[stack].union(*(_all(found, used) for used in found[stack]))


def _levels(found: dict[str, set[str]]) -> list[list[str]]:
    """Return the stacks in rows, each after all that it uses."""
    rows: list[list[str]] = []
    placed: set[str] = set()
    while len(placed) < len(found):
        row = sorted(name for name in found if name not in placed and found[name] <= placed)
        rows.append(row)
        placed |= set(row)
    return rows


def _contents(templates: Templates, stack: str) -> list[str]:
    kinds = Counter(one.type for one in templates.all() if one.stack == stack)
    lines = [f"{kinds[kind]} × {name}" if kinds[kind] > 1 else name for kind, name in NAMES.items() if kinds[kind]]
    rest = sum(number for kind, number in kinds.items() if kind not in NAMES)
    return [*lines, f"and {rest} more"] if rest else lines


def _far(found: dict[str, set[str]], stack: str, above: list[str]) -> list[str]:
    """Return the line that names what a stack uses directly and no line can lead to; none where there is nothing."""
    names = [name.removeprefix("kestrel-") for name in _direct(found, stack) if name not in above]
    return [f"uses {', '.join(names)}"] if names else []


def svg(templates: Templates) -> str:
    """Return the picture."""
    found = uses(templates)
    corners: dict[str, tuple[int, int, int]] = {}
    boxes, y, width = [], 20, 0
    above: list[str] = []
    arrows = []
    for row in _levels(found):
        texts = {stack: _contents(templates, stack) + _far(found, stack, above) for stack in row}
        height = max(len(lines) for lines in texts.values()) * _LINE + 34
        for index, stack in enumerate(row):
            x = 20 + index * (_WIDTH + _GAP)
            corners[stack] = (x, y, len(texts[stack]) * _LINE + 34)
            boxes.append(_box(stack, texts[stack], corners[stack]))
            arrows += [_arrow(corners[used], corners[stack]) for used in _direct(found, stack) if used in above]
            width = max(width, x + _WIDTH + 20)
        y += height + _ROW
        above = row
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y - _ROW + 20}" font-family="sans-serif">'
    back = f'<rect width="{width}" height="{y - _ROW + 20}" fill="white"/>'
    return "\n".join([head, back, *arrows, *boxes, "</svg>"]) + "\n"


def _box(stack: str, lines: list[str], corner: tuple[int, int, int]) -> str:
    x, y, height = corner
    shape = f'<rect x="{x}" y="{y}" width="{_WIDTH}" height="{height}" rx="6" fill="{_PAPER}" stroke="{_EDGE}"/>'
    name = stack.removeprefix("kestrel-")
    title = f'<text x="{x + 12}" y="{y + 20}" font-size="14" font-weight="bold" fill="{_INK}">{escape(name)}</text>'
    rows = [
        f'<text x="{x + 12}" y="{y + 38 + index * _LINE}" font-size="11" fill="{_INK}">{escape(line)}</text>'
        for index, line in enumerate(lines)
    ]
    return "\n".join([shape, title, *rows])


def _arrow(used: tuple[int, int, int], user: tuple[int, int, int]) -> str:
    x1, y1 = used[0] + _WIDTH // 2, used[1] + used[2]
    x2, y2 = user[0] + _WIDTH // 2, user[1]
    middle = (y1 + y2) // 2
    return f'<path d="M{x1} {y1} C{x1} {middle} {x2} {middle} {x2} {y2}" fill="none" stroke="{_EDGE}"/>'
