"""The review desk as an analyst uses it: by keyboard, in bulk, on a phone, and when things go wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect
from sqlalchemy import select

from cloud import users
from cloud.db import notify
from cloud.services import Services
from cloud.tables import Asset, Audit, EvidenceRow, Finding, Flight, LinkEdit, LinkSuggestion, Media
from cloud.web import desk as desks
from contracts.turbine import TurbineGeometry
from contracts.vocabulary import DefectKind, Role
from tests.factories import MemoryObjects, World
from tests.scenes import utc_now

pytestmark = pytest.mark.browser

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text()
KEYS = ("a", "x", "3", "1", "a", "5", "x")
OUTCOMES = [
    ("confirmed", None),
    ("rejected", None),
    (None, 3),
    (None, 1),
    ("confirmed", None),
    (None, 5),
    ("rejected", None),
]


@pytest.fixture
def desk(opened: Callable[..., Page]) -> Page:
    page = opened("/review")
    expect(page.locator("#desk-title")).to_have_text("F-2 Crack")
    return page


def findings(services: Services) -> list[Finding]:
    """Return the flight's findings as the desk orders them."""
    with services.database.session() as session:
        rows = session.scalars(
            select(Finding).join(Flight, Flight.flight_id == Finding.flight_id).where(Flight.state == "flying")
        )
        found = sorted(rows, key=lambda f: f.number)
        session.expunge_all()
        return found


def judged(services: Services) -> int:
    return sum(1 for f in findings(services) if f.reviewed_at)


def until(services: Services, count: int, page: Page) -> None:
    """Wait until so many verdicts are in the database."""
    for _ in range(200):
        if judged(services) == count:
            return
        page.wait_for_timeout(25)
    assert judged(services) == count


def test_a_queue_is_judged_by_keyboard_without_waiting_for_the_server(desk: Page, services: Services) -> None:
    order = desk.locator(".queue-list li").evaluate_all("rows => rows.map(row => row.dataset.id)")
    for number, key in enumerate(KEYS, start=1):
        expect(desk.locator("#on-desk")).to_have_attribute("data-id", order[number - 1])
        desk.keyboard.press(key)
        expect(desk.locator("#left")).to_have_text(str(len(KEYS) - number))
    expect(desk.locator("#desk")).to_contain_text("All of these are judged.")
    until(services, 7, desk)
    by_id = {f.finding_id: f for f in findings(services)}
    for finding_id, (status, rank) in zip(order, OUTCOMES, strict=True):
        finding = by_id[finding_id]
        assert finding.reviewed_by == "ana"
        assert status is None or finding.status == status
        assert rank is None or (finding.severity_rank, finding.severity_source) == (rank, "manual")


def test_the_queue_goes_on_behind_its_first_part(
    opened: Callable[..., Page], services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desks, "AT_ONCE", 3)
    with services.database.session() as session:
        blades = session.scalars(select(Finding).where(Finding.reviewed_at.is_(None)).order_by(Finding.number)).all()
        blades[2].blade = blades[4].distance_to_root_m = None  # places not known come last of their severity
        worst_first = desks.queue(session, desks.Wanted(), None)
        parts, after = [worst_first], worst_first.after
        blades[0].severity_rank = 1  # a verdict moves what was shown already
        session.flush()
        while after:
            parts.append(desks.queue(session, desks.Wanted(), after))
            after = parts[-1].after
        met = [row.finding.number for part in parts for row in part.rows]
        assert set(met) == {f.number for f in blades}
        session.rollback()
    page = opened("/review")
    expect(page.locator("#left")).to_have_text("7")
    for left in range(6, -1, -1):
        current = page.locator(".queue-list li:not(.judged):has([aria-current=true])")
        expect(current).to_have_count(1)
        expect(page.locator("#on-desk")).to_have_attribute("data-id", current.get_attribute("data-id") or "")
        page.keyboard.press("a")
        expect(page.locator("#left")).to_have_text(str(left))
    expect(page.locator("#desk")).to_contain_text("All of these are judged.")
    until(services, 7, page)
    expect(page.locator(".queue-list li")).to_have_count(7)


def test_a_note_goes_with_the_next_verdict_only(desk: Page, services: Services) -> None:
    desk.keyboard.press("n")
    desk.keyboard.type("a 5 mm gap, xa")
    desk.keyboard.press("Enter")
    for title in ("F-2 Crack", re.compile("F-4 ")):
        expect(desk.locator("#desk-title")).to_have_text(title)
        desk.keyboard.press("a")
    until(services, 2, desk)
    assert sorted(f.review_reason for f in findings(services) if f.reviewed_at) == ["", "a 5 mm gap, xa"]


def test_a_key_that_comes_before_the_finding_does_judges_nothing(desk: Page, services: Services) -> None:
    held: list[Route] = []
    desk.route("**/fragments/review/*", lambda route: held.append(route))  # noqa: PLW0108 - Playwright marks the function
    last = desk.locator(".queue-list li").last
    last.click()
    desk.keyboard.press("a")
    expect(desk.locator("#said")).to_have_text("Loading …")
    expect(desk.locator("#left")).to_have_text("7")
    for route in held:
        route.continue_()
    expect(desk.locator("#on-desk")).to_have_attribute("data-id", last.get_attribute("data-id") or "")
    desk.keyboard.press("a")
    until(services, 1, desk)


def test_the_last_verdict_can_be_taken_back(desk: Page, services: Services) -> None:
    desk.keyboard.press("x")
    until(services, 1, desk)
    desk.keyboard.press("u")
    expect(desk.locator("#said")).to_have_text("F-2 taken back")
    expect(desk.locator("#desk-title")).to_have_text("F-2 Crack")
    expect(desk.locator("#left")).to_have_text("7")
    until(services, 0, desk)
    assert {f.status for f in findings(services)} == {"open"}
    desk.keyboard.press("u")
    expect(desk.locator("#said")).to_have_text("Nothing to take back")


def test_a_verdict_falls_on_all_that_are_marked(desk: Page, services: Services) -> None:
    for key in ("s", "s", "j", "s"):
        desk.keyboard.press(key)
    expect(desk.locator(".queue-list .marked")).to_have_count(3)
    desk.keyboard.press("x")
    expect(desk.locator("#said")).to_have_text("3 findings rejected")
    until(services, 3, desk)
    assert sum(f.status == "rejected" for f in findings(services)) == 3
    desk.keyboard.press("u")
    until(services, 0, desk)


def test_a_refused_verdict_comes_back_to_the_desk_with_the_reason(desk: Page, services: Services) -> None:
    gone = desk.locator(".queue-list li").first.get_attribute("data-id")
    refused = {"status": 404, "code": "not_found", "detail": "Merged into F-9.", "hint": "Look there."}
    desk.route("**/fragments/review", lambda route: route.fulfill(status=404, json=refused))
    desk.keyboard.press("a")
    expect(desk.locator("#desk-problem")).to_contain_text("“F-2 confirmed” was not saved. Merged into F-9. Look there.")
    expect(desk.locator("#left")).to_have_text("7")
    expect(desk.locator("#on-desk")).to_have_attribute("data-id", gone or "")
    assert judged(services) == 0


def test_what_is_not_taken_back_is_not_said_to_be(desk: Page, services: Services) -> None:
    desk.keyboard.press("x")
    until(services, 1, desk)
    refused = {"status": 409, "code": "conflict", "detail": "The last review is ben's.", "hint": "Review it anew."}
    desk.route("**/fragments/review/undo", lambda route: route.fulfill(status=409, json=refused))
    desk.keyboard.press("u")
    expect(desk.locator("#desk-problem")).to_contain_text("“F-2 taken back” was not saved. The last review is ben's.")
    expect(desk.locator("#left")).to_have_text("6")
    expect(desk.locator("#said")).to_have_text("F-2 rejected")


def test_what_the_last_inspection_saw_stands_beside_it(opened: Callable[..., Page], services: Services) -> None:
    with services.database.session() as session:
        now = utc_now()
        crack = session.scalars(select(Finding).where(Finding.number == 2)).one()
        old = session.scalars(select(Finding).where(Finding.number == 1)).one()
        segment = session.scalars(select(Media).where(Media.flight_id == old.flight_id)).one()
        crack.link_group, old.detected_at = old.link_group, now - timedelta(days=365)
        objects = services.objects
        assert isinstance(objects, MemoryObjects)
        World(session, now, seed=5, objects=objects).evidence(old, segment)
    page = opened("/review")
    before = page.locator(".before")
    expect(before).to_contain_text("420 × 6 mm")
    assert before.locator("img").evaluate("async image => { await image.decode(); return image.naturalWidth }") > 100


def test_who_a_finding_is_is_answered_by_key_and_taken_back(opened: Callable[..., Page], services: Services) -> None:
    with services.database.session() as session:
        crack = session.scalars(select(Finding).where(Finding.number == 2)).one()
        old = session.scalars(select(Finding).where(Finding.number == 1)).one()
        asked = {"probability": 0.62, "reason": "alone", "others": []}
        session.add(
            LinkSuggestion(finding_id=crack.finding_id, flight_id=crack.flight_id, link_group=old.link_group, **asked)
        )
    page = opened("/review")
    question = page.locator("link-question")
    expect(question).to_contain_text("perhaps the same as F-1")
    expect(question).to_contain_text("62 %")
    page.keyboard.press("d")
    expect(question).to_contain_text("ana said: another defect than suggested")
    question.get_by_role("button", name="Take it back").click()
    expect(page.get_by_text("ana said")).to_have_count(0)
    with services.database.session() as session:
        said = session.scalars(select(LinkEdit.action).order_by(LinkEdit.edit_id)).all()
    assert said == ["keep_apart", "undo"]


def test_a_new_finding_is_announced_not_pushed_in(desk: Page, services: Services) -> None:
    expect(desk.locator("#connection")).to_have_text("Live")
    with services.database.session() as session:
        flight = session.scalars(select(Flight).where(Flight.state == "flying")).one()
        world = World(session, utc_now(), seed=99)
        geometry = session.get_one(Asset, flight.asset_id).geometry
        world.geometries[flight.asset_id] = TurbineGeometry.model_validate(geometry)
        found = world.finding(flight, DefectKind.DELAMINATION, blade="C", side="LE", root_m=21.0, rank=5, length_mm=900)
        notify(session, "finding", found.finding_id)
    desk.get_by_role("button", name="New findings: load").click()
    expect(desk.locator("#left")).to_have_text("8")


def test_filters_stand_in_the_address(desk: Page) -> None:
    desk.get_by_label("Kind").select_option("crack")
    expect(desk).to_have_url(re.compile("kind=crack"))
    expect(desk.locator(".queue-list li")).to_have_count(2)
    desk.get_by_role("link", name=re.compile("Critical")).click()
    expect(desk).to_have_url(re.compile("rank=5.*kind=crack|kind=crack.*rank=5"))
    expect(desk.locator(".queue-list li")).to_have_count(1)
    desk.get_by_label("judged too").check()
    expect(desk).to_have_url(re.compile("all=true"))
    expect(desk.locator("#desk-title")).to_have_text("F-2 Crack")
    desk.evaluate("setTimeout(() => history.back())")
    expect(desk).not_to_have_url(re.compile("all=true"))
    expect(desk.get_by_label("judged too")).not_to_be_checked()
    expect(desk.get_by_label("Kind")).to_have_value("crack")


def test_a_filter_changes_the_queue_and_nothing_else(desk: Page) -> None:
    desk.evaluate("window.stays = true")
    kind = desk.get_by_label("Kind")
    kind.focus()
    kind.select_option("leading_edge_erosion")
    expect(desk.locator(".queue-list li").first).to_contain_text(re.compile("erosion", re.IGNORECASE))
    expect(desk.locator("#desk-title")).to_contain_text(re.compile("erosion", re.IGNORECASE))
    expect(kind).to_be_focused()
    assert desk.evaluate("window.stays")
    desk.route("**/review?*", lambda route: route.fulfill(status=503, body="<h1>The database is away</h1>"))
    kind.select_option("crack")
    expect(desk.get_by_role("heading", name="The database is away")).to_be_visible()


def test_who_may_not_judge_may_look(opened: Callable[..., Page], services: Services) -> None:
    with services.database.session() as session:
        users.put_user(session, "ana", "fly-high-9", [Role.VIEWER])
    page = opened("/review")
    expect(page.locator("#desk-title")).to_have_text("F-2 Crack")
    page.keyboard.press("a")
    page.keyboard.press("j")
    expect(page.locator("#desk-title")).not_to_have_text("F-2 Crack")
    expect(page.locator(".verdicts")).to_contain_text("takes the role analyst or reviewer")
    assert judged(services) == 0


def test_keys_are_explained(desk: Page) -> None:
    desk.keyboard.press("?")
    expect(desk.get_by_role("dialog")).to_contain_text("take back your last verdict")
    desk.keyboard.press("a")
    desk.keyboard.press("Escape")
    expect(desk.locator("#left")).to_have_text("7")


def test_an_empty_desk_says_so(opened: Callable[..., Page], services: Services) -> None:
    with services.database.session() as session:
        session.query(EvidenceRow).delete()
        for finding in session.scalars(select(Finding)):
            finding.reviewed_at = utc_now()
    page = opened("/review")
    expect(page.locator(".queue")).to_contain_text("Everything is judged")
    expect(page.locator("#desk")).to_contain_text("Nothing to judge.")
    expect(page.locator("#desk a")).to_have_count(4)
    expect(page.locator("#desk a:visible")).to_have_count(3)
    expect(page.get_by_role("button", name="Confirm")).to_be_hidden()


def test_who_has_judged_the_last_one_is_told_what_to_do_next_and_may_take_it_back(
    desk: Page, services: Services
) -> None:
    for _ in range(7):
        desk.keyboard.press("s")
    desk.keyboard.press("a")
    until(services, 7, desk)
    expect(desk.locator("#desk")).to_contain_text("All of these are judged.")
    expect(desk.get_by_role("button", name="Confirm")).to_be_hidden()
    desk.get_by_role("button", name="Undo").click()
    expect(desk.get_by_role("button", name="Confirm")).to_be_visible()


def test_a_proxys_own_page_is_no_reason_and_leaves_a_verdict_unknown(desk: Page) -> None:
    body = "<html><body><h1>502 Bad Gateway</h1></body></html>"
    desk.route("**/fragments/review", lambda route: route.fulfill(status=502, content_type="text/html", body=body))
    desk.keyboard.press("a")
    expect(desk.locator("#desk-problem")).to_contain_text("“F-2 confirmed”: whether this was saved is not known")
    expect(desk.locator("#desk-problem")).not_to_contain_text("Bad Gateway")


def unanswered(route: Route) -> None:
    """Let a request reach the platform, and its answer get lost."""
    route.fetch()
    route.abort("timedout")


def actions(services: Services, number: int) -> list[str]:
    """Return what the audit log says was done with a finding."""
    with services.database.session() as session:
        done = select(Audit.action).join(Finding, Finding.finding_id == Audit.object).where(Finding.number == number)
        return list(session.scalars(done.order_by(Audit.id)))


@pytest.mark.parametrize("lost", [unanswered, lambda route: route.abort("timedout")], ids=["the answer", "all of it"])
def test_a_verdict_without_an_answer_is_unknown_and_sent_again_it_counts_once(
    desk: Page, services: Services, lost: Callable[[Route], None]
) -> None:
    desk.route("**/fragments/review", lost, times=1)
    desk.keyboard.press("x")
    problem = desk.locator("#desk-problem")
    expect(problem).to_contain_text("“F-2 rejected”: whether this was saved is not known")
    expect(desk.locator("#desk-title")).to_have_text(re.compile("F-4 "))
    problem.get_by_role("button", name="Send again").click()
    expect(problem).to_be_empty()
    until(services, 1, desk)
    assert actions(services, 2) == ["finding.reject"]
    desk.keyboard.press("u")
    until(services, 0, desk)
    assert {f.status for f in findings(services)} == {"open"}


def test_what_is_judged_while_the_platform_is_silent_waits_and_is_sent_in_order(desk: Page, services: Services) -> None:
    desk.route("**/fragments/review", unanswered, times=1)
    desk.keyboard.press("x")
    problem = desk.locator("#desk-problem")
    expect(problem).to_contain_text("not known")
    desk.locator(".queue-list li").first.click()
    expect(desk.locator("#desk-title")).to_have_text("F-2 Crack")
    desk.keyboard.press("4")
    expect(problem).to_contain_text("What was judged since waits behind it: 1.")
    assert actions(services, 2) == ["finding.reject"]
    desk.evaluate("document.body.dispatchEvent(new CustomEvent('kestrel:resync'))")
    expect(problem).to_be_empty()
    expect(desk.locator("#said")).to_have_text("F-2 graded 4: saved")
    desk.keyboard.press("u")
    expect(desk.locator("#said")).to_have_text("F-2 taken back")
    assert actions(services, 2) == ["finding.reject", "finding.regrade", "finding.undo"]


def test_axe_finds_nothing_light_and_dark_with_a_finding_chosen(opened: Callable[..., Page]) -> None:
    page = opened("/review")
    expect(page.locator("#desk-title")).to_have_text("F-2 Crack")
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.evaluate(AXE)
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
    for dark in (False, True):
        page.emulate_media(color_scheme="dark" if dark else "light")
        found = page.evaluate("tags => axe.run({ runOnly: tags, resultTypes: ['violations'] })", tags)
        assert [
            f"{v['id']}: {n['target']} {n['failureSummary']}" for v in found["violations"] for n in v["nodes"]
        ] == []


def test_a_phone_judges_by_touch_without_sideways_scrolling(opened: Callable[..., Page], services: Services) -> None:
    page = opened("/review", width=390, height=844)
    expect(page.locator("#desk-title")).to_have_text("F-2 Crack")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("button", name="Confirm").click()
    until(services, 1, page)
