"""`python -m infra.aws.operations`: deploy an environment, see what changed, take it down. None met an account yet."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError

from contracts.errors import PlatformError
from infra.aws.operations import account as accounts
from infra.aws.operations import deployment, drift, drill, environments, migration, rollout, teardown

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
Env = Annotated[str, typer.Option("--env", help="A file of infra/aws/environments, without .json.")]
Tag = Annotated[str, typer.Option("--tag", help="Version of the images; by default the environment's.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
RETRY_EXIT = 75
_BUILD = Path("build") / "aws"
_CDK_PYTHON = Path(".venv-aws") / "bin" / "python"
"""The CDK has an environment of its own; it writes the templates, nothing else."""


def _say(line: str) -> None:
    sys.stderr.write(f"infra.aws: {line}\n")


def _guarded(act: Callable[[], object], *, as_json: bool = False) -> None:
    """Do it; an error is a sentence and an exit code that tells whether again makes sense."""
    try:
        result = act()
    except PlatformError as error:
        _say(str(error))
        raise typer.Exit(RETRY_EXIT if error.retryable else 1) from error
    except (ClientError, BotoCoreError) as error:
        _say(f"AWS: {error}")
        raise typer.Exit(1) from error
    sys.stdout.write((json.dumps(result, default=str) if as_json else str(result)) + "\n")


def _synthesised(env: str, tag: str) -> Path:
    folder = _BUILD / env
    context = environments.context_of(env, tag)
    said = [part for key, value in context.items() for part in ("-c", f"{key}={value}")]
    subprocess.run([str(_CDK_PYTHON), "-m", "infra.aws", "synth", *said, "--out", str(folder)], check=True)
    return folder


@app.command()
def deploy(*, env: Env, tag: Tag = "", as_json: Json = False) -> None:
    """Deploy an environment: ground, migration, programs, and a look from outside."""

    def act() -> dict[str, str]:
        place = environments.place_in(env, tag)
        deployment.deploy(accounts.signed_in(place), deployment.cdk(_synthesised(env, tag)), _say)
        return {"environment": env, "version": place.image_tag}

    _guarded(act, as_json=as_json)


@app.command()
def diff(*, env: Env, tag: Tag = "") -> None:
    """Show what a deployment would change; exit 1 where it would change anything, for CI."""

    def act() -> str:
        environments.place_in(env, tag)
        deployment.cdk(_synthesised(env, tag))(["diff", "--fail"])
        return f"{env}: nothing to change"

    _guarded(act)


@app.command()
def migrate(*, env: Env, tag: Tag = "", as_json: Json = False) -> None:
    """Take a snapshot and run the migration of a version, without deploying it."""

    def act() -> dict[str, str]:
        account = accounts.signed_in(environments.place_in(env, tag))
        done = migration.migrate(account, _say)
        return done._asdict() if done else {}

    _guarded(act, as_json=as_json)


@app.command("drift")
def show_drift(*, env: Env, as_json: Json = False) -> None:
    """Say what was changed by hand; exit 1 where anything was."""
    found: list[drift.Drift] = []

    def act() -> list[dict[str, str]]:
        account = accounts.signed_in(environments.place_in(env))
        found.extend(drift.drifts(account, [*deployment.GROUND, *deployment.PROGRAMS]))
        return [one._asdict() for one in found]

    _guarded(act, as_json=as_json)
    if found:
        raise typer.Exit(1)


@app.command()
def releases(*, env: Env, as_json: Json = False) -> None:
    """Show the API's last releases, with those that were turned back."""
    _guarded(lambda: deployment.releases(accounts.signed_in(environments.place_in(env))), as_json=as_json)


@app.command()
def look(*, env: Env) -> None:
    """Let the probe look from outside now."""
    _guarded(lambda: deployment.look(accounts.signed_in(environments.place_in(env))))


@app.command("roll-out")
def roll_out(
    package: Annotated[Path, typer.Argument(help="The zip of a release of the drones' agent.")],
    order: Annotated[Path, typer.Argument(help="Its signed order.")],
    *,
    env: Env,
    group: Annotated[str, typer.Option(help="The drones: a thing group.")] = rollout.FLEET,
) -> None:
    """Offer a release of the agent to the fleet as a job: in stages, ended when a tenth of the drones fail."""
    _guarded(lambda: rollout.offer(accounts.signed_in(environments.place_in(env)), _say, package, order, group=group))


@app.command("restore-drill")
def restore_drill(*, env: Env, as_json: Json = False) -> None:
    """Restore the database beside itself, use it, delete it; prints RPO and RTO in seconds. Takes an hour."""
    _guarded(lambda: drill.restore(accounts.signed_in(environments.place_in(env)), _say)._asdict(), as_json=as_json)


@app.command("teardown")
def take_down(
    *,
    env: Env,
    confirm: Annotated[str, typer.Option(help="The account's number.")] = "",
    ground: Annotated[bool, typer.Option("--ground", help="Also network, storage, data, security and IoT.")] = False,
) -> None:
    """Delete the stacks and keep what was recorded."""
    _guarded(
        lambda: teardown.take_down(
            accounts.signed_in(environments.place_in(env)), _say, confirmed=confirm, ground=ground
        )
    )


if __name__ == "__main__":
    app()
