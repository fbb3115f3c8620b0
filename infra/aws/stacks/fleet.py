"""The fleet as a whole: the index that answers which drones are connected, numbers from it, and releases as jobs."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_iot as iot
from aws_cdk import aws_lambda as functions
from constructs import Construct

from infra.aws.ground import PlacedStack, service_role
from infra.aws.small_functions import Task, small_function
from infra.aws.stacks.security import SecurityStack

QUARANTINE = "kestrel-quarantine"
_COUNTED = (
    ("kestrel-connected", "drones that are connected", "connectivity.connected:true"),
    ("kestrel-quarantined", "drones in quarantine", f"thingGroupNames:{QUARANTINE}"),
)
"""Name, what, query of the index; in CloudWatch under AWS/IoTFleetMetrics, every five minutes."""
RELEASES = "releases/"
"""Prefix of the media bucket where packages for drones lie."""


class Fleet(Construct):
    """What Device Defender and people ask of all drones at once."""

    def __init__(self, scope: PlacedStack, security: SecurityStack) -> None:
        super().__init__(scope, "Fleet")
        self._place = scope.place
        index = cdk.CustomResource(
            self,
            "Index",
            resource_type="Custom::KestrelFleetIndex",
            service_token=self._turner(security).function_arn,
            properties={"Detect": str(self._place.detect).lower()},
        )
        for name, what, query in _COUNTED:
            iot.CfnFleetMetric(
                self,
                name.title().replace("-", ""),
                metric_name=name,
                description=f"Kestrel: {what}",
                index_name="AWS_Things",
                query_string=query,
                query_version="2017-09-30",
                aggregation_field="registry.version",
                aggregation_type={"name": "Statistics", "values": ["count"]},
                period=300,
            ).node.add_dependency(index)
        self._let_jobs_read(security)

    def _turner(self, security: SecurityStack) -> functions.Function:
        task = Task("indexing", "Turns fleet indexing on; CloudFormation calls it at a deployment")
        rights = [iam.PolicyStatement(actions=["iot:UpdateIndexingConfiguration"], resources=["*"])]
        ids = ("Log", "Role", "Function")
        function = small_function(self, ids, task, rights, key=security.logs_key, place=self._place)
        if function.role is not None:
            function.node.add_dependency(function.role)
        return function

    def _let_jobs_read(self, security: SecurityStack) -> None:
        """AWS IoT Jobs signs the address of a release's package with this role; a drone has no right to the bucket."""
        role = service_role(self, "JobRole", "iot.amazonaws.com", self._place, named="kestrel-job-packages")
        packages = self._place.objects(RELEASES)
        role.add_to_policy(iam.PolicyStatement(actions=["s3:GetObject"], resources=[packages]))
        role.add_to_policy(iam.PolicyStatement(actions=["kms:Decrypt"], resources=[security.media_key.key_arn]))
