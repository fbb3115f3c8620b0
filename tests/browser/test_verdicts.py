"""A verdict is kept on the device until the platform has it: it counts once, and only for who gave it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Dialog, Page, Request, Route, expect
from sqlalchemy import delete, select

from cloud import reviews, users
from cloud.services import Services
from cloud.tables import Audit, Finding, IdempotencyKey
from contracts.vocabulary import Role, Verdict
from tests.browser.conftest import PASSWORD

pytestmark = pytest.mark.browser

SENT = "**/fragments/review"
UNKNOWN = "“F-2 rejected”: whether this was saved is not known. It is kept on this device"


def lost_answer(route: Route) -> None:
    """Let a request reach the platform, and its answer get lost."""
    route.fetch()
    route.abort("timedout")


def lost(route: Route) -> None:
    """Let a request not arrive."""
    route.abort("timedout")


@pytest.fixture
def desk(opened: Callable[..., Page]) -> Page:
    page = opened("/review")
    expect(page.locator("#desk-title")).to_have_text("F-2 Crack")
    return page


@pytest.fixture
def unsent(desk: Page) -> Page:
    """Return a desk whose verdict on F-2 does not arrive."""
    desk.context.route(SENT, lost)
    desk.keyboard.press("x")
    expect(desk.locator("#desk-problem")).to_contain_text(UNKNOWN)
    return desk


def done(services: Services, number: int = 2) -> list[str]:
    """Return who did what with a finding, as the audit log has it."""
    with services.database.session() as session:
        rows = select(Audit).join(Finding, Finding.finding_id == Audit.object).where(Finding.number == number)
        return [f"{row.actor} {row.action}" for row in session.scalars(rows.order_by(Audit.id))]


def until(services: Services, page: Page, expected: list[str]) -> None:
    """Wait until that was done with F-2."""
    for _ in range(200):
        if done(services) == expected:
            return
        page.wait_for_timeout(25)
    assert done(services) == expected


def sign_in(page: Page, username: str) -> None:
    """Sign in on the same device, in another tab."""
    page.context.request.post("/login", form={"username": username, "password": PASSWORD}, max_redirects=0)


def judge_as_ben(services: Services) -> None:
    with services.database.session() as session:
        crack = session.scalars(select(Finding).where(Finding.number == 2)).one()
        reviews.review(session, crack.finding_id, Verdict.CONFIRM, "Seen from the ground.", "ben")


def dismissed(page: Page) -> list[Dialog]:
    """Return the questions that a page will ask, each answered with no."""
    asked: list[Dialog] = []

    def dismiss(dialog: Dialog) -> None:
        asked.append(dialog)
        dialog.dismiss()

    page.on("dialog", dismiss)
    return asked


def kept(page: Page, shelf: str = "kestrel-verdicts") -> int:
    """Return how many verdicts, or what else a shelf is of, lie on the device, whoever's they are."""
    count: int = page.evaluate(
        """shelf => new Promise((found, failed) => {
          const request = indexedDB.open(shelf, 1);
          request.onerror = () => failed(request.error);
          request.onsuccess = () => {
            const counted = request.result.transaction("waiting").objectStore("waiting").count();
            counted.onsuccess = () => { request.result.close(); found(counted.result); };
          };
        })""",
        shelf,
    )
    return count


@pytest.mark.parametrize("lose", [lost_answer, lost], ids=["the answer", "all of it"])
@pytest.mark.parametrize("path", ["/review", "/assets"])
def test_what_was_not_answered_before_the_tab_was_closed_is_sent_by_the_next_page_and_counts_once(
    desk: Page, services: Services, lose: Callable[[Route], None], path: str
) -> None:
    desk.route(SENT, lose)
    desk.keyboard.press("x")
    expect(desk.locator("#desk-problem")).to_contain_text(UNKNOWN)
    context = desk.context
    desk.close()  # asks nothing: there is nothing to lose
    page = context.new_page()
    page.goto(path)
    page.wait_for_function("async () => (await indexedDB.databases()).length > 0")
    until(services, page, ["ana finding.reject"])
    if path == "/review":
        expect(page.locator("#said")).to_have_text("F-2 rejected: saved")
    expect(page.locator("#kept")).to_be_empty()
    assert kept(page) == 0


def test_what_is_not_sent_yet_is_shown_as_judged_and_told_on_every_page(unsent: Page) -> None:
    unsent.goto("/review")
    expect(unsent.locator("#desk-problem")).to_contain_text(UNKNOWN)
    expect(unsent.locator(".queue-list li.rejected")).to_have_count(1)
    expect(unsent.locator("#desk-title")).to_have_text(re.compile("F-4 "))
    expect(unsent.locator("#left")).to_have_text("6")
    unsent.goto("/assets")
    expect(unsent.locator("#kept")).to_contain_text(UNKNOWN)
    unsent.context.unroute(SENT)
    unsent.get_by_role("button", name="Send again").click()
    expect(unsent.locator("#kept")).to_be_empty()
    expect(unsent.locator("#kept-said")).to_have_text("F-2 rejected: saved")


def test_another_person_on_the_same_device_neither_sends_nor_sees_it(unsent: Page, services: Services) -> None:
    with services.database.session() as session:
        users.put_user(session, "ben", PASSWORD, [Role.ANALYST])
    unsent.context.unroute(SENT)
    sent: list[Request] = []
    unsent.on("request", lambda request: sent.append(request) if request.method == "POST" else None)
    sign_in(unsent, "ben")
    unsent.goto("/review")
    expect(unsent.locator("#desk-title")).to_have_text("F-2 Crack")
    unsent.keyboard.press("j")
    expect(unsent.locator("#desk-title")).to_have_text(re.compile("F-4 "))
    unsent.keyboard.press("a")
    expect(unsent.locator("#left")).to_have_text("6")
    expect(unsent.locator("#desk-problem")).to_be_empty()
    unsent.wait_for_function("() => navigator.locks.request('kestrel-verdicts', () => true)")
    assert [request.url.rpartition("/")[2] for request in sent] == ["review"]
    assert (done(services), kept(unsent)) == ([], 1)
    sign_in(unsent, "ana")
    unsent.goto("/review")
    until(services, unsent, ["ana finding.reject"])


def test_a_page_from_before_somebody_signed_in_sends_nothing_until_it_is_loaded_again(
    desk: Page, services: Services
) -> None:
    sign_in(desk, "ana")
    desk.keyboard.press("x")
    expect(desk.locator("#desk-problem")).to_contain_text("“F-2 rejected” is not sent. Somebody has signed in since")
    desk.get_by_role("button", name="Load again").click()
    until(services, desk, ["ana finding.reject"])
    expect(desk.locator("#desk-problem")).to_be_empty()


def test_who_was_signed_out_loses_nothing(desk: Page, services: Services) -> None:
    desk.context.clear_cookies()
    desk.keyboard.press("x")
    expect(desk).to_have_url(re.compile("/login"))
    desk.get_by_label("Name").fill("ana")
    desk.get_by_label("Password").fill(PASSWORD)
    desk.get_by_role("button", name="Sign in").click()
    expect(desk).to_have_url(re.compile("/review$"))
    until(services, desk, ["ana finding.reject"])


def test_who_signs_out_is_told_what_is_not_sent(unsent: Page) -> None:
    asked = dismissed(unsent)
    unsent.get_by_label("Account of ana").click()
    unsent.get_by_role("button", name="Sign out").click()
    expect(unsent).to_have_url(re.compile("/review$"))
    assert len(asked) == 1
    assert asked[0].message.startswith("1 of your verdicts are not sent yet. They stay on this device")


def test_of_two_tabs_each_verdict_counts_once_and_both_know(unsent: Page, services: Services) -> None:
    unsent.context.unroute(SENT)
    other = unsent.context.new_page()
    other.goto("/review")
    until(services, other, ["ana finding.reject"])
    expect(unsent.locator("#desk-problem")).to_be_empty()
    unsent.keyboard.press("u")
    expect(unsent.locator("#said")).to_have_text("F-2 taken back")
    expect(other.locator("#left")).to_have_text("7")
    assert done(services) == ["ana finding.reject", "ana finding.undo"]
    assert kept(other) == 0


def test_what_somebody_else_has_judged_meanwhile_is_told_and_not_sent_again(unsent: Page, services: Services) -> None:
    judge_as_ben(services)
    unsent.context.unroute(SENT)
    unsent.get_by_role("button", name="Send again").click()
    problem = unsent.locator("#desk-problem")
    told = "“F-2 rejected” was not saved. ben has judged F-2 meanwhile: confirmed, rank 5."
    expect(problem).to_contain_text(told)
    expect(unsent.locator("#desk-title")).to_have_text("F-2 Crack")
    unsent.goto("/assets")  # whoever did not read it there is told again
    expect(unsent.locator("#kept")).to_contain_text(told)
    assert done(services) == ["ben finding.confirm"]
    unsent.get_by_role("button", name="I have read it").click()
    expect(unsent.locator("#kept")).to_be_empty()
    assert kept(unsent) == 0


def test_a_refused_verdict_is_forgotten_when_its_finding_is_judged_anew(unsent: Page, services: Services) -> None:
    judge_as_ben(services)
    unsent.context.unroute(SENT)
    unsent.get_by_role("button", name="Send again").click()
    expect(unsent.locator("#desk-problem")).to_contain_text("was not saved")
    expect(unsent.locator("#on-desk")).to_contain_text("Seen from the ground.")
    unsent.keyboard.press("x")
    until(services, unsent, ["ben finding.confirm", "ana finding.reject"])
    expect(unsent.locator("#desk-problem")).to_be_empty()


def forget_keys(services: Services) -> None:
    """Do what time does: keys are kept for 48 hours."""
    with services.database.session() as session:
        session.execute(delete(IdempotencyKey))


@pytest.mark.parametrize("meanwhile", [None, judge_as_ben], ids=["nobody", "ben"])
def test_a_verdict_whose_key_was_forgotten_counts_once_and_overwrites_nobody(
    desk: Page, services: Services, meanwhile: Callable[[Services], None] | None
) -> None:
    desk.route(SENT, lost_answer, times=1)
    desk.keyboard.press("x")
    expect(desk.locator("#desk-problem")).to_contain_text(UNKNOWN)
    forget_keys(services)
    if meanwhile:
        meanwhile(services)
    desk.get_by_role("button", name="Send again").click()
    if meanwhile:
        expect(desk.locator("#desk-problem")).to_contain_text("ben has judged F-2 meanwhile")
    else:
        expect(desk.locator("#desk-problem")).to_be_empty()
    assert done(services) == ["ana finding.reject", *(["ben finding.confirm"] if meanwhile else [])]


def test_what_is_taken_back_before_it_was_answered_is_sent_in_order(unsent: Page, services: Services) -> None:
    unsent.keyboard.press("u")
    expect(unsent.locator("#desk-problem")).to_contain_text("What was judged since waits behind it: 1.")
    unsent.context.unroute(SENT)
    unsent.goto("/review")
    until(services, unsent, ["ana finding.reject", "ana finding.undo"])
    expect(unsent.locator("#left")).to_have_text("7")


def test_what_was_refused_is_not_taken_back(unsent: Page, services: Services) -> None:
    unsent.keyboard.press("u")
    judge_as_ben(services)
    unsent.context.unroute(SENT)
    unsent.get_by_role("button", name="Send again").click()
    expect(unsent.locator("#desk-problem")).to_contain_text("“F-2 rejected” was not saved")
    expect(unsent.locator("#desk-problem .problem")).to_have_count(1)
    assert done(services) == ["ben finding.confirm"]


def test_who_has_no_right_any_more_is_told(unsent: Page, services: Services) -> None:
    with services.database.session() as session:
        users.put_user(session, "ana", PASSWORD, [Role.VIEWER])
    unsent.context.unroute(SENT)
    unsent.get_by_role("button", name="Send again").click()
    expect(unsent.locator("#desk-problem")).to_contain_text("“F-2 rejected” was not saved. ana may not do this.")
    assert done(services) == []


def test_a_platform_that_is_busy_refuses_nothing(desk: Page, services: Services) -> None:
    busy = {"status": 429, "code": "too_many_requests", "detail": "Too many.", "hint": "Wait.", "retryable": True}
    desk.route(SENT, lambda route: route.fulfill(status=429, json=busy), times=1)
    desk.keyboard.press("x")
    expect(desk.locator("#desk-problem")).to_contain_text(UNKNOWN)
    desk.evaluate("document.body.dispatchEvent(new CustomEvent('kestrel:resync'))")
    until(services, desk, ["ana finding.reject"])


def fault(status: int, code: str, headers: dict[str, str] | None = None) -> Callable[[Route], None]:
    """Return an answer that says what went wrong on the platform's side."""
    problem = {
        "status": status,
        "code": code,
        "detail": "Something went wrong on our side.",
        "hint": "Quote request 1.",
    }
    return lambda route: route.fulfill(status=status, json=problem | {"retryable": status == 503}, headers=headers)


@pytest.fixture
def faulty(desk: Page) -> list[Request]:
    """Let the platform answer with a fault of its own; return what it was sent, by a clock that is moved."""
    sent: list[Request] = []
    desk.clock.install()
    desk.context.route(SENT, fault(500, "internal_error"))
    desk.on("request", lambda request: sent.append(request) if request.url.endswith("/fragments/review") else None)
    desk.keyboard.press("x")
    expect(desk.locator("#desk-problem")).to_contain_text(f"The platform reported a fault of its own. {UNKNOWN}")
    return sent


def test_a_fault_of_the_platform_leaves_a_verdict_unknown_and_it_is_sent_again_under_its_key(
    desk: Page, services: Services, faulty: list[Request]
) -> None:
    desk.context.unroute(SENT)
    desk.get_by_role("button", name="Send again").click()
    expect(desk.locator("#desk-problem")).to_be_empty()
    expect(desk.locator("#said")).to_have_text("F-2 rejected: saved")
    assert done(services) == ["ana finding.reject"]
    assert len({request.headers["idempotency-key"] for request in faulty}) == 1


def test_a_fault_that_lasts_is_asked_about_ever_more_rarely(desk: Page, faulty: list[Request]) -> None:
    for times, wait_s in enumerate((30, 60, 120, 240, 480, 600, 600), start=1):
        desk.clock.fast_forward(wait_s * 500)
        assert len(faulty) == times
        with desk.expect_response(SENT):
            desk.clock.fast_forward(wait_s * 500)
        desk.wait_for_function("() => navigator.locks.request('kestrel-verdicts', () => true)")


def test_a_platform_that_asks_for_time_is_given_it_unless_the_person_asks(desk: Page, faulty: list[Request]) -> None:
    desk.context.unroute(SENT)
    desk.context.route(SENT, fault(503, "unavailable", {"Retry-After": "300"}))
    with desk.expect_response(SENT):
        desk.get_by_role("button", name="Send again").click()
    desk.wait_for_function("() => navigator.locks.request('kestrel-verdicts', () => true)")
    desk.evaluate("document.body.dispatchEvent(new CustomEvent('kestrel:resync'))")
    desk.clock.fast_forward(280_000)
    assert len(faulty) == 2
    with desk.expect_response(SENT):
        desk.get_by_role("button", name="Send again").click()


def test_a_verdict_that_nobody_answers_can_be_discarded_and_what_waits_behind_it_goes_on(
    desk: Page, services: Services, faulty: list[Request]
) -> None:
    expect(desk.locator("#desk-title")).to_have_text(re.compile("F-4 "))
    desk.keyboard.press("a")
    expect(desk.locator("#desk-problem")).to_contain_text("What was judged since waits behind it: 1.")
    asked = dismissed(desk)
    desk.get_by_role("button", name="Discard").click()
    assert asked[0].message.startswith("“F-2 rejected” will not be sent again. If it was saved already, it stands")
    assert kept(desk) == 2
    desk.evaluate("window.confirm = () => true")
    desk.context.unroute(SENT)
    desk.get_by_role("button", name="Discard").click()
    expect(desk.locator("#desk-title")).to_have_text("F-2 Crack")
    expect(desk.locator("#desk-problem")).to_be_empty()
    assert (done(services), done(services, 4), kept(desk)) == ([], ["ana finding.confirm"], 0)
    expect(desk.locator("#left")).to_have_text("6")
    assert len(faulty) == 2


def test_a_browser_that_keeps_nothing_sends_it_all_the_same_and_warns_before_the_page_is_left(
    opened: Callable[..., Page], services: Services
) -> None:
    page = opened("/login")
    page.add_init_script("IDBFactory.prototype.open = () => { throw new Error('no room') }")
    page.goto("/review")
    expect(page.locator("#desk-title")).to_have_text("F-2 Crack")
    page.route(SENT, lost, times=1)
    page.keyboard.press("x")
    expect(page.locator("#desk-problem")).to_contain_text("not known. Sent again, it counts once.")
    warned = dismissed(page)
    page.evaluate("setTimeout(() => location.assign('/assets'))")
    expect(page.locator("#send-again")).to_be_visible()
    page.wait_for_function("() => true")
    assert [dialog.type for dialog in warned] == ["beforeunload"]
    page.get_by_role("button", name="Send again").click()
    until(services, page, ["ana finding.reject"])


def opened_sheet(opened: Callable[..., Page], services: Services) -> Page:
    page = opened("/assets")
    with services.database.session() as session:
        crack = session.scalars(select(Finding.finding_id).where(Finding.number == 2)).one()
    opens: dict[str, Any] = {"detail": crack}
    page.evaluate("id => document.dispatchEvent(new CustomEvent('open-finding', id))", opens)
    return page


def test_a_verdict_in_the_sheet_counts_once_however_often_it_is_pressed(
    opened: Callable[..., Page], services: Services
) -> None:
    page = opened_sheet(opened, services)
    page.route(SENT, lost_answer, times=1)
    page.get_by_label("Note").fill("A scratch.")
    page.get_by_role("button", name="Reject").dblclick()
    problem = page.locator("#review-problem")
    expect(problem).to_contain_text(UNKNOWN)
    page.get_by_role("button", name="Reject").click()
    problem.get_by_role("button", name="Send again").click()
    expect(problem).to_be_empty()
    expect(page.locator("#sheet")).to_contain_text("Rejected by ana")
    expect(page.locator("#sheet")).to_contain_text("A scratch.")
    expect(page.locator("#sheet-said")).to_have_text("F-2 rejected: saved")
    assert done(services) == ["ana finding.reject"]


def test_a_refused_verdict_in_the_sheet_says_why_and_shows_what_holds(
    opened: Callable[..., Page], services: Services
) -> None:
    page = opened_sheet(opened, services)
    expect(page.locator("#sheet")).to_contain_text("No person has looked at this yet.")
    page.route("**/fragments/findings/*", lost, times=1)
    with page.expect_event("requestfailed"):
        judge_as_ben(services)
    page.get_by_role("button", name="Reject").click()
    expect(page.locator("#review-problem")).to_contain_text(
        "“F-2 rejected” was not saved. ben has judged F-2 meanwhile"
    )
    expect(page.locator("#sheet")).to_contain_text("Confirmed by ben")
    page.keyboard.press("Escape")
    expect(page.locator("#kept")).to_contain_text("“F-2 rejected” was not saved")
    assert done(services) == ["ben finding.confirm"]


def test_on_a_phone_what_is_said_of_verdicts_leaves_the_finding_in_sight(
    opened: Callable[..., Page], services: Services
) -> None:
    page = opened("/review", width=390, height=844)
    expect(page.locator("#desk-title")).to_have_text("F-2 Crack")
    judge_as_ben(services)
    page.get_by_role("button", name="Reject").click()
    expect(page.locator("#desk-problem")).to_contain_text("F-2 meanwhile")
    expect(page.locator("#on-desk")).to_contain_text("Seen from the ground.")
    page.locator(".queue-list li").nth(1).click()
    expect(page.locator("#desk-title")).to_have_text(re.compile("F-4 "))
    page.route(SENT, lost)
    page.get_by_role("button", name="Reject").click()
    expect(page.locator("#desk-problem .problem")).to_have_count(2)
    assert page.locator(".verdicts").evaluate("box => box.offsetHeight") < 844 / 2
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
