"""What each program may do on AWS: exactly the calls its code makes, on exactly the resources it names.

``CALLS`` says which permission each SDK call of the backends needs; a test reads the backends and compares. ``RIGHTS``
says which program makes which calls on what. Policies are written from here, never by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from contracts import resources
from infra.aws.place import Place

CALLS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "s3": {
            "get_object": "s3:GetObject",
            "head_object": "s3:GetObject",
            "put_object": "s3:PutObject",
            "list_objects_v2": "s3:ListBucket",
            "head_bucket": "s3:ListBucket",
            "generate_presigned_url": "s3:GetObject",
        },
        "sqs": {
            "send_message": "sqs:SendMessage",
            "receive_message": "sqs:ReceiveMessage",
            "delete_message": "sqs:DeleteMessage",
            "delete_message_batch": "sqs:DeleteMessage",
            "change_message_visibility": "sqs:ChangeMessageVisibility",
            "get_queue_attributes": "sqs:GetQueueAttributes",
            "get_queue_url": "sqs:GetQueueUrl",
        },
        "dynamodb": {"put_item": "dynamodb:PutItem", "get_item": "dynamodb:GetItem"},
        "stepfunctions": {
            "start_execution": "states:StartExecution",
            "describe_execution": "states:DescribeExecution",
            "list_state_machines": "states:ListStateMachines",
            "send_task_success": "states:SendTaskSuccess",
            "send_task_failure": "states:SendTaskFailure",
            "send_task_heartbeat": "states:SendTaskHeartbeat",
        },
        "sns": {"list_topics": "sns:ListTopics", "publish": "sns:Publish"},
        "rds": {"generate_db_auth_token": "rds-db:connect"},
        "kms": {"sign": "kms:Sign", "get_public_key": "kms:GetPublicKey"},
        "iot": {
            "describe_certificate": "iot:DescribeCertificate",
            "list_thing_principals": "iot:ListThingPrincipals",
            "update_certificate": "iot:UpdateCertificate",
            "add_thing_to_thing_group": "iot:AddThingToThingGroup",
            "remove_thing_from_thing_group": "iot:RemoveThingFromThingGroup",
        },
        "bedrock-runtime": {
            "converse": "bedrock:InvokeModel",
            "converse_stream": "bedrock:InvokeModelWithResponseStream",
        },
    }
)

UNSCOPED: Mapping[str, str] = MappingProxyType(
    {
        "states:ListStateMachines": "IAM knows no resource for it; programs find the machine by its name",
        "states:SendTaskSuccess": "IAM knows no resource for it; only the holder of a task's token can answer",
        "states:SendTaskFailure": "IAM knows no resource for it; only the holder of a task's token can answer",
        "states:SendTaskHeartbeat": "IAM knows no resource for it; only the holder of a task's token can answer",
        "sns:ListTopics": "IAM knows no resource for it; programs find the topic by its name",
        "ecr:GetAuthorizationToken": "IAM knows no resource for it; the token opens only repositories granted besides",
        "xray:PutTraceSegments": "IAM knows no resource for it; it writes traces and reads nothing",
        "xray:PutTelemetryRecords": "IAM knows no resource for it; it writes traces and reads nothing",
        "xray:GetSamplingRules": "IAM knows no resource for its kind of call; it reads how often to trace",
        "xray:GetSamplingTargets": "IAM knows no resource for its kind of call; it reads how often to trace",
        **dict.fromkeys(
            (
                "elasticloadbalancing:DescribeListeners",
                "elasticloadbalancing:DescribeRules",
                "elasticloadbalancing:DescribeTargetGroups",
                "elasticloadbalancing:DescribeTargetHealth",
            ),
            "IAM knows no resource for it; ECS looks which side of the API is live",
        ),
        "iot:UpdateIndexingConfiguration": "IAM knows no resource for it; the account has one index of its drones",
        "ecs:DiscoverPollEndpoint": "IAM knows no resource for it; the ECS agent asks where to listen",
        **dict.fromkeys(
            (
                "ec2:DescribeNetworkInterfaces",
                "ec2:DescribeVpcs",
                "ec2:DescribeDhcpOptions",
                "ec2:DescribeSubnets",
                "ec2:DescribeSecurityGroups",
            ),
            "IAM knows no resource for it; SageMaker looks where a training job's network interface goes",
        ),
        "logs:CreateLogDelivery": "IAM knows no resource for it; Step Functions sets up its log by it",
        "logs:GetLogDelivery": "IAM knows no resource for it; Step Functions sets up its log by it",
        "logs:UpdateLogDelivery": "IAM knows no resource for it; Step Functions sets up its log by it",
        "logs:DeleteLogDelivery": "IAM knows no resource for it; Step Functions sets up its log by it",
        "logs:ListLogDeliveries": "IAM knows no resource for it; Step Functions sets up its log by it",
        "logs:PutResourcePolicy": "IAM knows no resource for it; Step Functions sets up its log by it",
        "logs:DescribeResourcePolicies": "IAM knows no resource for it; Step Functions sets up its log by it",
        "logs:DescribeLogGroups": "Step Functions lists groups to find its own; names only, and no log is read",
    }
)
"""The only actions that may stand beside ``Resource: *``, each with its reason."""

BOUNDARY = "kestrel-boundary"
"""The managed policy that no role of the platform can exceed."""

ANSWER = ("states:SendTaskSuccess", "states:SendTaskFailure", "states:SendTaskHeartbeat")
_TRACES = ("xray:PutTelemetryRecords", "xray:PutTraceSegments")
_MACHINE = (
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    *_TRACES,
)
_PULL = ("ecr:GetAuthorizationToken",)

STARS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "kestrel-api/ApiStartRole": _PULL,
        "kestrel-api/ApiTaskRole": ("states:ListStateMachines", *ANSWER, *_TRACES),
        "kestrel-api/TurnRole": (
            "elasticloadbalancing:DescribeListeners",
            "elasticloadbalancing:DescribeRules",
            "elasticloadbalancing:DescribeTargetGroups",
            "elasticloadbalancing:DescribeTargetHealth",
        ),
        "kestrel-ingest/ConsumeStartRole": _PULL,
        "kestrel-ingest/ConsumeTaskRole": ("states:ListStateMachines", *ANSWER, *_TRACES),
        "kestrel-ingest/IngestStartRole": _PULL,
        "kestrel-ingest/IngestTaskRole": _TRACES,
        "kestrel-ingest/MigrateStartRole": _PULL,
        "kestrel-ingest/ReconcileStartRole": _PULL,
        "kestrel-ingest/ReconcileTaskRole": ("sns:ListTopics", "states:ListStateMachines", *ANSWER, *_TRACES),
        "kestrel-insight/PublishStartRole": _PULL,
        "kestrel-iot/FleetRole": ("iot:UpdateIndexingConfiguration",),
        "kestrel-ml/TrainRole": _PULL,
        "kestrel-vision/MachineRole": ("ecs:DiscoverPollEndpoint",),
        "kestrel-vision/StartRole": _PULL,
        "kestrel-vision/TaskRole": _TRACES,
        "kestrel-workflow/DetectorTrainingRole": (
            "ec2:DescribeDhcpOptions",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeSecurityGroups",
            "ec2:DescribeSubnets",
            "ec2:DescribeVpcs",
            *_PULL,
        ),
        "kestrel-workflow/Rolekestrelcriticalfinding": _MACHINE,
        "kestrel-workflow/Rolekestreldailydigest": _MACHINE,
        "kestrel-workflow/Rolekestrelinspection": _MACHINE,
        "kestrel-workflow/Rolekestrelretrain": _MACHINE,
        "kestrel-workflow/WorkflowsStartRole": _PULL,
        "kestrel-workflow/WorkflowsTaskRole": ("sns:ListTopics", "states:ListStateMachines", *ANSWER, *_TRACES),
    }
)
"""Role (``stack/its name in the template``) -> what it may do on ``*``: these statements, and nobody else's.

The IAM gate compares both ways with the templates of every size, so that neither a star nor a row of this table can be
added or left behind unseen.
"""

TRUSTED_WITHOUT_SOURCE: Mapping[str, str] = MappingProxyType(
    {
        "ec2.amazonaws.com": "sends no source account; a role reaches a machine only through iam:PassRole here",
        "lambda.amazonaws.com": "sends no source account; a role reaches a function only through iam:PassRole here",
        "rds.amazonaws.com": "the proxy sends none; a role reaches it only through iam:PassRole here",
        "backup.amazonaws.com": "sends no source account; a role reaches a plan only through iam:PassRole here",
        "credentials.iot.amazonaws.com": "sends none; the role alias is of this account and names the role",
    }
)
"""Services that may take a role without ``aws:SourceAccount``, each with its reason."""

TAKE = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueUrl")
SEND = ("sqs:SendMessage", "sqs:GetQueueUrl")
COUNT = ("sqs:GetQueueAttributes", "sqs:GetQueueUrl")
ASK_MODEL = ("bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream")


class Right(NamedTuple):
    """Some actions on some resources; ``*`` only for what ``UNSCOPED`` lists."""

    actions: tuple[str, ...]
    on: tuple[str, ...]


class Program(NamedTuple):
    """A program of the platform, as it runs on AWS."""

    name: str
    rights: tuple[Right, ...]
    keys: tuple[str, ...]
    """Which KMS keys its data needs: ``media``, ``queues``, ``data``."""


def _reads(place: Place, *prefixes: str) -> tuple[Right, ...]:
    """Return rights to read objects. Without ListBucket a missing object is 'forbidden', which is another error."""
    return (
        Right(("s3:GetObject",), tuple(place.objects(prefix) for prefix in prefixes)),
        Right(("s3:ListBucket",), (place.objects(),)),
    )


def _queues(place: Place, actions: tuple[str, ...], *names: str) -> Right:
    return Right(actions, tuple(place.queue(name) for name in names))


def _model(place: Place) -> tuple[Right, ...]:
    if not place.models:
        return ()
    return (Right(ASK_MODEL, place.models),)


def _machines(place: Place) -> tuple[Right, ...]:
    return (
        Right(("states:StartExecution",), tuple(place.machine(name) for name in resources.STATE_MACHINES)),
        Right(("states:DescribeExecution",), place.executions),
        Right(("states:ListStateMachines",), ("*",)),
    )


def _people(place: Place) -> tuple[Right, ...]:
    return (Right(("sns:Publish",), (place.topic,)), Right(("sns:ListTopics",), ("*",)))


def programs(place: Place) -> Mapping[str, Program]:
    """Return every program with its rights."""
    api = Program(
        "api",
        (
            *_reads(place, "flights/", "crops/", "frames/", "telemetry/"),
            Right(("dynamodb:GetItem", "dynamodb:PutItem"), (place.table,)),
            _queues(place, SEND, *resources.QUEUES),
            *_machines(place),
            Right(ANSWER, ("*",)),
            *_model(place),
        ),
        ("media", "data", "queues"),
    )
    ingest = Program("ingest", (Right(("dynamodb:GetItem",), (place.table,)),), ("data",))
    consume = Program(
        "consume",
        (
            *_reads(place, "flights/", "detections/"),
            _queues(
                place,
                TAKE,
                resources.MEDIA_EVENTS_QUEUE,
                resources.DETECTIONS_QUEUE,
                resources.SECURITY_FINDINGS_QUEUE,
            ),
            _queues(place, SEND, resources.VISION_JOBS_QUEUE),
            *_machines(place),
            Right(ANSWER, ("*",)),
        ),
        ("media", "queues"),
    )
    reconcile = Program(
        "reconcile",
        (
            *_reads(place, "flights/", "detections/", "crops/", "telemetry/"),
            Right(("s3:PutObject",), (place.objects("telemetry/"),)),
            *_people(place),
            Right(ANSWER, ("*",)),
            _queues(place, COUNT, *resources.QUEUES),
            _queues(place, SEND, resources.VISION_JOBS_QUEUE),
            *_machines(place),
            Right(("iot:DescribeCertificate", "iot:UpdateCertificate"), (place.arn("iot", "cert/*"),)),
            Right(("iot:ListThingPrincipals",), (place.arn("iot", "thing/*"),)),
            Right(
                ("iot:AddThingToThingGroup", "iot:RemoveThingFromThingGroup"),
                (place.arn("iot", "thing/*"), place.arn("iot", "thinggroup/kestrel-quarantine")),
            ),
        ),
        ("media", "queues"),
    )
    published = Right(("s3:PutObject",), (place.objects("datasets/"),))
    publish = Program("publish", (published,), ("media",))
    migrate = Program("migrate", (), ())
    found = (api, ingest, consume, reconcile, publish, migrate, _workflows(place), _vision(place))
    return MappingProxyType({program.name: program for program in found})


def _workflows(place: Place) -> Program:
    rights = (
        _queues(place, TAKE, resources.WORKFLOW_TASKS_QUEUE),
        _queues(place, SEND, resources.VISION_JOBS_QUEUE),
        Right(ANSWER, ("*",)),
        *_machines(place),
        *_reads(place, "crops/", "models/"),
        Right(("s3:PutObject",), (place.objects("reports/"), place.objects("models/"))),
        *_people(place),
        *_model(place),
    )
    return Program("workflows", rights, ("media", "queues"))


def _vision(place: Place) -> Program:
    made = tuple(place.objects(prefix) for prefix in ("detections/", "crops/", "frames/"))
    rights = (
        *_reads(place, "flights/", "detections/", "models/"),
        Right(("s3:PutObject",), made),
        _queues(place, TAKE, resources.VISION_JOBS_QUEUE),
        _queues(place, SEND, resources.DETECTIONS_QUEUE),
    )
    return Program("vision", rights, ("media", "queues"))


def drone(place: Place) -> tuple[Right, ...]:
    """Return what a drone's certificate lends: its own folder, to write. The variable is its name.

    ``edge/backends/objects.py`` makes the requests itself: PUT of objects and parts, POST to begin and end an upload,
    GET of the parts that are stored.
    """
    own = f"{place.objects()}/flights/${{credentials-iot:ThingName}}/*"
    return (Right(("s3:PutObject", "s3:ListMultipartUploadParts"), (own,)),)
