"""Severity policies as data: stored, compared over history, approved by a second person; a manual grade survives."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from cloud import __main__ as program
from cloud.grading import shipped_policy
from cloud.policy.replay import diff
from cloud.reviews import review
from cloud.services import Services
from cloud.tables import Audit, Finding, PolicyRow
from contracts.vocabulary import AssetKind, Role, Verdict
from simulators.history import HistoryPlan, history
from tests import platform
from tests.clean_database import empty
from tests.histories import seed
from tests.platform import Server
from tests.unit.cloud.test_grading import FILE

STRICT = (
    FILE.read_text(encoding="utf-8")
    .replace("version: wind-gwo-1", "version: ours-2")
    .replace("{rank: 5, from_mm: 700}", "{rank: 5, from_mm: 310}")
    .replace("{rank: 3, from_mm: 300}", "{rank: 4, from_mm: 300}")
)


@pytest.fixture(scope="module")
def services(database_url: str) -> Iterator[Services]:
    built = platform.build(database_url)
    yield built
    built.database.close()


@pytest.fixture(scope="module")
def server(services: Services) -> Iterator[Server]:
    with Server(services) as running:
        yield running


@pytest.fixture
def author(server: Server, services: Services) -> Iterator[httpx.Client]:
    empty(services.database)
    with services.database.session() as session:
        seed(session, history(HistoryPlan(seed=6, turbines=1, inspections=2, years=1, defects=8)))
    with server.client(Role.ANALYST, name="ana") as http:
        yield http


@pytest.fixture
def approver(server: Server) -> Iterator[httpx.Client]:
    with server.client(Role.REVIEWER, name="ron") as http:
        yield http


def ranks(services: Services) -> dict[str, tuple[int, str]]:
    with services.database.session() as session:
        return {f.finding_id: (f.severity_rank, f.severity_source) for f in session.scalars(select(Finding))}


def test_a_comparison_says_what_would_change_and_changes_nothing(author: httpx.Client, services: Services) -> None:
    assert author.post("/v1/policies", json={"body": STRICT}).status_code == 201
    before = ranks(services)
    told = author.get("/v1/policies/wind-gwo-1/diff/ours-2").json()
    assert told["findings"] == len(before)
    assert told["changed"] == told["up"] > 0
    assert told["down"] == 0
    assert sum(told["moves"].values()) == told["changed"]
    assert told["tickets_opened"] > 0
    assert ranks(services) == before
    back = author.get("/v1/policies/ours-2/diff/wind-gwo-1").json()
    assert (back["down"], back["assets_released"]) == (told["up"], told["assets_stopped"])


def test_the_comparison_tells_what_activation_then_does(
    author: httpx.Client, approver: httpx.Client, services: Services
) -> None:
    author.post("/v1/policies", json={"body": STRICT})
    told = author.get("/v1/policies/wind-gwo-1/diff/ours-2").json()
    before = ranks(services)
    done = approver.post("/v1/policies/ours-2/activate", json={"reason": "Agreed with the owner."})
    assert done.json() == {"version": "ours-2", "approved_by": "ron", "regraded": told["changed"]}
    after = ranks(services)
    assert sum(1 for name in before if before[name] != after[name]) == told["changed"]
    with services.database.session() as session:
        assert session.get_one(PolicyRow, "ours-2").state == "active"
        assert {"policy.store", "policy.activate"} <= set(session.scalars(select(Audit.action)))


def test_a_manual_grade_survives(author: httpx.Client, approver: httpx.Client, services: Services) -> None:
    author.post("/v1/policies", json={"body": STRICT})
    told = author.get("/v1/policies/wind-gwo-1/diff/ours-2").json()
    chosen = told["examples"][0]["finding_id"]
    with services.database.session() as session:
        review(session, chosen, Verdict.REGRADE, "I measured it.", "ana", rank=1)
    assert author.get("/v1/policies/wind-gwo-1/diff/ours-2").json()["changed"] == told["changed"] - 1
    approver.post("/v1/policies/ours-2/activate", json={"reason": "Agreed."})
    assert ranks(services)[chosen] == (1, "manual")


def test_the_author_may_not_approve_and_a_viewer_may_do_neither(author: httpx.Client, server: Server) -> None:
    author.post("/v1/policies", json={"body": STRICT})
    assert author.post("/v1/policies/ours-2/activate", json={"reason": "Mine."}).status_code == 403
    with server.client(Role.VIEWER) as viewer:
        assert viewer.post("/v1/policies", json={"body": STRICT}).status_code == 403
        assert viewer.post("/v1/policies/ours-2/activate", json={"reason": "x"}).status_code == 403


def test_a_version_never_changes_its_text(author: httpx.Client) -> None:
    assert author.post("/v1/policies", json={"body": STRICT}).status_code == 201
    assert author.post("/v1/policies", json={"body": STRICT}).status_code == 201
    assert author.post("/v1/policies", json={"body": STRICT + "\n"}).status_code == 409
    assert author.post("/v1/policies", json={"body": FILE.read_text()}).status_code == 409


@pytest.mark.parametrize(
    "body", ["a: [", "version: x", STRICT.replace("critical_rank: 4", "critical_rank: 9"), STRICT + "\nextra: 1\n"]
)
def test_a_policy_that_breaks_a_rule_is_refused(author: httpx.Client, body: str) -> None:
    assert author.post("/v1/policies", json={"body": body}).status_code == 422


def test_an_unknown_version_is_not_found(author: httpx.Client, approver: httpx.Client) -> None:
    assert author.get("/v1/policies/wind-gwo-1/diff/none").status_code == 404
    assert approver.post("/v1/policies/none/activate", json={"reason": "x"}).status_code == 404


def test_the_verb_prints_the_same_comparison(
    author: httpx.Client, services: Services, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    author.post("/v1/policies", json={"body": STRICT})
    monkeypatch.setenv("CLOUD_DATABASE_URL", database_url)
    done = CliRunner().invoke(program.app, ["policy", "diff", "wind-gwo-1", "ours-2", "--json"])
    assert done.exit_code == 0, done.output
    with services.database.session() as session:
        ours = session.get_one(PolicyRow, "ours-2")
        assert ours.state == "draft"
    assert f'"changed":{author.get("/v1/policies/wind-gwo-1/diff/ours-2").json()["changed"]}' in done.output
    plain = CliRunner().invoke(program.app, ["policy", "diff", "wind-gwo-1", "ours-2"])
    assert "tickets would open" in plain.output
    assert CliRunner().invoke(program.app, ["policy", "diff", "wind-gwo-1", "none"]).exit_code == 1


@pytest.mark.parametrize("kind", list(AssetKind))
def test_every_kind_of_asset_has_a_shipped_policy(kind: AssetKind) -> None:
    policy = shipped_policy(kind)
    assert kind in policy.asset_kinds
    assert policy.sources


def test_utilities_count_downwards() -> None:
    codes = {rank: reaction.code for rank, reaction in shipped_policy(AssetKind.POWER_LINE).reactions.items()}
    assert codes == {1: "4", 2: "4", 3: "3", 4: "2", 5: "1"}


def test_a_comparison_of_a_policy_with_itself_is_empty(author: httpx.Client, services: Services) -> None:
    with services.database.session() as session:
        told = diff(session, shipped_policy(), shipped_policy())
    assert (told.changed, told.moves, told.examples) == (0, {}, [])
