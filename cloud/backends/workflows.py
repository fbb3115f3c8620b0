"""Step Functions: executions and task tokens. botocore's errors become ours here."""

from __future__ import annotations

from collections.abc import Callable

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from contracts.errors import Unavailable

_MAX_ERROR = 256
_MAX_CAUSE = 32_000
_FORGOTTEN = frozenset({"TaskDoesNotExist", "TaskTimedOut", "InvalidToken"})


class StepFunctions:
    """Every state machine of the account and region."""

    def __init__(self) -> None:
        config = Config(connect_timeout=3, read_timeout=30, retries={"mode": "standard", "max_attempts": 3})
        self._sfn = boto3.client("stepfunctions", config=config)
        self._arns: dict[str, str] = {}

    def start(self, machine: str, name: str, body: str) -> str:
        """Start an execution and return its ARN; one of that name that exists already is fine."""
        arn = self._arn(machine)
        try:
            return str(self._sfn.start_execution(stateMachineArn=arn, name=name, input=body)["executionArn"])
        except ClientError as error:
            code = _code(error)
            if code == "ExecutionAlreadyExists":
                return f"{arn.replace(':stateMachine:', ':execution:')}:{name}"
            if code == "StateMachineDoesNotExist":
                self._arns.pop(machine, None)
            raise Unavailable(
                f"Step Functions refused to start {machine}/{name}: {code}.", hint="Try again."
            ) from error
        except BotoCoreError as error:
            raise _silent(error) from error

    def status(self, arn: str) -> str | None:
        """Return an execution's status, None when Step Functions does not know it."""
        try:
            return str(self._sfn.describe_execution(executionArn=arn)["status"])
        except ClientError as error:
            if _code(error) == "ExecutionDoesNotExist":
                return None
            raise Unavailable(f"Step Functions refused to describe {arn}: {_code(error)}.") from error
        except BotoCoreError as error:
            raise _silent(error) from error

    def succeed(self, token: str, output: str) -> bool:
        """Answer a task with JSON; False when nobody waits for this token any more."""
        return self._answer(lambda: self._sfn.send_task_success(taskToken=token, output=output))

    def fail(self, token: str, error: str, cause: str) -> bool:
        """Answer a task with an error name that Retry and Catch match; False when nobody waits."""
        short, text = error[:_MAX_ERROR], cause[:_MAX_CAUSE]
        return self._answer(lambda: self._sfn.send_task_failure(taskToken=token, error=short, cause=text))

    def beat(self, token: str) -> bool:
        """Say that a task is still being worked on; False when nobody waits."""
        return self._answer(lambda: self._sfn.send_task_heartbeat(taskToken=token))

    def _answer(self, call: Callable[[], object]) -> bool:
        try:
            call()
        except ClientError as error:
            if _code(error) in _FORGOTTEN:
                return False
            raise Unavailable(f"Step Functions refused an answer: {_code(error)}.", hint="Try again.") from error
        except BotoCoreError as error:
            raise _silent(error) from error
        return True

    def _arn(self, machine: str) -> str:
        if machine not in self._arns:
            try:
                for page in self._sfn.get_paginator("list_state_machines").paginate():
                    self._arns.update({m["name"]: m["stateMachineArn"] for m in page["stateMachines"]})
            except ClientError as error:
                raise Unavailable(f"Step Functions refused to list machines: {_code(error)}.") from error
            except BotoCoreError as error:
                raise _silent(error) from error
        if machine not in self._arns:
            raise Unavailable(
                f"Step Functions has no state machine {machine!r}.", hint="Create the resources (`kestrel doctor`)."
            )
        return self._arns[machine]


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _silent(error: BotoCoreError) -> Unavailable:
    return Unavailable(f"Step Functions did not answer: {error}.", hint="Try again.")
