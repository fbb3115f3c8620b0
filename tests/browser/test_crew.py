"""The crew's page on a phone: one job, in its language, with or without a connection."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from sqlalchemy import select

from cloud.repairs import crew
from cloud.services import Services
from cloud.tables import CrewReport, Finding
from tests.drawings import draw_frame, jpeg
from tests.factories import BOX
from tests.platform import Server


@pytest.fixture
def phone(browser: Browser, server: Server) -> Iterator[BrowserContext]:
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, base_url=server.url, locale="de-DE", has_touch=True
    )
    yield context
    context.close()


@pytest.fixture
def address(services: Services) -> str:
    with services.database.session() as session:
        finding = session.scalars(select(Finding).where(Finding.severity_rank == 5)).first()
        assert finding is not None
        return "/crew/" + crew.link(services, finding).rpartition("/")[2]


@pytest.fixture
def page(phone: BrowserContext, address: str) -> Page:
    opened = phone.new_page()
    opened.goto(address)
    opened.locator("html[data-kept=yes]").wait_for()
    return opened


def reports(services: Services) -> list[CrewReport]:
    with services.database.session() as session:
        return list(session.scalars(select(CrewReport)))


def test_a_job_answered_without_a_connection_is_sent_when_there_is_one(
    services: Services, phone: BrowserContext, page: Page, tmp_path: Path
) -> None:
    picture = tmp_path / "tip.jpg"
    picture.write_bytes(jpeg(draw_frame("crack", 3, BOX)))
    phone.set_offline(True)
    page.reload()
    expect(page.get_by_role("group", name="Was haben Sie vorgefunden?")).to_be_visible()
    page.get_by_role("radio", name="Schlimmer").check()
    page.get_by_label("Gemessene Länge, mm").fill("340")
    page.get_by_label("Weitere Schäden dort").fill("2")
    page.get_by_label("Foto").set_input_files(picture)
    page.get_by_role("button", name="Speichern").click()
    expect(page.get_by_role("status")).to_contain_text("Auf diesem Telefon gespeichert")
    assert reports(services) == []
    phone.set_offline(False)
    expect(page.get_by_role("status")).to_have_text("Gesendet.", timeout=30_000)
    (told,) = reports(services)
    assert (told.answer, told.measured_mm, told.others, told.language) == ("worse", 340.0, 2, "de")
    assert told.photo_time_from == "file"
    assert told.photo_taken_at is not None
    assert abs((told.photo_taken_at - datetime.fromtimestamp(picture.stat().st_mtime, UTC)).total_seconds()) < 1
    assert services.objects.get(told.photo_key).startswith(b"\xff\xd8\xff")


def test_the_camera_s_own_time_counts(services: Services, page: Page, tmp_path: Path) -> None:
    plain = jpeg(draw_frame("crack", 3, BOX))
    stamp = b"2026:11:20 09:15:00\0+01:00\0"
    exif = b"Exif\0\0MM\0*" + stamp
    picture = tmp_path / "tip.jpg"
    picture.write_bytes(plain[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2) + exif + plain[2:])
    page.get_by_role("radio", name="Gefunden", exact=True).check()
    page.get_by_label("Foto").set_input_files(picture)
    page.get_by_role("button", name="Speichern").click()
    expect(page.get_by_role("status")).to_have_text("Gesendet.")
    (told,) = reports(services)
    assert (told.photo_taken_at, told.photo_time_from) == (datetime(2026, 11, 20, 8, 15, tzinfo=UTC), "camera")


def test_nothing_is_sent_without_an_answer_and_nothing_hangs_over_the_edge(services: Services, page: Page) -> None:
    page.get_by_role("button", name="Speichern").click()
    expect(page.get_by_role("status")).to_have_text("Bitte zuerst eine Antwort wählen.")
    assert reports(services) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
