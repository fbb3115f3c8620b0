"""What a deployment costs a month: quantities counted in its templates, times list prices; and what use adds.

No price is looked up: they stand here with where they are from. us-east-1; eu-central-1 is some 10 to 20 % dearer.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from infra.aws.gates.templates import Templates, listed
from infra.aws.place import Place

HOURS = 730
_SEEN = "AWS price list, seen 2026-08"
_TOLD = "several public projects' cost notes, read 2026-11; AWS's own list not seen"
_MOVES = "no list: Spot moves by the hour; less than half of on demand is assumed"


def _by(who: str, when: str) -> str:
    return f"{who}, as of {when}, read 2026-11"


class Price(NamedTuple):
    """One list price."""

    usd: float
    per: str
    source: str


PRICES: Mapping[str, Price] = MappingProxyType(
    {
        "NAT gateway": Price(0.045, "hour", _SEEN),
        "interface endpoint": Price(0.01, "hour and zone", _SEEN),
        "database t4g.medium": Price(0.065, "hour", _SEEN),
        "database r7g.xlarge": Price(0.478, "hour", _TOLD),
        "database r7g.4xlarge": Price(1.914, "hour", "from memory; four times r7g.xlarge is 1.912"),
        "database storage": Price(0.115, "GB and month", _SEEN),
        "database proxy": Price(0.015, "vCPU and hour", _TOLD),
        "Fargate vCPU (Arm)": Price(0.03238, "hour", "vantage.sh, read 2026-11"),
        "Fargate memory (Arm)": Price(0.00356, "GB and hour", "vantage.sh, read 2026-11"),
        "load balancer": Price(0.0225, "hour", _by("cloud-horizons.com", "2026-05")),
        "GPU machine g6.xlarge": Price(0.8048, "hour", _SEEN),
        "GPU machine g6.xlarge, Spot": Price(0.35, "hour", _MOVES),
        "key": Price(1.0, "month", _by("cloudburn.io", "2026-03")),
        "secret": Price(0.40, "month", _TOLD),
        "alarm": Price(0.10, "month", _TOLD),
        "dashboard": Price(3.0, "month", _by("factualminds.com", "2026-06")),
        "firewall": Price(5.0, "month", "c3x.dev and awsnegotiations.com, read 2026-11"),
        "firewall rule": Price(1.0, "month", "c3x.dev and awsnegotiations.com, read 2026-11"),
        "S3 Standard": Price(0.023, "GB and month", _by("costnimbus.com", "2026-03")),
        "S3 Infrequent Access": Price(0.0125, "GB and month", _by("costnimbus.com", "2026-03")),
        "S3 Glacier Instant Retrieval": Price(0.004, "GB and month", _by("costnimbus.com", "2026-03")),
        "MQTT messages (5 KB)": Price(1.0, "million", _TOLD),
        "model tokens in": Price(3.0, "million", _SEEN),
        "model tokens out": Price(15.0, "million", _SEEN),
        "logs": Price(0.50, "GB", _by("factualminds.com", "2026-06")),
        "QuickSight author": Price(24.0, "month", _SEEN),
        "QuickSight reader": Price(3.0, "month", _SEEN),
    }
)


class Use(NamedTuple):
    """What a size is used for in a month."""

    drones: int
    inspections: int
    readers: int


USES: Mapping[str, Use] = MappingProxyType(
    {"pilot": Use(10, 600, 0), "fleet": Use(200, 12_000, 20), "enterprise": Use(2_000, 120_000, 100)}
)
GB_PER_INSPECTION, GPU_HOURS_PER_INSPECTION, FLIGHT_HOURS_PER_INSPECTION = 4.0, 0.42, 0.5
TOKENS_IN_PER_INSPECTION, TOKENS_OUT_PER_INSPECTION = 15_000, 1_500
LOGS_GB_PER_INSPECTION = 0.05
IDLE_AGREED_USD: Mapping[str, float] = MappingProxyType({"pilot": 250, "fleet": 2_100, "enterprise": 10_000})
"""What a deployment may cost without a single flight; ten percent more fails the check."""


class Line(NamedTuple):
    """One line of the bill."""

    name: str
    quantity: float
    usd: float
    idle: bool


def _line(name: str, quantity: float, hours: float = 1, *, idle: bool = True) -> Line:
    return Line(name, quantity, quantity * hours * PRICES[name].usd, idle)


def idle_lines(templates: Templates) -> list[Line]:
    """Return what is paid for without a flight, counted in the templates."""

    def count(kind: str) -> int:
        return sum(1 for _ in templates.all(kind))

    endpoints = sum(
        len(listed(one.properties.get("SubnetIds")))
        for one in templates.all("AWS::EC2::VPCEndpoint")
        if one.properties.get("VpcEndpointType") == "Interface"
    )
    rules = sum(len(acl.properties.get("Rules", [])) for acl in templates.all("AWS::WAFv2::WebACL"))
    lines = [
        _line("NAT gateway", count("AWS::EC2::NatGateway"), HOURS),
        _line("interface endpoint", endpoints, HOURS),
        _line("load balancer", count("AWS::ElasticLoadBalancingV2::LoadBalancer"), HOURS),
        _line("key", count("AWS::KMS::Key")),
        _line("secret", count("AWS::SecretsManager::Secret")),
        _line("alarm", count("AWS::CloudWatch::Alarm")),
        _line("dashboard", count("AWS::CloudWatch::Dashboard")),
        _line("firewall", count("AWS::WAFv2::WebACL")),
        _line("firewall rule", rules),
    ]
    return [line for line in [*lines, *_databases(templates), *_tasks(templates)] if line.quantity]


def _databases(templates: Templates) -> list[Line]:
    lines, storage_gb = [], 0.0
    for one in templates.all("AWS::RDS::DBInstance"):
        copies = 2 if one.properties.get("MultiAZ") else 1
        name = f"database {str(one.properties['DBInstanceClass']).removeprefix('db.')}"
        lines.append(_line(name, copies, HOURS))
        # A replica has no size of its own: it is as big as the one it follows.
        storage_gb = float(one.properties.get("AllocatedStorage", storage_gb))
        lines.append(_line("database storage", storage_gb * copies))
    vcpus = {"t4g.medium": 2, "r7g.xlarge": 4, "r7g.4xlarge": 16}
    for _ in templates.all("AWS::RDS::DBProxy"):
        lines.append(_line("database proxy", vcpus[lines[0].name.removeprefix("database ")], HOURS))
    return lines


def _tasks(templates: Templates) -> list[Line]:
    """Return the price of the tasks that always run; the GPU machines' base is among them."""
    shapes = {one.where: one.properties for one in templates.all("AWS::ECS::TaskDefinition")}
    vcpu = memory_gb = 0.0
    for service in templates.all("AWS::ECS::Service"):
        shape = shapes[templates.resolved(service.properties["TaskDefinition"], service.stack)]
        if "FARGATE" in shape.get("RequiresCompatibilities", []):
            tasks = int(service.properties.get("DesiredCount", 1))
            vcpu += tasks * int(shape["Cpu"]) / 1024
            memory_gb += tasks * int(shape["Memory"]) / 1024
    machines = sum(int(one.properties["MinSize"]) for one in templates.all("AWS::AutoScaling::AutoScalingGroup"))
    return [
        _line("Fargate vCPU (Arm)", vcpu, HOURS),
        _line("Fargate memory (Arm)", memory_gb, HOURS),
        _line("GPU machine g6.xlarge", machines, HOURS),
    ]


def use_lines(place: Place) -> list[Line]:
    """Return what the flights of a month cost, with a year's video in the store."""
    use = USES[place.size.name]
    monthly_gb = use.inspections * GB_PER_INSPECTION
    messages = use.inspections * FLIGHT_HOURS_PER_INSPECTION * 3600 * 2 / 1e6
    gpu_hours = max(0.0, use.inspections * GPU_HOURS_PER_INSPECTION - place.size.gpu_on_demand * HOURS)
    rows = [
        ("S3 Standard", monthly_gb),
        ("S3 Infrequent Access", monthly_gb * 5),
        ("S3 Glacier Instant Retrieval", monthly_gb * 6),
        ("GPU machine g6.xlarge, Spot", gpu_hours),
        ("MQTT messages (5 KB)", messages),
        ("model tokens in", use.inspections * TOKENS_IN_PER_INSPECTION / 1e6),
        ("model tokens out", use.inspections * TOKENS_OUT_PER_INSPECTION / 1e6),
        ("logs", use.inspections * LOGS_GB_PER_INSPECTION),
        ("QuickSight author", 2 if place.size.quicksight else 0),
        ("QuickSight reader", use.readers),
    ]
    return [_line(name, quantity, idle=False) for name, quantity in rows if quantity]


def findings(templates: Templates, place: Place) -> list[str]:
    """Return what is dearer than agreed."""
    idle = sum(line.usd for line in idle_lines(templates))
    total = idle + sum(line.usd for line in use_lines(place))
    agreed = IDLE_AGREED_USD[place.size.name]
    found = []
    if idle > agreed * 1.1:
        found.append(f"without a flight {idle:,.0f} USD a month, agreed are {agreed:,.0f}")
    if total > place.size.budget_usd:
        found.append(f"in use {total:,.0f} USD a month, the budget is {place.size.budget_usd:,.0f}")
    return found


def page(bills: Mapping[str, tuple[Templates, Place]]) -> str:
    """Return docs/cost.md."""
    text = [
        "# What it costs on AWS",
        "",
        "Written by `python -m infra.aws cost` from the templates of the three sizes and the list prices below",
        "(us-east-1, USD; eu-central-1 is some 10 to 20 % dearer). Idle is counted in the templates; use is a model:",
        f"an inspection is {GB_PER_INSPECTION:g} GB of video, {GPU_HOURS_PER_INSPECTION:g} GPU hours, half an hour of",
        f"telemetry and {TOKENS_IN_PER_INSPECTION:,} tokens to the model. The store holds a year of video (30 days",
        "Standard, five months Infrequent Access, then Glacier Instant Retrieval). No real bill was at hand.",
    ]
    for size, (templates, place) in bills.items():
        text += ["", *_bill(size, templates, place)]
    text += [
        "",
        "## What drives it",
        "",
        *_DRIVERS,
        "",
        "## Prices",
        "",
        "| what | USD | per | from |",
        "|---|--:|---|---|",
    ]
    text += [f"| {name} | {price.usd:g} | {price.per} | {price.source} |" for name, price in PRICES.items()]
    text += ["", _LEFT_OUT]
    return "\n".join(text) + "\n"


def _plain(quantity: float) -> str:
    return f"{quantity:,.0f}" if quantity >= 1000 else f"{quantity:,.4g}"


def _bill(size: str, templates: Templates, place: Place) -> list[str]:
    use = USES[size]
    lines = [*idle_lines(templates), *use_lines(place)]
    idle, total = sum(line.usd for line in lines if line.idle), sum(line.usd for line in lines)
    head = f"## {size}: {use.drones:,} drones, {use.inspections:,} inspections a month"
    rows = [
        f"| {line.name} | {_plain(line.quantity)} | {line.usd:,.0f} | {'' if line.idle else 'use'} |" for line in lines
    ]
    text = f"**Idle {idle:,.0f} USD, in use {total:,.0f} USD a month**; {total / use.inspections:,.2f} an inspection."
    return [head, "", text, "", "| what | quantity | USD a month | |", "|---|--:|--:|---|", *rows]


_DRIVERS = [
    "- **Video** grows every month: how long it is kept and how soon it becomes cold decide the bill.",
    "- **GPU hours** follow the flights; Spot is less than half the price; without a backlog no machine runs (pilot).",
    "- **Interface endpoints** cost in every zone, used or not; the pilot has none and uses its NAT gateway.",
    "- **The standby** doubles the database; the pilot restores from backup instead.",
]
_LEFT_OUT = """\
Not counted: traffic out to the internet, requests to S3 and KMS, GuardDuty, CloudTrail, Config and Security Hub (they
follow the number of events), backups, DynamoDB, Step Functions, copying to a second region. For a pilot they are some
tens of dollars together; an enterprise should ask AWS for a quotation."""
