"""Run one of Kestrel's programs to its end with the instance's environment."""

from __future__ import annotations

import subprocess

from contracts.errors import PlatformError
from infra.local.stack import Stack


class ErrandFailed(PlatformError):
    """A program ended with an error; its last words are in the message."""

    code = "errand_failed"


def run(stack: Stack, environment: str, program: str, *arguments: str, timeout_s: float = 120.0) -> str:
    """Return what ``program`` printed.

    Args:
        stack: The instance.
        environment: Name of the environment as ``Stack.env`` knows it.
        program: ``kestrel-cloud``, ``kestrel-sim``, …
        arguments: Its arguments.
        timeout_s: After this long it is killed.

    Raises:
        ErrandFailed: It ended with another exit code than 0, or not in time.

    """
    command = (stack.program(program), *arguments)
    try:
        done = subprocess.run(
            command, env=stack.env(environment), capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ErrandFailed(f"`{program} {arguments[0]}` did not end in {timeout_s:.0f} s.") from error
    if done.returncode != 0:
        raise ErrandFailed(f"`{program} {arguments[0]}` ended with {done.returncode}: {done.stderr.strip()[-800:]}")
    return done.stdout
