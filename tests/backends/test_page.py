"""The page and its pieces over HTTP, with a real database: what is in them, who may see and do what."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from bs4 import BeautifulSoup
from sqlalchemy import delete, select, text

from cloud import users
from cloud.services import Services
from cloud.tables import Asset, CommandRow, EvidenceRow, Finding
from cloud.training import teaching
from cloud.web import assistant_room
from contracts.vocabulary import Role
from tests import platform
from tests.platform import Server
from tests.scenes import seed_live, utc_now
from tests.services import DatabaseServer

pytestmark = pytest.mark.backends

PASSWORD = "fly-high-9"


@pytest.fixture(scope="module")
def services(database_url: str) -> Iterator[Services]:
    built = platform.build(database_url)
    with built.database.session() as session:
        world = seed_live(session, utc_now())
        for role in Role:
            users.put_user(session, role.value, PASSWORD, [role])
    yield dataclasses.replace(built, objects=world.objects, routes=world.routes)
    built.database.close()


@pytest.fixture(scope="module")
def server(services: Services) -> Iterator[Server]:
    with Server(services) as running:
        yield running


@contextmanager
def signed_in(server: Server, role: Role) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=20, headers={"Accept": "text/html"}) as http:
        sign_in(http, role)
        yield http


def sign_in(http: httpx.Client, role: Role) -> None:
    answer = http.post("/login", data={"username": role.value, "password": PASSWORD})
    assert answer.status_code == 303, answer.text
    page = BeautifulSoup(http.get("/").text, "lxml")
    body = page.body
    assert body is not None
    http.headers["X-Kestrel-CSRF"] = str(body["data-csrf"])


@pytest.fixture(scope="module")
def admin(server: Server) -> Iterator[httpx.Client]:
    with signed_in(server, Role.ADMIN) as http:
        yield http


@pytest.fixture(scope="module")
def viewer(server: Server) -> Iterator[httpx.Client]:
    with signed_in(server, Role.VIEWER) as http:
        yield http


def soup(answer: httpx.Response) -> BeautifulSoup:
    assert answer.status_code == 200, answer.text
    return BeautifulSoup(answer.text, "lxml")


def flight_id(http: httpx.Client) -> str:
    body = soup(http.get("/")).body
    assert body is not None
    return str(body["data-flight"])


def finding(services: Services, number: int) -> str:
    with services.database.session() as session:
        return session.scalars(select(Finding.finding_id).where(Finding.number == number)).one()


def test_without_a_session_everything_leads_to_the_sign_in_page(server: Server) -> None:
    with httpx.Client(base_url=server.url, headers={"Accept": "text/html"}) as http:
        for path in ("/", "/map.json", "/live", "/fragments/findings", "/pictures/x/crop.jpg"):
            answer = http.get(path)
            assert answer.status_code == 303, path
            assert answer.headers["location"].startswith("/login?next=")
        assert http.post("/fragments/flights/x/commands", data={"kind": "land", "key": "12345678"}).status_code == 401
        assert "Sign in" in http.get("/login").text


def test_a_wrong_password_is_a_problem_the_form_can_show(server: Server) -> None:
    with httpx.Client(base_url=server.url) as http:
        answer = http.post("/login", data={"username": "admin", "password": "wrong"})
        assert answer.status_code == 401
        assert answer.json()["detail"]


def test_the_page_shows_the_flight_in_the_air(admin: httpx.Client) -> None:
    page = soup(admin.get("/"))
    flight = page.select_one("#flight")
    assert flight is not None
    assert flight.h1 is not None
    assert flight.h1.text == "T-02"
    assert flight.select_one(".pill").text == "Flying"  # type: ignore[union-attr]
    assert [b.text.strip() for b in flight.select("hold-button button:not([disabled])")] == [
        "Pause",
        "Return home",
        "Land",
    ]
    assert len(page.select("#findings .finding")) == 7
    assert [tab.text.split()[0] for tab in page.select("#findings .tabs button")] == [
        "All", "Critical", "Serious", "Moderate", "Low",
    ]  # fmt: skip


def test_nothing_on_the_page_is_inline_or_from_elsewhere(admin: httpx.Client) -> None:
    answer = admin.get("/")
    page = soup(answer)
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert page.select("[style], style, [onclick], script:not([src])") == []
    for tag, attribute in (("script", "src"), ("link", "href"), ("img", "src"), ("form", "action")):
        for element in page.select(f"{tag}[{attribute}]"):
            assert str(element[attribute]).startswith("/"), element


def test_cards_say_what_where_how_big_and_the_ticket(admin: httpx.Client) -> None:
    card = soup(admin.get("/")).select_one("#findings .finding")
    assert card is not None
    words = " ".join(card.text.split())
    for said in (
        "Critical",
        "Crack",
        "Blade B · LE · 14.2 m from root",
        "742 × 9 mm ± 4 mm",
        "94 %",
        "SAP 000010000012",
        "8 s",
    ):
        assert said in words
    assert "unreviewed" in str(card["class"])


def test_a_tab_keeps_one_severity(admin: httpx.Client) -> None:
    page = soup(admin.get("/fragments/findings", params={"flight": flight_id(admin), "rank": 4}))
    assert {tuple(card["class"])[1] for card in page.select(".finding")} == {"s4"}
    assert page.select_one('.tabs button[aria-pressed="true"]').text.split()[0] == "Serious"  # type: ignore[union-attr]


def test_the_sheet_holds_evidence_reason_and_summary(admin: httpx.Client, services: Services) -> None:
    sheet = soup(admin.get(f"/fragments/findings/{finding(services, 2)}"))
    assert len(sheet.select(".evidence li")) == 3
    box = sheet.select_one("svg.frame rect.box")
    assert box is not None
    assert float(str(box["x"])) == pytest.approx(3840 * 0.46)
    assert "reaches rank 5" in sheet.text
    assert [chip.text for chip in sheet.select(".summary .chip")] == ["F-2", "F-2"]
    picture = sheet.select_one("svg.frame image")
    assert picture is not None
    stored = admin.get(str(picture["href"]))
    assert stored.headers["content-type"] == "image/jpeg"
    assert stored.content[:2] == b"\xff\xd8"


def test_the_sheet_shows_a_stored_frame_when_the_surest_was_not_kept(admin: httpx.Client, services: Services) -> None:
    finding_id = finding(services, 2)
    with services.database.session() as session:
        rows = session.scalars(select(EvidenceRow).where(EvidenceRow.finding_id == finding_id)).all()
        surest = max(rows, key=lambda row: (row.confidence, row.evidence_id))
        evidence_id, kept = surest.evidence_id, surest.frame_key
        surest.confidence, surest.frame_key = 1.0, ""
    sheet = soup(admin.get(f"/fragments/findings/{finding_id}"))
    with services.database.session() as session:
        session.get_one(EvidenceRow, evidence_id).frame_key = kept
    shown = sheet.select_one("svg.frame image")
    assert shown is not None
    assert evidence_id not in str(shown["href"])


@pytest.mark.parametrize(
    "path", ["/?finding=nothing", "/?flight=nothing", "/fragments/findings/nothing", "/pictures/nothing/crop.jpg",
             "/fragments/flights/nothing/header"]
)  # fmt: skip
def test_what_does_not_exist_is_404(admin: httpx.Client, path: str) -> None:
    assert admin.get(path).status_code == 404


def test_a_finding_in_the_address_brings_its_flight(admin: httpx.Client, services: Services) -> None:
    page = soup(admin.get("/", params={"finding": finding(services, 1)}))
    assert page.select_one("#flight h1").text == "T-01"  # type: ignore[union-attr]
    assert page.body is not None
    assert page.body["data-open"] == finding(services, 1)


def test_the_timeline_draws_gaps_as_gaps(admin: httpx.Client) -> None:
    page = soup(admin.get(f"/fragments/flights/{flight_id(admin)}/timeline"))
    assert page.select("g.gap title")[0].text.startswith("No telemetry for")
    assert [t.text for t in page.select("g.segment-failed title")] == ["Segment 14: failed: checksum mismatch"]
    assert len(page.select("g.segment-analysed")) == 16
    assert len(page.select(".lane.findings .dot")) == 7


def test_the_schematic_hatches_what_was_not_seen(admin: httpx.Client, services: Services) -> None:
    page = soup(admin.get(f"/fragments/flights/{flight_id(admin)}/blades"))
    with services.database.session() as session:
        unseen = session.execute(
            text("SELECT count(*) FROM coverage WHERE flight_id = :f AND seen_share < 0.8"), {"f": flight_id(admin)}
        ).scalar_one()
    assert f"{unseen} of 300 m not seen" in " ".join(page.text.split())
    assert "19–25 m: not seen" in [t.text for t in page.select("rect.unseen title")]


def test_a_held_button_issues_one_command_per_key(admin: httpx.Client, services: Services) -> None:
    flight = flight_id(admin)
    for _ in range(2):
        answer = admin.post(f"/fragments/flights/{flight}/commands", data={"kind": "pause", "key": "key-00000001"})
        assert answer.status_code == 200, answer.text
    assert "Pause" in soup(answer).select_one(".commands li").text  # type: ignore[union-attr]
    with services.database.session() as session:
        rows = session.scalars(select(CommandRow).where(CommandRow.kind == "pause", CommandRow.state == "accepted"))
        assert [row.issuer for row in rows] == ["admin"]


def test_an_impossible_command_says_why(admin: httpx.Client) -> None:
    answer = admin.post(
        f"/fragments/flights/{flight_id(admin)}/commands", data={"kind": "resume", "key": "key-00000002"}
    )
    assert answer.status_code == 409
    assert 'role="alert"' in answer.text


def test_a_viewer_sees_but_may_not_act(viewer: httpx.Client, services: Services) -> None:
    page = soup(viewer.get("/"))
    assert page.select("hold-button button:not([disabled])") == []
    sheet = soup(viewer.get(f"/fragments/findings/{finding(services, 2)}"))
    assert sheet.select("form.review") == []
    command = viewer.post(
        f"/fragments/flights/{flight_id(viewer)}/commands", data={"kind": "land", "key": "key-00000003"}
    )
    review = viewer.post("/fragments/review", data={"finding_id": finding(services, 2), "verdict": "reject"})
    assert (command.status_code, review.status_code) == (403, 403)


def test_an_unsafe_request_without_the_token_of_the_page_is_refused(admin: httpx.Client, services: Services) -> None:
    verdict = {"finding_id": finding(services, 3), "verdict": "confirm"}
    refused = admin.post("/fragments/review", data=verdict, headers={"X-Kestrel-CSRF": "x"})
    assert (refused.status_code, refused.json()["field"]) == (403, "X-Kestrel-CSRF")


def test_a_review_is_recorded_and_shown(admin: httpx.Client, services: Services) -> None:
    target = finding(services, 7)
    verdict = {"finding_id": target, "verdict": "confirm", "reason": "<b>seen</b>"}
    assert admin.post("/fragments/review", data=verdict).status_code == 200
    answer = admin.get(f"/fragments/findings/{target}")
    words = soup(answer).select_one(".sheet-facts").text  # type: ignore[union-attr]
    assert "Confirmed" in words
    assert "by admin" in words
    assert "<b>seen</b>" not in answer.text
    assert "&lt;b&gt;seen" in answer.text


def test_text_from_the_database_is_escaped(admin: httpx.Client, services: Services) -> None:
    with services.database.session() as session:
        session.execute(text("UPDATE assets SET name = '<img src=x onerror=alert(1)>' WHERE asset_id = 't-04'"))
    answer = admin.get("/")
    assert "<img src=x" not in answer.text
    assert "&lt;img src=x onerror=alert(1)&gt;" in answer.text


def test_the_map_holds_route_trail_and_rotor(admin: httpx.Client) -> None:
    data = admin.get("/map.json").json()
    assert len(data["route"]["waypoints"]) == 33
    assert len(data["trail"]) > 100
    assert len(data["rotor"]["blades"]) == 3
    assert [a["name"] for a in data["assets"]][:3] == ["T-01", "T-02", "T-03"]
    hub, tips = data["rotor"]["hub_m"], [p for b in data["rotor"]["blades"] for p in b["outline"]]
    assert max(((x**2 + (y - hub) ** 2) ** 0.5) for x, y in tips) == pytest.approx(26.2, abs=0.3)


def test_static_files_are_kept_for_good_and_do_not_leave_their_folder(admin: httpx.Client) -> None:
    path = re.search(r"/static/[^\"]+app\.css", admin.get("/").text)
    assert path is not None
    sent = admin.get(path[0])
    assert "immutable" in sent.headers["cache-control"]
    assert sent.headers["content-encoding"] == "gzip"
    assert sent.text == admin.get(path[0], headers={"Accept-Encoding": "identity"}).text
    assert admin.get("/static/x/../../rendering.py").status_code == 404
    assert admin.get("/static/x/..%2f..%2frendering.py").status_code == 404


def test_a_page_is_compressed_for_who_can_read_that(admin: httpx.Client) -> None:
    sent = admin.get("/")
    assert sent.headers["content-encoding"] == "gzip"
    plain = admin.get("/", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert len(plain.content) > 3 * int(sent.headers["content-length"])


def test_the_map_has_every_kind_of_asset(admin: httpx.Client, services: Services) -> None:
    places = [{"lat_deg": 54.9, "lon_deg": 8.3 + n / 1000, "alt_m": 0.0} for n in range(3)]
    geometries: dict[str, dict[str, Any]] = {
        "telecom_tower": {"foot": places[0], "height_m": 40.0},
        "power_line": {"towers": [{"name": f"M{n}", "foot": place} for n, place in enumerate(places)]},
        "pipeline": {"centre_line": places},
    }
    with services.database.session() as session:
        site_id = session.scalars(select(Asset.site_id)).first()
        for kind, geometry in geometries.items():
            shape = {"kind": kind, **geometry}
            session.add(
                Asset(asset_id=kind, site_id=site_id, kind=kind, name=kind, functional_location="", geometry=shape)
            )
    drawn = {asset["kind"]: asset for asset in admin.get("/map.json").json()["assets"]}
    for kind in geometries:
        assert drawn[kind]["lat_deg"] == 54.9
        assert [8.3, 54.9] in drawn[kind]["line"]
    assert drawn["pipeline"]["line"][-1] == [8.302, 54.9]
    with services.database.session() as session:
        session.execute(delete(Asset).where(Asset.asset_id.in_(geometries)))


def test_the_live_stream_sends_what_was_committed(admin: httpx.Client, services: Services) -> None:
    with admin.stream("GET", "/live") as answer:
        lines = answer.iter_lines()
        assert answer.headers["content-type"].startswith("text/event-stream")
        _until(lines, "event: resync")
        with services.database.session() as session:
            session.execute(
                text("SELECT pg_notify('kestrel_live', :p)"), {"p": '{"kind": "telemetry", "id": "merlin-1"}'}
            )
            session.execute(text("SELECT pg_notify('kestrel_live', :p)"), {"p": '{"kind": "finding", "id": "fnd-1"}'})
            session.execute(text("SELECT pg_notify('kestrel_live', 'not json')"))
            session.execute(text("SELECT pg_notify('kestrel_live', :p)"), {"p": '{"kind": "ticket", "id": "tkt-1"}'})
        sample = json.loads(_until(lines, "event: telemetry"))  # the samples of a commit come first
        assert sample["drone_id"] == "merlin-1"
        assert json.loads(_until(lines, "event: finding")) == {"kind": "finding", "id": "fnd-1"}
        assert json.loads(_until(lines, "event: ticket"))["id"] == "tkt-1"


def test_each_page_is_told_once_to_fetch_what_changed_since_it_was_drawn(
    admin: httpx.Client, services: Services
) -> None:
    with admin.stream("GET", "/live") as first:
        _until(first.iter_lines(), "event: resync")
        with admin.stream("GET", "/live") as second:
            lines = second.iter_lines()
            _until(lines, "event: resync")
            with services.database.session() as session:
                session.execute(
                    text("SELECT pg_notify('kestrel_live', :p)"), {"p": '{"kind": "finding", "id": "fnd-1"}'}
                )
            assert next(line for line in lines if line.startswith("event: ")) == "event: finding"


def _until(lines: Iterator[str], wanted: str) -> str:
    """Return the data line after an event line."""
    for line in itertools.islice(lines, 40):
        if line == wanted:
            return next(lines).removeprefix("data: ")
        assert line != "event: here", f"Nothing came for a whole heartbeat; {wanted!r} was waited for."
    raise AssertionError(f"The stream ended before {wanted!r}.")


def test_an_empty_platform_says_how_to_start(postgres_server: DatabaseServer) -> None:
    with postgres_server.database(migrated=True) as url:
        services = platform.build(url)
        with services.database.session() as session:
            users.put_user(session, "admin", PASSWORD, [Role.ADMIN])
        with Server(services) as server, signed_in(server, Role.ADMIN) as http:
            page = soup(http.get("/"))
            assert "Register a site" in page.text
            assert "No findings yet" in page.text
            assert http.get("/map.json").json()["site"] is None
        services.database.close()


QUESTION = {"question": "What were the most critical defects detected last week?", "time_zone": "Europe/Berlin"}


def test_a_person_reads_again_what_they_asked_and_nobody_else_does(server: Server) -> None:
    with server.client(Role.VIEWER) as http:
        http.post("/v1/assistant/ask", json=QUESTION)
        answer = BeautifulSoup(http.get("/assistant").text, "lxml").select_one(".answered")
        assert answer is not None
        assert answer.h3 is not None
        assert answer.h3.text == QUESTION["question"]
        assert [chip.text for chip in answer.select("li:nth-of-type(2) .chip")] == ["F-2"]
        assert "No question matches" in http.get("/assistant?q=pipeline").text
    with server.client(Role.ANALYST) as http:
        assert "You have asked nothing yet" in http.get("/assistant").text


def test_what_the_assistant_s_page_begins_with_is_answered(server: Server) -> None:
    with server.client(Role.VIEWER) as http:
        for start in assistant_room.STARTS:
            answer = http.post("/v1/assistant/ask", json={"question": start}, headers={"Accept": "application/json"})
            assert answer.json()["answered"], start


def test_the_assistant_streams_lines_or_events_or_one_document(server: Server) -> None:
    with server.client(Role.VIEWER) as http:
        lines = [json.loads(line) for line in http.post("/v1/assistant/ask", json=QUESTION).text.splitlines()]
        types = [line["type"] for line in lines]
        assert types[:2] == ["plan", "evidence"]
        assert types[-1] == "end"
        sent = http.post("/v1/assistant/ask", json=QUESTION, headers={"Accept": "text/event-stream"}).text
        assert re.findall(r"^event: (\w+)$", sent, re.MULTILINE) == types
        whole = http.post("/v1/assistant/ask", json=QUESTION, headers={"Accept": "application/json"}).json()
        assert [s["text"].split()[0] for s in whole["sentences"]] == [
            line["data"]["text"].split()[0] for line in lines if line["type"] == "sentence"
        ]
        assert whole["citations"][0]["label"] == "F-2"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"question": ""}, "question"),
        ({"question": "x" * 501}, "question"),
        ({"question": "x", "time_zone": "Mars/Olympus"}, "time_zone"),
        ({"question": "x", "time_zone": "../../etc/passwd"}, "time_zone"),
        ({"question": "x", "sql": "select 1"}, "sql"),
    ],
)
def test_a_bad_question_is_a_problem_that_names_the_field(server: Server, body: dict[str, str], field: str) -> None:
    with server.client(Role.VIEWER) as http:
        answer = http.post("/v1/assistant/ask", json=body)
        assert answer.status_code == 422
        assert answer.json()["field"] == field


def test_the_assistant_needs_someone_who_asks(server: Server) -> None:
    with server.client() as http:
        assert http.post("/v1/assistant/ask", json=QUESTION).status_code == 401


@pytest.mark.parametrize(
    ("zone", "day"), [("Europe%2FBerlin", "11"), ("", "10"), ("Mars%2FOlympus", "10"), ("..%2F..%2Fetc%2Fpasswd", "10")]
)
def test_the_calendar_has_the_readers_days(admin: httpx.Client, services: Services, zone: str, day: str) -> None:
    with services.database.session() as session:
        finding = session.scalars(select(Finding).where(Finding.status == "open").order_by(Finding.number)).first()
        assert finding is not None
        finding.due_at = datetime(2031, 1, 10, 23, 30, tzinfo=UTC)
    admin.cookies.set("kestrel_zone", zone)
    calendar = soup(admin.get("/tickets", params={"view": "calendar", "month": "2031-01"}))
    entry = calendar.select_one(".month .entry")
    assert entry is not None
    assert entry.find_parent("li").find("time").text.split()[0] == day  # type: ignore[union-attr]
    assert str(entry["title"]).endswith("2031-01-10 23:30 UTC")


def test_the_desk_asks_first_what_teaches_most(admin: httpx.Client, services: Services) -> None:
    with services.database.session() as session:
        asked = [q.finding.finding_id for q in teaching.questions(session, select(Finding, Finding.kind), 40)]
    page = soup(admin.get("/review", params={"teach": "true"}))
    assert [item["data-id"] for item in page.select("#queue-rows li[data-id]")] == asked != []
    assert [q["finding"]["finding_id"] for q in admin.get("/v1/detectors/questions").json()["data"]] == asked
    assert page.select_one("#left").text == str(len(asked))  # type: ignore[union-attr]


@pytest.mark.parametrize("path", ["/review?kind=crack", "/assets", "/insights", "/tickets", "/settings/audit"])
def test_a_filter_gets_what_it_swaps_as_the_page_has_it_and_not_what_stands_round(
    admin: httpx.Client, path: str
) -> None:
    whole, answer = admin.get(path), admin.get(path, headers={"HX-Boosted": "true", "HX-Request": "true"})
    page, middle = soup(whole), soup(answer)
    for chooser in page.select("[data-filters]"):
        names = {name.partition(":")[0]: str(value) for name, value in chooser.attrs.items()}
        for part in (names["hx-select"], *filter(None, names.get("hx-select-oob", "").split(","))):
            assert str(middle.select_one(part)) == str(page.select_one(part)) != "None"
    assert page.select_one("#rail") is not None
    assert middle.select_one("#rail, #sheet-dialog, head link") is None
    assert middle.title == page.title


def test_the_lists_below_the_figures_come_by_themselves_as_the_page_has_them(admin: httpx.Client) -> None:
    asked = {"site": "nordmarsch", "days": "30", "kind": ""}
    page, lists = soup(admin.get("/insights", params=asked)), soup(admin.get("/insights/rest", params=asked))
    answer = soup(admin.get("/insights", params=asked, headers={"HX-Boosted": "true"}))
    assert answer.select_one("#insights-rest") is None
    assert str(lists.select_one("#insights-rest")) == str(page.select_one("#insights-rest")) != "None"


@pytest.mark.parametrize(
    ("by", "said"),
    [
        ("severity", "critical"),
        ("kind", "crack"),
        ("site", "Nordmarsch"),
        ("age", "seen for the first time"),
    ],
)
def test_months_are_made_of_severities_kinds_sites_or_ages(admin: httpx.Client, by: str, said: str) -> None:
    bars = soup(admin.get("/insights", params={"by": by})).select(".bars .plot-area rect title")
    assert any(said in bar.text for bar in bars)


def test_months_by_age_tell_old_damage_from_new(admin: httpx.Client, services: Services) -> None:
    with services.database.session() as session:
        before, *_, now = session.scalars(select(Finding).where(Finding.status == "open").order_by(Finding.number))
        before.link_group, before.detected_at = now.link_group, now.detected_at - timedelta(days=400)
    bars = soup(admin.get("/insights", params={"by": "age"})).select(".bars .plot-area rect title")
    assert sum("1 known for over a year" in bar.text for bar in bars) == 1


def test_what_it_takes_is_in_money_once_the_rates_are_known(services: Services) -> None:
    rates = services.settings.model_copy(update={"crew_hour_cost": 100.0, "currency": "DKK"})
    for settings, wanted in ((services.settings, "EUR"), (rates, "DKK")):
        with Server(dataclasses.replace(services, settings=settings)) as server, signed_in(server, Role.ADMIN) as http:
            table = soup(http.get("/insights")).select_one("[aria-labelledby=cost-h] table")
        assert table is not None
        _work, hours, money = (cell.text for cell in table.select("tbody tr:first-child td"))
        assert wanted in table.text
        expected = "–" if settings is not rates else f"{float(hours.removesuffix(' h')) * 100:,.0f}"
        assert money == expected
