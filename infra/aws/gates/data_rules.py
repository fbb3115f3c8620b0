"""Invariants of what is kept: buckets, queues, topics, database, table, keys, secrets."""

from __future__ import annotations

import json
from collections.abc import Iterator

from contracts import resources
from infra.aws.gates.templates import Resource, Templates, listed
from infra.aws.place import RULE_ERRORS_QUEUE, Place

_CLOSED = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
_OWN_KEY_IMPOSSIBLE = "kestrel-access-logs-"
"""S3 writes access logs only to buckets with its own key."""
_REMEMBERS = {
    "AWS::Backup::BackupVault",
    "AWS::Cognito::UserPool",
    "AWS::DynamoDB::GlobalTable",
    "AWS::ECR::Repository",
    "AWS::KMS::Key",
    "AWS::Logs::LogGroup",
    "AWS::RDS::DBInstance",
    "AWS::S3::Bucket",
    "AWS::SecretsManager::Secret",
}
_KEPT = {"Retain", "Snapshot"}
_MADE_ANEW = "DatabaseSecret"
"""The database's own password: whoever restores the last snapshot gives it another."""


def buckets(templates: Templates, place: Place) -> Iterator[str]:
    """Closed to the public, encrypted with our key, versioned, kept."""
    for bucket in templates.all("AWS::S3::Bucket"):
        said = bucket.properties
        name = str(said.get("BucketName", ""))
        closed = said.get("PublicAccessBlockConfiguration", {})
        if not all(closed.get(flag) is True for flag in _CLOSED):
            yield f"{bucket.where}: is not closed to the public"
        encryption = json.dumps(said.get("BucketEncryption", {}))
        if "SSEAlgorithm" not in encryption or ("aws:kms" not in encryption and _OWN_KEY_IMPOSSIBLE not in name):
            yield f"{bucket.where}: is not encrypted with our key"
        if said.get("VersioningConfiguration", {}).get("Status") != "Enabled":
            yield f"{bucket.where}: keeps no versions"
        if bucket.whole.get("DeletionPolicy") != "Retain":
            yield f"{bucket.where}: would be deleted with its stack"
        if "LoggingConfiguration" not in said and _OWN_KEY_IMPOSSIBLE not in name:
            yield f"{bucket.where}: logs no access"
    media = templates.one("AWS::S3::Bucket", BucketName=place.bucket)
    if media is not None and not _locked(media, place):
        yield f"{media.where}: evidence can be deleted before {place.size.evidence_days} days"


def lifecycles(templates: Templates, _place: Place) -> Iterator[str]:
    """What was replaced or deleted in a bucket with versions ends some day."""
    for bucket in templates.all("AWS::S3::Bucket"):
        if "NoncurrentVersionExpiration" not in json.dumps(bucket.properties.get("LifecycleConfiguration", {})):
            yield f"{bucket.where}: pays for every replaced version for ever"


def _locked(media: Resource, place: Place) -> bool:
    rule = media.properties.get("ObjectLockConfiguration", {}).get("Rule", {}).get("DefaultRetention", {})
    return media.properties.get("ObjectLockEnabled") is True and rule.get("Days") == place.size.evidence_days


def bucket_policies(templates: Templates, _place: Place) -> Iterator[str]:
    """Every bucket refuses plain HTTP, and no statement lets everybody in."""
    guarded: set[str] = set()
    for policy in templates.all("AWS::S3::BucketPolicy"):
        bucket = f"{policy.stack}/{policy.properties['Bucket'].get('Ref', '')}"
        for statement in listed(policy.properties["PolicyDocument"]["Statement"]):
            if statement["Effect"] == "Allow" and statement.get("Principal") in ("*", {"AWS": "*"}):
                yield f"{policy.where}: lets everybody {statement['Action']}"
            if statement["Effect"] == "Deny" and statement.get("Condition") == {
                "Bool": {"aws:SecureTransport": "false"}
            }:
                guarded.add(bucket)
    for bucket_resource in templates.all("AWS::S3::Bucket"):
        if bucket_resource.where not in guarded:
            yield f"{bucket_resource.where}: does not refuse plain HTTP"


def announcements(templates: Templates, place: Place) -> Iterator[str]:
    """The media bucket announces exactly ``flights/*.json``, and only it may write to that queue."""
    media = templates.one("AWS::S3::Bucket", BucketName=place.bucket)
    if media is None:
        yield "kestrel-storage: there is no media bucket"
        return
    told = media.properties.get("NotificationConfiguration", {}).get("QueueConfigurations", [])
    rules = [{"Name": "prefix", "Value": "flights/"}, {"Name": "suffix", "Value": ".json"}]
    if [row.get("Filter", {}).get("S3Key", {}).get("Rules") for row in told] != [rules]:
        yield f"{media.where}: does not announce exactly flights/*.json"
    for policy in templates.all("AWS::SQS::QueuePolicy"):
        for statement in listed(policy.properties["PolicyDocument"]["Statement"]):
            if statement["Effect"] == "Allow" and "aws:SourceA" not in json.dumps(statement.get("Condition", {})):
                yield f"{policy.where}: lets any account's resource send"


def queues(templates: Templates, _place: Place) -> Iterator[str]:
    """The declared queues exist, encrypted; each has its dead letters or is that."""
    found = {str(queue.properties.get("QueueName", queue.id)): queue for queue in templates.all("AWS::SQS::Queue")}
    for name in resources.QUEUES:
        for wanted in (name, name + resources.DEAD_LETTER_SUFFIX):
            if wanted not in found:
                yield f"kestrel-storage: queue {wanted} is missing"
    for name, queue in found.items():
        if "KmsMasterKeyId" not in queue.properties:
            yield f"{queue.where}: is not encrypted with our key"
        last = name.endswith(resources.DEAD_LETTER_SUFFIX) or name == RULE_ERRORS_QUEUE
        redrive = queue.properties.get("RedrivePolicy", {})
        if not last and redrive.get("maxReceiveCount") != resources.MAX_RECEIVES:
            yield f"{queue.where}: has no dead letters after {resources.MAX_RECEIVES} attempts"
        if not last and queue.properties.get("VisibilityTimeout", 0) < resources.VISIBILITY_S:
            yield f"{queue.where}: shows a message again while it is being handled"


def topics(templates: Templates, _place: Place) -> Iterator[str]:
    """Topics are encrypted."""
    for topic in templates.all("AWS::SNS::Topic"):
        if "KmsMasterKeyId" not in topic.properties:
            yield f"{topic.where}: is not encrypted with our key"


def databases(templates: Templates, place: Place) -> Iterator[str]:
    """Postgres is private, encrypted, backed up, hard to delete, and speaks TLS only."""
    for database in templates.all("AWS::RDS::DBInstance"):
        said, replica = database.properties, "SourceDBInstanceIdentifier" in database.properties
        for wanted, sentence in (
            ((replica or said.get("StorageEncrypted") is True) and "KmsKeyId" in said, "is not encrypted with our key"),
            (said.get("PubliclyAccessible") is False, "can be reached from the internet"),
            (said.get("DeletionProtection") is True, "can be deleted by one call"),
            (database.whole.get("DeletionPolicy") == "Snapshot", "leaves no snapshot behind"),
            (replica or said.get("BackupRetentionPeriod", 0) >= 7, "keeps no week of backups"),
            (replica or said.get("MultiAZ") is place.size.database_standby, "has not the standby of its size"),
        ):
            if not wanted:
                yield f"{database.where}: {sentence}"
    for parameters in templates.all("AWS::RDS::DBParameterGroup"):
        if parameters.properties.get("Parameters", {}).get("rds.force_ssl") != "1":
            yield f"{parameters.where}: lets connections in without TLS"


def proxies(templates: Templates, _place: Place) -> Iterator[str]:
    """The way to Postgres speaks TLS, and takes roles instead of passwords."""
    for proxy in templates.all("AWS::RDS::DBProxy"):
        if proxy.properties.get("RequireTLS") is not True:
            yield f"{proxy.where}: lets connections in without TLS"
        if any(one.get("IAMAuth") != "REQUIRED" for one in proxy.properties["Auth"]):
            yield f"{proxy.where}: lets passwords in, which end with the next rotation"


def tables(templates: Templates, place: Place) -> Iterator[str]:
    """The table of routes is encrypted, can be restored to any minute, and is hard to delete."""
    for table in templates.all("AWS::DynamoDB::GlobalTable", "AWS::DynamoDB::Table"):
        regions = {replica["Region"] for replica in table.properties.get("Replicas", [])}
        if place.size.replica and place.replica_region not in regions:
            yield f"{table.where}: is not copied to the second region"
        for replica in table.properties.get("Replicas", []):
            if not replica.get("PointInTimeRecoverySpecification", {}).get("PointInTimeRecoveryEnabled"):
                yield f"{table.where}: cannot be restored to a minute"
            if not replica.get("DeletionProtectionEnabled"):
                yield f"{table.where}: can be deleted by one call"
        if table.properties.get("SSESpecification", {}).get("SSEType") != "KMS":
            yield f"{table.where}: is not encrypted with our key"


def keys(templates: Templates, _place: Place) -> Iterator[str]:
    """Keys rotate, outlive their stack, and open for nobody else."""
    for key in templates.all("AWS::KMS::Key"):
        said = key.properties
        if said.get("KeyUsage", "ENCRYPT_DECRYPT") == "ENCRYPT_DECRYPT" and said.get("EnableKeyRotation") is not True:
            yield f"{key.where}: does not rotate"
        if key.whole.get("DeletionPolicy") != "Retain":
            yield f"{key.where}: would be deleted with its stack, and what it encrypts lost"
        for statement in listed(said["KeyPolicy"]["Statement"]):
            if statement.get("Principal") in ("*", {"AWS": "*"}) and "Condition" not in statement:
                yield f"{key.where}: opens for everybody"


def secrets(templates: Templates, _place: Place) -> Iterator[str]:
    """Secrets are encrypted with our key and kept."""
    for secret in templates.all("AWS::SecretsManager::Secret"):
        if "KmsKeyId" not in secret.properties:
            yield f"{secret.where}: is not encrypted with our key"
        if "SecretString" in secret.properties:
            yield f"{secret.where}: stands in the template in plain text"


def remains(templates: Templates, _place: Place) -> Iterator[str]:
    """What remembers outlives its stack, and its own replacement; so does what nobody could handle."""
    for resource in templates.all(*_REMEMBERS, "AWS::SQS::Queue"):
        name = str(resource.properties.get("QueueName", ""))
        waits = resource.type == "AWS::SQS::Queue" and not name.endswith(resources.DEAD_LETTER_SUFFIX)
        if waits or (resource.type == "AWS::SecretsManager::Secret" and _MADE_ANEW in resource.id):
            continue
        if {resource.whole.get("DeletionPolicy"), resource.whole.get("UpdateReplacePolicy")} - _KEPT:
            yield f"{resource.where}: goes with its stack, or when it is replaced"


RULES = {
    "remains": remains,
    "buckets": buckets,
    "lifecycles": lifecycles,
    "bucket-policies": bucket_policies,
    "announcements": announcements,
    "queues": queues,
    "topics": topics,
    "databases": databases,
    "proxies": proxies,
    "tables": tables,
    "keys": keys,
    "secrets": secrets,
}
