"""What a form sends counts once: pressed twice, or again after an answer that was lost."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect
from sqlalchemy import func, select

from cloud.services import Services
from cloud.tables import Flight, Plan
from cloud.tables.columns import Base
from tests.browser.test_verdicts import lost, lost_answer

pytestmark = pytest.mark.browser


@pytest.fixture
def planner(opened: Callable[..., Page]) -> Page:
    page = opened("/plan?asset=t-02")
    expect(page.get_by_role("button", name="Keep this plan")).to_be_visible()
    return page


def count(services: Services, table: type[Base]) -> int:
    with services.database.session() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


@pytest.mark.parametrize("lose", [lost_answer, lost], ids=["the answer", "all of it"])
def test_a_plan_sent_again_after_a_lost_answer_is_kept_once(
    planner: Page, services: Services, lose: Callable[..., None]
) -> None:
    before = count(services, Plan)
    planner.route("**/plan", lose, times=1)
    keep = planner.get_by_role("button", name="Keep this plan")
    keep.click()
    expect(planner.locator("#said")).to_contain_text("Whether this was taken is not known.")
    keep.click()
    kept = planner.get_by_role("status").filter(has_text="is kept")
    expect(kept).to_be_visible()
    assert count(services, Plan) == before + 1
    said = kept.text_content() or ""
    keep.click()
    expect(kept).not_to_have_text(said)  # who presses again after an answer means it
    assert count(services, Plan) == before + 2


def test_a_plan_sent_again_after_a_fault_of_the_platform_has_the_same_key(planner: Page) -> None:
    said = '<div class="problem" role="alert"><strong>Something went wrong on our side.</strong></div>'
    planner.route("**/plan", lambda route: route.fulfill(status=500, content_type="text/html", body=said), times=1)
    keep = planner.get_by_role("button", name="Keep this plan")
    with planner.expect_request("**/plan") as first:
        keep.click()
    expect(planner.locator("#said")).to_contain_text("Something went wrong on our side.")
    with planner.expect_request("**/plan") as again:
        keep.click()
    assert first.value.headers["idempotency-key"] == again.value.headers["idempotency-key"]


def test_a_double_click_keeps_one_plan_and_plans_one_flight(planner: Page, services: Services) -> None:
    plans, flights = count(services, Plan), count(services, Flight)
    planner.get_by_role("button", name="Keep this plan").dblclick()
    expect(planner.get_by_role("status").filter(has_text="is kept")).to_be_visible()
    planner.get_by_role("button", name="Plan the flight").first.dblclick()
    expect(planner).to_have_url(re.compile("/flights/flt-"))
    assert (count(services, Plan), count(services, Flight)) == (plans + 1, flights + 1)


def test_a_form_on_its_way_is_not_sent_again_by_the_enter_key(planner: Page, services: Services) -> None:
    held: list[Route] = []
    before = count(services, Plan)
    planner.route("**/plan", lambda route: held.append(route))  # noqa: PLW0108 - Playwright marks the function
    keep = planner.get_by_role("button", name="Keep this plan")
    with planner.expect_request(lambda request: request.method == "POST"):
        keep.press("Enter")
    keep.press("Enter")
    for route in held:
        route.continue_()
    expect(planner.get_by_role("status").filter(has_text="is kept")).to_be_visible()
    assert (len(held), count(services, Plan)) == (1, before + 1)


def test_a_plan_of_another_program_sent_again_after_a_lost_answer_is_kept_once(
    planner: Page, services: Services
) -> None:
    with planner.expect_download() as download:
        planner.get_by_role("button", name="Export").first.click()
    content = download.value.path().read_bytes()
    before = count(services, Plan)
    name = download.value.suggested_filename
    planner.get_by_label("QGroundControl, WPML").set_input_files({"name": name, "mimeType": "", "buffer": content})
    planner.route("**/v1/routes/import", lost_answer, times=1)
    planner.get_by_role("button", name="Keep it as a plan").click()
    expect(planner.locator("#judged")).to_contain_text("Whether this was taken is not known.")
    planner.get_by_role("button", name="Keep it as a plan").click()
    expect(planner.locator("#judged strong")).to_contain_text("is kept as pln-")
    assert count(services, Plan) == before + 1
