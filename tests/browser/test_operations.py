"""The operations page as a person uses it, by mouse, by keyboard and by eye."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from cloud.db import notify
from cloud.services import Services
from cloud.tables import CommandRow, Finding, Flight
from contracts.vocabulary import DefectKind
from tests.factories import World
from tests.scenes import utc_now

pytestmark = pytest.mark.browser

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text()
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
QUESTION = "What were the most critical defects detected last week?"


def commands(services: Services, kind: str) -> list[str]:
    with services.database.session() as session:
        return list(session.scalars(select(CommandRow.state).where(CommandRow.kind == kind)))


def test_signing_in_leads_to_a_live_page(opened: Callable[..., Page]) -> None:
    page = opened("/", signed=False)
    expect(page).to_have_url(re.compile(r"/login\?next="))
    page.get_by_label("Name").fill("ana")
    page.get_by_label("Password").fill("wrong")
    with page.expect_response("**/login"):
        page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("password")
    page.get_by_label("Password").fill("fly-high-9")
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#connection")).to_have_text("Live")
    expect(page.locator("drone-map[data-ready]")).to_be_visible(timeout=30_000)
    expect(page.locator("#flight h1")).to_have_text("T-02")


def test_the_drone_moves_when_telemetry_arrives(page: Page, move: Callable[[float, float], datetime]) -> None:
    expect(page.locator("#connection")).to_have_text("Live")
    position = page.locator('#map-table tr[data-drone="merlin-1"] .position')
    expect(position).to_contain_text("heading")
    before, place = position.text_content(), page.locator(".drone[data-drone='merlin-1']").bounding_box()
    altitude = page.locator('telemetry-strip [data-id="altitude"] .value').text_content()
    move(0.0006, 12.5)
    expect(position).not_to_have_text(before or "")
    expect(position).to_contain_text("heading 77°")
    expect(page.locator('telemetry-strip [data-id="altitude"] .value')).not_to_have_text(altitude or "")
    expect(page.locator('telemetry-strip [data-id="battery"] .value')).to_contain_text("61")
    moved = page.locator(".drone[data-drone='merlin-1']").bounding_box()
    assert moved is not None
    assert place is not None
    assert moved["y"] < place["y"] - 5


def test_a_charge_that_is_not_told_is_said_to_be_unknown(page: Page, move: Callable[..., datetime]) -> None:
    expect(page.locator("#connection")).to_have_text("Live")
    move(0.0002, 1.0, None)
    battery, drone = page.locator('telemetry-strip [data-id="battery"]'), page.locator(".drone[data-drone='merlin-1']")
    expect(battery.locator(".value")).to_have_text("– charge unknown")
    expect(battery).not_to_have_class(re.compile("low"))
    expect(drone.locator(".ring")).to_have_class("ring unknown")
    expect(drone.locator(".drone-label")).to_contain_text("charge unknown")
    expect(page.locator('#map-table tr[data-drone="merlin-1"] .state')).to_contain_text("charge unknown")
    move(0.0, 0.0, 12.0)
    expect(battery).to_have_class(re.compile("low"))
    expect(drone.locator(".ring")).to_have_class("ring low")


def test_silence_makes_the_drone_hollow_and_says_since_when(page: Page) -> None:
    expect(page.locator(".drone.stale[data-drone='merlin-1']")).to_be_visible(timeout=20_000)
    expect(page.locator(".drone-label").first).to_contain_text("ago")
    expect(page.locator("#link-lost")).to_contain_text("No telemetry from the drone")


# In one turn of the page, which itself hides the banner within a second while the link is there.
_WITH_BANNER = """button => {
  const place = () => { const { x, y, width, height } = button.getBoundingClientRect(); return [x, y, width, height]; };
  const banner = document.querySelector("#link-lost"), before = place();
  [banner.hidden, banner.textContent] = [false, "No telemetry from the drone for 9 s. ".repeat(4)];
  const [mine, its, rail] = [banner, button, document.querySelector("#rail")].map((e) => e.getBoundingClientRect());
  const crossed = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
  return { before, after: place(), seen: mine.bottom <= innerHeight && mine.height > 20,
    covers: [its, rail].some((other) => crossed(mine, other)) };
}"""


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
def test_the_link_banner_moves_and_covers_no_command(page: Page, width: int, height: int) -> None:
    page.set_viewport_size({"width": width, "height": height})
    found = page.get_by_role("button", name="Pause").evaluate(_WITH_BANNER)
    assert found["after"] == found["before"]
    assert (found["seen"], found["covers"]) == (True, False)


def test_a_card_opens_the_frame_with_its_box_and_gives_focus_back(page: Page) -> None:
    card = page.locator(".finding > a").first
    card.click()
    sheet = page.get_by_role("dialog")
    expect(sheet.get_by_role("heading", name="F-2 Crack")).to_be_focused()
    frame = sheet.locator("svg.frame").first
    expect(frame.locator("rect.box")).to_be_visible()
    close_up = frame.get_attribute("viewBox")
    sheet.get_by_role("button", name="Whole frame").click()
    expect(frame).to_have_attribute("viewBox", "0.0 0.0 3840.0 2160.0")
    sheet.get_by_role("button", name="Defect", exact=True).click()
    expect(frame).not_to_have_attribute("viewBox", "0.0 0.0 3840.0 2160.0")
    assert close_up != "0 0 3840 2160"
    sheet.locator("[data-show]").nth(1).click()
    expect(sheet.locator("figure").nth(1)).to_be_visible()
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    expect(card).to_be_focused()


def test_a_review_changes_sheet_and_card(page: Page) -> None:
    page.locator(".finding > a").first.click()
    sheet = page.get_by_role("dialog")
    sheet.get_by_label("Note").fill("seen from the ground")
    sheet.get_by_role("button", name="Confirm").click()
    expect(sheet.locator(".sheet-facts .status")).to_have_text("Confirmed")
    expect(sheet.locator(".sheet-facts")).to_contain_text("seen from the ground")
    page.keyboard.press("Escape")
    expect(page.locator(".finding").first.locator(".status")).to_have_text("Confirmed")
    expect(page.locator(".finding").first).not_to_have_class(re.compile("unreviewed"))


def test_the_ask_box_streams_a_cited_answer(page: Page) -> None:
    page.locator("#ask").fill(QUESTION)
    page.keyboard.press("Enter")
    answer = page.get_by_role("region", name="Answer")
    expect(answer.locator("ol.sentences li")).to_have_count(6)
    expect(answer.locator("ol.sentences li").first).to_contain_text("8 findings were detected")
    for sentence in answer.locator("ol.sentences li").all():
        expect(sentence.locator(".chip").first).to_be_visible()
    answer.locator("summary").click()
    expect(answer.locator(".step").first).to_contain_text("E1")
    answer.locator("ol.sentences li").nth(1).locator(".chip").click()
    expect(page.get_by_role("dialog").get_by_role("heading")).to_contain_text(["F-2 Crack"])
    page.keyboard.press("Escape")
    page.locator("#ask").fill("Is it safe?")
    page.keyboard.press("Enter")
    expect(answer).to_contain_text("I did not understand “safe”")
    answer.locator(".suggest button").first.click()
    expect(answer.locator(".chip").first).to_be_visible()


def test_only_a_held_button_sends_a_command(page: Page, services: Services) -> None:
    pause = page.get_by_role("button", name="Pause")
    before = len(commands(services, "pause"))
    pause.click()
    expect(page.locator("hold-button.pause:state(hint)")).to_be_visible()
    pause.hover()
    page.mouse.down()
    expect(page.locator(".commands li").first).to_contain_text("Accepted", timeout=5_000)
    page.mouse.up()
    assert commands(services, "pause").count("accepted") == 1
    assert len(commands(services, "pause")) == before + 1
    with services.database.session() as session:
        row = session.scalars(select(CommandRow).where(CommandRow.state == "accepted")).one()
        row.state, row.hint = "rejected", "The drone is below its fence floor."
        notify(session, "command", row.command_id)
    expect(page.locator(".commands li").first).to_contain_text("Rejected: The drone is below its fence floor.")


def test_a_hold_goes_on_where_the_button_moves_from_under_the_pointer(page: Page) -> None:
    page.get_by_role("button", name="Pause").hover()
    page.mouse.down()
    page.evaluate("document.querySelector('#flight').style.marginTop = '200px'")
    expect(page.locator(".commands li").first).to_contain_text("Accepted")
    page.mouse.up()


def test_a_hand_that_slips_off_sends_nothing(page: Page, services: Services) -> None:
    before = len(commands(services, "pause"))
    page.get_by_role("button", name="Pause").hover()
    page.mouse.down()
    page.mouse.move(0, 0)
    expect(page.locator("hold-button.pause:state(hint)")).to_be_visible()
    page.mouse.up()
    expect(page.locator("hold-button.pause:state(hint)")).to_have_count(0)
    assert len(commands(services, "pause")) == before


def hold(page: Page, name: str) -> None:
    page.get_by_role("button", name=name).hover()
    page.mouse.down()
    expect(page.locator("hold-button:state(holding)")).to_be_visible()
    expect(page.locator("hold-button:state(holding)")).to_have_count(0)
    page.mouse.up()


def test_a_command_that_the_platform_does_not_answer_is_said_to_be_unknown(page: Page) -> None:
    page.route("**/commands", lambda route: route.abort("timedout"))
    hold(page, "Pause")
    said = page.locator("#command-problem")
    expect(said).to_contain_text("Pause: the platform did not answer. Whether it was sent is not known.")
    page.unroute("**/commands")
    hold(page, "Pause")
    expect(page.locator(".commands li").first).to_contain_text("Accepted")
    expect(said).to_be_empty()


def test_a_proxys_own_page_beside_a_command_is_said_to_be_unknown(page: Page) -> None:
    body = "<html><body><h1>502 Bad Gateway</h1></body></html>"
    page.route("**/commands", lambda route: route.fulfill(status=502, content_type="text/html", body=body))
    hold(page, "Pause")
    said = page.locator("#command-problem")
    expect(said).to_contain_text("Pause: the platform did not answer. Whether it was sent is not known.")
    expect(said).not_to_contain_text("Bad Gateway")


def test_why_a_command_was_refused_stays_while_the_flight_is_redrawn(page: Page) -> None:
    refused = '<div class="problem" role="alert"><strong>The flight flt-1 is planned.</strong></div>'
    page.route("**/commands", lambda route: route.fulfill(status=503, content_type="text/html", body=refused))
    hold(page, "Pause")
    said = page.locator("#command-problem")
    expect(said).to_have_text("The flight flt-1 is planned.")
    with page.expect_response("**/header"):
        page.evaluate("document.body.dispatchEvent(new CustomEvent('kestrel:media'))")
    page.evaluate("new Promise((done) => document.addEventListener('htmx:after:settle', done, { once: true }))")
    expect(said).to_have_text("The flight flt-1 is planned.")


def test_a_page_that_does_not_hear_the_platform_says_so_and_not_that_the_drone_is_silent(opened: Any) -> None:
    page = opened("/login", signed=True)
    page.add_init_script(
        "window.EventSource = class extends EventTarget { readyState = 0;"
        " constructor() { super(); setTimeout(() => this.onerror?.(new Event('error'))); } close() {} }"
    )
    page.goto("/")
    banner = page.locator("#link-lost")
    expect(banner).to_contain_text("This page has not heard the platform for", timeout=20_000)
    expect(banner).not_to_contain_text("No telemetry")


def test_a_stream_that_broke_without_a_word_is_opened_again_after_25_s_of_silence(opened: Any) -> None:
    page = opened("/login", signed=True)
    page.clock.install()
    page.goto("/fleet")
    expect(page.locator("#connection")).to_have_text("Live")
    again: list[str] = []
    page.on("request", lambda request: again.append(urlsplit(request.url).path))
    page.clock.fast_forward(20_000)
    assert "/live" not in again
    # What the platform says of itself meanwhile would begin the silence anew: one jump is longer than it.
    with page.expect_request("**/live?*"):
        page.clock.fast_forward(26_000)
    expect(page.locator("#connection")).to_have_text("Live")


@pytest.mark.parametrize("ahead_s", [-3600, 3600])
def test_a_clock_of_the_reader_that_is_wrong_ages_no_sample(
    opened: Any, move: Callable[..., datetime], ahead_s: int
) -> None:
    page = opened("/login", signed=True)
    page.add_init_script(f"const now = Date.now; Date.now = () => now() + {1000 * ahead_s};")
    page.goto("/")
    expect(page.locator("drone-map[data-ready]")).to_be_visible(timeout=30_000)
    expect(page.locator("#connection")).to_have_text("Live")
    label = page.locator(".drone[data-drone='merlin-1'] .drone-label")
    move(0.0001, 0.0)
    expect(label).to_have_text(re.compile(r"Merlin 1 · \d+ m · 61 %"))
    expect(label).to_have_text(re.compile(r"Merlin 1 · \d+ s ago · 61 %"), timeout=20_000)


def test_a_new_finding_appears_by_itself(page: Page, services: Services) -> None:
    expect(page.locator("#connection")).to_have_text("Live")
    with services.database.session() as session:
        flight = session.scalars(select(Flight).where(Flight.state == "flying")).one()
        world = World(session, utc_now(), seed=99)
        world.geometries[flight.asset_id] = next(iter(_geometries(session, flight)))
        found = world.finding(flight, DefectKind.DELAMINATION, blade="C", side="LE", root_m=21.0, rank=5, length_mm=900)
        notify(session, "finding", found.finding_id)
    expect(page.locator("#findings .finding")).to_have_count(8)
    expect(page.locator("#findings .finding").first).to_contain_text("Delamination")
    expect(page.locator("#blades .dot.s5")).to_have_count(2)


def _geometries(session: Any, flight: Flight) -> list[Any]:
    from cloud.tables import Asset  # noqa: PLC0415
    from contracts.turbine import TurbineGeometry  # noqa: PLC0415

    return [TurbineGeometry.model_validate(session.get_one(Asset, flight.asset_id).geometry)]


def test_all_of_it_works_without_a_mouse(page: Page, services: Services) -> None:
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("/")
    expect(page.locator("#ask")).to_be_focused()
    page.keyboard.type("How many cracks were found today?")
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Answer").locator(".chip").first).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("region", name="Answer")).to_be_hidden()
    page.get_by_role("button", name="Return home").focus()
    page.keyboard.down("Enter")
    expect(page.locator(".commands li").first).to_contain_text("Return home", timeout=5_000)
    page.keyboard.up("Enter")
    page.locator(".finding > a").nth(1).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.locator("svg.frame").first.focus()
    page.keyboard.press("+")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_axe_finds_nothing_in_what_opens_on_the_page(page: Page) -> None:
    """The page itself, light and dark, is looked at with all others in test_rooms.py."""
    expect(page.locator("telemetry-strip .cell")).to_have_count(7)
    page.locator("#ask").fill(QUESTION)
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Answer").locator("ol.sentences li")).to_have_count(6)
    assert violations(page, "#answer") == []
    page.get_by_role("button", name="Close answer").click()
    page.locator(".finding > a").first.click()
    expect(page.get_by_role("dialog").get_by_role("heading", name="F-2 Crack")).to_be_visible()
    assert violations(page, "dialog[open]") == []


def test_axe_finds_nothing_where_one_signs_in(opened: Callable[..., Page]) -> None:
    assert violations(opened("/login", signed=False), "html") == []


def violations(page: Page, within: str) -> list[str]:
    """Return what axe finds under WCAG 2.2 A and AA in parts of a page, light and dark."""
    page.evaluate(AXE)
    told = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found = page.evaluate(
            "([within, tags]) => axe.run(within, { runOnly: tags, resultTypes: ['violations'] })", [within, TAGS]
        )
        told += [f"{v['id']}: {n['target']} {n['failureSummary']}" for v in found["violations"] for n in v["nodes"]]
    return told


def test_an_address_that_leads_nowhere_says_so(opened: Callable[..., Page]) -> None:
    page = opened("/?flight=flt-nothing")
    expect(page.get_by_role("heading", name="Not found")).to_be_visible()
    page.get_by_role("link", name="To the current flight").click()
    expect(page.locator("#flight h1")).to_have_text("T-02")


def test_a_phone_shows_everything_without_sideways_scrolling(opened: Callable[..., Page]) -> None:
    page = opened(width=390, height=844)
    expect(page.locator("#flight")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator(".finding > a").first.click()
    expect(page.get_by_role("dialog").get_by_role("button", name="Confirm")).to_be_attached()
    assert page.evaluate("document.querySelector('dialog').scrollWidth") <= 390


def test_losing_the_listener_brings_the_page_up_to_date_again(page: Page, services: Services) -> None:
    expect(page.locator("#connection")).to_have_text("Live")
    with services.database.session() as session:
        killed = session.connection().exec_driver_sql(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'LISTEN %%' "
            "AND datname = current_database()"
        )
        assert killed.scalar_one() == 1
        row = session.scalars(select(Finding).where(Finding.number == 2)).one()
        row.status, row.reviewed_by, row.reviewed_at = "confirmed", "ben", utc_now()
    expect(page.locator(".finding").first.locator(".status")).to_have_text("Confirmed", timeout=15_000)


def test_a_failing_fragment_leaves_the_section_as_it_was(page: Page, services: Services) -> None:
    expect(page.locator("#connection")).to_have_text("Live")
    page.route("**/fragments/**", lambda route: route.fulfill(status=503, body="{}", content_type="application/json"))
    with page.expect_response("**/fragments/findings*"), services.database.session() as session:
        notify(session, "finding", "fnd-x")
    expect(page.locator("#findings .finding")).to_have_count(7)
    page.unroute("**/fragments/**")
    with services.database.session() as session:
        session.scalars(select(Finding).where(Finding.number == 8)).one().status = "rejected"
        notify(session, "finding", "fnd-x")
    expect(page.locator("#findings .finding")).to_have_count(6)


def test_the_page_goes_on_to_the_next_flight(opened: Callable[..., Page], services: Services) -> None:
    with services.database.session() as session:
        flight = session.scalars(select(Flight).where(Flight.state == "flying")).one()
        flight.state, flight.landed_at = "complete", utc_now()
    page = opened("/")
    expect(page.locator("#flight .pill")).to_have_text("Complete")
    expect(page.locator("#connection")).to_have_text("Live")
    with services.database.session() as session:
        following = session.scalars(select(Flight).where(Flight.asset_id == "t-01")).one()
        following.state, following.landed_at = "flying", None
        notify(session, "flight", following.flight_id)
    expect(page.locator("#flight h1")).to_have_text("T-01", timeout=10_000)
    expect(page.locator("#flight .pill")).to_have_text("Flying")


def test_the_page_of_one_flight_stays_with_it_whatever_else_flies(
    opened: Callable[..., Page], services: Services
) -> None:
    with services.database.session() as session:
        mine = session.scalars(select(Flight.flight_id).where(Flight.asset_id == "t-01")).one()
        other = session.scalars(select(Flight.flight_id).where(Flight.state == "flying")).one()
    page = opened("/assets")
    page.route("**/v1/media/*/video", lambda route: route.fulfill(status=200, body=b"", content_type="video/mp4"))
    page.goto(f"/flights/{mine}")
    expect(page.locator("#connection")).to_have_text("Live")
    page.evaluate("window.untouched = true")
    with services.database.session() as session:
        notify(session, "flight", other)
    with page.expect_response(f"**/flights/{mine}"), services.database.session() as session:
        notify(session, "flight", mine)
    assert page.evaluate("window.untouched"), "what was half filled in is still there"
