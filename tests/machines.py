"""A state machine on an interpreter of the States Language, and a worker that answers its tasks as a test says."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import boto3

from cloud.backends.workflows import StepFunctions
from contracts.resources import (
    CRITICAL_FINDING_MACHINE,
    RETRAIN_MACHINE,
    STATE_MACHINES,
    TRAINING_JOBS_QUEUE,
    WORKFLOW_TASKS_QUEUE,
)
from tests.state_check import answer as one_state
from workflows.definition import DEFINITIONS, every_state

FINDING = {"finding_id": "fnd-1", "asset_id": "t-01", "flight_id": "flt-1", "detected_at": "2026-11-20T16:41:38Z"}
Answer = Callable[[dict[str, Any]], tuple[str, Any]]
"""Given a task message, returns ("", output) or (error name, cause)."""


def shipped(machine: str) -> dict[str, Any]:
    """Return a machine's definition."""
    found: dict[str, Any] = json.loads((DEFINITIONS / STATE_MACHINES[machine]).read_text())
    return found


def task_of(state: dict[str, Any]) -> str:
    """Return which task a state asks for; empty where it asks for none."""
    return str(state.get("Arguments", {}).get("MessageBody", {}).get("task", ""))


def same(one: object, other: object) -> bool:
    """Compare outputs less the causes of errors: each interpreter words its own."""
    cause = r'"cause": "(?:[^"\\]|\\.)*"'
    return re.sub(cause, "", json.dumps(one)) == re.sub(cause, "", json.dumps(other))


class Machine:
    """The machine, and a worker that answers as a test says."""

    def __init__(self, *, tells_causes: bool) -> None:
        self.tells_causes = tells_causes
        self.flows = StepFunctions()
        self._sqs = boto3.client("sqs")
        queues = (WORKFLOW_TASKS_QUEUE, TRAINING_JOBS_QUEUE)
        self.urls = [self._sqs.get_queue_url(QueueName=name)["QueueUrl"] for name in queues]
        self.seen: list[dict[str, Any]] = []
        self.answers: list[tuple[str, str, Any]] = []

    def run(
        self, answer: Answer, name: str = "fnd-1", machine: str = CRITICAL_FINDING_MACHINE
    ) -> tuple[str, dict[str, Any]]:
        """Start an execution, answer its tasks until it ends, return (status, description)."""
        body = FINDING if machine == CRITICAL_FINDING_MACHINE else {"subject": name}
        arn = self.flows.start(machine, name, json.dumps(body))
        end = time.monotonic() + 60
        given: list[tuple[str, str, str]] = []
        while (status := self.flows.status(arn)) == "RUNNING":
            assert time.monotonic() < end, self.seen
            for task in self._taken(machine):
                self.seen.append(task)
                error, said = answer(task)
                self.answers.append((task["task"], error, said))
                given.append((task["token"], error, json.dumps(said)))
            # moto sends a task before it knows its token: an answer that nobody waits for yet is given again.
            given = [one for one in given if not self._answer(*one)]
        if self.tells_causes and machine in STATE_MACHINES:
            assert self._disagreements(machine, arn, body) == []
        return str(status), dict(boto3.client("stepfunctions").describe_execution(executionArn=arn))

    def events(self, arn: str) -> list[dict[str, Any]]:
        """Return an execution's history."""
        pages = boto3.client("stepfunctions").get_paginator("get_execution_history").paginate(executionArn=arn)
        return [event for page in pages for event in page["events"]]

    def entered(self, arn: str) -> list[tuple[str, Any]]:
        """Return the states an execution went into, each with its input."""
        found = [event.get("stateEnteredEventDetails") for event in self.events(arn)]
        return [(one["name"], json.loads(one.get("input") or "{}")) for one in found if one]

    def _disagreements(self, machine: str, arn: str, body: dict[str, Any]) -> list[str]:
        """Return where a run did what the check of one state by itself (`tests/state_check.py`) does not say."""
        states = dict(every_state(shipped(machine)))
        entered = self.entered(arn)
        left = [event["stateExitedEventDetails"] for event in self.events(arn) if "stateExitedEventDetails" in event]
        context = {
            "Execution": {"Name": "run", "Input": body}, "Task": {"Token": "token"}, "State": {"RetryCount": 0},
            "Map": {"Item": {"Value": "item"}},
        }  # fmt: skip
        found = []
        for one in left:
            name, output = one["name"], json.loads(one["output"])
            mocks: list[dict[str, Any]] = [{}, {"result": output}]
            mocks += [
                {"errorOutput": {"error": error, "cause": json.dumps(said)}} if error else {"result": said}
                for task, error, said in self.answers
                if task == task_of(states[name])
            ]
            asked = [
                {"stateName": name, "input": given, "mock": mock, "context": context,
                 "stateConfiguration": {"retrierRetryCount": 999}}
                for known, given in entered if known == name for mock in mocks
            ]  # fmt: skip
            answers = [one_state(shipped(machine), request) for request in asked]
            right = [a for a in answers if same(a.output, output)]
            if not any(a.next_state is None or (a.next_state, output) in entered for a in right):
                found.append(f"{name} left with {output}; by itself it says {answers}")
        return found

    def _taken(self, machine: str) -> Iterator[dict[str, Any]]:
        for url in self.urls[: 2 if machine == RETRAIN_MACHINE else 1]:
            messages = self._sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
            for message in messages:
                self._sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                yield json.loads(message["Body"])

    def _answer(self, token: str, error: str, said: str) -> bool:
        return self.flows.fail(token, error, said) if error else self.flows.succeed(token, said)

    def tasks(self) -> list[str]:
        return [str(task["task"]) for task in self.seen]


def trained(decision: str) -> Answer:
    """Answer a retraining's tasks."""

    def answer(task: dict[str, Any]) -> tuple[str, Any]:
        return "", {"decision": decision} if task["task"] == "approve" else {}

    return answer
