"""What is kept outside the database: the media bucket, the lake, the queues, the engineers' topic, the images."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from contracts import resources
from infra.aws.ground import (
    PlacedStack,
    QueueWithDeadLetters,
    dead_letters,
    let_events_send,
    private_bucket,
    service_role,
)
from infra.aws.place import RULE_ERRORS_QUEUE, Place
from infra.aws.stacks.security import DETECTOR_EVENTS, SecurityStack

IMAGES = ("cloud", "vision", "trainer")
"""Repositories; the trainer is the vision image with torch. The drones' image is built for them elsewhere."""


class StorageStack(PlacedStack):
    """Deleting this stack deletes no byte of it."""

    def __init__(self, scope: Construct, place: Place, security: SecurityStack) -> None:
        super().__init__(scope, "storage", place, description="media bucket, lake, queues, topic, image repositories")
        key = security.queues_key
        self.queues = {name: QueueWithDeadLetters(self, name, key) for name in resources.QUEUES}
        self.rule_errors = dead_letters(self, "RuleErrors", RULE_ERRORS_QUEUE, key)
        self.engineers = sns.Topic(
            self, "Engineers", topic_name=resources.ENGINEERS_TOPIC, master_key=key, enforce_ssl=True
        )
        self.media = private_bucket(
            self, "Media", place.bucket, security.media_key, security.access_logs,
            object_lock_enabled=True,
            object_lock_default_retention=s3.ObjectLockRetention.governance(
                cdk.Duration.days(place.size.evidence_days)
            ),
            lifecycle_rules=_media_life(), transfer_acceleration=place.accelerate or None,
        )  # fmt: skip
        self._announce(self.queues[resources.MEDIA_EVENTS_QUEUE].queue)
        self._hear_detectors(self.queues[resources.SECURITY_FINDINGS_QUEUE])
        self._refuse_unencrypted(security)
        if place.size.replica:
            self._copy_to_second_region(security)
        self.lake = private_bucket(
            self, "Lake", place.lake, security.media_key, security.access_logs, lifecycle_rules=[_old_to_glacier()]
        )  # fmt: skip
        self.images = {name: self._repository(name, security) for name in IMAGES}

    def _announce(self, queue: sqs.Queue) -> None:
        """Tell the queue of each record. By hand: the CDK's own way adds a Lambda with rights to every bucket."""
        queue.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("s3.amazonaws.com")],
                actions=["sqs:SendMessage"],
                resources=[queue.queue_arn],
                conditions={
                    "ArnEquals": {"aws:SourceArn": self.place.objects()},
                    "StringEquals": {"aws:SourceAccount": self.account},
                },
            )
        )
        bucket = self.media.node.default_child
        rules = [{"name": "prefix", "value": "flights/"}, {"name": "suffix", "value": ".json"}]
        bucket.notification_configuration = {
            "queueConfigurations": [
                {"event": "s3:ObjectCreated:*", "queue": queue.queue_arn, "filter": {"s3Key": {"rules": rules}}}
            ]
        }
        bucket.node.add_dependency(queue.node.find_child("Policy"))

    def _hear_detectors(self, found: QueueWithDeadLetters) -> None:
        """Give the platform what AWS's detectors find, beside the people (security stack) who are told anyway."""
        for name, pattern in DETECTOR_EVENTS.items():
            target = {"id": "platform", "arn": found.queue.queue_arn, "deadLetterConfig": {"arn": found.dead.queue_arn}}
            events.CfnRule(
                self, name, name=f"kestrel-hear-{name.lower()}", event_pattern=pattern, targets=[target]
            ).node.add_dependency(found)
        rules = [self.place.arn("events", f"rule/kestrel-hear-{name.lower()}") for name in DETECTOR_EVENTS]
        for queue in (found.queue, found.dead):
            let_events_send(queue, rules)

    def _copy_to_second_region(self, security: SecurityStack) -> None:
        """Copy each object to the replica stack's bucket within fifteen minutes; deletions are not copied."""
        there, place = f"arn:aws:s3:::{self.place.replica_bucket}", self.place
        key = f"arn:aws:kms:{place.replica_region}:{self.account}:alias/kestrel/replica"
        role = service_role(self, "CopyRole", "s3.amazonaws.com", place, source=place.objects())
        reads = ["s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl", "s3:GetObjectVersionTagging",
                 "s3:GetObjectRetention", "s3:GetObjectLegalHold"]  # fmt: skip
        lists = ["s3:GetReplicationConfiguration", "s3:ListBucket"]
        writes = ["s3:ReplicateObject", "s3:ReplicateTags"]
        use = {"StringEquals": {"kms:ViaService": f"s3.{place.replica_region}.amazonaws.com"}}
        for actions, where, conditions in (
            (lists, place.objects(), {}),
            (reads, f"{place.objects()}/*", {}),
            (writes, f"{there}/*", {}),
            (["kms:Decrypt"], security.media_key.key_arn, {}),
            (["kms:Encrypt"], place.arn("kms", "key/*").replace(place.region, place.replica_region), use),
        ):
            role.add_to_policy(iam.PolicyStatement(actions=actions, resources=[where], conditions=conditions))
        rule = {
            "id": "second-region",
            "status": "Enabled",
            "priority": 1,
            "filter": {"prefix": ""},
            "deleteMarkerReplication": {"status": "Disabled"},
            "sourceSelectionCriteria": {"sseKmsEncryptedObjects": {"status": "Enabled"}},
            "destination": {
                "bucket": there,
                "encryptionConfiguration": {"replicaKmsKeyId": key},
                "metrics": {"status": "Enabled", "eventThreshold": {"minutes": 15}},
                "replicationTime": {"status": "Enabled", "time": {"minutes": 15}},
            },
        }
        self.media.node.default_child.replication_configuration = {"role": role.role_arn, "rules": [rule]}

    def _refuse_unencrypted(self, security: SecurityStack) -> None:
        """Refuse an upload that asks for another key than ours; without asking, ours is used."""
        self.media.add_to_resource_policy(
            iam.PolicyStatement(
                sid="OtherKey",
                effect=iam.Effect.DENY,
                principals=[iam.AnyPrincipal()],
                actions=["s3:PutObject"],
                resources=[self.place.objects("") + "/*"],
                conditions={
                    "StringNotEqualsIfExists": {
                        "s3:x-amz-server-side-encryption-aws-kms-key-id": security.media_key.key_arn
                    },
                    "Null": {"s3:x-amz-server-side-encryption-aws-kms-key-id": "false"},
                },
            )
        )

    def _repository(self, name: str, security: SecurityStack) -> ecr.Repository:
        return ecr.Repository(
            self,
            name.title(),
            repository_name=f"kestrel/{name}",
            encryption=ecr.RepositoryEncryption.KMS,
            encryption_key=security.data_key,
            image_scan_on_push=True,
            image_tag_mutability=ecr.TagMutability.IMMUTABLE,
            removal_policy=cdk.RemovalPolicy.RETAIN,
            lifecycle_rules=[ecr.LifecycleRule(max_image_count=20)],
        )


def _media_life() -> list[s3.LifecycleRule]:
    days = cdk.Duration.days
    return [
        s3.LifecycleRule(id="lost-uploads", abort_incomplete_multipart_upload_after=days(7)),
        s3.LifecycleRule(id="replaced", noncurrent_version_expiration=days(90)),
        s3.LifecycleRule(
            id="video",
            prefix="flights/",
            transitions=[
                s3.Transition(storage_class=s3.StorageClass.INFREQUENT_ACCESS, transition_after=days(30)),
                s3.Transition(storage_class=s3.StorageClass.GLACIER_INSTANT_RETRIEVAL, transition_after=days(180)),
            ],
        ),
    ]


def _old_to_glacier() -> s3.LifecycleRule:
    old = s3.Transition(storage_class=s3.StorageClass.GLACIER_INSTANT_RETRIEVAL, transition_after=cdk.Duration.days(90))
    return s3.LifecycleRule(id="old", transitions=[old], noncurrent_version_expiration=cdk.Duration.days(30))
