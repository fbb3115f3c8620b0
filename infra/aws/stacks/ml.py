"""Training the outlook (how defects grow): a pipeline, and a registry that a person releases from."""

from __future__ import annotations

import json

from aws_cdk import aws_iam as iam
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from infra.aws.ground import PlacedStack, service_role
from infra.aws.place import Place
from infra.aws.stacks.programs import Floor

_MODELS = "kestrel-outlook"
_MACHINE = "ml.m5.large"


class MlStack(PlacedStack):
    """Nothing trained here is used before a person approves it in the registry."""

    def __init__(self, scope: Construct, place: Place, floor: Floor) -> None:
        super().__init__(scope, "ml", place, description="training pipeline and model registry")
        self._floor = floor
        sagemaker.CfnModelPackageGroup(
            self,
            "Models",
            model_package_group_name=_MODELS,
            model_package_group_description="Growth models of Kestrel; a version is used once it is approved",
        )
        role = self._role()
        pipeline = sagemaker.CfnPipeline(
            self,
            "Pipeline",
            pipeline_name=_MODELS,
            role_arn=role.role_arn,
            pipeline_definition={"PipelineDefinitionBody": self._definition(role)},
        )
        pipeline.node.add_dependency(role)

    def _role(self) -> iam.Role:
        place, floor = self.place, self._floor
        role = service_role(self, "TrainRole", "sagemaker.amazonaws.com", place)
        bucket, lake = place.objects(), floor.storage.lake.bucket_arn
        jobs = [place.arn("sagemaker", f"training-job/pipelines-*-{_MODELS}*")]
        packages = [place.arn("sagemaker", f"model-package-group/{_MODELS}"),
                    place.arn("sagemaker", f"model-package/{_MODELS}/*")]  # fmt: skip
        keys = [floor.security.media_key.key_arn]
        image = floor.storage.images["cloud"].repository_arn
        log = place.arn("logs", "log-group:/aws/sagemaker/TrainingJobs:*")
        for actions, on in (
            (("s3:GetObject",), (f"{bucket}/datasets/*",)),
            (("s3:ListBucket",), (bucket, lake)),
            (("s3:PutObject", "s3:GetObject"), (f"{lake}/models/*",)),
            (("kms:Decrypt", "kms:GenerateDataKey", "kms:CreateGrant"), keys),
            (("sagemaker:CreateTrainingJob", "sagemaker:DescribeTrainingJob", "sagemaker:AddTags"), jobs),
            (("sagemaker:CreateModelPackage", "sagemaker:DescribeModelPackage"), packages),
            (("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability"), (image,)),
            (("ecr:GetAuthorizationToken",), ("*",)),
            (("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"), (log,)),
        ):
            role.add_to_policy(iam.PolicyStatement(actions=list(actions), resources=list(on)))
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["iam:PassRole"],
                resources=[role.role_arn],
                conditions={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
            )
        )
        return role

    def _definition(self, role: iam.Role) -> str:
        place, floor = self.place, self._floor
        image = f"{place.account}.dkr.ecr.{place.region}.amazonaws.com/kestrel/cloud:{place.image_tag}"
        train = {
            "Name": "Train",
            "Type": "Training",
            "Arguments": {
                "AlgorithmSpecification": {
                    "TrainingImage": image,
                    "TrainingInputMode": "File",
                    "ContainerEntrypoint": ["python", "-m", "cloud.prediction.sagemaker"],
                },
                "RoleArn": role.role_arn,
                "InputDataConfig": [
                    {
                        "ChannelName": "train",
                        "DataSource": {
                            "S3DataSource": {
                                "S3DataType": "S3Prefix",
                                "S3Uri": f"s3://{place.bucket}/datasets/growth/",
                                "S3DataDistributionType": "FullyReplicated",
                            }
                        },
                    }
                ],
                "OutputDataConfig": {
                    "S3OutputPath": f"s3://{place.lake}/models/",
                    "KmsKeyId": floor.security.media_key.key_arn,
                },
                "ResourceConfig": {
                    "InstanceCount": 1,
                    "InstanceType": _MACHINE,
                    "VolumeSizeInGB": 30,
                    "VolumeKmsKeyId": floor.security.media_key.key_arn,
                },
                "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
                "EnableInterContainerTrafficEncryption": True,
                "EnableNetworkIsolation": True,
            },
        }
        register = {
            "Name": "Register",
            "Type": "RegisterModel",
            "Arguments": {
                "ModelPackageGroupName": _MODELS,
                "ModelApprovalStatus": "PendingManualApproval",
                "InferenceSpecification": {
                    "Containers": [
                        {"Image": image, "ModelDataUrl": {"Get": "Steps.Train.ModelArtifacts.S3ModelArtifacts"}}
                    ],
                    "SupportedContentTypes": ["application/jsonlines"],
                    "SupportedResponseMIMETypes": ["application/jsonlines"],
                },
            },
        }
        return json.dumps({"Version": "2020-12-01", "Steps": [train, register]})
