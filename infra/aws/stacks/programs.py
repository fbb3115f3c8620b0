"""One program of the platform as a service on Fargate: its role, its container, its log, its number of tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from infra.aws.ground import PlacedStack, log_group, service_role, statements
from infra.aws.place import Place
from infra.aws.rights import programs
from infra.aws.stacks import traces
from infra.aws.stacks.data import DATABASE, DATABASE_USER, DataStack
from infra.aws.stacks.fences import POSTGRES
from infra.aws.stacks.network import NetworkStack
from infra.aws.stacks.security import SecurityStack
from infra.aws.stacks.storage import StorageStack

USER = "10001"
API_PORT = 8000
_SCRATCH = ("/run/kestrel", "/tmp")  # noqa: S108 - the task's own, in a container whose root cannot be written
CA_FILE = "/etc/ssl/certs/ca-certificates.crt"


class Floor(NamedTuple):
    """The stacks that every program stands on."""

    network: NetworkStack
    security: SecurityStack
    storage: StorageStack
    data: DataStack


class Shape(NamedTuple):
    """What a program runs as."""

    command: tuple[str, ...]
    cpu: int = 512
    memory_mib: int = 1024
    environment: Mapping[str, str] = {}
    secrets: tuple[str, ...] = ()
    """Names of ``DataStack.secrets`` that the program reads; the container's start turns them into files."""


def _keys(floor: Floor) -> dict[str, kms.IKey]:
    own = floor.security
    return {"media": own.media_key, "queues": own.queues_key, "data": own.data_key}


def task_role(scope: Construct, name: str, place: Place, floor: Floor) -> iam.Role:
    """Return the role of a program: the rights of ``infra.aws.rights`` and the keys of what they reach."""
    program = programs(place)[name]
    tasks = place.arn("ecs", "*")
    role = service_role(scope, "TaskRole", "ecs-tasks.amazonaws.com", place, source=tasks)
    for statement in statements(program.rights):
        role.add_to_policy(statement)
    if program.keys:
        found = _keys(floor)
        addresses = [found[key].key_arn for key in program.keys]
        role.add_to_policy(iam.PolicyStatement(actions=["kms:Decrypt", "kms:GenerateDataKey"], resources=addresses))
    return role


DATABASE_SECRET = "database"  # noqa: S105 - a name
"""Only the restore drill's: every other task signs in at the proxy with its role."""
_PULL = ["ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"]
_AGENT = "arn:aws:ecr:{region}:*:repository/aws-guardduty-agent-fargate"
"""The image that GuardDuty puts beside each task to watch it; AWS keeps it in an account of its own in each region."""
_SECRET_FIELDS = {
    DATABASE_SECRET: {"KESTREL_DATABASE_PASSWORD": "password"},
    "command-signing-key": {"KESTREL_COMMAND_SIGNING_KEY": ""},
    "session-key": {"KESTREL_SESSION_KEY": ""},
    "iot-platform": {"KESTREL_IOT_CERTIFICATE": "certificate", "KESTREL_IOT_KEY": "key"},
    "sap": {"CLOUD_SAP_USER": "user", "CLOUD_SAP_PASSWORD": "password"},
}
"""Secret -> variable of the container -> field of the secret's JSON; without a field, the whole secret."""


def container_secrets(scope: Construct, floor: Floor, names: tuple[str, ...]) -> dict[str, ecs.Secret]:
    """Return the named secret variables of a container.

    They are taken by address: granting on the secrets themselves would write each role into the key's policy, and
    the data stack would depend on every stack that depends on it.
    """
    key = kms.Key.from_key_arn(scope, "SecretsKey", floor.data.key.key_arn)

    def taken(name: str, secret: secretsmanager.ISecret) -> secretsmanager.ISecret:
        address = secret.secret_full_arn or secret.secret_arn
        return secretsmanager.Secret.from_secret_attributes(
            scope, f"Secret{name}", secret_complete_arn=address, encryption_key=key
        )

    found = {}
    for name in names:
        secret = taken(name, floor.data.database.secret if name == DATABASE_SECRET else floor.data.secrets[name])
        for variable, field in _SECRET_FIELDS[name].items():
            found[variable] = ecs.Secret.from_secrets_manager(secret, field or None)
    return found


def environment(place: Place, floor: Floor) -> dict[str, str]:
    """Return the plain variables of every program of the cloud."""
    return {
        "AWS_DEFAULT_REGION": place.region,
        "CLOUD_BUCKET": place.bucket,
        "CLOUD_PUBLIC_URL": f"https://{place.domain}",
        "CLOUD_BEDROCK_MODEL_ID": place.bedrock_model,
        "KESTREL_DATABASE_HOST": floor.data.proxy.endpoint,
        "KESTREL_DATABASE_PORT": str(POSTGRES),
        "KESTREL_DATABASE_NAME": DATABASE,
        "KESTREL_DATABASE_USER": DATABASE_USER,
    }


class CloudProgram(Construct):
    """A verb of ``kestrel-cloud`` (or another program of that image) as tasks on Fargate."""

    def __init__(self, scope: PlacedStack, name: str, floor: Floor, shape: Shape) -> None:
        super().__init__(scope, name.title())
        self._name, self._floor, self._shape, self._place = name, floor, shape, scope.place
        self.group = log_group(self, "Log", f"programs/{name}", floor.security.logs_key, scope.place)
        self.task = self._task()
        self.container = self._container()

    def _task(self) -> ecs.FargateTaskDefinition:
        place = self._place
        role = task_role(self, self._name, place, self._floor)
        self._floor.data.proxy.grant_connect(role, DATABASE_USER)
        starter = service_role(self, "StartRole", "ecs-tasks.amazonaws.com", place, source=place.arn("ecs", "*"))
        starter.add_to_policy(iam.PolicyStatement(actions=_PULL, resources=[_AGENT.format(region=place.region)]))
        return ecs.FargateTaskDefinition(
            self,
            "Task",
            family=f"kestrel-{self._name}",
            cpu=self._shape.cpu,
            memory_limit_mib=self._shape.memory_mib,
            runtime_platform=ecs.RuntimePlatform(
                cpu_architecture=ecs.CpuArchitecture.ARM64, operating_system_family=ecs.OperatingSystemFamily.LINUX
            ),
            task_role=role,
            execution_role=starter,
        )

    def _container(self) -> ecs.ContainerDefinition:
        shape, floor = self._shape, self._floor
        container = self.task.add_container(
            "Main",
            container_name="main",
            image=ecs.ContainerImage.from_ecr_repository(floor.storage.images["cloud"], self._place.image_tag),
            command=list(shape.command),
            user=USER,
            readonly_root_filesystem=True,
            environment={**environment(self._place, floor), **shape.environment},
            secrets=container_secrets(self, floor, shape.secrets),
            logging=ecs.LogDriver.aws_logs(
                stream_prefix=self._name, log_group=self.group, mode=ecs.AwsLogDriverMode.NON_BLOCKING
            ),
            stop_timeout=cdk.Duration.seconds(60),
            linux_parameters=ecs.LinuxParameters(self, "Linux", init_process_enabled=True),
        )
        mount_scratch(self.task, container)
        return container

    def service(self, tasks: int, **more: object) -> ecs.FargateService:
        """Return the service; a new version that does not become healthy is rolled back by itself."""
        # By its id: what reaches a service later must not write rules into the network's stack.
        traces.collect(self.task, self.container, "CLOUD_TRACES_URL", self.group)
        group = ec2.SecurityGroup.from_security_group_id(
            self, "Network", self._floor.network.services.security_group_id, mutable=False
        )
        return ecs.FargateService(
            self,
            "Service",
            service_name=f"kestrel-{self._name}",
            cluster=self._floor.network.cluster,
            task_definition=self.task,
            desired_count=tasks,
            min_healthy_percent=100,
            max_healthy_percent=200,
            circuit_breaker=ecs.DeploymentCircuitBreaker(enable=True, rollback=True),
            security_groups=[group],
            vpc_subnets=ec2.SubnetSelection(subnet_group_name="services"),
            assign_public_ip=False,
            enable_execute_command=False,
            propagate_tags=ecs.PropagatedTagSource.SERVICE,
            **more,
        )


def mount_scratch(task: ecs.TaskDefinition, container: ecs.ContainerDefinition) -> None:
    """Give a container with a read-only root the two folders that it writes: secrets as files, and scratch."""
    for path in _SCRATCH:
        name = path.strip("/").replace("/", "-")
        task.add_volume(name=name)
        container.add_mount_points(ecs.MountPoint(container_path=path, source_volume=name, read_only=False))
