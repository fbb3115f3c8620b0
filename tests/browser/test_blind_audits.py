"""A blind audit as an analyst does it: marks by hand and by keys, what was missed made a finding, answers undone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from cloud.services import Services
from cloud.tables import Audit, AuditAnswer
from tests import blind_stock
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
