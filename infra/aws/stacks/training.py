"""Training the detector as jobs of SageMaker: what a job may do, and what the state machine may do with it."""

from __future__ import annotations

from aws_cdk import aws_iam as iam
from constructs import Construct

from contracts import training
from infra.aws.ground import PlacedStack, service_role
from infra.aws.stacks.programs import Floor

_VERSIONS = "mdl-*"
"""Names of executions and so of jobs begin with the version's."""
_IMAGE = "trainer"


class DetectorTraining(Construct):
    """A job reads labelled frames and leaves weights below ``models/``; it runs in the services' subnets."""

    def __init__(self, scope: PlacedStack, floor: Floor) -> None:
        super().__init__(scope, "DetectorTraining")
        self._place, self._floor = scope.place, floor
        self.role = service_role(self, "Role", "sagemaker.amazonaws.com", scope.place)
        for actions, on in self._rights():
            self.role.add_to_policy(iam.PolicyStatement(actions=list(actions), resources=list(on)))

    def _rights(self) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
        place, floor = self._place, self._floor
        network = tuple(place.arn("ec2", f"{kind}/*") for kind in ("network-interface", "subnet", "security-group"))
        return (
            (("s3:GetObject",), (place.objects("frames/"), place.objects(f"{training.PREFIX}/"))),
            (("s3:PutObject",), (place.objects(f"{training.PREFIX}/"),)),
            (("s3:ListBucket",), (place.objects(),)),
            (("kms:Decrypt", "kms:GenerateDataKey"), (floor.security.media_key.key_arn,)),
            (("kms:CreateGrant",), (floor.security.media_key.key_arn,)),
            (("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability"),
             (floor.storage.images[_IMAGE].repository_arn,)),
            (("ecr:GetAuthorizationToken",), ("*",)),
            (("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"),
             tuple(place.arn("logs", f"log-group:/aws/sagemaker/{kind}Jobs:*") for kind in ("Training", "Processing"))),
            (("ec2:CreateNetworkInterface", "ec2:CreateNetworkInterfacePermission", "ec2:DeleteNetworkInterface",
              "ec2:DeleteNetworkInterfacePermission"), network),
            (("ec2:DescribeNetworkInterfaces", "ec2:DescribeVpcs", "ec2:DescribeDhcpOptions", "ec2:DescribeSubnets",
              "ec2:DescribeSecurityGroups"), ("*",)),
        )  # fmt: skip

    def substitutions(self) -> dict[str, str]:
        """Return the placeholders of the machine's definition."""
        place, network = self._place, self._floor.network
        return {
            "TrainingPlace": "sagemaker",
            "TrainingImage": f"{place.account}.dkr.ecr.{place.region}.amazonaws.com/kestrel/{_IMAGE}:{place.image_tag}",
            "TrainingRoleArn": self.role.role_arn,
            "TrainingSubnetId": network.vpc.select_subnets(subnet_group_name="services").subnet_ids[0],
            "TrainingSecurityGroupId": network.services.security_group_id,
            "MediaBucket": place.bucket,
            "MediaKeyArn": self._floor.security.media_key.key_arn,
        }

    def let_start(self, machine: iam.Role) -> None:
        """Let a state machine run jobs of ours and wait for their end (Step Functions' .sync needs the rules)."""
        place = self._place
        jobs = [place.arn("sagemaker", f"{kind}-job/{_VERSIONS}") for kind in ("training", "processing")]
        acts = [f"sagemaker:{act}{kind}Job" for kind in ("Training", "Processing")
                for act in ("Create", "Describe", "Stop")]  # fmt: skip
        machine.add_to_policy(iam.PolicyStatement(actions=[*acts, "sagemaker:AddTags"], resources=jobs))
        machine.add_to_policy(
            iam.PolicyStatement(
                actions=["iam:PassRole"],
                resources=[self.role.role_arn],
                conditions={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
            )
        )
        rules = [
            place.arn("events", f"rule/StepFunctionsGetEventsForSageMaker{kind}JobsRule")
            for kind in ("Training", "Processing")
        ]
        acts = ["events:PutTargets", "events:PutRule", "events:DescribeRule"]
        machine.add_to_policy(iam.PolicyStatement(actions=acts, resources=rules))
