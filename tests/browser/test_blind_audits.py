"""A blind audit as an analyst does it: marks by hand and by keys, what was missed made a finding, answers undone."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from cloud import users
from cloud.services import Services
from cloud.tables import Audit, AuditAnswer
from contracts.vocabulary import Role
from tests import blind_stock
from tests.browser.conftest import PASSWORD
from tests.browser.test_verdicts import dismissed, kept, sign_in
from tests.factories import BOX, MemoryObjects, World
from tests.scenes import utc_now

pytestmark = pytest.mark.browser


@pytest.fixture
def audit(opened: Callable[..., Page], services: Services) -> Page:
    """The page of the two frames of one complete flight; the detector had one crack, which both show at BOX."""
    with services.database.session() as session:
        assert isinstance(services.objects, MemoryObjects)
        world = World(session, utc_now(), objects=services.objects)
        blind_stock.fill(world)
    page = opened("/blind-audits")
    expect(page.locator("#left")).to_have_text("2")
    return page


def draw(page: Page, box: dict[str, float]) -> None:
    """Draw a rectangle on the frame with the mouse, from its right lower corner."""
    at = page.locator("svg.frame").bounding_box()
    assert at is not None
    page.mouse.move(at["x"] + box["x1"] * at["width"], at["y"] + box["y1"] * at["height"])
    page.mouse.down()
    page.mouse.move(at["x"] + box["x0"] * at["width"], at["y"] + box["y0"] * at["height"], steps=3)
    page.mouse.up()


def test_a_frame_is_marked_blind_and_only_then_it_is_told_what_had_been_found(audit: Page, services: Services) -> None:
    assert "det-" not in audit.content()
    draw(audit, BOX)
    audit.keyboard.press("4")
    draw(audit, {"x0": 0.75, "y0": 0.7, "x1": 0.85, "y1": 0.8})
    expect(audit.locator("#marks li")).to_have_text(["CrackRemove", "CorrosionRemove"])
    audit.keyboard.press("a")
    expect(audit.locator("#last .tag")).to_have_text(["had been found", "had been missed"])
    expect(audit.locator("#left")).to_have_text("1")
    audit.get_by_role("button", name="Make it a finding").click()
    expect(audit.locator("#last a[data-finding]")).to_have_count(1)
    with services.database.session() as session:
        said = session.scalars(select(Audit.action).where(Audit.action.like("blind_audit.%")).order_by(Audit.id)).all()
    assert said == ["blind_audit.answer", "blind_audit.finding"]


def test_keys_alone_mark_and_an_answer_taken_back_brings_its_marks_again(audit: Page, services: Services) -> None:
    audit.keyboard.press("a")
    expect(audit.locator("#counted")).to_have_text("Nothing is marked yet.")
    audit.locator("svg.frame").press("+")
    audit.keyboard.press("r")
    frame = audit.locator("svg.frame").get_attribute("data-frame")
    audit.keyboard.press("a")
    expect(audit.locator("#last")).to_have_attribute("data-answered", frame or "")
    audit.keyboard.press("u")
    expect(audit.locator("#marks li")).to_have_count(1)
    expect(audit.locator("svg.frame")).to_have_attribute("data-frame", frame or "")
    audit.keyboard.press("u")
    audit.keyboard.press("x")
    expect(audit.locator("#last .empty")).to_have_text("You saw nothing on it.")
    audit.keyboard.press("c")
    expect(audit.get_by_role("heading", name="No frame is left for you")).to_be_visible()
    with services.database.session() as session:
        mine = select(AuditAnswer.verdict).where(AuditAnswer.answered_by == "ana")
        assert sorted(session.scalars(mine)) == ["nothing", "unclear"]


@pytest.fixture
def drawn(audit: Page) -> Page:
    """Return an audit with two marks that are not sent."""
    draw(audit, BOX)
    audit.keyboard.press("4")
    draw(audit, {"x0": 0.75, "y0": 0.7, "x1": 0.85, "y1": 0.8})
    expect(audit.locator("#marks li")).to_have_count(2)
    shelved(audit, 1)
    return audit


def share(page: Page, index: int) -> tuple[float, float]:
    """Return which share of the frame's width and height a mark is seen to take."""
    mark, frame = page.locator("rect.mark").nth(index).bounding_box(), page.locator("svg.frame").bounding_box()
    assert mark is not None
    assert frame is not None
    return mark["width"] / frame["width"], mark["height"] / frame["height"]


def shelved(page: Page, frames: int) -> None:
    """Wait until the marks of so many frames lie on the device."""
    for _ in range(200):
        if kept(page, "kestrel-marks") == frames:
            return
        page.wait_for_timeout(25)
    assert kept(page, "kestrel-marks") == frames


def answers(services: Services) -> list[str]:
    with services.database.session() as session:
        return list(session.scalars(select(AuditAnswer.verdict).where(AuditAnswer.answered_by == "ana")))


def test_marks_that_were_not_sent_are_back_when_the_frame_is_and_go_with_its_answer(
    drawn: Page, services: Services
) -> None:
    frame = drawn.locator("svg.frame").get_attribute("data-frame") or ""
    context = drawn.context
    drawn.close()
    page = context.new_page()
    page.goto("/blind-audits")
    expect(page.locator("svg.frame")).to_have_attribute("data-frame", frame)
    expect(page.locator("#marks li")).to_have_text(["CrackRemove", "CorrosionRemove"])
    expect(page.locator("rect.mark")).to_have_count(2)
    assert share(page, 1) == pytest.approx((0.1, 0.1), abs=0.02)
    expect(page.locator("#counted")).to_have_text("Marks that you drew and did not send are back: 2.")
    page.keyboard.press("x")
    expect(page.locator("#counted")).to_have_text("Take the marks off first, or send them.")
    assert answers(services) == []
    page.keyboard.press("a")
    expect(page.locator("#last .tag")).to_have_text(["had been found", "had been missed"])
    expect(page.locator("#marks li")).to_have_count(0)
    shelved(page, 0)
    assert answers(services) == ["marked"]


def test_marks_that_are_taken_off_do_not_come_back(drawn: Page) -> None:
    drawn.keyboard.press("u")
    drawn.keyboard.press("u")
    shelved(drawn, 0)
    drawn.reload()
    expect(drawn.locator("#unmarked")).to_be_visible()


def test_another_person_on_the_same_device_sees_no_marks_of_who_drew_them(drawn: Page, services: Services) -> None:
    frame = drawn.locator("svg.frame").get_attribute("data-frame") or ""
    with services.database.session() as session:
        users.put_user(session, "ben", PASSWORD, [Role.ANALYST])
    sign_in(drawn, "ben")
    drawn.goto("/blind-audits")
    expect(drawn.locator("svg.frame")).to_have_attribute("data-frame", frame)
    drawn.keyboard.press("c")  # waits for what is kept, and would be refused where anything stood marked
    expect(drawn.locator("#last .empty")).to_have_text("It could not be judged; it counts neither way.")
    sign_in(drawn, "ana")
    drawn.goto("/blind-audits")
    expect(drawn.locator("svg.frame")).not_to_have_attribute("data-frame", frame)  # nobody has looked at this one yet
    drawn.keyboard.press("x")
    expect(drawn.locator("svg.frame")).to_have_attribute("data-frame", frame)
    expect(drawn.locator("#marks li")).to_have_count(2)


def test_who_signs_out_is_told_of_marks_that_are_not_sent_and_they_are_discarded(drawn: Page) -> None:
    asked = dismissed(drawn)
    drawn.get_by_label("Account of ana").click()
    drawn.get_by_role("button", name="Sign out").click()
    expect(drawn.locator("#marks li")).to_have_count(2)
    drawn.wait_for_function("() => true")
    assert [dialog.message[:45] for dialog in asked] == ["Marks of a blind audit that are not sent: 2. "]
    assert kept(drawn, "kestrel-marks") == 1
    drawn.evaluate("window.confirm = () => true")
    drawn.get_by_role("button", name="Sign out").click()
    expect(drawn).to_have_url(re.compile("/login"))
    shelved(drawn, 0)
