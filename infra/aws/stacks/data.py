"""What is true: Postgres behind a proxy, the routes, the secrets, and the copies of it all."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_backup as backup
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_rds as rds
from aws_cdk import aws_secretsmanager as secrets
from constructs import Construct

from contracts import resources
from infra.aws.ground import PlacedStack, service_role
from infra.aws.place import Place
from infra.aws.stacks.fences import POSTGRES
from infra.aws.stacks.network import CIDR, NetworkStack
from infra.aws.stacks.security import SecurityStack

DATABASE, DATABASE_USER = "kestrel", "kestrel"
SECRETS = {
    "command-signing-key": "Ed25519 private key (PEM) that signs commands to drones",
    "session-key": "32 random bytes, base64, that sign browser sessions",
    "iot-platform": "JSON: certificate and key of kestrel-cloud on AWS IoT Core",
    "canary": "API key of a viewer, with which the probe from outside comes in",
    "sap": "JSON: user and password of the technical user in SAP",
}
"""Filled once by hand after the first deployment; programs read them at start."""


class DataStack(PlacedStack):
    """Deleting this stack leaves a snapshot, the table and the backups."""

    def __init__(self, scope: Construct, place: Place, network: NetworkStack, security: SecurityStack) -> None:
        super().__init__(scope, "data", place, description="Postgres, proxy, routes, secrets, backups")
        self.key = self._own_key()
        self.guard = ec2.SecurityGroup(
            self, "Guard", vpc=network.vpc, description="Kestrel: Postgres and its proxy", allow_all_outbound=False
        )
        # Proxy and database share the group. That the one reaches the other, and the programs both, the CDK writes
        # itself (for the proxy and for the rotation): the same rule by hand would stand twice, and EC2 refuses that.
        self.guard.add_egress_rule(ec2.Peer.ipv4(CIDR), ec2.Port.tcp(443), "secrets endpoint")
        self.database = self._database(network)
        self.proxy = self._proxy(network)
        self.routes = self._routes(security.data_key)
        self.secrets = {name: self._secret(name, what) for name, what in SECRETS.items()}
        self._backups()

    def _own_key(self) -> kms.Key:
        """The proxy's role is written into its key's policy, so that key cannot stand in another stack."""
        return kms.Key(
            self,
            "Key",
            description="Kestrel: database and secrets",
            alias="kestrel/database",
            enable_key_rotation=True,
            removal_policy=cdk.RemovalPolicy.RETAIN,
        )

    def _database(self, network: NetworkStack) -> rds.DatabaseInstance:
        size = self.place.size
        engine = rds.DatabaseInstanceEngine.postgres(version=rds.PostgresEngineVersion.VER_18_3)
        instance = rds.DatabaseInstance(
            self,
            "Database",
            instance_identifier="kestrel",
            engine=engine,
            instance_type=ec2.InstanceType(size.database_class),
            vpc=network.vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_group_name="data"),
            security_groups=[self.guard],
            credentials=rds.Credentials.from_generated_secret(
                DATABASE_USER,
                secret_name="kestrel/database",  # noqa: S106 - a name, not a password
                encryption_key=self.key,
            ),
            database_name=DATABASE,
            port=POSTGRES,
            multi_az=size.database_standby,
            storage_type=rds.StorageType.GP3,
            allocated_storage=size.database_storage_gb,
            max_allocated_storage=size.database_storage_gb * 4,
            storage_encrypted=True,
            storage_encryption_key=self.key,
            iam_authentication=True,
            publicly_accessible=False,
            deletion_protection=True,
            removal_policy=cdk.RemovalPolicy.SNAPSHOT,
            backup_retention=cdk.Duration.days(35),
            copy_tags_to_snapshot=True,
            auto_minor_version_upgrade=True,
            enable_performance_insights=True,
            performance_insight_encryption_key=self.key,
            monitoring_interval=cdk.Duration.seconds(60),
            monitoring_role=self._monitoring_role(),
            cloudwatch_logs_exports=["postgresql", "upgrade"],
            ca_certificate=rds.CaCertificate.RDS_CA_RSA2048_G1,
            parameter_group=rds.ParameterGroup(
                self, "Parameters", engine=engine, parameters={"rds.force_ssl": "1", "log_connections": "1"}
            ),
        )
        instance.add_rotation_single_user(
            automatically_after=cdk.Duration.days(30),
            vpc_subnets=ec2.SubnetSelection(subnet_group_name="services"),
            security_group=network.services,
        )
        return instance

    def _monitoring_role(self) -> iam.Role:
        role = service_role(self, "Monitoring", "monitoring.rds.amazonaws.com", self.place, named="kestrel-monitoring")
        role.add_managed_policy(
            iam.ManagedPolicy.from_aws_managed_policy_name("service-role/AmazonRDSEnhancedMonitoringRole")
        )
        return role

    def _proxy(self, network: NetworkStack) -> rds.DatabaseProxy:
        role = service_role(self, "ProxyRole", "rds.amazonaws.com", self.place)
        assert self.database.secret is not None  # noqa: S101 - generated above
        return rds.DatabaseProxy(
            self,
            "Proxy",
            db_proxy_name="kestrel",
            proxy_target=rds.ProxyTarget.from_instance(self.database),
            secrets=[self.database.secret],
            vpc=network.vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_group_name="data"),
            security_groups=[self.guard],
            require_tls=True,
            # Tasks sign in with their roles, so a rotated password concerns the proxy alone, which reads the secret.
            iam_auth=True,
            role=role,
        )

    def _routes(self, key: kms.IKey) -> dynamodb.TableV2:
        """Return the table of routes; an enterprise's second region has it too, and may write to it when it must."""
        there = self.place.replica_region
        copies = [dynamodb.ReplicaTableProps(region=there, deletion_protection=True)] if self.place.size.replica else []
        keys = {there: f"arn:aws:kms:{there}:{self.account}:alias/kestrel/replica"} if copies else None
        return dynamodb.TableV2(
            self,
            "Routes",
            table_name=resources.ROUTES_TABLE,
            partition_key=dynamodb.Attribute(name="plan_id", type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name="version", type=dynamodb.AttributeType.NUMBER),
            billing=dynamodb.Billing.on_demand(),
            encryption=dynamodb.TableEncryptionV2.customer_managed_key(key, keys),
            replicas=copies,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            deletion_protection=True,
            removal_policy=cdk.RemovalPolicy.RETAIN,
        )

    def _secret(self, name: str, what: str) -> secrets.Secret:
        return secrets.Secret(
            self,
            name.title().replace("-", ""),
            secret_name=f"kestrel/{name}",
            description=what,
            encryption_key=self.key,
            removal_policy=cdk.RemovalPolicy.RETAIN,
        )

    def _backups(self) -> None:
        vault = backup.BackupVault(
            self,
            "Vault",
            backup_vault_name="kestrel",
            encryption_key=self.key,
            removal_policy=cdk.RemovalPolicy.RETAIN,
            lock_configuration=backup.LockConfiguration(min_retention=cdk.Duration.days(7)),
        )
        plan = backup.BackupPlan(self, "Plan", backup_plan_name="kestrel", backup_vault=vault)
        for name, schedule, kept in (
            ("daily", events.Schedule.cron(hour="3", minute="0"), cdk.Duration.days(35)),
            ("monthly", events.Schedule.cron(day="1", hour="4", minute="0"), cdk.Duration.days(365)),
        ):
            plan.add_rule(backup.BackupPlanRule(rule_name=name, schedule_expression=schedule, delete_after=kept))
        role = service_role(self, "BackupRole", "backup.amazonaws.com", self.place)
        for what in ("Backup", "Restores"):
            policy = f"service-role/AWSBackupServiceRolePolicyFor{what}"
            role.add_managed_policy(iam.ManagedPolicy.from_aws_managed_policy_name(policy))
        plan.add_selection(
            "Kept",
            role=role,
            resources=[
                backup.BackupResource.from_rds_database_instance(self.database),
                backup.BackupResource.from_arn(self.place.table),
            ],
        )
