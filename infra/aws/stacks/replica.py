"""The second region of an enterprise: a copy of the media that grows with it, and a database that can be read there."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_rds as rds
from constructs import Construct

from infra.aws.ground import PlacedStack, access_log_bucket, log_group, private_bucket, service_role
from infra.aws.place import Place
from infra.aws.stacks.fences import POSTGRES, fence_data

CIDR = "10.21.0.0/16"


class ReplicaStack(PlacedStack):
    """Made before the others: the media bucket copies into it. Promoted by hand when the first region is lost."""

    def __init__(self, scope: Construct, place: Place) -> None:
        super().__init__(
            scope, "replica", place, region=place.replica_region, description="copy of media and database elsewhere"
        )
        self.key = kms.Key(
            self,
            "Key",
            description="Kestrel: copies in the second region",
            alias="kestrel/replica",
            enable_key_rotation=True,
            removal_policy=cdk.RemovalPolicy.RETAIN,
        )
        groups = {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": f"arn:aws:logs:{self.region}:{self.account}:*"}}
        actions = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
        writer = iam.ServicePrincipal(f"logs.{self.region}.amazonaws.com")
        self.key.add_to_resource_policy(
            iam.PolicyStatement(actions=actions, resources=["*"], principals=[writer], conditions=groups)
        )
        logs = access_log_bucket(self, f"kestrel-access-logs-{self.account}-copy")
        private_bucket(self, "Media", place.replica_bucket, self.key, logs, object_lock_enabled=True)
        self._database()

    def _database(self) -> None:
        place = self.place
        vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr(CIDR),
            availability_zones=self.availability_zones,
            nat_gateways=0,
            restrict_default_security_group=False,
            subnet_configuration=[
                ec2.SubnetConfiguration(name="data", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED, cidr_mask=24)
            ],
        )
        fence_data(self, vpc, [])
        group = log_group(self, "FlowLog", "flow", self.key, place)
        role = service_role(self, "FlowRole", "vpc-flow-logs.amazonaws.com", place)
        vpc.add_flow_log("Flow", destination=ec2.FlowLogDestination.to_cloud_watch_logs(group, role))
        guard = ec2.SecurityGroup(
            self, "Guard", vpc=vpc, description="Kestrel: database replica", allow_all_outbound=False
        )
        guard.add_ingress_rule(ec2.Peer.ipv4(CIDR), ec2.Port.tcp(POSTGRES), "readers in this region")
        subnets = rds.SubnetGroup(self, "Subnets", vpc=vpc, description="Kestrel: replica", vpc_subnets=_DATA)
        rds.CfnDBInstance(
            self,
            "Database",
            db_instance_identifier="kestrel-replica",
            source_db_instance_identifier=place.arn("rds", "db:kestrel"),
            source_region=place.region,
            db_instance_class=f"db.{place.size.database_class}",
            db_subnet_group_name=subnets.subnet_group_name,
            vpc_security_groups=[guard.security_group_id],
            kms_key_id=self.key.key_arn,
            publicly_accessible=False,
            deletion_protection=True,
            copy_tags_to_snapshot=True,
            auto_minor_version_upgrade=True,
            enable_iam_database_authentication=True,
            multi_az=True,
            monitoring_interval=60,
            monitoring_role_arn=place.arn("iam", "role/kestrel-monitoring").replace(place.region, ""),
        ).apply_removal_policy(cdk.RemovalPolicy.SNAPSHOT)


_DATA = ec2.SubnetSelection(subnet_group_name="data")
