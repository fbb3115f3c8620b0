"""An enterprise's second account: the trail of every API call, where nobody of the platform's account reaches it."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.aws.ground import PlacedStack, access_log_bucket, private_bucket
from infra.aws.place import Place

_KEPT_DAYS = 365


class AuditStack(PlacedStack):
    """Deployed by the auditors themselves, with their credentials, before the platform's security stack."""

    def __init__(self, scope: Construct, place: Place) -> None:
        super().__init__(
            scope, "audit", place, account=place.audit_account, description="the audit trail, in an account of its own"
        )
        key = kms.Key(
            self,
            "Key",
            description="Kestrel: the audit trail's copy",
            alias="kestrel/audit",
            enable_key_rotation=True,
            removal_policy=cdk.RemovalPolicy.RETAIN,
        )
        logs = access_log_bucket(self, f"kestrel-access-logs-{self.account}")
        trail = private_bucket(
            self, "TrailLogs", place.trail_bucket, key, logs,
            object_lock_enabled=True,
            object_lock_default_retention=s3.ObjectLockRetention.compliance(cdk.Duration.days(_KEPT_DAYS)),
        )  # fmt: skip
        only = {"aws:SourceArn": place.trail}
        own = f"{trail.bucket_arn}/AWSLogs/{place.account}/*"
        for action, where, conditions in (
            ("s3:GetBucketAcl", trail.bucket_arn, only),
            ("s3:PutObject", own, {**only, "s3:x-amz-acl": "bucket-owner-full-control"}),
        ):
            trail.add_to_resource_policy(
                iam.PolicyStatement(
                    principals=[iam.ServicePrincipal("cloudtrail.amazonaws.com")],
                    actions=[action],
                    resources=[where],
                    conditions={"StringEquals": conditions},
                )
            )
