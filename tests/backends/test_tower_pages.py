"""What pages, reports and the API say of the towers of a line that was flown along, and round one of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import httpx
import pytest
from bs4 import BeautifulSoup
from sqlalchemy import update

from cloud import users
from cloud.reporting import document, facts
from cloud.services import Services
from cloud.tables import Media
from contracts.vocabulary import Role
from tests import line_stock, platform, stock
from tests.platform import Server
from tests.scenes import utc_now

pytestmark = pytest.mark.backends

TOLD = "0 of 5 seen whole, 1 in part, 4 not at all"
GAPS = ["tower N1, east face, 24–32 m", "tower N1, west face, 0–32 m", "tower N1, north face, 24–32 m"]
UNSEEN = ["0–24 m: not seen: west face", "24–32 m: not seen: east face, west face, north face"]
BESIDE = ["tower N0, with insulator strings", "towers N2 to N4, with insulator strings"]
BEFORE = "towers and insulator strings: what was seen of them was not counted when the flight was analysed"


@pytest.fixture(scope="module")
def services(database_url: str) -> Iterator[Services]:
    built = platform.build(database_url)
    with built.database.session() as session:
        world = stock.stock_all(session, utc_now())
        users.put_user(session, "vera", "fly-high-9", [Role.VIEWER])
    yield dataclasses.replace(built, objects=world.objects, routes=world.routes)
    built.database.close()


@pytest.fixture(scope="module")
def viewer(services: Services) -> Iterator[httpx.Client]:
    with Server(services) as server, httpx.Client(base_url=server.url, timeout=20) as http:
        assert http.post("/login", data={"username": "vera", "password": "fly-high-9"}).status_code == 303
        yield http


def page(viewer: httpx.Client, path: str, **headers: str) -> BeautifulSoup:
    answer = viewer.get(path, headers={"Accept": "text/html", **headers})
    assert answer.status_code == 200, answer.text
    return BeautifulSoup(answer.text, "lxml")


def test_the_api_counts_towers_and_says_which_sides_were_not_seen(viewer: httpx.Client) -> None:
    body = viewer.get("/v1/coverage", params={"flight_id": line_stock.FLIGHT}).json()
    assert body["towers"] == {"whole": 0, "part": 1, "unseen": 4}
    assert body["not_seen"][-3:] == GAPS
    assert body["beyond"][-2:] == BESIDE
    told = {cell["part"]: cell["best_gsd_mm_px"] for cell in body["parts"] if cell["part"].startswith("tower-")}
    assert told == dict.fromkeys([f"tower-0001-{n}" for n in ("face-0", "face-1", "face-3", "string-0", "string-1",
                                                              "string-2")], 3.1)  # fmt: skip


@pytest.mark.parametrize(
    ("path", "language", "name", "said", "stretches"),
    [
        (f"/flights/{line_stock.FLIGHT}", "en", "Tower N1", f"Towers: {TOLD}.", UNSEEN),
        (f"/assets/{line_stock.ASSET}", "en", "Tower N1", f"Towers: {TOLD}.", UNSEEN),
        (
            f"/flights/{line_stock.FLIGHT}", "de", "Mast N1", "Masten: 0 von 5 ganz gesehen, 1 zum Teil, 4 gar nicht.",
            ["0–24 m: nicht gesehen: Westseite", "24–32 m: nicht gesehen: Ostseite, Westseite, Nordseite"],
        ),
    ],
)  # fmt: skip
def test_pages_draw_the_tower_that_was_seen_and_count_the_rest(
    viewer: httpx.Client, path: str, language: str, name: str, said: str, stretches: list[str]
) -> None:
    shown = page(viewer, path, **{"Accept-Language": language})
    rows = [row for row in shown.select(".strip-row") if row.select_one("rect.tower")]
    assert [row.select("span")[0].text for row in rows] == [name]
    assert [rect["class"] for rect in rows[0].select("rect.seen, rect.unseen")] == [["unseen"]] * 2
    assert [rect.text for rect in rows[0].select("rect.unseen")] == stretches
    assert said in shown.select(".strip-rows")[0].text


def test_insights_list_a_line_of_which_towers_are_left(viewer: httpx.Client) -> None:
    table = page(viewer, "/insights/rest").select_one("[aria-labelledby=u-h]")
    assert table is not None
    row = next(row for row in table.select("tbody tr") if line_stock.ASSET in str(row))
    assert "5 of 5 towers" in row.text


def test_the_report_says_how_many_towers_were_seen_and_what_of_them_was_not(
    viewer: httpx.Client, services: Services
) -> None:
    shown = page(viewer, f"/v1/flights/{line_stock.FLIGHT}/report?format=html")
    assert f"Towers: {TOLD}." in shown.text
    said = [one.text for one in shown.select(".gaps li")]
    assert set(GAPS) | set(BESIDE) <= set(said)
    with services.database.session() as session:
        report = facts.gather(session, line_stock.FLIGHT)
    assert str(report.seen.towers) == TOLD
    assert document.pdf(report, {}).startswith(b"%PDF")


@pytest.fixture
def analysed_before(services: Services) -> Iterator[None]:
    """Have the line's flight analysed by a vision that did not count towers."""
    segments = update(Media).where(Media.flight_id == line_stock.FLIGHT)
    for counts in (False, True):
        with services.database.session() as session:
            session.execute(segments.values(counts_towers=counts))
        if not counts:
            yield


@pytest.mark.usefixtures("analysed_before")
def test_of_a_flight_that_was_analysed_before_towers_are_not_told(viewer: httpx.Client) -> None:
    body = viewer.get("/v1/coverage", params={"flight_id": line_stock.FLIGHT}).json()
    assert body["towers"] is None
    assert not [gap for gap in body["not_seen"] if "tower" in gap]
    assert body["beyond"][-1] == BEFORE
    shown = page(viewer, f"/flights/{line_stock.FLIGHT}")
    assert "What was seen of the towers is not known." in shown.text
    assert not shown.select("rect.tower")
