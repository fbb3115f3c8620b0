"""From the drones into the database: the ingest tasks, what follows from stored objects, and the raw archive."""

from __future__ import annotations

from aws_cdk import aws_iam as iam
from aws_cdk import aws_iot as iot
from aws_cdk import aws_kinesisfirehose as firehose
from aws_cdk import aws_logs as logs
from constructs import Construct

from contracts.topics import EVENTS, STATUS, TELEMETRY, Topic
from infra.aws.ground import PlacedStack, log_group, service_role
from infra.aws.place import PLATFORM_GROUP, Place
from infra.aws.stacks.programs import CA_FILE, DATABASE_SECRET, CloudProgram, Floor, Shape

ARCHIVED: tuple[Topic, ...] = (TELEMETRY, EVENTS, STATUS)
_SQL = "SELECT encode(*, 'base64') AS payload, topic() AS topic, timestamp() AS received_ms FROM '{topic}'"


class IngestStack(PlacedStack):
    """The rules only copy: what counts is the tasks' commit, which the drone waits for."""

    def __init__(self, scope: Construct, place: Place, floor: Floor) -> None:
        super().__init__(scope, "ingest", place, description="ingest, consume, reconcile, migrate; raw archive")
        self._floor = floor
        ingest = CloudProgram(self, "ingest", floor, Shape(
            ("kestrel-cloud", "ingest"), cpu=1024, memory_mib=2048, secrets=("command-signing-key", "iot-platform"),
            environment={
                "CLOUD_MQTT_URL": f"mqtts://{place.broker}:8883",
                "CLOUD_CA_FILE": CA_FILE,
                "CLOUD_AWS_IOT": "true",
                "CLOUD_SHARED_GROUP": PLATFORM_GROUP,
            },
        ))  # fmt: skip
        consume = CloudProgram(self, "consume", floor, Shape(("kestrel-cloud", "consume")))
        # It gives tickets their picture, reads their state back, and has replaced certificates revoked.
        reconcile = CloudProgram(self, "reconcile", floor, Shape(
            ("kestrel-cloud", "reconcile"), secrets=("sap",),
            environment={"CLOUD_SAP_URL": place.sap_url, "CLOUD_AWS_IOT": "true"},
        ))  # fmt: skip
        # Run once by each deployment, before the services change: see docs/aws.md.
        CloudProgram(self, "migrate", floor, Shape(("kestrel-cloud", "migrate"), secrets=(DATABASE_SECRET,)))
        self.groups: dict[str, logs.ILogGroup] = {}
        for name, program, tasks in (
            ("ingest", ingest, place.size.ingest_tasks),
            ("consume", consume, place.size.worker_tasks),
            ("reconcile", reconcile, 1),
        ):
            program.service(tasks)
            self.groups[name] = program.group
        stream = self._archive()
        self._rules(stream)

    def _archive(self) -> firehose.CfnDeliveryStream:
        security, lake = self._floor.security, self._floor.storage.lake
        group = log_group(self, "ArchiveLog", "archive", security.logs_key, self.place)
        written = logs.LogStream(self, "ArchiveLogStream", log_group=group, log_stream_name="s3")
        role = service_role(self, "ArchiveRole", "firehose.amazonaws.com", self.place)
        actions = ["s3:AbortMultipartUpload", "s3:GetBucketLocation", "s3:ListBucket", "s3:PutObject"]
        where = [lake.bucket_arn, f"{lake.bucket_arn}/raw/*", f"{lake.bucket_arn}/failed/*"]
        role.add_to_policy(iam.PolicyStatement(actions=actions, resources=where))
        keys = iam.PolicyStatement(
            actions=["kms:Decrypt", "kms:GenerateDataKey"], resources=[security.media_key.key_arn]
        )
        role.add_to_policy(keys)
        group.grant_write(role)
        stream = firehose.CfnDeliveryStream(
            self,
            "Archive",
            delivery_stream_name="kestrel-archive",
            delivery_stream_type="DirectPut",
            delivery_stream_encryption_configuration_input={
                "keyType": "CUSTOMER_MANAGED_CMK",
                "keyArn": security.media_key.key_arn,
            },
            extended_s3_destination_configuration={
                "bucketArn": lake.bucket_arn,
                "roleArn": role.role_arn,
                "prefix": "raw/day=!{timestamp:yyyy-MM-dd}/",
                "errorOutputPrefix": "failed/!{firehose:error-output-type}/",
                "compressionFormat": "GZIP",
                "bufferingHints": {"intervalInSeconds": 300, "sizeInMBs": 64},
                "encryptionConfiguration": {"kmsEncryptionConfig": {"awskmsKeyArn": security.media_key.key_arn}},
                "cloudWatchLoggingOptions": {
                    "enabled": True,
                    "logGroupName": group.log_group_name,
                    "logStreamName": written.log_stream_name,
                },
            },
        )
        stream.node.add_dependency(role)
        return stream

    def _rules(self, stream: firehose.CfnDeliveryStream) -> None:
        role = service_role(self, "RuleRole", "iot.amazonaws.com", self.place)
        errors = self._floor.storage.rule_errors
        role.add_to_policy(iam.PolicyStatement(actions=["firehose:PutRecord"], resources=[stream.attr_arn]))
        role.add_to_policy(iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[errors.queue_arn]))
        queues = self._floor.security.queues_key.key_arn
        role.add_to_policy(iam.PolicyStatement(actions=["kms:Decrypt", "kms:GenerateDataKey"], resources=[queues]))
        failed = {"sqs": {"queueUrl": errors.queue_url, "roleArn": role.role_arn, "useBase64": True}}
        for topic in ARCHIVED:
            copy = {"deliveryStreamName": "kestrel-archive", "roleArn": role.role_arn, "separator": "\n"}
            iot.CfnTopicRule(
                self,
                f"Archive{topic.name.title()}",
                rule_name=f"kestrel_archive_{topic.name}",
                topic_rule_payload={
                    "sql": _SQL.format(topic=topic.any_drone()),
                    "awsIotSqlVersion": "2016-03-23",
                    "ruleDisabled": False,
                    "actions": [{"firehose": copy}],
                    "errorAction": failed,
                },
            ).node.add_dependency(role)
