"""AWS's OpenTelemetry collector beside a program: it takes the spans over loopback and gives them to X-Ray.

The program lives without it: the collector is not essential, and spans that nobody takes are dropped.
"""

from __future__ import annotations

import json

from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs

IMAGE = "public.ecr.aws/aws-observability/aws-otel-collector:v0.43.3"
NAME = "traces"
_PORT = 4318
_USER = "10001"
CONFIG = {
    "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"127.0.0.1:{_PORT}"}}}},
    "processors": {"memory_limiter": {"check_interval": "1s", "limit_mib": 100}, "batch": {"timeout": "5s"}},
    "exporters": {"awsxray": {"indexed_attributes": ["drone_id", "flight_id", "segment_id"]}},
    "service": {
        "pipelines": {
            "traces": {"receivers": ["otlp"], "processors": ["memory_limiter", "batch"], "exporters": ["awsxray"]}
        }
    },
}
"""JSON is YAML. Our trace ids are hashes without a time in them (decision 0025), which X-Ray takes since 2023."""
_ACTIONS = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]


def collect(task: ecs.TaskDefinition, program: ecs.ContainerDefinition, variable: str, group: logs.ILogGroup) -> None:
    """Put the collector into a task, let the task's role write traces, and tell the program by ``variable``."""
    task.add_container(
        NAME.title(),
        container_name=NAME,
        image=ecs.ContainerImage.from_registry(IMAGE),
        essential=False,
        cpu=64,
        memory_limit_mib=128,
        user=_USER,
        readonly_root_filesystem=True,
        environment={"AOT_CONFIG_CONTENT": json.dumps(CONFIG)},
        logging=ecs.LogDriver.aws_logs(stream_prefix=NAME, log_group=group, mode=ecs.AwsLogDriverMode.NON_BLOCKING),
    )
    task.task_role.add_to_principal_policy(iam.PolicyStatement(actions=_ACTIONS, resources=["*"]))
    program.add_environment(variable, f"http://127.0.0.1:{_PORT}/v1/traces")
