"""The vision workers on GPU machines: Spot first, as many as the backlog needs, none when it is empty."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_autoscaling as autoscaling
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from constructs import Construct

from contracts.resources import VISION_JOBS_QUEUE
from infra.aws.ground import PlacedStack, log_group, service_role
from infra.aws.place import Place
from infra.aws.stacks import traces
from infra.aws.stacks.programs import USER, Floor, mount_scratch, task_role

MACHINES = ("g6.xlarge", "g5.xlarge", "g6.2xlarge")
"""In the order of wish; several, because Spot gives what it has."""
_JOBS_PER_TASK = 8
_CPU, _MEMORY_MIB = 3072, 12288


class VisionStack(PlacedStack):
    """A worker whose machine is taken away gives its job back: the queue shows it to another."""

    def __init__(self, scope: Construct, place: Place, floor: Floor) -> None:
        super().__init__(scope, "vision", place, description="GPU machines, vision workers, scaling by backlog")
        self._floor = floor
        self._role = service_role(self, "MachineRole", "ec2.amazonaws.com", place)
        provider = self._machines()
        self.group = log_group(self, "Log", "programs/vision", floor.security.logs_key, place)
        service = self._service(provider)
        self._scale(service)

    def _agent_rights(self) -> list[dict[str, object]]:
        """Return what a machine's ECS agent needs. What the CDK would give it reaches every log and every cluster."""
        own = {"ArnEquals": {"ecs:cluster": self.place.arn("ecs", "cluster/kestrel-vision")}}
        where = self.place.arn("ecs", "*")
        acts = ["ecs:Poll", "ecs:StartTelemetrySession", "ecs:SubmitAttachmentStateChanges",
                "ecs:SubmitContainerStateChange", "ecs:SubmitTaskStateChange", "ecs:RegisterContainerInstance",
                "ecs:DeregisterContainerInstance", "ecs:UpdateContainerInstancesState"]  # fmt: skip
        return [
            {"Effect": "Allow", "Action": acts, "Resource": where, "Condition": own},
            {"Effect": "Allow", "Action": "ecs:DiscoverPollEndpoint", "Resource": "*"},
        ]

    def _machines(self) -> ecs.AsgCapacityProvider:
        size, network = self.place.size, self._floor.network
        template = ec2.LaunchTemplate(
            self,
            "Machine",
            machine_image=ecs.EcsOptimizedImage.amazon_linux2023(ecs.AmiHardwareType.GPU),
            instance_type=ec2.InstanceType(MACHINES[0]),
            security_group=network.services,
            role=self._role,
            user_data=ec2.UserData.for_linux(),
            require_imdsv2=True,
            http_put_response_hop_limit=1,
            detailed_monitoring=True,
            block_devices=[
                ec2.BlockDevice(
                    device_name="/dev/xvda",
                    volume=ec2.BlockDeviceVolume.ebs(100, encrypted=True, volume_type=ec2.EbsDeviceVolumeType.GP3),
                )
            ],
        )
        group = autoscaling.AutoScalingGroup(
            self,
            "Machines",
            auto_scaling_group_name="kestrel-vision",
            vpc=network.vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_group_name="services"),
            min_capacity=size.gpu_on_demand,
            max_capacity=size.gpu_tasks_most,
            mixed_instances_policy=autoscaling.MixedInstancesPolicy(
                launch_template=template,
                launch_template_overrides=[
                    autoscaling.LaunchTemplateOverrides(instance_type=ec2.InstanceType(name)) for name in MACHINES
                ],
                instances_distribution=autoscaling.InstancesDistribution(
                    on_demand_base_capacity=size.gpu_on_demand,
                    on_demand_percentage_above_base_capacity=0,
                    spot_allocation_strategy=autoscaling.SpotAllocationStrategy.PRICE_CAPACITY_OPTIMIZED,
                ),
            ),
            capacity_rebalance=True,
            health_checks=autoscaling.HealthChecks.ec2(grace_period=cdk.Duration.minutes(5)),
            group_metrics=[autoscaling.GroupMetrics.all()],
            notifications=[autoscaling.NotificationConfiguration(topic=self._floor.security.alarms)],
        )
        return ecs.AsgCapacityProvider(
            self,
            "Provider",
            capacity_provider_name="kestrel-gpu",
            auto_scaling_group=group,
            enable_managed_scaling=True,
            enable_managed_draining=True,
            # Protection needs the group's own; a drained machine gives its job back anyway.
            enable_managed_termination_protection=False,
            spot_instance_draining=True,
        )

    def _service(self, provider: ecs.AsgCapacityProvider) -> ecs.Ec2Service:
        floor, place = self._floor, self.place
        cluster = ecs.Cluster(
            self,
            "Cluster",
            cluster_name="kestrel-vision",
            vpc=floor.network.vpc,
            container_insights_v2=ecs.ContainerInsights.ENABLED,
        )
        cluster.add_asg_capacity_provider(provider)
        policy = self._role.node.find_child("DefaultPolicy").node.default_child
        policy.add_property_override("PolicyDocument.Statement", self._agent_rights())
        tasks = place.arn("ecs", "*")
        task = ecs.Ec2TaskDefinition(
            self,
            "Task",
            family="kestrel-vision",
            network_mode=ecs.NetworkMode.AWS_VPC,
            task_role=task_role(self, "vision", place, floor),
            execution_role=service_role(self, "StartRole", "ecs-tasks.amazonaws.com", place, source=tasks),
        )
        container = task.add_container(
            "Main",
            container_name="main",
            image=ecs.ContainerImage.from_ecr_repository(floor.storage.images["vision"], place.image_tag),
            command=["work"],
            cpu=_CPU,
            memory_limit_mib=_MEMORY_MIB,
            gpu_count=1,
            user=USER,
            readonly_root_filesystem=True,
            environment={
                "AWS_DEFAULT_REGION": place.region,
                "VISION_BUCKET": place.bucket,
                "VISION_THREADS": "4",
                "VISION_STATE_DIR": "/tmp/vision",  # noqa: S108 - the task's own scratch
                "VISION_POLL_S": "20",
            },
            logging=ecs.LogDriver.aws_logs(stream_prefix="vision", log_group=self.group),
            # Spot gives two minutes' notice: the job in hand is given back long before.
            stop_timeout=cdk.Duration.seconds(110),
        )
        mount_scratch(task, container)
        traces.collect(task, container, "VISION_TRACES_URL", self.group)
        return ecs.Ec2Service(
            self,
            "Service",
            service_name="kestrel-vision",
            cluster=cluster,
            task_definition=task,
            desired_count=self.place.size.gpu_on_demand,
            min_healthy_percent=0,
            max_healthy_percent=100,
            circuit_breaker=ecs.DeploymentCircuitBreaker(enable=True, rollback=True),
            security_groups=[floor.network.services],
            vpc_subnets=ec2.SubnetSelection(subnet_group_name="services"),
            capacity_provider_strategies=[
                ecs.CapacityProviderStrategy(capacity_provider=provider.capacity_provider_name, weight=1)
            ],
        )

    def _scale(self, service: ecs.Ec2Service) -> None:
        size = self.place.size
        target = service.auto_scale_task_count(min_capacity=size.gpu_on_demand, max_capacity=size.gpu_tasks_most)
        names = {"waiting": "ApproximateNumberOfMessagesVisible", "taken": "ApproximateNumberOfMessagesNotVisible"}
        backlog = cloudwatch.MathExpression(
            expression="waiting + taken",
            label="jobs waiting or being done",
            period=cdk.Duration.minutes(1),
            using_metrics={
                name: cloudwatch.Metric(
                    namespace="AWS/SQS",
                    metric_name=metric,
                    dimensions_map={"QueueName": VISION_JOBS_QUEUE},
                    statistic="Maximum",
                )
                for name, metric in names.items()
            },
        )
        target.scale_on_metric(
            "Backlog",
            metric=backlog,
            adjustment_type=scaling.AdjustmentType.EXACT_CAPACITY,
            scaling_steps=_steps(size.gpu_on_demand, size.gpu_tasks_most),
            cooldown=cdk.Duration.minutes(2),
            evaluation_periods=1,
        )


def _steps(least: int, most: int) -> list[scaling.ScalingInterval]:
    """Return how many tasks which backlog needs: one for each eight jobs, doubling, none for none."""
    steps = [scaling.ScalingInterval(change=least, upper=0)]
    tasks, lower = max(1, least), 1
    while tasks < most:
        upper = tasks * _JOBS_PER_TASK
        steps.append(scaling.ScalingInterval(change=tasks, lower=lower, upper=upper))
        tasks, lower = min(tasks * 2, most), upper
    return [*steps, scaling.ScalingInterval(change=most, lower=lower)]
