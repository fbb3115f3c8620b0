"""What every stack is made with: its place, availability zones without a look-up, and policies written from rights."""

from __future__ import annotations

from collections.abc import Iterable

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from contracts import resources
from infra.aws.place import Place
from infra.aws.rights import BOUNDARY, TRUSTED_WITHOUT_SOURCE, Right


class PlacedStack(cdk.Stack):
    """A stack of one subject in one place."""

    def __init__(
        self, scope: Construct, subject: str, place: Place, *, region: str = "", account: str = "", description: str
    ) -> None:
        self._zones = [f"{region or place.region}{letter}" for letter in "abc"[: place.size.zones]]
        super().__init__(
            scope,
            f"kestrel-{subject}",
            env=cdk.Environment(account=account or place.account, region=region or place.region),
            description=f"Kestrel {place.size.name}: {description}",
            termination_protection=True,
        )
        self.place = place

    @property
    def availability_zones(self) -> list[str]:
        """Return the zones; the CDK would otherwise ask an account that is not there at synthesis."""
        return self._zones


def statements(rights: Iterable[Right]) -> list[iam.PolicyStatement]:
    """Return the policy of some rights."""
    return [iam.PolicyStatement(actions=list(right.actions), resources=list(right.on)) for right in rights]


def service_role(
    scope: Construct, name: str, service: str, place: Place, *, source: str = "", named: str = ""
) -> iam.Role:
    """Return a role that one AWS service may take, for this account only: no other account's resource can use it."""
    conditions: dict[str, object] = {}
    if service not in TRUSTED_WITHOUT_SOURCE:
        conditions["StringEquals"] = {"aws:SourceAccount": place.account}
    if source:
        conditions["ArnLike"] = {"aws:SourceArn": source}
    return iam.Role(
        scope,
        name,
        role_name=named or None,
        assumed_by=iam.ServicePrincipal(service, conditions=conditions),
        permissions_boundary=boundary(scope, place),
    )


def boundary(scope: Construct, place: Place) -> iam.IManagedPolicy:
    """Return the boundary that no role of the platform can exceed; the security stack makes it."""
    node = cdk.Stack.of(scope).node
    found = node.try_find_child("Boundary")
    if found is not None:
        return found
    return iam.ManagedPolicy.from_managed_policy_arn(
        cdk.Stack.of(scope), "Boundary", f"arn:aws:iam::{place.account}:policy/{BOUNDARY}"
    )


def log_group(scope: Construct, name: str, path: str, key: kms.IKey, place: Place) -> logs.LogGroup:
    """Return an encrypted log group that forgets after the size's time."""
    return logs.LogGroup(
        scope,
        name,
        log_group_name=f"/kestrel/{path}",
        encryption_key=key,
        retention=_RETENTION[place.size.log_days],
        removal_policy=cdk.RemovalPolicy.RETAIN,
    )


_RETENTION = {
    30: logs.RetentionDays.ONE_MONTH,
    90: logs.RetentionDays.THREE_MONTHS,
    365: logs.RetentionDays.ONE_YEAR,
}


class QueueWithDeadLetters(Construct):
    """A queue of ``contracts.resources`` and the queue of what could not be handled."""

    def __init__(
        self, scope: Construct, name: str, key: kms.IKey, *, visibility_s: int = resources.VISIBILITY_S
    ) -> None:
        super().__init__(scope, name)
        kept = cdk.Duration.days(14)
        self.dead = dead_letters(self, "Dead", name + resources.DEAD_LETTER_SUFFIX, key)
        self.queue = sqs.Queue(
            self,
            "Queue",
            queue_name=name,
            encryption=sqs.QueueEncryption.KMS,
            encryption_master_key=key,
            enforce_ssl=True,
            retention_period=kept,
            visibility_timeout=cdk.Duration.seconds(visibility_s),
            dead_letter_queue=sqs.DeadLetterQueue(queue=self.dead, max_receive_count=resources.MAX_RECEIVES),
        )


def dead_letters(scope: Construct, construct: str, name: str, key: kms.IKey) -> sqs.Queue:
    """Return a queue where messages end that nobody could handle."""
    return sqs.Queue(
        scope,
        construct,
        queue_name=name,
        encryption=sqs.QueueEncryption.KMS,
        encryption_master_key=key,
        enforce_ssl=True,
        retention_period=cdk.Duration.days(14),
        removal_policy=cdk.RemovalPolicy.RETAIN,
    )


def let_events_send(queue: sqs.Queue, rules: Iterable[str]) -> None:
    """Let EventBridge put into a queue what these rules send there; the key is open to it already."""
    queue.add_to_resource_policy(
        iam.PolicyStatement(
            principals=[iam.ServicePrincipal("events.amazonaws.com")],
            actions=["sqs:SendMessage"],
            resources=[queue.queue_arn],
            conditions={"ArnEquals": {"aws:SourceArn": list(rules)}},
        )
    )


def access_log_bucket(scope: Construct, name: str) -> s3.Bucket:
    """Return a bucket for the access logs of others, which end after a year; S3 writes them with its own key only."""
    return private_bucket(scope, "AccessLogs", name, None, None, lifecycle_rules=[_ends(365, 30)])


def _ends(days: int | None, replaced_days: int) -> s3.LifecycleRule:
    return s3.LifecycleRule(
        id="ends",
        expiration=cdk.Duration.days(days) if days else None,
        noncurrent_version_expiration=cdk.Duration.days(replaced_days),
        abort_incomplete_multipart_upload_after=cdk.Duration.days(7),
    )


def private_bucket(scope: Construct, construct: str, name: str, key: kms.IKey | None, access_logs: s3.IBucket | None,
                   **more: object) -> s3.Bucket:  # fmt: skip
    """Return a bucket that is closed to the public, encrypted, versioned, reached by TLS only, and kept on deletion.

    Without rules of its own, replaced and deleted versions end after a year; what is current never does.
    """
    more.setdefault("lifecycle_rules", [_ends(None, 365)])
    return s3.Bucket(
        scope,
        construct,
        bucket_name=name,
        encryption=s3.BucketEncryption.KMS if key else s3.BucketEncryption.S3_MANAGED,
        encryption_key=key,
        bucket_key_enabled=True if key else None,
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        enforce_ssl=True,
        minimum_tls_version=1.2,
        versioned=True,
        removal_policy=cdk.RemovalPolicy.RETAIN,
        server_access_logs_bucket=access_logs,
        server_access_logs_prefix=f"{construct.lower()}/" if access_logs else None,
        **more,
    )
