"""An operator and an analyst on the live stack, in Chromium: plan, fly, resume; review, report, ask.

The operator's first flight is flown by keyboard alone: Tab reaches everything, nothing is clicked. Carrying it on is
done by mouse, and so is half of the analyst's work. A console error, page error or request to another host fails.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import watch
from tests.journeys.conftest import Flown

pytestmark = [pytest.mark.journey, pytest.mark.browser, pytest.mark.timeout(900)]

SOON_MS = 60_000
"""The aircraft is simulated; its flight takes the time that it takes."""
_FAR = 120
"""Tabs after which something counts as not reachable."""
Enter = Callable[[str], Page]


@pytest.fixture
def enter(flown: Flown, browser: Browser) -> Iterator[Enter]:
    """Return a function that signs a person of the demo in, through the page."""
    people = json.loads(Path(flown.stack.layout.state_dir, "users.json").read_text())
    passwords = {person["username"]: person["password"] for person in people}
    contexts, wrong = [], list[str]()

    def entered(username: str) -> Page:
        context = browser.new_context(base_url=flown.stack.api_url, viewport={"width": 1440, "height": 1000})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(SOON_MS)
        watch(page, flown.stack.api_url, wrong)
        page.goto("/login")
        page.keyboard.type(username)
        page.keyboard.press("Tab")
        page.keyboard.type(passwords[username])
        page.keyboard.press("Enter")
        page.wait_for_url("**/")
        return page

    yield entered
    for context in contexts:
        context.close()
    assert wrong == []


def reach(page: Page, wanted: Locator) -> None:
    """Move the focus to something with Tab, as it comes in the page."""
    wanted.wait_for()
    for _ in range(_FAR):
        if wanted.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"{wanted} is not reached in {_FAR} tabs.")


def press(page: Page, name: str, key: str = "Enter", *, role: str = "button") -> None:
    reach(page, page.get_by_role(role, name=name, exact=True).first)  # type: ignore[arg-type]
    page.keyboard.press(key)


def hold(page: Page, name: str) -> None:
    """Hold a command's button until the command stands in the list of the flight."""
    button = page.get_by_role("button", name=name, exact=True)
    expect(button).to_be_enabled(timeout=SOON_MS)
    reach(page, button)
    page.keyboard.down("Enter")
    expect(page.locator(".commands li").first).to_contain_text(name)
    page.keyboard.up("Enter")


def state(page: Page, name: str) -> None:
    expect(page.locator("#flight .pill")).to_have_text(name, timeout=SOON_MS)


def approve(page: Page, act: Callable[[Locator], None]) -> None:
    """Acknowledge every warning and approve, each ``act`` being a click or a key."""
    for box in page.locator("input[name=acknowledged]").all():
        act(box)
    act(page.get_by_role("button", name="Approve"))
    expect(page.get_by_role("status").filter(has_text="The flight is approved.")).to_be_visible()


def plan_by_keyboard(page: Page) -> None:
    press(page, "Plan", role="link")
    reach(page, page.get_by_label("Asset"))
    page.keyboard.press("ArrowDown")
    page.wait_for_url("**/plan?asset=*")
    for name in ("B", "C", "PS", "SS", "TE"):
        press(page, name, "Space", role="checkbox")
    reach(page, page.get_by_label("Speed on passes"))
    page.keyboard.press("End")
    expect(page.locator(".part .figures")).to_be_visible()
    press(page, "Keep this plan")
    expect(page.get_by_role("status").filter(has_text="is kept")).to_be_visible()
    press(page, "Plan the flight")
    page.wait_for_url("**/flights/flt-*")


def fly_by_keyboard(page: Page) -> None:
    def by_key(what: Locator) -> None:
        reach(page, what)
        page.keyboard.press("Space")

    approve(page, by_key)
    hold(page, "Take off")
    expect(page.locator(".commands li.done", has_text="Take off")).to_be_visible(timeout=SOON_MS)
    hold(page, "Begin flight")
    state(page, "Flying")
    hold(page, "Pause")
    state(page, "Paused")
    hold(page, "Resume")
    state(page, "Flying")
    hold(page, "Return home")
    expect(page.locator("#flight .pill")).to_have_text(re.compile("Landed|Complete"), timeout=SOON_MS)
    broken_off = page.locator(".commands li.bad", has_text="Begin flight")
    expect(broken_off).to_contain_text(re.compile("[0-3] of 4 waypoints"))


def carry_on_by_mouse(page: Page) -> None:
    first = page.url
    page.get_by_role("button", name="Plan the flight that carries it on").click()
    page.wait_for_url(lambda url: "/flights/flt-" in url and url != first)
    approve(page, lambda what: what.click())
    page.get_by_role("button", name="Take off", exact=True).hover()
    page.mouse.down()
    expect(page.locator(".commands li").first).to_contain_text("Take off")
    page.mouse.up()
    expect(page.locator(".commands li.done", has_text="Take off")).to_be_visible(timeout=SOON_MS)
    page.get_by_role("button", name="Land", exact=True).hover()
    page.mouse.down()
    expect(page.locator(".commands li").first).to_contain_text("Land")
    page.mouse.up()


def test_an_operator_plans_flies_and_resumes(enter: Enter) -> None:
    page = enter("operator")
    plan_by_keyboard(page)
    fly_by_keyboard(page)
    carry_on_by_mouse(page)


def test_an_analyst_reviews_reads_the_report_and_asks(enter: Enter, flown: Flown) -> None:
    page = enter("analyst")
    finding = flown.report["tickets"][0]["finding_id"]
    press(page, "Review", role="link")
    expect(page.locator("#desk-title")).to_be_visible()
    number = (page.locator("#desk-title .nums").text_content() or "").strip()
    with page.expect_response(lambda answer: answer.request.method == "POST"):
        page.keyboard.press("a")
    expect(page.locator("#said")).to_have_text(f"{number} confirmed")
    with page.expect_response(lambda answer: answer.request.method == "POST"):
        page.get_by_role("button", name="Confirm").click()
    page.goto(f"/?finding={finding}")
    expect(page.get_by_role("dialog").get_by_role("heading").first).to_be_focused()
    page.keyboard.press("Escape")
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Report", exact=True).click()
    expect(opened.value.get_by_text("findings").first).to_be_visible()
    opened.value.close()
    page.keyboard.press("/")
    page.keyboard.type("What were the most critical defects detected last week?")
    page.keyboard.press("Enter")
    answer = page.get_by_role("region", name="Answer")
    expect(answer.locator("ol.sentences li").first).to_be_visible()
    for sentence in answer.locator("ol.sentences li").all():
        expect(sentence.locator(".chip").first).to_be_visible()
    answer.locator(".chip").first.click()
    expect(page.get_by_role("dialog")).to_be_visible()
