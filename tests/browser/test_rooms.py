"""Every page on one stocked platform: accessible in both themes, light, within a phone; what people do there."""

from __future__ import annotations

import dataclasses
import gzip
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from sqlalchemy import select

from cloud import users
from cloud.language import COOKIE
from cloud.services import Services
from cloud.tables import DetectorVersion, Drone, Flight
from cloud.web import timeline
from cloud.web.timeline import Tick
from contracts.vocabulary import Role
from tests import platform, rooms, stock
from tests.browser.conftest import PASSWORD, watch
from tests.platform import Server
from tests.scenes import utc_now
from tests.services import DatabaseServer

pytestmark = pytest.mark.browser

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text()
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
BUDGET_BYTES = 600_000
CUT = """() => [...document.querySelectorAll("table, figure, img, svg.frame")].filter((shown) => {
  const box = shown.getBoundingClientRect();
  for (let around = shown.parentElement; around; around = around.parentElement) {
    const clip = around.getBoundingClientRect();
    if (getComputedStyle(around).overflow !== "visible" && (box.right > clip.right + 1 || box.bottom > clip.bottom + 1))
      return true;
  }
  return box.right > document.documentElement.clientWidth + 1;
}).map((shown) => shown.outerHTML.slice(0, 90))"""
"""What paper would not show whole: it can be scrolled no more."""
SIDEWAYS = """() => [...document.querySelectorAll(".room .scroll")].filter((box) => box.scrollWidth > box.clientWidth)
  .map((box) => box.getAttribute("aria-label") ?? box.getAttribute("aria-labelledby"))"""
"""What a phone would have to scroll sideways."""
SIDES = """shown => {
  const range = document.createRange();
  range.selectNodeContents(shown);
  const box = (shown.firstElementChild ? shown : range).getBoundingClientRect();
  return [box.left, box.right];
}"""
"""From where to where an element goes, or the text it holds."""
TORN = """shown => shown.flatMap((label) => [...label.firstChild.data.matchAll(/\\S+/g)].filter((word) => {
  const range = document.createRange();
  range.setStart(label.firstChild, word.index);
  range.setEnd(label.firstChild, word.index + word[0].length);
  return range.getClientRects().length > 1;
}).map((word) => word[0]))"""
"""Words that stand on two lines."""
TOP = "shown => shown.getBoundingClientRect().top"
EVIDENCE = ("/pictures/", "/v1/media/", "/v1/blind-audits/frames/")
"""Frames and video are what people came to see; the page round them has the budget."""


@pytest.fixture(scope="module")
def services(postgres_server: DatabaseServer) -> Iterator[Services]:
    with postgres_server.database(migrated=True) as url:
        built = platform.build(url)
        with built.database.session() as session:
            world = stock.stock_all(session, utc_now())
            users.put_user(session, "ana", PASSWORD, list(Role))
            users.put_user(session, "vic", PASSWORD, [Role.VIEWER])
        yield dataclasses.replace(
            built,
            objects=world.objects,
            routes=world.routes,
            queues=cast("Any", stock.Outbox()),
            workflows=cast("Any", stock.Machines()),
        )
        built.database.close()


@pytest.fixture(scope="module")
def pages(services: Services, browser: Browser) -> Iterator[Page]:
    """Yield one signed-in page on one server; what goes wrong on it fails the test that was using it."""
    with Server(services) as server:
        context = browser.new_context(
            base_url=server.url, viewport={"width": 1440, "height": 900}, timezone_id="Europe/Berlin"
        )
        context.request.post("/login", form={"username": "ana", "password": PASSWORD}, max_redirects=0)
        yield context.new_page()
        context.close()


@pytest.fixture
def page(pages: Page) -> Iterator[Page]:
    wrong: list[str] = []
    home = urlsplit(pages.context.request.get("/login", max_redirects=0).url).netloc
    unwatch = watch(pages, f"http://{home}", wrong)
    pages.set_viewport_size({"width": 1440, "height": 900})
    pages.emulate_media(color_scheme="light", media="screen")
    yield pages
    unwatch()
    assert wrong == []


@pytest.fixture
def german(page: Page) -> Iterator[Page]:
    """Yield the page as it is for who reads German: its words are the longest."""
    home = page.context.request.get("/login", max_redirects=0).url
    page.context.add_cookies([{"name": COOKIE, "value": "de", "url": home}])
    yield page
    page.context.clear_cookies(name=COOKIE)


def violations(page: Page, only: object) -> list[str]:
    found = page.evaluate("only => axe.run({ runOnly: only, resultTypes: ['violations'] })", only)
    return [f"{v['id']}: {n['target']} {n['failureSummary']}" for v in found["violations"] for n in v["nodes"]]


@pytest.mark.parametrize("room", rooms.ROOMS, ids=lambda room: room.name)
def test_a_page_is_accessible_light_and_fits_a_phone_in_the_longest_language(german: Page, room: rooms.Room) -> None:
    page = german
    page.goto(room.path)
    expect(page.locator("html")).to_have_attribute("lang", "de")
    page.locator(room.ready).first.wait_for()
    assert weight(page) <= BUDGET_BYTES
    page.evaluate(AXE)
    assert violations(page, TAGS) == []
    page.emulate_media(color_scheme="dark")
    assert violations(page, TAGS) == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate(SIDEWAYS) == []


def weight(page: Page) -> int:
    """Return what a page and all it loaded weigh, compressed."""
    loaded = page.evaluate(
        "() => performance.getEntriesByType('resource').map(r => [new URL(r.name).pathname, r.encodedBodySize])"
    )
    around = {path: size for path, size in loaded if not path.startswith(EVIDENCE)}
    return int(sum(around.values())) + len(gzip.compress(page.content().encode()))


def test_on_a_phone_each_cell_says_its_column(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/assets")
    cell = page.get_by_role("row", name="T-01").get_by_role("cell").nth(1)
    expect(cell).to_have_attribute("data-column", "Health, of 100")
    page.get_by_label("Order").select_option("name")
    expect(page).to_have_url(re.compile("sort=name"))
    expect(cell).to_have_attribute("data-column", "Health, of 100")


def test_on_a_phone_no_figure_of_the_flight_is_wider_than_its_bar_in_the_longest_language(german: Page) -> None:
    german.set_viewport_size({"width": 390, "height": 844})
    german.goto("/")
    expect(german.locator(".progress .bad")).to_have_text("1 fehlgeschlagen")
    wide = "all => all.filter((one) => one.scrollWidth > one.clientWidth).map((one) => one.textContent)"
    assert german.locator(".progress dd").evaluate_all(wide) == []


@pytest.mark.parametrize(
    "path", ["/review?flight=flt-11000007", "/v1/flights/flt-11000007/report?format=html", "/assets/t-01"]
)
def test_paper_holds_no_navigation_and_no_table_is_cut(page: Page, path: str) -> None:
    page.set_viewport_size({"width": 718, "height": 1047})
    page.emulate_media(media="print", color_scheme="dark")
    page.goto(path)
    page.locator("h1").first.wait_for()
    for hidden in page.locator("nav, .top, form, .skip, .zoom").all():
        expect(hidden).to_be_hidden()
    assert page.evaluate(CUT) == []
    paper = page.locator(".card, body").first.evaluate("shown => getComputedStyle(shown).backgroundColor")
    assert paper in {"rgb(255, 255, 255)", "rgba(0, 0, 0, 0)"}


def test_no_page_is_blank_before_anything_is_registered(postgres_server: DatabaseServer) -> None:
    with postgres_server.database(migrated=True) as url:
        built = platform.build(url)
        with built.database.session() as session:
            users.put_user(session, "ana", PASSWORD, list(Role))
        with Server(built) as server, server.client() as http:
            http.post("/login", data={"username": "ana", "password": PASSWORD})
            for room in filter(lambda room: room.anywhere, rooms.ROOMS):
                answer = http.get(room.path, headers={"Accept": "text/html"})
                assert answer.status_code == 200, room.path
                assert 'class="empty"' in answer.text or "card" in answer.text, room.path
        built.database.close()


def test_the_rooms_are_one_navigation_that_a_phone_folds(page: Page) -> None:
    page.goto("/assets")
    nav = page.get_by_role("navigation", name="Pages")
    expect(nav.get_by_role("link", name="Assets")).to_have_attribute("aria-current", "page")
    page.set_viewport_size({"width": 390, "height": 844})
    expect(nav.get_by_role("link", name="Settings")).to_be_hidden()
    nav.get_by_role("button", name="More").click()
    nav.get_by_role("link", name="Settings").click()
    expect(page.get_by_role("heading", name="Settings")).to_be_visible()


def test_filters_stand_in_the_address(page: Page) -> None:
    page.goto("/assets")
    page.get_by_label("Kind").select_option("pipeline")
    expect(page.get_by_role("link", name="Pipe 2")).to_be_visible()
    expect(page).to_have_url(re.compile("kind=pipeline"))
    expect(page.get_by_role("link", name="T-01", exact=True)).to_have_count(0)
    assert "site=" not in page.url
    page.goto("/assets?site=&kind=&q=")
    expect(page.get_by_role("link", name="T-01", exact=True)).to_be_visible()


def test_a_defect_shows_its_years_and_its_pictures_on_each_other(page: Page) -> None:
    page.goto("/assets/t-01")
    years = page.locator("#years")
    expect(years.locator(".chapters li")).to_have_count(6)
    expect(years.locator("compare-slider [role=status]")).to_contain_text("correlate")
    wipe = years.get_by_label("How much of the earlier picture")
    wipe.focus()
    page.keyboard.press("Home")
    assert "100%" in years.locator(".earlier").evaluate("image => image.style.clipPath")
    for layer, told in (("Difference", "Black where both agree"), ("Overlay", "Grey where both agree")):
        years.get_by_label(layer).check()
        expect(years.locator(".legend-of:visible")).to_contain_text(told)
        expect(years.locator("compare-slider [role=status]")).to_contain_text("correlate")
        assert "0%" in years.locator(".earlier").evaluate("image => image.style.clipPath")
    page.get_by_role("link", name="Leading edge erosion").click()
    expect(years.get_by_role("heading")).to_contain_text("Leading edge erosion")


def test_of_two_pictures_the_one_asked_for_last_is_shown_whatever_comes_first(page: Page) -> None:
    page.goto("/assets/t-01")
    slider = page.locator("compare-slider").first
    said = slider.locator("[role=status]")
    expect(said).to_contain_text("correlate")
    late: list[Route] = []
    page.route("**/onto/*.jpg?layer=difference", lambda route: late.append(route), times=1)  # noqa: PLW0108 - Playwright marks it
    slider.get_by_label("Difference").check()
    slider.get_by_label("Overlay").check()
    expect(said).to_contain_text("correlate")
    slider.get_by_label("Difference").check()
    expect(said).to_contain_text("correlate")
    late[0].fulfill(status=404, json={"detail": "This came too late."})
    page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 100)))")
    expect(said).to_contain_text("correlate")


@pytest.mark.parametrize("width", [390, 820, 1440])
def test_the_cursor_stands_over_the_lanes_and_not_over_the_legend_nor_the_clock(german: Page, width: int) -> None:
    german.set_viewport_size({"width": width, "height": 844})
    german.goto("/flights/flt-11000007")
    expect(german.locator("flight-scrub[data-ready]")).to_be_visible()
    cursor, lanes = german.locator(".scrub-lanes .cursor"), german.locator(".scrub-lanes .lanes")
    assert abs(cursor.evaluate(TOP) - lanes.evaluate(TOP)) < 2
    end = cursor.evaluate("shown => shown.getBoundingClientRect().bottom")
    assert end <= german.locator(".tick-label local-time").first.evaluate(TOP)


@pytest.mark.parametrize("width", [390, 1440])
def test_no_word_beside_a_plot_is_torn_and_the_button_holds_its_own(german: Page, width: int) -> None:
    german.set_viewport_size({"width": width, "height": 844})
    german.goto("/flights/flt-line-flown")
    expect(german.locator("flight-scrub[data-ready]")).to_be_visible()
    assert german.locator(".scrub-plots span").evaluate_all(TORN) == []
    button = german.locator("[data-play]")
    around, (left, right) = button.bounding_box(), button.evaluate(SIDES)
    assert around is not None
    assert around["x"] + 8 <= left <= right <= around["x"] + around["width"] - 8


def test_no_line_of_a_report_is_torn_between_columns(page: Page) -> None:
    page.set_viewport_size({"width": 820, "height": 900})
    page.goto("/v1/flights/flt-line-flown/report?format=html")
    expect(page.locator(".gaps li").last).to_contain_text("towers N2 to N4, with insulator strings")
    columns = "lines => lines.map((line) => new Set([...line.getClientRects()].map((box) => box.left)).size)"
    assert set(page.locator(".gaps li").evaluate_all(columns)) == {1}


@pytest.mark.parametrize("width", [390, 820, 1440])
def test_every_label_of_the_timeline_stays_inside_it(german: Page, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    at = (0.0, 10.0, 50.0, 60.0, 93.9, 95.0, 99.9, 100.0, 100.0)  # a phone shows every second one
    monkeypatch.setattr(timeline, "_ticks", lambda axis: tuple(Tick(x, axis.start) for x in at))
    german.set_viewport_size({"width": width, "height": 844})
    german.goto("/flights/flt-11000007")
    labels = german.locator(".tick-label local-time:visible")
    expect(labels.first).to_have_text(re.compile(r"\d\d:\d\d"))
    card = german.locator("#timeline").evaluate(SIDES)
    for label in labels.all():
        left, right = label.evaluate(SIDES)
        assert card[0] <= left <= right <= card[1]


def test_the_assistants_form_is_confirmed_where_it_was_drafted(page: Page) -> None:
    page.goto("/fleet")
    page.keyboard.press("/")
    page.keyboard.type("Open a ticket for F-5")
    page.keyboard.press("Enter")
    form = page.locator("chat-log form.proposal")
    expect(form.get_by_text("open ticket")).to_be_visible()
    expect(form.get_by_label("finding")).to_have_value("5")
    form.get_by_role("button", name="Confirm").click()
    expect(page.locator("chat-log")).to_contain_text("Done: open ticket.")


def test_what_waits_is_decided_and_acknowledged_by_keyboard(page: Page) -> None:
    page.goto("/waiting")
    waiting = page.locator("#rail .badge")
    before = int((waiting.text_content() or "0").split()[0])
    page.get_by_role("button", name="Open it").first.focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.type("Seen on two passes")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="Seen on two passes")).to_be_visible()
    page.get_by_role("button", name="I look after it").first.press("Enter")
    expect(page.get_by_role("status").filter(has_text="nobody else is called")).to_be_visible()
    expect(waiting).to_contain_text(str(before - 2))


def test_a_proposed_repair_is_held(page: Page) -> None:
    page.goto("/tickets/repairs")
    page.get_by_role("button", name="Hold it").first.press("Enter")
    expect(page.get_by_role("status").filter(has_text="plans go round it")).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="held by ana")).to_have_count(1)


def test_the_board_is_walked_by_arrows(page: Page) -> None:
    page.goto("/tickets")
    page.locator(".ticket-card > a").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#c-open")).to_be_visible()
    expect(page.locator("section", has=page.locator("#c-open")).locator("article > a").nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")


def test_the_route_follows_the_sliders_and_a_check_shows_its_place(page: Page) -> None:
    page.goto("/plan?asset=t-01")
    frames = page.locator(".part .figures dd").nth(3)
    before = frames.text_content() or ""
    page.get_by_label("C", exact=True).uncheck()
    expect(frames).not_to_have_text(before)
    page.get_by_label("Wind forecast").press("End")
    expect(page.locator(".checks .block")).to_contain_text("Wind")
    assert "wind_mps=15" in page.url
    assert "blades=A&blades=B" in page.url
    page.get_by_role("button", name="Clearance tower").press("Enter")
    expect(page.locator(".plan-view .pointed")).not_to_have_count(0)
    page.reload()
    expect(page.locator(".checks .block")).to_contain_text("Wind")
    expect(page.get_by_label("C", exact=True)).not_to_be_checked()


def test_a_plan_is_kept_and_taken_to_another_program(page: Page) -> None:
    page.goto("/plan?asset=t-02")
    page.get_by_role("button", name="Keep this plan").click()
    expect(page.get_by_role("status").filter(has_text="is kept")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Export").first.click()
    name = download.value.suggested_filename
    expect(page.locator("#losses")).to_contain_text(name)
    content = download.value.path().read_bytes()
    page.get_by_label("QGroundControl, WPML").set_input_files({"name": name, "mimeType": "", "buffer": content})
    page.get_by_role("button", name="Say go or no-go").click()
    expect(page.locator("#judged strong")).to_contain_text(f"{name}: ")
    page.get_by_role("button", name="Keep it as a plan").click()
    expect(page.locator("#judged strong")).to_contain_text("is kept as pln-")


def test_one_time_moves_video_crop_track_and_plots(page: Page) -> None:
    page.goto("/flights/flt-11000007")
    expect(page.locator("flight-scrub[data-ready]")).to_be_visible()
    expect(page.locator("[data-said=finding]")).to_contain_text("F-6")
    video = page.locator("video")
    expect(video).to_have_attribute("src", re.compile("0000[01]/video$"))
    before = page.locator("[data-column='3']").text_content() or ""
    place = page.locator(".track .here").get_attribute("d") or ""
    page.get_by_label("Time in the flight").focus()
    for _ in range(3):
        page.keyboard.press("PageUp")
    expect(page.locator("[data-column='3']")).not_to_have_text(before)
    expect(page.locator(".track .here")).not_to_have_attribute("d", place)
    expect(video).not_to_have_attribute("src", re.compile("0000[01]/video$"))
    page.keyboard.press("End")
    expect(page.locator("[data-said=place]")).to_have_text("no telemetry here")


def test_the_flights_page_says_since_when_its_drone_is_silent(page: Page) -> None:
    page.goto("/flights/flt-11000007")
    expect(page.locator("#link-lost")).to_contain_text("No telemetry from the drone for", timeout=20_000)


def test_a_flight_is_planned_approved_and_begun_by_keyboard(page: Page, services: Services) -> None:
    page.goto("/plan?asset=t-03")
    page.get_by_role("button", name="Keep this plan").press("Enter")
    page.get_by_role("button", name="Plan the flight").first.press("Enter")
    page.wait_for_url("**/flights/flt-*")
    for warning in page.locator("input[name=acknowledged]").all():
        warning.press("Space")
    page.get_by_role("button", name="Approve").press("Enter")
    expect(page.get_by_role("status").filter(has_text="The flight is approved.")).to_be_visible()
    with services.database.session() as session:
        drone = session.get_one(Drone, "merlin-1")
        drone.online, drone.last_seen_at = True, utc_now()
        for other in session.scalars(select(Flight).where(Flight.state == "flying")):
            other.state = "landed"
    page.get_by_role("button", name="Take off").focus()
    page.keyboard.down("Enter")
    expect(page.locator(".commands li").first).to_contain_text("Take off", timeout=5_000)
    page.keyboard.up("Enter")


def test_an_analyst_reviews_reads_the_report_and_asks_by_keyboard(page: Page) -> None:
    page.goto("/review?flight=flt-11000007")
    expect(page.locator("#desk-title")).to_have_text("F-2 Crack")
    with page.expect_response(lambda answer: answer.request.method == "POST"):
        page.keyboard.press("a")
    expect(page.locator("#said")).to_have_text("F-2 confirmed", use_inner_text=True)
    page.goto("/flights/flt-11000007")
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Report", exact=True).press("Enter")
    report = opened.value
    expect(report.get_by_text("6 of 7 findings")).to_be_visible()
    report.close()
    page.keyboard.press("/")
    page.keyboard.type("How many cracks were found today?")
    page.keyboard.press("Enter")
    answer = page.get_by_role("region", name="Answer")
    answer.locator(".chip").first.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")


def test_a_drone_is_shut_out_by_holding_and_let_in_again(page: Page, services: Services) -> None:
    page.goto("/fleet")
    card = page.locator("article", has_text="Merlin 2")
    for held, said in (
        ("Hold to quarantine", "is in quarantine: Key on a lost card"),
        ("Hold to end the quarantine", "is let in again"),
    ):
        card.locator("details").evaluate("details => details.open = true")
        card.get_by_label("Reason").fill("Key on a lost card")
        card.get_by_role("button", name=held).focus()
        page.keyboard.down("Enter")
        expect(page.get_by_role("status").filter(has_text=said)).to_be_visible(timeout=8_000)
        page.keyboard.up("Enter")


def test_a_security_event_is_closed_with_what_it_was(page: Page) -> None:
    page.goto("/settings/security")
    row = page.get_by_role("row", name="Sign in guessing")
    expect(row).to_contain_text("3 times")
    row.get_by_label("What it was").fill("A forgotten script")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="Closed: address 203.0.113.9")).to_be_visible()
    expect(row).to_contain_text("A forgotten script")
    expect(row.get_by_role("button", name="Close")).to_have_count(0)


def test_a_detector_comes_into_force_by_a_yes_that_is_asked_for_twice(page: Page, services: Services) -> None:
    page.goto("/settings/detectors")
    row = page.get_by_role("row", name="waits for an answer")
    expect(row).to_contain_text("crack 45 %")
    row.get_by_label("Why").fill("Better on cracks")
    page.once("dialog", lambda dialog: dialog.accept())
    row.get_by_role("button", name="Bring into force").click()
    expect(page.get_by_role("status").filter(has_text="comes into force")).to_be_visible()
    expect(page.get_by_role("button", name="Bring into force")).to_have_count(0)
    with services.database.session() as session:
        states = session.scalars(select(DetectorVersion.state).order_by(DetectorVersion.created_at)).all()
    assert states == ["promoted", "refused", "approved"]


def test_what_insights_show_can_be_taken_away(page: Page) -> None:
    page.goto("/insights")
    page.get_by_label("Kind of asset").select_option("pipeline")
    expect(page.locator(".figures dd").nth(3)).to_contain_text("1")
    expect(page).to_have_url(re.compile("kind=pipeline"))
    expect(page.get_by_role("region", name="Worst first").locator("tbody tr")).to_have_count(1)
    expect(page.locator("#insights-rest[aria-busy]")).to_have_count(0)
    with page.expect_download() as download:
        page.get_by_role("link", name="Defects, CSV").click()
    assert download.value.path().read_text().startswith("defect_id,")


def test_a_dead_letter_is_sent_again_and_one_without_a_queue_says_why_not(page: Page, services: Services) -> None:
    page.goto("/settings/dead-letters")
    expect(page.get_by_text("its sender must resend")).to_be_visible()
    page.get_by_role("button", name="Send again").click()
    expect(page.get_by_role("status").filter(has_text="was sent to")).to_be_visible()
    expect(page.get_by_role("button", name="Send again")).to_have_count(0)
    assert [queue for queue, _ in services.queues.sent] == ["kestrel-vision-jobs"]  # type: ignore[attr-defined]


def test_a_key_is_shown_once_and_can_be_ended(page: Page) -> None:
    page.goto("/settings/keys")
    page.get_by_label("For whom").fill("Crane planner")
    page.get_by_role("group", name="flights", exact=True).get_by_label("read").check()
    page.get_by_role("group", name="Sites it sees").get_by_role("checkbox").first.check()
    page.get_by_role("button", name="Make the key").click()
    expect(page.locator(".done-note code")).to_contain_text("ksk_")
    page.reload()
    expect(page.locator(".done-note")).to_have_count(0)
    expect(page.get_by_role("row", name="Crane planner").get_by_role("cell").nth(2)).not_to_have_text("all")
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("row", name="Crane planner").get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("row", name="Crane planner")).to_contain_text("revoked")


def test_what_is_refused_is_said_beside_the_form(page: Page) -> None:
    page.goto("/settings/people")
    page.get_by_text("Roles of ana").click()
    row = page.get_by_role("row", name="Ana")
    row.get_by_label("admin").uncheck()
    row.get_by_role("button", name="Save").click()
    expect(page.locator("#said")).to_contain_text("You would shut yourself out.")


def test_what_the_detector_was_not_sure_of_becomes_a_finding_or_is_rejected(page: Page) -> None:
    page.goto("/waiting")
    unsure = page.locator(".unsure-list > li")
    before = unsure.count()
    assert unsure.first.locator("img").evaluate("picture => picture.decode().then(() => picture.naturalWidth)") > 0
    for button, said in (("It is one", "is a finding, confirmed"), ("It is none", "is kept as rejected")):
        unsure.first.get_by_label("Note").fill("Looked at the frame")
        unsure.first.get_by_role("button", name=button).click()
        expect(page.get_by_role("status").filter(has_text=said)).to_be_visible()
    expect(unsure).to_have_count(before - 2)


def test_a_viewer_is_told_what_a_page_takes(pages: Page, browser: Browser) -> None:
    context = browser.new_context(base_url=urlsplit(pages.url)._replace(path="", query="").geturl())
    context.request.post("/login", form={"username": "vic", "password": PASSWORD}, max_redirects=0)
    shown = context.new_page()
    shown.goto("/settings/keys")
    expect(shown.get_by_role("heading", name="Not for you")).to_be_visible()
    expect(shown.get_by_text("It takes the role admin.")).to_be_visible()
    context.close()
