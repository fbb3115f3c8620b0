"""Defects over HTTP: the biography, and what a person decides: merge, split, undo, all kept through relinking."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from cloud.services import Services
from cloud.tables import Audit, Finding
from contracts.vocabulary import Role
from simulators.history import HistoryPlan, history
from tests import platform
from tests.clean_database import empty
from tests.histories import seed
from tests.platform import Server

PLAN = HistoryPlan(seed=4, turbines=1, inspections=3, years=2, defects=5)


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
def analyst(server: Server, services: Services) -> Iterator[httpx.Client]:
    empty(services.database)
    with services.database.session() as session:
        seed(session, history(PLAN))
    with server.client(Role.ANALYST) as http:
        yield http


def groups(services: Services) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    with services.database.session() as session:
        for row in session.scalars(select(Finding)):
            found.setdefault(row.link_group, set()).add(row.finding_id)
    return found


def longest(services: Services) -> tuple[str, set[str]]:
    return max(groups(services).items(), key=lambda item: (len(item[1]), item[0]))


def test_a_biography_has_one_chapter_per_flight(analyst: httpx.Client, services: Services) -> None:
    group, members = longest(services)
    told = analyst.get(f"/v1/defects/{group}").json()
    assert {c["finding"]["finding_id"] for c in told["chapters"] if c["finding"]} == members
    assert told["chapters"][0]["state"] == "new"
    later = [c for c in told["chapters"][1:] if c["finding"]]
    assert later
    for chapter in later:
        assert 0.8 <= chapter["probability"] <= 1
        growth = chapter["since_previous"]
        assert growth["low_mm"] < growth["grown_mm"] < growth["high_mm"]


def test_the_list_pages_and_filters(analyst: httpx.Client, services: Services) -> None:
    first = analyst.get("/v1/defects", params={"limit": 2, "asset_id": "wt-01"}).json()
    assert len(first["data"]) == 2
    second = analyst.get("/v1/defects", params={"limit": 200, "cursor": first["next_cursor"]}).json()
    names = [d["link_group"] for d in (*first["data"], *second["data"])]
    assert names == sorted(groups(services))
    grown = analyst.get("/v1/defects", params={"state": "grown"}).json()["data"]
    assert {d["state"] for d in grown} <= {"grown"}
    assert analyst.get("/v1/defects", params={"state": "lost"}).status_code == 422


def test_the_list_says_of_each_defect_what_its_biography_does(analyst: httpx.Client) -> None:
    listed = analyst.get("/v1/defects", params={"limit": 200}).json()["data"]
    assert listed
    for defect in listed:
        chapters = analyst.get(f"/v1/defects/{defect['link_group']}").json()["chapters"]
        sightings = [chapter for chapter in chapters if chapter["finding"]]
        assert defect["latest"] == sightings[-1]["finding"]
        assert defect["state"] == chapters[-1]["state"]
        assert defect["sightings"] == len(sightings)
        assert defect["first_seen_at"] == sightings[0]["finding"]["detected_at"]
        assert defect["since_first"] == sightings[-1]["since_first"]


def test_a_split_stays_through_relinking_and_can_be_undone(analyst: httpx.Client, services: Services) -> None:
    group, members = longest(services)
    leaving = max(members)
    made = analyst.post(f"/v1/defects/{group}/split", json={"finding_ids": [leaving], "reason": "Another crack."})
    assert made.status_code == 201
    assert groups(services)[group] == members - {leaving}
    assert analyst.post("/v1/assets/wt-01/relink").json() == {"changed": 0}
    assert groups(services)[group] == members - {leaving}
    edit = made.json()["edit_id"]
    assert analyst.post(f"/v1/link-edits/{edit}/undo", json={"reason": "No, the same."}).status_code == 201
    assert groups(services)[group] == members
    assert analyst.post(f"/v1/link-edits/{edit}/undo", json={"reason": "Again."}).status_code == 409
    with services.database.session() as session:
        actions = set(session.scalars(select(Audit.action)))
    assert {"defect.split", "defect.undo"} <= actions


def test_a_merge_stays_through_relinking_and_can_be_undone(analyst: httpx.Client, services: Services) -> None:
    before = groups(services)
    one, other = sorted(before)[:2]
    made = analyst.post(f"/v1/defects/{one}/merge", json={"other": other, "reason": "One crack in two pieces."})
    assert made.status_code == 201
    analyst.post("/v1/assets/wt-01/relink")
    assert groups(services)[one] == before[one] | before[other]
    assert {c["source"] for c in analyst.get(f"/v1/defects/{one}").json()["chapters"] if c["finding"]} == {"person"}
    undone = analyst.post(f"/v1/link-edits/{made.json()['edit_id']}/undo", json={"reason": "Two after all."})
    assert undone.status_code == 201
    assert groups(services) == before


@pytest.fixture
def asked(analyst: httpx.Client) -> dict[str, Any]:
    """The only suggestion there is: a finding that is alone on its blade."""
    (only,) = analyst.get("/v1/link-suggestions", params={"asset_id": "wt-01"}).json()["data"]
    return dict(only)


def test_a_suggestion_names_the_defect_the_chance_and_the_reason(
    analyst: httpx.Client, asked: dict[str, Any], services: Services
) -> None:
    (candidate,) = asked["candidates"]
    assert candidate["link_group"] != asked["finding"]["link_group"]
    assert candidate["latest"]["finding_id"] in groups(services)[candidate["link_group"]]
    assert 0.1 <= candidate["probability"] <= 1
    assert (asked["reason"], "tells where this flight was" in asked["why"]) == ("alone", True)
    assert analyst.get("/v1/link-suggestions", params={"flight_id": "none"}).json()["data"] == []
    told = analyst.get(f"/v1/defects/{candidate['link_group']}").json()["chapters"]
    # Neither found nor gone until that is decided.
    assert asked["finding"]["flight_id"] not in {c["flight_id"] for c in told}


@pytest.mark.parametrize("answer", ["accept", "decline"])
def test_an_answer_to_a_suggestion_stays_through_relinking_and_can_be_undone(
    analyst: httpx.Client, asked: dict[str, Any], services: Services, answer: str
) -> None:
    before, finding = groups(services), asked["finding"]["finding_id"]
    made = analyst.post(f"/v1/link-suggestions/{finding}/{answer}", json={"reason": "Seen on both pictures."})
    assert made.status_code == 201
    analyst.post("/v1/assets/wt-01/relink")
    group = asked["candidates"][0]["link_group"]
    assert (finding in groups(services)[group]) == (answer == "accept")
    assert analyst.get("/v1/link-suggestions").json()["data"] == []
    assert analyst.post(f"/v1/link-suggestions/{finding}/{answer}", json={"reason": "Again."}).status_code == 404
    edit = made.json()["edit_id"]
    assert analyst.post(f"/v1/link-edits/{edit}/undo", json={"reason": "A slip."}).status_code == 201
    assert groups(services) == before
    (again,) = analyst.get("/v1/link-suggestions").json()["data"]
    assert again["candidates"][0]["probability"] == asked["candidates"][0]["probability"]
    with services.database.session() as session:
        actions = set(session.scalars(select(Audit.action)))
    assert {"defect.merge" if answer == "accept" else "defect.keep_apart", "defect.undo"} <= actions


def test_a_finding_is_only_made_one_of_its_candidates(analyst: httpx.Client, asked: dict[str, Any]) -> None:
    path = f"/v1/link-suggestions/{asked['finding']['finding_id']}/accept"
    refused = analyst.post(path, json={"reason": "It is.", "link_group": "dft-none"})
    assert (refused.status_code, refused.json()["field"]) == (422, "link_group")
    assert analyst.post(path, json={"reason": ""}).status_code == 422


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/defects/none/merge", {"other": "x", "reason": "r"}, 404),
        ("/v1/defects/{group}/merge", {"other": "{group}", "reason": "r"}, 422),
        ("/v1/defects/{group}/split", {"finding_ids": ["fnd-none"], "reason": "r"}, 422),
        ("/v1/defects/{group}/split", {"finding_ids": [], "reason": "r"}, 422),
        ("/v1/link-edits/999/undo", {"reason": "r"}, 404),
        ("/v1/link-suggestions/fnd-none/accept", {"reason": "r"}, 404),
        ("/v1/link-suggestions/fnd-none/decline", {"reason": "r"}, 404),
    ],
)
def test_a_decision_that_makes_no_sense_is_refused(
    analyst: httpx.Client, services: Services, path: str, body: dict[str, object], status: int
) -> None:
    group, _ = longest(services)
    filled = {k: v.format(group=group) if isinstance(v, str) else v for k, v in body.items()}
    assert analyst.post(path.format(group=group), json=filled).status_code == status


def test_only_reviewers_decide(server: Server) -> None:
    with server.client(Role.VIEWER) as viewer:
        assert viewer.post("/v1/defects/x/merge", json={"other": "y", "reason": "r"}).status_code == 403
