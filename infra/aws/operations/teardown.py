"""Taking a deployment down. What was recorded stays: buckets, routes, secrets, keys, and the database as a snapshot."""

from __future__ import annotations

from contracts.errors import InvalidInput, Unavailable
from infra.aws.operations.account import Account, Say, until
from infra.aws.operations.deployment import GROUND, PROGRAMS
from infra.aws.operations.migration import DATABASE


def take_down(account: Account, say: Say, *, confirmed: str, ground: bool = False) -> list[str]:
    """Delete the programs' stacks, with ``ground`` all; return what was deleted.

    Raises:
        InvalidInput: ``confirmed`` is not the account's number.
        Unavailable: A stack could not be deleted; those before it are gone.

    """
    if confirmed != account.place.account:
        hint = f"--confirm {account.place.account}"
        raise InvalidInput("Say which account is taken down.", hint=hint, field="confirm")
    names = [*reversed(PROGRAMS), *(reversed(GROUND) if ground else ())]
    present = [name for name in names if _status(account, name)]
    for name in present:
        _unlock(account, name)
        account.cloudformation.update_termination_protection(StackName=name, EnableTerminationProtection=False)
        account.cloudformation.delete_stack(StackName=name)
        _gone(account, name)
        say(f"{name} deleted")
    return present


def _unlock(account: Account, name: str) -> None:
    """Lift the protections that would stop the deletion: the balancer keeps nothing, the database leaves a snapshot."""
    if name == "kestrel-api":
        for one in account.balancing.describe_load_balancers(Names=["kestrel"])["LoadBalancers"]:
            account.balancing.modify_load_balancer_attributes(
                LoadBalancerArn=one["LoadBalancerArn"],
                Attributes=[{"Key": "deletion_protection.enabled", "Value": "false"}],
            )
    if name == "kestrel-data":
        account.rds.modify_db_instance(DBInstanceIdentifier=DATABASE, DeletionProtection=False, ApplyImmediately=True)


def _status(account: Account, name: str) -> str:
    """Return a stack's state; empty when there is none."""
    pages = account.cloudformation.get_paginator("list_stacks").paginate()
    for row in (row for page in pages for row in page["StackSummaries"]):
        if row["StackName"] == name and row["StackStatus"] != "DELETE_COMPLETE":
            return str(row["StackStatus"])
    return ""


def _gone(account: Account, name: str) -> None:
    state = until(
        account,
        lambda: _status(account, name) or "gone",
        {"gone", "DELETE_FAILED"},
        every_s=15,
        times=240,
        what=f"deletion of {name}",
    )
    if state != "gone":
        hint = "Its events say what; GPU capacity providers may hang: scale kestrel-vision to 0 first."
        raise Unavailable(f"{name} could not be deleted.", hint=hint)
