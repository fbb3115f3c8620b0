"""Invariants of ways in and out: security groups, subnets, balancer, gateway, firewall."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from infra.aws.gates.templates import Properties, Templates, listed
from infra.aws.place import TOKENS_ONLY, Place

ANYWHERE = {"0.0.0.0/0", "::/0"}
OUT_TO_ANYWHERE = {443, 8883}
_ANSWERS, _POSTGRES = (1024, 65535), (5432, 5432)
OPEN_PORTS = {"in": {_ANSWERS}, "out": {(443, 443), (8883, 8883)}}
"""What a network ACL may let in from anywhere (answers; nobody has a public address) and out to anywhere."""
TIER_PORTS = {
    "public": {(443, 443), (8883, 8883), _ANSWERS},
    "services": {(443, 443), (8883, 8883), _ANSWERS, _POSTGRES},
    "data": {_POSTGRES, _ANSWERS},
}


class Opening(NamedTuple):
    """One rule of one security group, resolved."""

    where: str
    group: str
    way: str
    peer: str
    first: object
    last: object
    cidr: str


def openings(templates: Templates) -> Iterator[Opening]:
    """Yield every security group rule, wherever it is written."""
    for group in templates.all("AWS::EC2::SecurityGroup"):
        for way, rows in (("in", "SecurityGroupIngress"), ("out", "SecurityGroupEgress")):
            for rule in listed(group.properties.get(rows)):
                yield _opening(templates, group.where, f"{group.where}.GroupId", way, group.stack, rule)
    for way, kind in (("in", "AWS::EC2::SecurityGroupIngress"), ("out", "AWS::EC2::SecurityGroupEgress")):
        for entry in templates.all(kind):
            owner = templates.resolved(entry.properties["GroupId"], entry.stack)
            yield _opening(templates, entry.where, owner, way, entry.stack, entry.properties)


def _opening(templates: Templates, where: str, group: str, way: str, stack: str, rule: dict[str, Any]) -> Opening:
    sources = ("CidrIp", "CidrIpv6", "SourceSecurityGroupId", "DestinationSecurityGroupId", "SourcePrefixListId")
    peer = next((templates.resolved(rule[name], stack) for name in sources if name in rule), "")
    cidr = str(rule.get("CidrIp", rule.get("CidrIpv6", "")))
    ports = (templates.resolved(rule.get(name, "all"), stack) for name in ("FromPort", "ToPort"))
    first, last = (_port(text) for text in ports)
    return Opening(where, group, way, peer, first, last, cidr)


def _port(text: str) -> object:
    """Return a port's number; a database's own port is Postgres's."""
    return 5432 if text.endswith(".Endpoint.Port") else int(text) if text.isdigit() else text


def security_groups(templates: Templates, _place: Place) -> Iterator[str]:
    """Nothing is open to the world; out to the world only HTTPS and MQTT; no rule twice (EC2 refuses that)."""
    seen: Counter[tuple[str, str, str, object, object]] = Counter()
    for rule in openings(templates):
        nowhere = rule.cidr == "255.255.255.255/32"
        if rule.way == "in" and rule.cidr in ANYWHERE:
            yield f"{rule.where}: port {rule.first} is open to the world"
        if (
            rule.way == "out"
            and rule.cidr in ANYWHERE
            and not (rule.first == rule.last and rule.first in OUT_TO_ANYWHERE)
        ):
            yield f"{rule.where}: port {rule.first} leads anywhere"
        key = (rule.group, rule.way, rule.peer, rule.first, rule.last)
        seen[key] += 1
        if seen[key] == 2 and not nowhere:
            yield f"{rule.where}: the same rule stands twice in {rule.group}; EC2 refuses the second"


def subnets(templates: Templates, _place: Place) -> Iterator[str]:
    """No machine gets a public address by itself, and the data tier has no way out."""
    data: set[str] = set()
    for subnet in templates.all("AWS::EC2::Subnet"):
        if subnet.properties.get("MapPublicIpOnLaunch") is True:
            yield f"{subnet.where}: gives machines public addresses"
        tags = {tag["Key"]: tag["Value"] for tag in subnet.properties.get("Tags", [])}
        if tags.get("aws-cdk:subnet-name") == "data":
            data.add(subnet.id)
    tables = {
        link.properties["RouteTableId"]["Ref"]
        for link in templates.all("AWS::EC2::SubnetRouteTableAssociation")
        if link.properties["SubnetId"].get("Ref") in data
    }
    for route in templates.all("AWS::EC2::Route"):
        if route.properties["RouteTableId"].get("Ref") in tables:
            yield f"{route.where}: leads out of the data tier"


def fences(templates: Templates, _place: Place) -> Iterator[str]:
    """Each subnet stands behind the network ACL of its tier, which lets through no more than the tier needs."""
    tiers = _tiers(templates)
    fenced: dict[str, str] = {}
    for link in templates.all("AWS::EC2::SubnetNetworkAclAssociation"):
        subnet = templates.resolved(link.properties["SubnetId"], link.stack)
        fenced[subnet] = templates.resolved(link.properties["NetworkAclId"], link.stack)
    yield from (f"{subnet}: has no network ACL of its own" for subnet in tiers if subnet not in fenced)
    kinds = {acl: tiers[subnet] for subnet, acl in fenced.items() if subnet in tiers}
    for entry in templates.all("AWS::EC2::NetworkAclEntry"):
        if entry.properties.get("RuleAction") != "allow":
            continue
        tier = kinds.get(templates.resolved(entry.properties["NetworkAclId"], entry.stack), "")
        if said := _of_entry(entry.properties, tier):
            yield f"{entry.where}: {said} the {tier or 'unknown'} tier"


def _tiers(templates: Templates) -> dict[str, str]:
    """Return every subnet of ours and its tier."""
    tags = {
        subnet.where: {tag["Key"]: tag["Value"] for tag in subnet.properties.get("Tags", [])}
        for subnet in templates.all("AWS::EC2::Subnet")
    }
    return {where: said.get("aws-cdk:subnet-name", "") for where, said in tags.items()}


def _of_entry(entry: Properties, tier: str) -> str:
    """Return what is wrong with a line of a network ACL, nothing for a sound one."""
    if entry.get("Protocol") == 1 and entry.get("Icmp") == {"Type": 3, "Code": 4} and tier != "data":
        return ""
    ports = (entry.get("PortRange", {}).get("From"), entry.get("PortRange", {}).get("To"))
    if entry.get("Protocol") != 6 or ports not in TIER_PORTS.get(tier, ()):
        return "lets more than its ports through:"
    way = "out" if entry.get("Egress") else "in"
    if entry.get("CidrBlock") in ANYWHERE and (tier == "data" or ports not in OPEN_PORTS[way]):
        return "opens to anywhere"
    return ""


def endpoints(templates: Templates, place: Place) -> Iterator[str]:
    """Every service that the size names is reached without the internet, and AWS IoT Core by the account's own name."""
    found = {
        json.dumps(one.properties["ServiceName"]).rpartition(f"{place.region}.")[2].strip('"')
        for one in templates.all("AWS::EC2::VPCEndpoint")
        if one.properties.get("VpcEndpointType") == "Interface"
    }
    for name in sorted({*place.size.interface_endpoints} - found):
        yield f"kestrel-network: no private way to {name}"
    gateways_found = sum(
        1 for one in templates.all("AWS::EC2::VPCEndpoint") if one.properties.get("VpcEndpointType") == "Gateway"
    )
    if gateways_found < 2:
        yield "kestrel-network: no private way to S3 or DynamoDB"
    broker = templates.one("AWS::Route53::RecordSet", Name=f"{place.broker}.", Type="A")
    if place.size.interface_endpoints and broker is None:
        yield f"kestrel-network: {place.broker} leads out to the internet"


def flow_logs(templates: Templates, _place: Place) -> Iterator[str]:
    """Every VPC records every connection."""
    recorded = {
        f"{log.stack}/{log.properties['ResourceId'].get('Ref', '')}"
        for log in templates.all("AWS::EC2::FlowLog")
        if log.properties.get("TrafficType") == "ALL"
    }
    for vpc in templates.all("AWS::EC2::VPC"):
        if vpc.where not in recorded:
            yield f"{vpc.where}: records no connections"


def balancers(templates: Templates, _place: Place) -> Iterator[str]:
    """The balancer is internal and speaks TLS 1.2 or newer."""
    for balancer in templates.all("AWS::ElasticLoadBalancingV2::LoadBalancer"):
        if balancer.properties.get("Scheme") != "internal":
            yield f"{balancer.where}: stands on the internet"
    for listener in templates.all("AWS::ElasticLoadBalancingV2::Listener"):
        policy = str(listener.properties.get("SslPolicy", ""))
        if listener.properties.get("Protocol") != "HTTPS" or "TLS13" not in policy:
            yield f"{listener.where}: speaks less than TLS 1.2"


def gateways(templates: Templates, _place: Place) -> Iterator[str]:
    """The gateway answers on our name only, logs requests and limits them."""
    for api in templates.all("AWS::ApiGatewayV2::Api"):
        if api.properties.get("DisableExecuteApiEndpoint") is not True:
            yield f"{api.where}: can be reached around our name"
    for stage in templates.all("AWS::ApiGatewayV2::Stage"):
        if "AccessLogSettings" not in stage.properties:
            yield f"{stage.where}: logs no requests"
        if not stage.properties.get("DefaultRouteSettings", {}).get("ThrottlingRateLimit"):
            yield f"{stage.where}: takes any number of requests"


def tokens_at_the_door(templates: Templates, _place: Place) -> Iterator[str]:
    """What takes tokens only stands behind the gateway's own check of them: our pool's, made for our client."""
    for pool in templates.all("AWS::Cognito::UserPool"):
        routes = [
            route
            for route in templates.all("AWS::ApiGatewayV2::Route")
            if str(route.properties["RouteKey"]).endswith(f" {TOKENS_ONLY}")
        ]
        if [route.properties["RouteKey"] for route in routes] != [f"ANY {TOKENS_ONLY}"]:
            yield f"{pool.stack}: the gateway has not one route for every call of {TOKENS_ONLY}"
        for route in routes:
            if route.properties.get("AuthorizationType") != "JWT" or "AuthorizerId" not in route.properties:
                yield f"{route.where}: lets callers without a token through"
        for authorizer in templates.all("AWS::ApiGatewayV2::Authorizer"):
            said = authorizer.properties.get("JwtConfiguration", {})
            clients = [client.id for client in templates.all("AWS::Cognito::UserPoolClient")]
            if f'"Ref": "{pool.id}"' not in json.dumps(said.get("Issuer", "")):
                yield f"{authorizer.where}: takes tokens of another issuer"
            if said.get("Audience") != [{"Ref": name} for name in clients]:
                yield f"{authorizer.where}: takes tokens that were made for others"


def firewalls(templates: Templates, _place: Place) -> Iterator[str]:
    """Balancer and sign-in stand behind the firewall, which knows common attacks and counts requests."""
    if len(list(templates.all("AWS::WAFv2::WebACLAssociation"))) < 2:
        yield "kestrel-api: balancer or sign-in stands before the firewall"
    for acl in templates.all("AWS::WAFv2::WebACL"):
        names = {rule["Name"] for rule in acl.properties.get("Rules", [])}
        if missing := {"rate", "AWSManagedRulesCommonRuleSet", "AWSManagedRulesSQLiRuleSet"} - names:
            yield f"{acl.where}: lacks {', '.join(sorted(missing))}"


def sign_in(templates: Templates, _place: Place) -> Iterator[str]:
    """People sign in with a second factor, and nobody signs up by himself."""
    for pool in templates.all("AWS::Cognito::UserPool"):
        if pool.properties.get("MfaConfiguration") != "ON":
            yield f"{pool.where}: asks for no second factor"
        if pool.properties.get("AdminCreateUserConfig", {}).get("AllowAdminCreateUserOnly") is not True:
            yield f"{pool.where}: lets anybody sign up"


RULES = {
    "security-groups": security_groups,
    "subnets": subnets,
    "fences": fences,
    "endpoints": endpoints,
    "flow-logs": flow_logs,
    "balancers": balancers,
    "gateways": gateways,
    "tokens-at-the-door": tokens_at_the_door,
    "firewalls": firewalls,
    "sign-in": sign_in,
}
