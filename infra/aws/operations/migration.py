"""The database's migration as a step of a deployment: snapshot, then the new version's migration as one task.

The migration is one transaction (``cloud.schema``): a failed one changes nothing, the programs run on as they are and
the deployment ends. Migrations only add, so the version before runs on a newer schema; should data itself be spoilt,
the snapshot taken here is what is restored (docs/aws.md).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, NamedTuple

from contracts.errors import Conflict, Unavailable
from infra.aws.operations.account import Account, Say, until

FAMILY, CLUSTER, DATABASE = "kestrel-migrate", "kestrel", "kestrel"
_NOT_TAKEN = {"taskDefinitionArn", "revision", "status", "requiresAttributes", "compatibilities", "registeredAt",
              "registeredBy", "deregisteredAt", "enableFaultInjection"}  # fmt: skip
"""What ``DescribeTaskDefinition`` says and ``RegisterTaskDefinition`` does not take."""


class Migrated(NamedTuple):
    """How it ended, and what to restore if it must be undone."""

    snapshot: str
    task: str


def migrate(account: Account, say: Say, *, now: datetime | None = None) -> Migrated | None:
    """Migrate to the place's version before any program changes; None where nothing was ever deployed.

    Raises:
        Conflict: The migration failed; the database is as before.
        Unavailable: AWS did not get to it.

    """
    shape = _present(account)
    if shape is None:
        say("nothing is deployed yet: the migration follows the first deployment")
        return None
    snapshot = _snapshot(account, now or datetime.now(UTC))
    say(f"snapshot {snapshot}")
    revision = _next_version(account, shape)
    task = run(account, revision, [], what="migration")
    say(f"migrated to {account.place.image_tag}")
    return Migrated(snapshot, task)


def _present(account: Account) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = account.ecs.describe_task_definition(taskDefinition=FAMILY)["taskDefinition"]
    except account.ecs.exceptions.ClientException:
        return None
    return found


def _snapshot(account: Account, now: datetime) -> str:
    tag = re.sub(r"[^a-z0-9]+", "-", account.place.image_tag.lower()).strip("-")
    name = f"kestrel-before-{tag}-{now:%Y%m%d-%H%M%S}"
    account.rds.create_db_snapshot(DBSnapshotIdentifier=name, DBInstanceIdentifier=DATABASE)

    def state() -> str:
        return str(account.rds.describe_db_snapshots(DBSnapshotIdentifier=name)["DBSnapshots"][0]["Status"])

    if until(account, state, {"available", "failed"}, every_s=15, times=240, what=f"snapshot {name}") == "failed":
        raise Unavailable(f"Snapshot {name} failed; nothing was migrated.", hint="See the events of the database.")
    return name


def _next_version(account: Account, shape: dict[str, Any]) -> str:
    """Register the same task with the new version's image: the deployed one is the old version's."""
    again = {key: value for key, value in shape.items() if key not in _NOT_TAKEN}
    main, *rest = shape["containerDefinitions"]
    image = f"{str(main['image']).rpartition(':')[0]}:{account.place.image_tag}"
    again["containerDefinitions"] = [{**main, "image": image}, *rest]
    return str(account.ecs.register_task_definition(**again)["taskDefinition"]["taskDefinitionArn"])


def run(account: Account, revision: str, environment: list[dict[str, str]], *, what: str) -> str:
    """Run the migration's task once, where the platform's programs run; return its address.

    Raises:
        Conflict: It ended with an error.
        Unavailable: It could not be started, or does not end.

    """
    found = account.ecs.describe_services(cluster=CLUSTER, services=["kestrel-ingest"])["services"]
    if not found:
        raise Unavailable("The service kestrel-ingest is not there.", hint="Deploy the stacks first.")
    override = {"containerOverrides": [{"name": "main", "environment": environment}]} if environment else {}
    started = account.ecs.run_task(
        cluster=CLUSTER,
        taskDefinition=revision,
        launchType="FARGATE",
        networkConfiguration=found[0]["networkConfiguration"],
        overrides=override,
        startedBy=f"kestrel-{what}"[:36],
    )
    if not started["tasks"]:
        raise Unavailable(f"The {what} did not start: {started['failures']}.", hint="Capacity or rights of the task.")
    task = str(started["tasks"][0]["taskArn"])

    def ended() -> dict[str, Any]:
        rows: list[dict[str, Any]] = account.ecs.describe_tasks(cluster=CLUSTER, tasks=[task])["tasks"]
        return rows[0]

    until(account, lambda: str(ended()["lastStatus"]), {"STOPPED"}, every_s=5, times=360, what=f"the {what}")
    last = ended()
    code = next((one.get("exitCode") for one in last["containers"] if one["name"] == "main"), None)
    if code != 0:
        reason = last.get("stoppedReason", "no reason given")
        hint = "The log group /kestrel/programs/migrate has the error."
        raise Conflict(f"The {what} ended with {code} ({reason}).", hint=hint)
    return task
