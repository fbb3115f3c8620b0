"""The restore drill: the database of a moment ago beside the running one, asked by this version, timed and deleted."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from contracts.errors import Unavailable
from infra.aws.operations import migration
from infra.aws.operations.account import Account, Say, until
from infra.aws.operations.migration import DATABASE

COPY = "kestrel-drill"


class Drill(NamedTuple):
    """What would be lost and how long it would take."""

    rpo_s: float
    """From the newest moment that can be restored to now."""
    rto_s: float
    """From the order to the answer of the restored database."""


def restore(
    account: Account, say: Say, *, now: datetime | None = None, clock: Callable[[], float] = time.monotonic
) -> Drill:
    """Restore, let the migration's task of the running version use it, delete it whatever came of it.

    Raises:
        Conflict: The restored database does not serve this version.
        Unavailable: It was not restored.

    """
    began = clock()
    source: dict[str, Any] = account.rds.describe_db_instances(DBInstanceIdentifier=DATABASE)["DBInstances"][0]
    newest: datetime = source["LatestRestorableTime"]
    rpo_s = ((now or datetime.now(UTC)) - newest).total_seconds()
    say(f"restoring {newest.isoformat()} as {COPY}")
    account.rds.restore_db_instance_to_point_in_time(
        SourceDBInstanceIdentifier=DATABASE,
        TargetDBInstanceIdentifier=COPY,
        UseLatestRestorableTime=True,
        DBSubnetGroupName=source["DBSubnetGroup"]["DBSubnetGroupName"],
        VpcSecurityGroupIds=[one["VpcSecurityGroupId"] for one in source["VpcSecurityGroups"]],
        DBInstanceClass=source["DBInstanceClass"],
        PubliclyAccessible=False,
        MultiAZ=False,
        DeletionProtection=False,
    )
    try:
        _ready(account)
        found = account.rds.describe_db_instances(DBInstanceIdentifier=COPY)["DBInstances"][0]
        # Not through the proxy: its own certificate is not one that every system knows.
        there = {"KESTREL_DATABASE_HOST": found["Endpoint"]["Address"], "KESTREL_DATABASE_TLS": "require"}
        said = [{"name": name, "value": value} for name, value in there.items()]
        migration.run(account, migration.FAMILY, said, what="restore-drill")
        return Drill(rpo_s, clock() - began)
    finally:
        account.rds.delete_db_instance(DBInstanceIdentifier=COPY, SkipFinalSnapshot=True, DeleteAutomatedBackups=True)


def _ready(account: Account) -> None:
    def state() -> str:
        return str(account.rds.describe_db_instances(DBInstanceIdentifier=COPY)["DBInstances"][0]["DBInstanceStatus"])

    ends = {"available", "failed", "incompatible-restore"}
    if (ended := until(account, state, ends, every_s=30, times=240, what=COPY)) != "available":
        raise Unavailable(f"{COPY} is {ended}.", hint="See the events of the database.")
