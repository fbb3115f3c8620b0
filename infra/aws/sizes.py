"""The three sizes of a deployment. What differs between them stands here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

ENDPOINTS = (
    "ecr.api",
    "ecr.dkr",
    "logs",
    "sqs",
    "sns",
    "states",
    "kms",
    "secretsmanager",
    "bedrock-runtime",
    "ecs",
    "ecs-agent",
    "ecs-telemetry",
    "xray",
    "iot.api",
    "iot.data",
)
"""AWS services that the programs call, beside S3 and DynamoDB, whose endpoints cost nothing; ``iot.data`` is MQTT."""


WITHOUT_ENDPOINT: Mapping[str, str] = MappingProxyType(
    {
        "s3": "a gateway endpoint, which costs nothing",
        "dynamodb": "a gateway endpoint, which costs nothing",
        "rds": "nothing is called: a password is signed in the program itself",
    }
)
"""Services that the programs call and ``ENDPOINTS`` does not name, each with its reason."""
CALLED_AS: Mapping[str, str] = MappingProxyType({"stepfunctions": "states", "iot": "iot.api"})
"""SDK's name of a service -> its endpoint's, where they differ."""


class Size(NamedTuple):
    """What a deployment of one size consists of."""

    name: str
    drones: str
    zones: int
    nat_gateways: int
    interface_endpoints: tuple[str, ...]
    """Empty: those calls go out through the NAT gateway, still over TLS, which is cheaper for a handful of drones."""
    database_class: str
    database_storage_gb: int
    database_standby: bool
    """Multi-AZ; recovery within two minutes instead of a restore."""
    api_tasks: int
    api_tasks_most: int
    ingest_tasks: int
    worker_tasks: int
    gpu_tasks_most: int
    gpu_on_demand: int
    """GPU machines that are not Spot; 0 and an empty queue: no machine runs."""
    log_days: int
    evidence_days: int
    """How long video and manifests can be deleted by nobody."""
    budget_usd: int
    """Per month; an alarm at 80 % and at the forecast of 100 %."""
    quicksight: bool
    replica: bool
    """A second region holds a copy of the media and of the routes, and a read replica of the database."""
    accounts: bool
    """The audit trail lies in an account of the auditors; analysts come in by a role, from theirs."""


_PILOT = Size(
    name="pilot",
    drones="1-10",
    zones=2,
    nat_gateways=1,
    interface_endpoints=(),
    database_class="t4g.medium",
    database_storage_gb=50,
    database_standby=False,
    api_tasks=1,
    api_tasks_most=2,
    ingest_tasks=1,
    worker_tasks=1,
    gpu_tasks_most=2,
    gpu_on_demand=0,
    log_days=30,
    evidence_days=90,
    budget_usd=1_200,
    quicksight=False,
    replica=False,
    accounts=False,
)
_FLEET = _PILOT._replace(
    name="fleet",
    drones="100s",
    zones=3,
    nat_gateways=3,
    interface_endpoints=ENDPOINTS,
    database_class="r7g.xlarge",
    database_storage_gb=500,
    database_standby=True,
    api_tasks=3,
    api_tasks_most=12,
    ingest_tasks=3,
    worker_tasks=2,
    gpu_tasks_most=16,
    gpu_on_demand=1,
    log_days=90,
    evidence_days=365,
    budget_usd=16_000,
    quicksight=True,
)
_ENTERPRISE = _FLEET._replace(
    name="enterprise",
    drones="1000s, several regions",
    database_class="r7g.4xlarge",
    database_storage_gb=2_000,
    api_tasks=6,
    api_tasks_most=40,
    ingest_tasks=6,
    worker_tasks=6,
    gpu_tasks_most=64,
    gpu_on_demand=4,
    log_days=365,
    evidence_days=2_555,
    budget_usd=100_000,
    replica=True,
    accounts=True,
)
SIZES: Mapping[str, Size] = MappingProxyType({size.name: size for size in (_PILOT, _FLEET, _ENTERPRISE)})
