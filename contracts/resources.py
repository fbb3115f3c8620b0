"""Names of every AWS resource, used by the code, the one-machine stack and the CDK app alike."""

from __future__ import annotations

from typing import Final

BUCKET: Final = "kestrel-media"
"""S3: video, manifests, crops, frames, detections, reports."""
ROUTES_TABLE: Final = "kestrel-routes"
"""DynamoDB: key ``plan_id`` (S) + ``version`` (N)."""

MEDIA_EVENTS_QUEUE: Final = "kestrel-media-events"
"""SQS: S3 event notifications of ``flights/*.json`` objects."""
VISION_JOBS_QUEUE: Final = "kestrel-vision-jobs"
"""SQS: events.AnalyseSegment."""
DETECTIONS_QUEUE: Final = "kestrel-detections"
"""SQS: events.BatchReady."""
WORKFLOW_TASKS_QUEUE: Final = "kestrel-workflow-tasks"
"""SQS: events.WorkflowTask."""
TRAINING_JOBS_QUEUE: Final = "kestrel-training-jobs"
"""SQS: events.WorkflowTask of a trainer. On AWS SageMaker does this work, and the queue stays empty."""
SECURITY_FINDINGS_QUEUE: Final = "kestrel-security-findings"
"""SQS: what GuardDuty and Device Defender found, as EventBridge sends it. Stays empty on one machine."""
QUEUES: Final = (
    MEDIA_EVENTS_QUEUE,
    VISION_JOBS_QUEUE,
    DETECTIONS_QUEUE,
    WORKFLOW_TASKS_QUEUE,
    TRAINING_JOBS_QUEUE,
    SECURITY_FINDINGS_QUEUE,
)
DEAD_LETTER_SUFFIX: Final = "-dlq"
"""Each queue has a dead-letter queue of this suffix; after ``MAX_RECEIVES`` deliveries a message moves there."""
MAX_RECEIVES: Final = 5
VISIBILITY_S: Final = 120

ENGINEERS_TOPIC: Final = "kestrel-engineers"
"""SNS: critical findings, for people."""

CRITICAL_FINDING_MACHINE: Final = "kestrel-critical-finding"
INSPECTION_MACHINE: Final = "kestrel-inspection"
DAILY_DIGEST_MACHINE: Final = "kestrel-daily-digest"
RETRAIN_MACHINE: Final = "kestrel-retrain"
STATE_MACHINES: Final = {
    CRITICAL_FINDING_MACHINE: "critical_finding.asl.json",
    INSPECTION_MACHINE: "inspection.asl.json",
    DAILY_DIGEST_MACHINE: "daily_digest.asl.json",
    RETRAIN_MACHINE: "retrain.asl.json",
}
"""Step Functions: name -> file in ``workflows/definitions``."""
