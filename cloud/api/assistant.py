"""Questions and cited answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fastapi import APIRouter, BackgroundTasks, Header, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from cloud import consume, rates
from cloud.assistant import allowance, conversation, proposals, transcripts
from cloud.assistant.conversation import Event
from cloud.assistant.grammar.reading import MAX_QUESTION_CHARS
from cloud.assistant.tools.declarations import Asker
from cloud.grading import load_policy
from cloud.logbook import log
from cloud.requests import Svc, UnitOfWork
from cloud.security import Principal, Reader
from cloud.services import Services
from contracts.errors import InvalidInput, PlatformError

router = APIRouter(prefix="/v1/assistant", tags=["assistant"])


class Ask(BaseModel):
    """A question in plain English."""

    model_config = ConfigDict(extra="forbid")

    question: str = Field(
        min_length=1, max_length=MAX_QUESTION_CHARS, examples=["What were the most critical defects?"]
    )
    previous: str = Field(
        default="", max_length=MAX_QUESTION_CHARS, description="the question before, for follow-ups: and on blade B?"
    )
    time_zone: str = Field(default="UTC", max_length=64, description="IANA name: days and weeks are the asker's")


@router.post(
    "/ask",
    response_model=conversation.Answer,
    responses={200: {"content": {"application/x-ndjson": {}, "text/event-stream": {}}}},
)
def ask(
    body: Ask, principal: Reader, services: Svc, accept: Annotated[str, Header()] = "application/x-ndjson"
) -> Response:
    """Answer from the database, each sentence with what it stands on; refuse what is not understood.

    Streams events as NDJSON, or as Server-Sent Events for ``Accept: text/event-stream``; the whole answer at once
    for ``Accept: application/json``.
    """
    zone = _zone(body.time_zone)
    rates.check(services.asks.take(principal.username), "POST", "/v1/assistant/ask")
    events = _begun(_events(services, principal, body, zone))
    if "application/json" in accept:
        whole = conversation.collect(body.question, events)
        return Response(whole.model_dump_json(), media_type="application/json")
    if "text/event-stream" in accept:
        frames = (f"event: {e.type}\ndata: {json.dumps(e.data)}\n\n" for e in events)
        return StreamingResponse(frames, media_type="text/event-stream", headers={"Cache-Control": "no-store"})
    lines = (e.model_dump_json() + "\n" for e in events)
    return StreamingResponse(lines, media_type="application/x-ndjson", headers={"Cache-Control": "no-store"})


def _events(services: Services, principal: Principal, body: Ask, zone: ZoneInfo) -> Iterator[Event]:
    """Yield an answer's events and keep its transcript, also where the asker stops listening midway."""
    now = datetime.now(UTC)
    with services.database.session_of(principal) as session:
        assistance = allowance.of(services, session, principal.username, now)
    kept: list[Event] = []
    try:
        with services.database.session_of(principal) as session:
            asker = Asker(session, principal, now, zone, load_policy(services.settings.policy_file))
            for event in conversation.stream(asker, body.question, body.previous, assistance):
                shown = _with_form(services, principal, event)
                kept.append(shown)
                yield shown
    finally:
        said = conversation.collect(body.question, kept)
        channel = "page" if principal.via == "session" else "api"
        with services.database.session_of(principal) as session:
            transcripts.record(session, principal.username, channel, said, said.usage)


def _with_form(services: Services, principal: Principal, event: Event) -> Event:
    """Keep the form of a refusal that has one, and give it the id by which it is confirmed."""
    if event.type != "refusal" or not event.data.get("proposal"):
        return event
    try:
        with services.database.session_of(principal) as session:
            row = proposals.propose(session, principal, event.data["proposal"], str(event.data.get("question", "")))
            form = {**row.parameters, "proposal_id": row.proposal_id}
    except PlatformError as error:
        return Event(type="refusal", data={**event.data, "proposal": None, "reason": str(error)})
    return Event(type="refusal", data={**event.data, "proposal": form})


class ProposalOut(BaseModel):
    """Something the assistant drafted for a person to decide."""

    model_config = ConfigDict(from_attributes=True)

    proposal_id: str
    kind: str
    parameters: dict[str, Any]
    why: str
    proposed_for: str
    proposed_at: datetime
    expires_at: datetime
    state: str
    decided_by: str | None
    decided_at: datetime | None
    result: dict[str, Any] | None


class Filled(BaseModel):
    """The form as the person filled it; fields left out stay as they were drafted."""

    model_config = ConfigDict(extra="forbid")

    parameters: dict[str, Any] = Field(default_factory=dict)


@router.post("/proposals", status_code=201)
def add_proposal(body: Filled, session: UnitOfWork, principal: Reader) -> ProposalOut:
    """Draft an action: open_ticket, change_grade or schedule_flight. Nothing happens until a person confirms it."""
    row = proposals.propose(session, principal, body.parameters)
    session.refresh(row)
    return ProposalOut.model_validate(row)


@router.get("/proposals")
def list_proposals(session: UnitOfWork, principal: Reader) -> list[ProposalOut]:
    """List the caller's open proposals, newest first."""
    return [ProposalOut.model_validate(row) for row in proposals.open_of(session, principal)]


@router.post("/proposals/{proposal_id}/confirm")
def confirm_proposal(
    proposal_id: str, body: Filled, session: UnitOfWork, services: Svc, principal: Reader, after: BackgroundTasks
) -> ProposalOut:
    """Do it, as the person who confirms; it takes the role that the action itself takes."""
    policy = load_policy(services.settings.policy_file)
    row = proposals.confirm(session, principal, proposal_id, policy, body.parameters)
    session.flush()
    after.add_task(consume.start_wanted, services)
    return ProposalOut.model_validate(row)


@router.post("/proposals/{proposal_id}/decline")
def decline_proposal(proposal_id: str, session: UnitOfWork, principal: Reader) -> ProposalOut:
    """Close it without doing anything."""
    row = proposals.decline(session, principal, proposal_id)
    session.flush()
    return ProposalOut.model_validate(row)


def _begun(events: Iterator[Event]) -> Iterator[Event]:
    """Take the first event now: a failure before it is an HTTP problem, a later one ends the stream in words."""
    first = next(events)
    return chain([first], _in_words(events))


def _in_words(events: Iterator[Event]) -> Iterator[Event]:
    try:
        yield from events
    except PlatformError as error:
        log("assistant_broke_off", reason=str(error))
        yield Event(type="refusal", data={"reason": str(error), "not_understood": [], "questions": []})
        yield Event(type="end", data={"answered": False, "source": conversation.SOURCE, "elapsed_ms": 0.0})


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidInput(f"{name[:64]!r} is not a time zone.", hint="Use an IANA name such as Europe/Berlin.",
                           field="time_zone") from error  # fmt: skip
