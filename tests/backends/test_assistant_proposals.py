"""Actions are proposals: the assistant drafts a form, a person with the right confirms it, and it is theirs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from cloud.assistant.evaluation import history
from contracts.vocabulary import Role
from tests.platform import Server, build

pytestmark = pytest.mark.backends

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def server(database_url: str) -> Iterator[Server]:
    services = build(database_url)
    with services.database.session() as session:
        history.seed(session, NOW)
    with Server(services) as running:
        yield running
    services.database.close()


def draft(client: httpx.Client, question: str) -> dict[str, Any]:
    answer = client.post("/v1/assistant/ask", json={"question": question}, headers={"Accept": "application/json"})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert not found["answered"]
    return found


def one(server: Server, sql: str, **values: Any) -> Any:
    with server.services.database.session() as session:
        return session.execute(text(sql), values).one()


def decide(client: httpx.Client, form: dict[str, Any], verb: str = "confirm", **filled: Any) -> httpx.Response:
    return client.post(f"/v1/assistant/proposals/{form['proposal_id']}/{verb}", json={"parameters": filled})


def test_a_wish_becomes_a_form_and_nothing_else(server: Server) -> None:
    with server.client(Role.ANALYST) as client:
        before = one(server, "SELECT count(*) FROM workflow_runs")
        form = draft(client, "Please open a ticket for F-3")["proposal"]
        assert (form["kind"], form["finding"]) == ("open_ticket", 3)
        assert one(server, "SELECT count(*) FROM workflow_runs") == before
        assert form["proposal_id"] in [p["proposal_id"] for p in client.get("/v1/assistant/proposals").json()]


def test_a_confirmed_grade_is_the_persons_own_and_audited(server: Server) -> None:
    with server.client(Role.ANALYST, name="ana") as client:
        form = draft(client, "Set the severity of F-5 to 2 because it is a shadow")["proposal"]
        done = decide(client, form)
        assert done.status_code == 200, done.text
        assert done.json()["state"] == "confirmed"
    rank, by = one(server, "SELECT severity_rank, reviewed_by FROM findings WHERE number = 5")
    assert (rank, by) == (2, "ana")
    actors = one(server, "SELECT count(*) FROM audit WHERE actor = 'ana' AND action IN ('finding.regrade', "
                         "'proposal.confirmed')")  # fmt: skip
    assert actors[0] == 2


def test_a_form_with_a_hole_must_be_filled(server: Server) -> None:
    with server.client(Role.OPERATOR, name="olga") as client:
        plan, drone = one(server, "SELECT plan_id, drone_id FROM flights LIMIT 1")
        made = client.post("/v1/assistant/proposals", json={
            "parameters": {"kind": "schedule_flight", "plan_id": plan, "drone_id": drone}}).json()  # fmt: skip
        assert decide(client, made, drone_id=7).status_code == 422
        done = decide(client, made).json()
        flight = done["result"]["flight_id"]
    state, by = one(server, "SELECT state, created_by FROM flights WHERE flight_id = :f", f=flight)
    assert (state, by) == ("planned", "olga")


def test_without_the_role_it_is_refused_and_stays_open(server: Server) -> None:
    with server.client(Role.VIEWER, name="vera") as client:
        form = draft(client, "Open a ticket for F-7")["proposal"]
        refused = decide(client, form)
        assert refused.status_code == 403
        assert "operator" in refused.json()["hint"]
    state = one(server, "SELECT state FROM assistant_proposals WHERE proposal_id = :p", p=form["proposal_id"])
    assert state[0] == "open"
    assert one(server, "SELECT count(*) FROM workflow_runs WHERE finding_id = (SELECT finding_id FROM findings WHERE "
                       "number = 7)")[0] == 0  # fmt: skip


def test_a_proposal_is_decided_once_and_by_whom_it_is_for(server: Server) -> None:
    with server.client(Role.ANALYST, name="ana") as ana, server.client(Role.ADMIN, name="eve") as eve:
        form = draft(ana, "open a ticket for F-8")["proposal"]
        assert decide(eve, form).status_code == 404
        assert decide(ana, form, "decline").json()["state"] == "declined"
        assert decide(ana, form).status_code == 409


def test_an_old_proposal_does_nothing(server: Server) -> None:
    with server.client(Role.ANALYST, name="ana") as client:
        form = draft(client, "open a ticket for F-9")["proposal"]
        with server.services.database.session() as session:
            session.execute(text("UPDATE assistant_proposals SET expires_at = :t WHERE proposal_id = :p"),
                            {"t": NOW - timedelta(days=2), "p": form["proposal_id"]})  # fmt: skip
        assert decide(client, form).status_code == 409


def test_a_program_confirms_nothing(server: Server) -> None:
    with server.client(Role.INTEGRATION, name="robot") as client:
        form = draft(client, "open a ticket for F-10")["proposal"]
        refused = decide(client, form)
        assert refused.status_code == 403
        assert "program" in refused.json()["detail"]


def test_a_finding_that_is_not_there_is_no_form(server: Server) -> None:
    with server.client(Role.ANALYST) as client:
        found = draft(client, "open a ticket for F-99999")
        assert found["proposal"] is None
        assert "F-99999" in found["reason"]


@pytest.mark.parametrize("parameters", [{}, {"kind": "fly"}, {"kind": "change_grade", "finding": 1, "rank": 9}])
def test_what_is_no_action_is_refused(server: Server, parameters: dict[str, Any]) -> None:
    with server.client(Role.ANALYST) as client:
        answer = client.post("/v1/assistant/proposals", json={"parameters": parameters})
        assert answer.status_code == 422


def test_the_transcript_is_kept_without_secrets(server: Server) -> None:
    with server.client(Role.VIEWER, name="tess") as client:
        draft(client, "my password is hunter2, are cracks bad?")
    question, answered = one(server, "SELECT question, answered FROM assistant_transcripts WHERE asked_by = 'tess'")
    assert "hunter2" not in question
    assert answered is False
