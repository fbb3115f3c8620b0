"""The VPC: three tiers, ways out that do not cross the internet where that pays, and a record of every connection."""

from __future__ import annotations

from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_route53_targets as targets
from constructs import Construct

from infra.aws.ground import PlacedStack, log_group, service_role
from infra.aws.place import Place
from infra.aws.stacks.fences import HTTPS, MQTTS, POSTGRES, fence_all

CIDR = "10.20.0.0/16"
MQTT_ENDPOINT = "iot.data"


class NetworkStack(PlacedStack):
    """Public: NAT only. Services: the programs. Data: the database, with no way out at all."""

    def __init__(self, scope: Construct, place: Place, logs_key: kms.IKey) -> None:
        super().__init__(scope, "network", place, description="VPC, endpoints, flow logs, container cluster")
        kinds = ec2.SubnetType
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr(CIDR),
            availability_zones=self.availability_zones,
            nat_gateways=place.size.nat_gateways,
            restrict_default_security_group=False,
            subnet_configuration=[
                ec2.SubnetConfiguration(
                    name="public", subnet_type=kinds.PUBLIC, cidr_mask=24, map_public_ip_on_launch=False
                ),
                ec2.SubnetConfiguration(name="services", subnet_type=kinds.PRIVATE_WITH_EGRESS, cidr_mask=22),
                ec2.SubnetConfiguration(name="data", subnet_type=kinds.PRIVATE_ISOLATED, cidr_mask=24),
            ],
        )
        self._record(logs_key)
        fence_all(self, self.vpc)
        self.services = self._security_group("Services", "programs of the platform")
        for port, what in ((HTTPS, "AWS, SAP and webhooks"), (MQTTS, "AWS IoT Core")):
            self.services.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(port), what)
        self.services.add_egress_rule(ec2.Peer.ipv4(CIDR), ec2.Port.tcp(POSTGRES), "database proxy")
        self._endpoints()
        self.cluster = ecs.Cluster(
            self,
            "Cluster",
            cluster_name="kestrel",
            vpc=self.vpc,
            container_insights_v2=ecs.ContainerInsights.ENABLED,
        )

    def _security_group(self, name: str, what: str) -> ec2.SecurityGroup:
        return ec2.SecurityGroup(self, name, vpc=self.vpc, description=f"Kestrel: {what}", allow_all_outbound=False)

    def _record(self, key: kms.IKey) -> None:
        group = log_group(self, "FlowLog", "flow", key, self.place)
        role = service_role(self, "FlowRole", "vpc-flow-logs.amazonaws.com", self.place)
        self.vpc.add_flow_log("Flow", destination=ec2.FlowLogDestination.to_cloud_watch_logs(group, role))

    def _endpoints(self) -> None:
        aws = ec2.GatewayVpcEndpointAwsService
        for name, service in (("S3", aws.S3), ("DynamoDb", aws.DYNAMODB)):
            self.vpc.add_gateway_endpoint(name, service=service)
        if not self.place.size.interface_endpoints:
            return
        guard = self._security_group("Endpoints", "private ways to AWS services")
        guard.add_ingress_rule(self.services, ec2.Port.tcp(HTTPS), "programs of the platform")
        for name in self.place.size.interface_endpoints:
            endpoint = self._endpoint(name, guard)
            if name == MQTT_ENDPOINT:
                self._name_broker(endpoint)
                guard.add_ingress_rule(self.services, ec2.Port.tcp(MQTTS), "MQTT of the programs")
            else:
                self._let_own_account(endpoint)

    def _endpoint(self, name: str, guard: ec2.SecurityGroup) -> ec2.InterfaceVpcEndpoint:
        return self.vpc.add_interface_endpoint(
            name.title().replace(".", "").replace("-", ""),
            service=ec2.InterfaceVpcEndpointAwsService(name),
            private_dns_enabled=name != MQTT_ENDPOINT,
            security_groups=[guard],
            open=False,
            subnets=ec2.SubnetSelection(subnet_group_name="services"),
        )

    def _let_own_account(self, endpoint: ec2.InterfaceVpcEndpoint) -> None:
        endpoint.add_to_policy(
            iam.PolicyStatement(
                principals=[iam.AnyPrincipal()],
                actions=["*"],
                resources=["*"],
                conditions={"StringEquals": {"aws:PrincipalAccount": self.account}},
            )
        )

    def _name_broker(self, endpoint: ec2.InterfaceVpcEndpoint) -> None:
        """Give the endpoint the account's own name of AWS IoT Core inside the VPC: AWS makes no private name for it.

        Whoever connects shows a certificate, not a role, so the endpoint has no policy of ours; AWS IoT's own hold.
        """
        zone = route53.PrivateHostedZone(self, "Broker", zone_name=self.place.broker, vpc=self.vpc)
        target = targets.InterfaceVpcEndpointTarget(endpoint)
        route53.ARecord(self, "BrokerName", zone=zone, target=route53.RecordTarget.from_alias(target))
