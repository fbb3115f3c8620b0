"""Step Functions: answers to tasks that wait with a token. botocore's errors become ours here."""

from __future__ import annotations

from collections.abc import Callable

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from contracts.errors import Unavailable

_FORGOTTEN = frozenset({"TaskDoesNotExist", "TaskTimedOut", "InvalidToken"})


class TaskTokens:
    """Every waiting task of the account and region; False where nobody waits for an answer any more."""

    def __init__(self) -> None:
        config = Config(connect_timeout=3, read_timeout=30, retries={"mode": "standard", "max_attempts": 3})
        self._steps = boto3.client("stepfunctions", config=config)

    def succeed(self, token: str, output: str) -> bool:
        """Answer a task with JSON."""
        return self._answer(lambda: self._steps.send_task_success(taskToken=token, output=output))

    def fail(self, token: str, error: str, cause: str) -> bool:
        """Answer a task with an error name that Retry and Catch match."""
        short, text = error[:256], cause[:32_000]
        return self._answer(lambda: self._steps.send_task_failure(taskToken=token, error=short, cause=text))

    def beat(self, token: str) -> bool:
        """Say that a task is still being worked on."""
        return self._answer(lambda: self._steps.send_task_heartbeat(taskToken=token))

    def _answer(self, call: Callable[[], object]) -> bool:
        try:
            call()
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in _FORGOTTEN:
                return False
            raise Unavailable(f"Step Functions refused an answer: {code}.", hint="Try again.") from error
        except BotoCoreError as error:
            raise Unavailable(f"Step Functions did not answer: {error}.", hint="Try again.") from error
        return True
