"""The state machines as their files say, the handlers behind them, and the guardrail of the language model."""

from __future__ import annotations

from pathlib import Path

from aws_cdk import aws_bedrock as bedrock
from aws_cdk import aws_iam as iam
from aws_cdk import aws_stepfunctions as states
from constructs import Construct

from contracts import resources
from infra.aws.ground import PlacedStack, log_group, service_role
from infra.aws.place import Place
from infra.aws.stacks.programs import CloudProgram, Floor, Shape
from infra.aws.stacks.training import DetectorTraining

DEFINITIONS = Path(__file__).resolve().parents[3] / "workflows" / "definitions"
_HARMS = ("SEXUAL", "VIOLENCE", "HATE", "INSULTS", "MISCONDUCT")


class WorkflowStack(PlacedStack):
    """SAP and Bedrock are called by our handlers, so errors and retries are the same as on one machine."""

    def __init__(self, scope: Construct, place: Place, floor: Floor) -> None:
        super().__init__(scope, "workflow", place, description="state machines, their handlers, guardrail")
        self._floor = floor
        self._training = DetectorTraining(self, floor)
        self.machines = {name: self._machine(name, file) for name, file in resources.STATE_MACHINES.items()}
        guardrail = self._guardrail()
        said = f"{guardrail.attr_guardrail_id}:{guardrail.attr_version}"
        handlers = CloudProgram(self, "workflows", floor, Shape(
            ("kestrel-workflows", "work"), secrets=("sap",),
            environment={
                "CLOUD_SAP_URL": place.sap_url,
                "CLOUD_BEDROCK_GUARDRAIL": said if place.models else "",
                "WORKFLOWS_WAIT_S": "20",
            },
        ))  # fmt: skip
        if place.models:
            apply = iam.PolicyStatement(actions=["bedrock:ApplyGuardrail"], resources=[guardrail.attr_guardrail_arn])
            handlers.task.task_role.add_to_principal_policy(apply)
        handlers.service(place.size.worker_tasks)
        self.group = handlers.group

    def _machine(self, name: str, file: str) -> states.StateMachine:
        floor, place = self._floor, self.place
        role = service_role(
            self, f"Role{name}", "states.amazonaws.com", place, source=place.arn("states", "stateMachine:kestrel-*")
        )
        tasks = floor.storage.queues[resources.WORKFLOW_TASKS_QUEUE].queue
        role.add_to_policy(
            iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[place.queue(resources.WORKFLOW_TASKS_QUEUE)])
        )
        keys = [floor.security.queues_key.key_arn]
        role.add_to_policy(iam.PolicyStatement(actions=["kms:Decrypt", "kms:GenerateDataKey"], resources=keys))
        text = (DEFINITIONS / file).read_text(encoding="utf-8")
        known = {
            "WorkflowTasksQueueUrl": tasks.queue_url,
            "EngineersTopicArn": floor.storage.engineers.topic_arn,
            "SegmentsMapMode": "DISTRIBUTED",
            "TrainingJobsQueueUrl": floor.storage.queues[resources.TRAINING_JOBS_QUEUE].queue.queue_url,
            **self._training.substitutions(),
        }
        if name == resources.RETRAIN_MACHINE:
            self._training.let_start(role)
        if "${SegmentsMapMode}" in text:
            self._let_children_run(role, name)
        return states.StateMachine(
            self,
            name,
            state_machine_name=name,
            definition_body=states.DefinitionBody.from_string(text),
            definition_substitutions={key: value for key, value in known.items() if f"${{{key}}}" in text},
            role=role,
            tracing_enabled=True,
            logs=states.LogOptions(
                destination=log_group(self, f"Log{name}", f"machines/{name}", floor.security.logs_key, place),
                level=states.LogLevel.ALL,
                include_execution_data=False,
            ),
            encryption_configuration=states.CustomerManagedEncryptionConfiguration(floor.security.queues_key),
        )

    def _let_children_run(self, role: iam.Role, name: str) -> None:
        """Let a machine start its own distributed Map's children, and stop them with itself."""
        machine = self.place.machine(name)
        role.add_to_policy(iam.PolicyStatement(actions=["states:StartExecution"], resources=[machine]))
        children = f"{machine.replace(':stateMachine:', ':execution:')}/*"
        watch = ["states:DescribeExecution", "states:StopExecution"]
        role.add_to_policy(iam.PolicyStatement(actions=watch, resources=[children]))

    def _guardrail(self) -> bedrock.CfnGuardrail:
        """The model reads texts that strangers wrote: attacks in them are refused, and so is what is not inspection."""
        filters = [{"type": harm, "inputStrength": "HIGH", "outputStrength": "HIGH"} for harm in _HARMS]
        filters.append({"type": "PROMPT_ATTACK", "inputStrength": "HIGH", "outputStrength": "NONE"})
        return bedrock.CfnGuardrail(
            self,
            "Guardrail",
            name="kestrel",
            description="Summaries and answers about inspections; no instruction hidden in a ticket or a picture",
            blocked_input_messaging="This cannot be answered here.",
            blocked_outputs_messaging="This cannot be answered here.",
            content_policy_config={"filtersConfig": filters},
            sensitive_information_policy_config={
                "piiEntitiesConfig": [
                    {"type": kind, "action": "ANONYMIZE"} for kind in ("EMAIL", "PHONE", "PASSWORD", "AWS_ACCESS_KEY")
                ]
            },
            kms_key_arn=self._floor.security.data_key.key_arn,
        )
