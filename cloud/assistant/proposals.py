"""Actions are proposals: a form with parameters that a person with the right confirms, audited as that person's.

The assistant writes the form and nothing else. Confirming runs the same function as the API's own endpoint.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, TypeAdapter, ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud import audit, executions, flights, reviews, site_limits
from cloud.grading import Policy
from cloud.security import Principal
from cloud.tables import Finding, Proposal
from contracts.errors import Conflict, Forbidden, InvalidInput, NotFound
from contracts.geo import Frozen
from contracts.ids import mint
from contracts.vocabulary import Role, Verdict

VALID_HOURS = 24


class OpenTicket(Frozen):
    """Open a maintenance notification for a finding: its workflow is asked for."""

    kind: Literal["open_ticket"] = "open_ticket"
    finding: int = Field(ge=1, description="short number: 142 for F-142")


class ChangeGrade(Frozen):
    """Give a finding another severity rank."""

    kind: Literal["change_grade"] = "change_grade"
    finding: int = Field(ge=1, description="short number: 142 for F-142")
    rank: int = Field(ge=1, le=5)
    reason: str = Field(min_length=1, max_length=400)


class ScheduleFlight(Frozen):
    """Plan a flight of a plan version by a drone; it still needs its own approval before it may take off."""

    kind: Literal["schedule_flight"] = "schedule_flight"
    plan_id: str = Field(max_length=64)
    version: int = Field(default=1, ge=1)
    drone_id: str = Field(max_length=64)


Action = Annotated[OpenTicket | ChangeGrade | ScheduleFlight, Field(discriminator="kind")]
ACTION: TypeAdapter[Action] = TypeAdapter(Action)


class Kind(NamedTuple):
    """Who may confirm an action, and what it does."""

    roles: tuple[Role, ...]
    act: Callable[[Session, Any, str, Policy], dict[str, Any]]


def _open_ticket(session: Session, wanted: OpenTicket, by: str, _: Policy) -> dict[str, Any]:
    finding = _finding(session, wanted.finding)
    run = executions.want(session, finding.finding_id, renew=True)
    audit.record(session, by, "finding.request_ticket", finding.finding_id)
    return {"finding_id": finding.finding_id, "run": run.execution_name if run else None}


def _change_grade(session: Session, wanted: ChangeGrade, by: str, policy: Policy) -> dict[str, Any]:
    finding = _finding(session, wanted.finding)
    reviews.review(session, finding.finding_id, Verdict.REGRADE, wanted.reason, by, rank=wanted.rank, policy=policy)
    return {"finding_id": finding.finding_id, "rank": wanted.rank}


def _schedule_flight(session: Session, wanted: ScheduleFlight, by: str, _: Policy) -> dict[str, Any]:
    made = flights.create(session, plan_id=wanted.plan_id, version=wanted.version, drone_id=wanted.drone_id, by=by)
    return {"flight_id": made.flight_id}


KINDS: dict[str, Kind] = {
    "open_ticket": Kind((Role.OPERATOR, Role.ANALYST, Role.REVIEWER), _open_ticket),
    "change_grade": Kind((Role.ANALYST, Role.REVIEWER), _change_grade),
    "schedule_flight": Kind((Role.OPERATOR,), _schedule_flight),
}


def propose(session: Session, principal: Principal, parameters: dict[str, Any], why: str = "") -> Proposal:
    """Write a form for the asker. What it names must exist within the sites the asker may see.

    Raises:
        InvalidInput: Not an action, or parameters that are not its.
        NotFound: No such finding that the asker may see.

    """
    site_limits.limit(session, principal.username, principal.sites)
    wanted = _parsed(parameters)
    if isinstance(wanted, OpenTicket | ChangeGrade):
        _finding(session, wanted.finding)
    row = Proposal(
        proposal_id=mint("prp"),
        kind=wanted.kind,
        parameters=wanted.model_dump(mode="json"),
        why=why[:400],
        proposed_for=principal.username,
        expires_at=datetime.now(UTC) + timedelta(hours=VALID_HOURS),
    )
    session.add(row)
    session.flush()
    return row


def confirm(
    session: Session, principal: Principal, proposal_id: str, policy: Policy, changed: dict[str, Any] | None = None
) -> Proposal:
    """Do what a proposal says, as the person who confirms it; ``changed`` are the form's fields as they filled them.

    Raises:
        NotFound: No such proposal of theirs.
        Conflict: It was decided already, or is too old.
        Forbidden: They are a program, or lack the role.
        InvalidInput: The form is not filled as the action needs.

    """
    row = _open(session, principal, proposal_id)
    site_limits.limit(session, principal.username, principal.sites)
    if principal.via == "key" or principal.roles == {Role.INTEGRATION}:
        raise Forbidden("A program may not confirm a proposal.", hint="A person confirms it on the page.")
    kind = KINDS[row.kind]
    if not principal.may(*kind.roles):
        wanted = " or ".join(role.value for role in kind.roles)
        raise Forbidden(f"{principal.username} may not do this.", hint=f"It takes the role {wanted}.")
    action = _parsed({**row.parameters, **(changed or {}), "kind": row.kind})
    row.result = kind.act(session, action, principal.username, policy)
    row.parameters = action.model_dump(mode="json")
    _decide(session, row, principal, "confirmed")
    return row


def open_of(session: Session, principal: Principal) -> list[Proposal]:
    """Return the proposals that wait for this person, newest first."""
    waiting = select(Proposal).where(
        Proposal.proposed_for == principal.username, Proposal.state == "open", Proposal.expires_at > datetime.now(UTC)
    )
    return list(session.scalars(waiting.order_by(Proposal.proposed_at.desc()).limit(50)))


def decline(session: Session, principal: Principal, proposal_id: str) -> Proposal:
    """Close a proposal without doing anything.

    Raises:
        NotFound: No such proposal of theirs.
        Conflict: It was decided already, or is too old.

    """
    row = _open(session, principal, proposal_id)
    _decide(session, row, principal, "declined")
    return row


def _open(session: Session, principal: Principal, proposal_id: str) -> Proposal:
    row = session.get(Proposal, proposal_id, with_for_update=True)
    if row is None or row.proposed_for != principal.username:
        raise NotFound(f"No proposal {proposal_id!r}.")
    if row.state != "open":
        raise Conflict(f"The proposal was {row.state} by {row.decided_by}.")
    if row.expires_at < datetime.now(UTC):
        raise Conflict("The proposal is too old.", hint="Ask again.")
    return row


def _decide(session: Session, row: Proposal, principal: Principal, state: str) -> None:
    row.state, row.decided_by, row.decided_at = state, principal.username, datetime.now(UTC)
    after = {"kind": row.kind, "parameters": row.parameters, "state": state}
    audit.record(session, principal.username, f"proposal.{state}", row.proposal_id, after=after)


def _parsed(parameters: dict[str, Any]) -> Any:
    try:
        return ACTION.validate_python(parameters)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"{field or 'kind'}: {first['msg']}.", field=field or "kind") from error


def _finding(session: Session, number: int) -> Finding:
    finding = session.scalars(select(Finding).where(Finding.number == number)).first()
    if finding is None:
        raise NotFound(f"No finding F-{number}.")
    return finding
