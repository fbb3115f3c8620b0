"""Chromium on a running page; any console error, page error or request to another host fails the test."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, expect, sync_playwright
from sqlalchemy import select

from cloud import users
from cloud.db import notify
from cloud.services import Services
from cloud.tables import Flight, Telemetry
from contracts.geo import GeoPoint
from contracts.vocabulary import Role
from tests import chromium, platform
from tests.factories import World
from tests.platform import Server
from tests.scenes import seed_live, utc_now
from tests.services import DatabaseServer

HERE = Path(__file__).parent
PASSWORD = "fly-high-9"
Open = Callable[..., Page]
LONG_WAITS = "const chance = Math.random; Math.random = () => 0.9 + chance() / 10;"
"""What is tried again at random comes late, and into no test that does not wait for it."""

# A first page waits for a cold server and a software-drawn map, beside other tests on two cores.
expect.set_options(timeout=20_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let a test here fail once: docs/decisions/0034."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.flaky(reruns=1))


# Ended with the file: its loop runs in the thread, and no other test could start one of its own beside it.
@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    if chromium.executable() is None:
        pytest.skip("Chromium is not installed; `make setup-browser` brings it.")
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    running = playwright.chromium.launch(executable_path=chromium.executable(), args=["--no-sandbox"])
    yield running
    running.close()


@pytest.fixture
def services(postgres_server: DatabaseServer) -> Iterator[Services]:
    with postgres_server.database(migrated=True) as url:
        built = platform.build(url)
        with built.database.session() as session:
            world = seed_live(session, utc_now())
            users.put_user(session, "ana", PASSWORD, [Role.OPERATOR, Role.ANALYST])
        yield dataclasses.replace(built, objects=world.objects, routes=world.routes)
        built.database.close()


@pytest.fixture
def server(services: Services) -> Iterator[Server]:
    with Server(services) as running:
        yield running


@pytest.fixture
def opened(browser: Browser, server: Server) -> Iterator[Open]:
    """Return a function that opens a page, signed in unless told otherwise."""
    contexts = []
    wrong: list[str] = []

    def open_page(
        path: str = "/", *, width: int = 1440, height: int = 900, dark: bool = False, signed: bool = True
    ) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",  # every frame of an animation is drawn in software, beside other tests
            timezone_id="Europe/Berlin",
            base_url=server.url,
        )
        contexts.append(context)
        context.add_init_script(LONG_WAITS)
        page = context.new_page()
        watch(page, server.url, wrong)
        if signed:
            context.request.post("/login", form={"username": "ana", "password": PASSWORD}, max_redirects=0)
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def watch(page: Page, home: str, wrong: list[str]) -> Callable[[], None]:
    """Write down what goes wrong on a page; return how to stop."""
    heard: dict[str, Callable[[Any], None]] = {
        "console": lambda m: wrong.append(f"console: {m.text}") if m.type == "error" and not _refused(m) else None,
        "pageerror": lambda error: wrong.append(f"page error: {error}"),
        "request": lambda r: wrong.append(f"off host: {r.url}") if _foreign(r.url, home) else None,
    }
    for event, hear in heard.items():
        page.on(cast("Any", event), hear)

    def stop() -> None:
        for event, hear in heard.items():
            page.remove_listener(event, hear)

    return stop


def _refused(message: ConsoleMessage) -> bool:
    """Return whether Chromium only tells of a status, or of a silence, that a test meant to get."""
    if "net::ERR_TIMED_OUT" in message.text or "htmx:error: Failed to fetch" in message.text:
        return True
    meant = {"": "404", "login": "401", "review": "503", "settings": "409", "pictures": "401"}
    meant |= {"fragments": "(?:4(?:0[1349]|29)|50[23])"}
    path = urlsplit(message.location["url"]).path
    if path in {"/fragments/review", "/plan"} and "status of 500" in message.text:
        return True
    part = path.split("/")[1]
    return part in meant and re.search(f"status of {meant[part]}", message.text) is not None


def _foreign(url: str, home: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in {"http", "https", "ws", "wss"} and parts.netloc != urlsplit(home).netloc


@pytest.fixture
def page(opened: Open) -> Page:
    shown = opened()
    expect(shown.locator("drone-map[data-ready]")).to_be_visible(timeout=30_000)
    return shown


@pytest.fixture
def move(services: Services) -> Callable[..., datetime]:
    """Return a function that commits a sample some degrees further, of a charge in percent, and tells live pages."""

    def move_by(north_deg: float, up_m: float, battery: float | None = 61.0) -> datetime:
        with services.database.session() as session:
            flight = session.scalars(select(Flight).where(Flight.state == "flying")).one()
            newest = select(Telemetry).where(Telemetry.flight_id == flight.flight_id).order_by(Telemetry.seq.desc())
            last = session.scalars(newest.limit(1)).one()
            point = GeoPoint(lat_deg=last.lat_deg + north_deg, lon_deg=last.lon_deg, alt_m=last.alt_m + up_m)
            world = World(session, utc_now())
            world.telemetry(flight, last.seq + 1, utc_now(), point, yaw_deg=77.0, battery=battery)
            notify(session, "telemetry", flight.drone_id)
            return utc_now()

    return move_by
