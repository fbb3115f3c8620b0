"""Network ACLs of the tiers: what may cross a subnet's border, whatever a security group may say one day.

An ACL keeps no state, so the answers to what a tier asks come back by rules of their own. It does not see the VPC's own
name server and clock. ICMP "fragmentation needed" passes: without it big packets would be lost without a word.
"""

from __future__ import annotations

from collections.abc import Iterable

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

POSTGRES, MQTTS, HTTPS = 5432, 8883, 443
_ANYWHERE = ("0.0.0.0/0",)
_IN, _OUT = ec2.TrafficDirection.INGRESS, ec2.TrafficDirection.EGRESS


def _tcp(port: int) -> ec2.AclTraffic:
    return ec2.AclTraffic.tcp_port(port)


def _answers() -> ec2.AclTraffic:
    return ec2.AclTraffic.tcp_port_range(1024, 65535)


class Fence:
    """The ACL of one tier's subnets; what no line lets through is refused."""

    def __init__(self, scope: Construct, vpc: ec2.IVpc, tier: str) -> None:
        self._acl = ec2.NetworkAcl(
            scope,
            f"{tier.title()}Acl",
            vpc=vpc,
            subnet_selection=ec2.SubnetSelection(subnet_group_name=tier),
        )

    def let(
        self, name: str, way: ec2.TrafficDirection, peers: Iterable[str], traffic: ec2.AclTraffic, first: int
    ) -> None:
        """Let traffic pass between the tier and each peer; the rules are numbered from ``first``."""
        for index, peer in enumerate(peers):
            cidr = ec2.AclCidr.ipv4(peer)
            self._acl.add_entry(f"{name}{index}", cidr=cidr, rule_number=first + index, traffic=traffic, direction=way)

    def let_out(self) -> None:
        """Let the tier ask the world over HTTPS and MQTT and hear the answers; its security groups let nobody in."""
        self.let("Out", _OUT, _ANYWHERE, _tcp(HTTPS), 100)
        self.let("Mqtt", _OUT, _ANYWHERE, _tcp(MQTTS), 110)
        self.let("Answers", _IN, _ANYWHERE, _answers(), 200)
        too_big = ec2.AclTraffic.icmp(type=3, code=4)
        self.let("TooBigIn", _IN, _ANYWHERE, too_big, 300)
        self.let("TooBigOut", _OUT, _ANYWHERE, too_big, 300)


def _cidrs(subnets: Iterable[ec2.ISubnet]) -> list[str]:
    return [subnet.ipv4_cidr_block for subnet in subnets]


def fence_all(scope: Construct, vpc: ec2.Vpc) -> None:
    """Fence the three tiers: NAT gateways, programs, database."""
    services, data = _cidrs(vpc.private_subnets), _cidrs(vpc.isolated_subnets)
    public = Fence(scope, vpc, "public")
    public.let_out()
    public.let("In", _IN, services, _tcp(HTTPS), 100)
    public.let("Back", _OUT, services, _answers(), 200)
    own = Fence(scope, vpc, "services")
    own.let_out()
    # Gateway to balancer and programs to endpoints; what comes in at higher ports is let in with the answers.
    own.let("In", _IN, services, _tcp(HTTPS), 100)
    own.let("Among", _OUT, services, _answers(), 200)
    own.let("Database", _OUT, data, _tcp(POSTGRES), 400)
    fence_data(scope, vpc, services)


def fence_data(scope: Construct, vpc: ec2.Vpc, readers: list[str]) -> None:
    """Fence the data tier: only Postgres, and only from the readers' subnets and its own (the proxy stands in it)."""
    own = _cidrs(vpc.isolated_subnets)
    fence = Fence(scope, vpc, "data")
    fence.let("In", _IN, [*readers, *own], _tcp(POSTGRES), 100)
    fence.let("Out", _OUT, [*readers, *own], _answers(), 100)
    fence.let("BackIn", _IN, own, _answers(), 200)
    fence.let("ThereOut", _OUT, own, _tcp(POSTGRES), 200)
