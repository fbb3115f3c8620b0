"""How people and programs reach the platform: Cognito, HTTP API, VPC link, load balancer with a firewall, the API."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_apigatewayv2_authorizers as authorizers
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_certificatemanager as certificates
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_elasticloadbalancingv2 as balancing
from aws_cdk import aws_iam as iam
from aws_cdk import aws_wafv2 as waf
from constructs import Construct

from contracts.vocabulary import Role
from infra.aws.ground import PlacedStack, log_group
from infra.aws.place import TOKENS_ONLY, Place
from infra.aws.stacks import release
from infra.aws.stacks.fences import HTTPS
from infra.aws.stacks.programs import API_PORT, CloudProgram, Floor, Shape

_MANAGED = (
    ("AWSManagedRulesAmazonIpReputationList", ()),
    ("AWSManagedRulesCommonRuleSet", ("SizeRestrictions_BODY",)),
    ("AWSManagedRulesKnownBadInputsRuleSet", ()),
    ("AWSManagedRulesSQLiRuleSet", ()),
)
"""Rule groups, and their rules that only count: plans are bigger than 8 KB; the API has a limit of its own."""
_REQUESTS_PER_5_MINUTES = 3_000


class ApiStack(PlacedStack):
    """The API checks token, key or session itself; where it takes tokens only, the gateway does too (decision 0037)."""

    def __init__(self, scope: Construct, place: Place, floor: Floor) -> None:
        super().__init__(scope, "api", place, description="sign-in, HTTP API, firewall, API tasks")
        self._floor = floor
        self.pool = self._pool()
        self.client = self._client()
        self.program = self._program()
        self.guard = ec2.SecurityGroup(
            self, "Guard", vpc=floor.network.vpc, description="Kestrel: load balancer", allow_all_outbound=False
        )
        link = ec2.SecurityGroup(
            self,
            "Link",
            vpc=floor.network.vpc,
            description="Kestrel: VPC link of the HTTP API",
            allow_all_outbound=False,
        )
        self.guard.add_ingress_rule(link, ec2.Port.tcp(HTTPS), "VPC link")
        link.add_egress_rule(self.guard, ec2.Port.tcp(HTTPS), "load balancer")
        self.balancer = self._balancer()
        self.service = self._service()
        self.http = self._gateway(link)
        self._firewall()

    def _pool(self) -> cognito.UserPool:
        pool = cognito.UserPool(
            self,
            "People",
            user_pool_name="kestrel",
            self_sign_up_enabled=False,
            sign_in_aliases=cognito.SignInAliases(email=True),
            mfa=cognito.Mfa.REQUIRED,
            mfa_second_factor=cognito.MfaSecondFactor(otp=True, sms=False),
            feature_plan=cognito.FeaturePlan.PLUS,
            standard_threat_protection_mode=cognito.StandardThreatProtectionMode.FULL_FUNCTION,
            password_policy=cognito.PasswordPolicy(
                min_length=14,
                require_digits=True,
                require_lowercase=True,
                require_uppercase=True,
                require_symbols=True,
            ),
            custom_attributes={"sites": cognito.StringAttribute(mutable=True, max_len=2048)},
            account_recovery=cognito.AccountRecovery.EMAIL_ONLY,
            deletion_protection=True,
            removal_policy=cdk.RemovalPolicy.RETAIN,
        )
        for role in Role:
            cognito.CfnUserPoolGroup(self, role.title(), user_pool_id=pool.user_pool_id, group_name=role.value)
        pool.add_domain("Domain", cognito_domain=cognito.CognitoDomainOptions(domain_prefix=f"kestrel-{self.account}"))
        return pool

    def _client(self) -> cognito.UserPoolClient:
        return self.pool.add_client(
            "Web",
            user_pool_client_name="kestrel-web",
            generate_secret=False,
            auth_flows=cognito.AuthFlow(user_srp=True),
            o_auth=cognito.OAuthSettings(
                flows=cognito.OAuthFlows(authorization_code_grant=True),
                scopes=[cognito.OAuthScope.OPENID, cognito.OAuthScope.EMAIL],
                callback_urls=[f"https://{self.place.domain}/"],
                logout_urls=[f"https://{self.place.domain}/login"],
            ),
            prevent_user_existence_errors=True,
            enable_token_revocation=True,
            id_token_validity=cdk.Duration.hours(1),
            access_token_validity=cdk.Duration.hours(1),
            refresh_token_validity=cdk.Duration.days(1),
        )

    def _program(self) -> CloudProgram:
        place, security = self.place, self._floor.security
        self.issuer = f"https://cognito-idp.{self.region}.amazonaws.com/{self.pool.user_pool_id}"
        program = CloudProgram(self, "api", self._floor, Shape(
            ("kestrel-cloud", "serve"), cpu=1024, memory_mib=2048, secrets=("command-signing-key", "session-key"),
            environment={
                "CLOUD_HOST": "0.0.0.0",  # noqa: S104 - inside the task's own network interface
                "CLOUD_PORT": str(API_PORT),
                "CLOUD_ISSUER": self.issuer,
                "CLOUD_JWKS_URL": f"{self.issuer}/.well-known/jwks.json",
                "CLOUD_AUDIENCE": self.client.user_pool_client_id,
                "CLOUD_EVIDENCE_KMS_KEY_ID": security.evidence_key.key_arn,
                "CLOUD_SAP_URL": place.sap_url,
            },
        ))  # fmt: skip
        sign = iam.PolicyStatement(actions=["kms:Sign", "kms:GetPublicKey"], resources=[security.evidence_key.key_arn])
        program.task.task_role.add_to_principal_policy(sign)
        program.container.add_port_mappings(ecs.PortMapping(container_port=API_PORT))
        return program

    def _balancer(self) -> balancing.ApplicationLoadBalancer:
        balancer = balancing.ApplicationLoadBalancer(
            self,
            "Balancer",
            load_balancer_name="kestrel",
            vpc=self._floor.network.vpc,
            internet_facing=False,
            vpc_subnets=ec2.SubnetSelection(subnet_group_name="services"),
            security_group=self.guard,
            drop_invalid_header_fields=True,
            deletion_protection=True,
            idle_timeout=cdk.Duration.seconds(120),
        )
        balancer.log_access_logs(self._floor.security.access_logs, "balancer")
        return balancer

    def _service(self) -> ecs.FargateService:
        size, network = self.place.size, self._floor.network
        # The API's own group: only it is reached from the balancer (the CDK writes that rule when the service is made
        # its target), the other programs by nobody.
        door = ec2.SecurityGroup(
            self, "Door", vpc=network.vpc, description="Kestrel: API tasks", allow_all_outbound=False
        )
        certificate = certificates.Certificate.from_certificate_arn(self, "Certificate", self.place.certificate)
        self.listener = self.balancer.add_listener(
            "Https",
            port=HTTPS,
            protocol=balancing.ApplicationProtocol.HTTPS,
            certificates=[certificate],
            ssl_policy=balancing.SslPolicy.TLS13_RES,
            open=False,
            default_action=balancing.ListenerAction.fixed_response(404),
        )
        self.sides = release.sides(self, network.vpc, self.listener, API_PORT)
        release.errors_alarm(self, self.balancer, self._floor.security.alarms)
        service = self.program.service(
            size.api_tasks,
            health_check_grace_period=cdk.Duration.seconds(60),
            deployment_strategy=ecs.DeploymentStrategy.BLUE_GREEN,
            bake_time=release.BAKE,
            deployment_alarms=ecs.DeploymentAlarmConfig(
                alarm_names=[release.ALARM], behavior=ecs.AlarmBehavior.ROLLBACK_ON_ALARM
            ),
        )
        service.connections.add_security_group(door)
        service.node.add_dependency(self.node.find_child("ReleaseErrors"))
        release.turn_over(self, service, self.sides, API_PORT)
        scaling = service.auto_scale_task_count(min_capacity=size.api_tasks, max_capacity=size.api_tasks_most)
        scaling.scale_on_cpu_utilization("Cpu", target_utilization_percent=60)
        return service

    def _gateway(self, guard: ec2.SecurityGroup) -> apigateway.HttpApi:
        network = self._floor.network
        subnets = ec2.SubnetSelection(subnet_group_name="services")
        link = apigateway.VpcLink(
            self, "VpcLink", vpc=network.vpc, vpc_link_name="kestrel", security_groups=[guard], subnets=subnets
        )
        certificate = certificates.Certificate.from_certificate_arn(self, "Public", self.place.certificate)
        name = apigateway.DomainName(
            self,
            "Name",
            domain_name=self.place.domain,
            certificate=certificate,
            security_policy=apigateway.SecurityPolicy.TLS_1_2,
        )
        api = integrations.HttpAlbIntegration("Api", self.listener, vpc_link=link, secure_server_name=self.place.domain)
        http = apigateway.HttpApi(
            self,
            "Http",
            api_name="kestrel",
            disable_execute_api_endpoint=True,
            create_default_stage=False,
            default_integration=api,
        )
        http.add_routes(
            path=TOKENS_ONLY,
            methods=[apigateway.HttpMethod.ANY],
            integration=api,
            authorizer=authorizers.HttpJwtAuthorizer(
                "Tokens", self.issuer, jwt_audience=[self.client.user_pool_client_id]
            ),
        )
        group = log_group(self, "GatewayLog", "gateway", self._floor.security.logs_key, self.place)
        stage = apigateway.HttpStage(
            self,
            "Stage",
            http_api=http,
            stage_name="$default",
            auto_deploy=True,
            domain_mapping=apigateway.DomainMappingOptions(domain_name=name),
            throttle=apigateway.ThrottleSettings(rate_limit=500, burst_limit=1000),
            detailed_metrics_enabled=True,
        )
        stage.node.default_child.access_log_settings = {
            "destinationArn": group.log_group_arn,
            "format": '{"at":"$context.requestTime","from":"$context.identity.sourceIp","did":"$context.httpMethod",'
            '"path":"$context.path","status":"$context.status","ms":"$context.responseLatency",'
            '"request":"$context.requestId","failed":"$context.integrationErrorMessage"}',
        }
        return http

    def _firewall(self) -> None:
        rules = [_managed(index, name, counted) for index, (name, counted) in enumerate(_MANAGED)]
        rules.append(_rate(len(_MANAGED)))
        acl = waf.CfnWebACL(
            self,
            "Firewall",
            name="kestrel",
            scope="REGIONAL",
            default_action={"allow": {}},
            rules=rules,
            visibility_config=_visible("kestrel"),
        )
        for name, address in (
            ("Balancer", self.balancer.load_balancer_arn),
            ("People", self.pool.user_pool_arn),
        ):
            waf.CfnWebACLAssociation(self, f"Firewall{name}", resource_arn=address, web_acl_arn=acl.attr_arn)
        group = log_group(self, "FirewallLog", "", self._floor.security.logs_key, self.place)
        group.node.default_child.log_group_name = "aws-waf-logs-kestrel"  # WAF writes to no other name
        waf.CfnLoggingConfiguration(
            self,
            "FirewallLogging",
            resource_arn=acl.attr_arn,
            log_destination_configs=[self.place.arn("logs", "log-group:aws-waf-logs-kestrel")],
            redacted_fields=[{"singleHeader": {"Name": "authorization"}}, {"singleHeader": {"Name": "cookie"}}],
        ).node.add_dependency(group)


def _visible(name: str) -> dict[str, object]:
    return {"cloudWatchMetricsEnabled": True, "metricName": name, "sampledRequestsEnabled": True}


def _managed(priority: int, name: str, counted: tuple[str, ...]) -> dict[str, object]:
    overrides = [{"name": rule, "actionToUse": {"count": {}}} for rule in counted]
    group = {"vendorName": "AWS", "name": name, **({"ruleActionOverrides": overrides} if overrides else {})}
    return {
        "name": name,
        "priority": priority,
        "overrideAction": {"none": {}},
        "statement": {"managedRuleGroupStatement": group},
        "visibilityConfig": _visible(name),
    }


def _rate(priority: int) -> dict[str, object]:
    # Behind the VPC link every address is the gateway's: the caller's stands in the header.
    whose = {"headerName": "X-Forwarded-For", "fallbackBehavior": "MATCH"}
    limit = {"limit": _REQUESTS_PER_5_MINUTES, "aggregateKeyType": "FORWARDED_IP", "forwardedIpConfig": whose}
    return {
        "name": "rate",
        "priority": priority,
        "action": {"block": {}},
        "statement": {"rateBasedStatement": limit},
        "visibilityConfig": _visible("rate"),
    }
