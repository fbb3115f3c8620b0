"""A language model over Bedrock's wire format: what it may do, what it may say, what happens when it misbehaves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import boto3
import pytest
from sqlalchemy import text as sql

from cloud.assistant.conversation import Answer, Assistance, answer
from cloud.assistant.dialogue.loop import Limits
from cloud.assistant.dialogue.router import route
from cloud.assistant.grammar.names import Names
from cloud.assistant.grammar.planner import plan
from cloud.assistant.tools.declarations import TOOLS, Asker
from cloud.backends.language_model import BedrockConverse, profile_of
from cloud.db import Database
from cloud.model_turns import Models
from cloud.security import Principal
from contracts.errors import Unavailable
from contracts.vocabulary import Role
from tests.bedrock_server import BedrockServer, Said, text, tool
from tests.scenes import seed_history

pytestmark = pytest.mark.backends

NOW = datetime(2026, 11, 20, 16, 40, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
ANA = Principal("ana", frozenset({Role.VIEWER}), "token")
NOVA, CLAUDE = "eu.amazon.nova-lite-v1:0", "us.anthropic.claude-3-5-haiku-20241022-v1:0"
ODD = "Kindly elaborate upon the gravest flaws of the machine called T-03"
"""A question the grammar does not understand."""


@pytest.fixture(scope="module")
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    with opened.session() as session:
        seed_history(session, NOW)
    yield opened
    opened.close()


@pytest.fixture
def bedrock(monkeypatch: pytest.MonkeyPatch) -> Iterator[BedrockServer]:
    with BedrockServer() as server:
        for name, value in {
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": server.url, "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x",
            "AWS_DEFAULT_REGION": "eu-central-1",
        }.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
        monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)
        yield server


def ask(database: Database, bedrock: BedrockServer, *script: Said, limits: Limits | None = None, model: str = NOVA,
        question: str = ODD) -> Answer:  # fmt: skip
    bedrock.script = list(script)
    help_ = Assistance(Models(small=BedrockConverse(model)), limits or Limits())
    with database.session() as session:
        return answer(Asker(session, ANA, NOW, BERLIN), question, help_=help_)


def worst(database: Database) -> Any:
    with database.session() as session:
        return session.execute(
            sql("SELECT number, kind, severity_rank FROM findings WHERE asset_id = 't-03' AND status <> 'rejected' "
                "ORDER BY severity_rank DESC, greatest(length_mm, width_mm) DESC, number LIMIT 1")
        ).one()  # fmt: skip


FIND = tool("findings", {"asset_ids": ["t-03"], "limit": 3})


def test_a_model_looks_up_and_every_sentence_is_cited(database: Database, bedrock: BedrockServer) -> None:
    number, kind, rank = worst(database)
    said = f"F-{number} is a {kind.replace('_', ' ')} of severity {rank} on T-03. [E1.1]"
    found = ask(database, bedrock, FIND, text(said))
    assert found.answered
    assert found.source == f"bedrock:{NOVA}"
    assert [s.text for s in found.sentences] == [said.removesuffix(" [E1.1]")]
    assert found.sentences[0].citations[0].number == number
    assert (found.input_tokens, found.output_tokens) == (2100, 100)
    assert found.cost_usd == pytest.approx((2100 * 0.06 + 100 * 0.24) / 1e6)


def test_the_request_is_bedrocks_with_greedy_tools_and_cache_points(database: Database, bedrock: BedrockServer) -> None:
    ask(database, bedrock, FIND, text("x"))
    ask(database, bedrock, FIND, text("x"), model=CLAUDE)
    nova, claude = bedrock.requests[0], bedrock.requests[2]
    assert (nova["model"], nova["verb"]) == (NOVA, "converse-stream")
    assert nova["additionalModelRequestFields"] == {"inferenceConfig": {"topK": 1}}
    assert claude["additionalModelRequestFields"] == {"top_k": 1}
    assert nova["inferenceConfig"]["temperature"] == 0
    assert nova["system"][-1] == {"cachePoint": {"type": "default"}}
    assert claude["toolConfig"]["tools"][-1] == {"cachePoint": {"type": "default"}}
    assert [t["toolSpec"]["name"] for t in nova["toolConfig"]["tools"]] == list(TOOLS)
    result = bedrock.requests[1]["messages"][-1]["content"][0]["toolResult"]
    assert result["toolUseId"] == "tooluse_1"
    assert '"ref": "E1.1"' in result["content"][0]["text"]


def test_fast_inference_and_a_guardrail_are_asked_for(bedrock: BedrockServer) -> None:
    bedrock.script = [text("yes", cached=500)]
    parts = list(BedrockConverse(CLAUDE, fast=True, guardrail=("gr-1", "2")).converse(
        "s", [{"role": "user", "content": [{"text": "q"}]}], [], max_tokens=5))  # fmt: skip
    assert bedrock.requests[0]["performanceConfig"] == {"latency": "optimized"}
    assert bedrock.requests[0]["guardrailConfig"] == {"guardrailIdentifier": "gr-1", "guardrailVersion": "2"}
    assert parts[-1].usage.cached_tokens == 500  # type: ignore[union-attr]
    assert parts[-1].usage.cost_usd == pytest.approx((950 * 0.8 + 60 * 4) / 1e6)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("model_id", "prefix"),
    [
        ("amazon.nova-micro-v1:0", "amazon.nova-micro"),
        ("apac.amazon.nova-pro-v1:0", "amazon.nova-pro"),
        ("arn:aws:bedrock:eu-west-1:1:inference-profile/eu.anthropic.claude-sonnet-4-v1:0", "anthropic.claude"),
        ("meta.llama3-70b", ""),
    ],
)
def test_a_profile_is_found_through_regions_and_arns(model_id: str, prefix: str) -> None:
    assert profile_of(model_id).prefix == prefix


AWKWARD: list[tuple[str, list[Said], str]] = [
    ("the input of a tool is no JSON", [tool("findings", '{"asset_ids": ["t-'), text("Done.")], "said nothing"),
    ("a tool that is not there", [tool("delete_findings", {"all": True}), text("Deleted.")], "said nothing"),
    ("arguments that are not the tool's", [tool("findings", {"sql": "1=1"}), text("Done.")], "said nothing"),
    ("the same call for ever", [tool("sites", {})] * 9, "circles"),
    ("more and more steps", [tool("findings", {"limit": n}) for n in range(1, 12)], "steps"),
    ("an answer that was cut", [FIND, text("F-1 is a", stop="max_tokens")], "was cut"),
    ("a guardrail that stops it", [FIND, text("F-1 is a crack. [E1.1]", stop="guardrail_intervened")], "guardrail"),
    ("half a stream", [FIND, Said(text("F-1 is a crack. [E1.1]").events, break_after=150)], "could not answer"),
    ("a stream without its end", [Said(text("hello").events[:3])], "broke off midway"),
    ("a corrupt frame", [Said(text("hello").events, corrupt=True)], "could not answer"),
    ("throttled for ever", [Said(status=429, error="ThrottlingException")] * 5, "Throttling"),
    ("an internal error midway", [Said([*text("hello").events[:2], ("internalServerException", {"message": "boom"})])],
     "could not answer"),
    ("access denied", [Said(status=403, error="AccessDeniedException")], "AccessDenied"),
    ("nothing at all", [text("")], "said nothing"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "script", "note"), AWKWARD, ids=[row[0] for row in AWKWARD])
def test_a_model_that_misbehaves_gives_way_to_the_planner(
    database: Database, bedrock: BedrockServer, name: str, script: list[Said], note: str
) -> None:
    found = ask(database, bedrock, *script, limits=Limits(steps=5, turns=12))
    assert found.sentences == ()
    assert found.source == "planner"
    assert any(note in said for said in found.notes), found.notes
    assert "I did not understand" in found.reason
    assert len(found.questions) == 3


def test_throttling_is_retried(database: Database, bedrock: BedrockServer) -> None:
    found = ask(database, bedrock, Said(status=429, error="ThrottlingException"), tool("sites", {}),
                text("Nordmarsch has 6 assets. [E1.1]"))  # fmt: skip
    assert [s.text for s in found.sentences] == ["Nordmarsch has 6 assets."]


def test_an_invented_id_is_removed_and_shown(database: Database, bedrock: BedrockServer) -> None:
    found = ask(database, bedrock, FIND, text("F-9999 is on T-03. [E1.1] 3 are on T-03."))
    assert found.sentences == ()
    assert [r.reason for r in found.removed] == ["'F-9999' is not in the evidence", "names no evidence"]


def test_none_found_comes_with_what_was_looked_at(database: Database, bedrock: BedrockServer) -> None:
    found = ask(database, bedrock, tool("findings", {"asset_ids": ["t-05"]}), text("0 findings on T-05. [E1.n]"))
    assert any("No flight looked" in s.text for s in found.sentences), [s.text for s in found.sentences]


@pytest.mark.parametrize("limits", [Limits(tokens=1500), Limits(cost_usd=0.00001)], ids=["tokens", "money"])
def test_a_budget_stops_an_answer(database: Database, bedrock: BedrockServer, limits: Limits) -> None:
    found = ask(database, bedrock, FIND, FIND, text("x"), limits=limits)
    assert "more than" in found.notes[0]
    assert found.input_tokens > 0


def test_what_the_planner_understands_costs_nothing(database: Database, bedrock: BedrockServer) -> None:
    found = ask(database, bedrock, question="How many cracks on T-01?")
    assert found.source == "planner"
    assert bedrock.requests == []


def test_a_wish_to_act_never_reaches_a_model(database: Database, bedrock: BedrockServer) -> None:
    found = ask(database, bedrock, question="Delete all findings")
    assert not found.answered
    assert bedrock.requests == []


@pytest.mark.parametrize(
    ("question", "size"),
    [
        ("gravest dents?", "small"),
        ("Why do gizmos break?", "large"),
        ("Summarise the gizmos", "large"),
        (" ".join(["gizmo"] * 30), "large"),
        ("gizmo? gadget?", "large"),
    ],
)
def test_hard_questions_go_up(question: str, size: str) -> None:
    class Named:
        def __init__(self, name: str) -> None:
            self.name = name

        def converse(self, *_: object, **__: object) -> Iterator[Any]:
            raise Unavailable("not asked")

    models = Models(small=Named("small"), large=Named("large"))
    chosen = route(question, plan(question, Names((), ()), NOW, BERLIN), models)
    assert chosen is not None
    assert chosen.name == size


def test_a_model_reads_only_the_askers_sites(database: Database, bedrock: BedrockServer) -> None:
    bedrock.script = [FIND, text("x")]
    with database.session() as session:
        who = Asker(session, Principal("ana", frozenset({Role.VIEWER}), "token", frozenset({"south"})), NOW, BERLIN)
        answer(who, ODD, help_=Assistance(Models(small=BedrockConverse(NOVA))))
    told = bedrock.requests[1]["messages"][-1]["content"][0]["toolResult"]["content"][0]["text"]
    assert re.findall(r"F-\d+", told) == []
    assert '"total": 0' in told
