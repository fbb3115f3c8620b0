"""Who fetched a final report is told once of what changed together, by data and not by words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from sqlalchemy import event, select

from cloud import places
from cloud.alerts import rota as rotas
from cloud.reporting import facts, signed, telling
from cloud.services import Services
from cloud.tables import (
    Asset,
    Change,
    Coverage,
    DetectionRow,
    Drone,
    FinalReport,
    Finding,
    Flight,
    Media,
    ReportChange,
    ReportMessage,
    User,
)
from cloud.webhooks import events
from contracts.errors import InvalidInput, Unavailable
from contracts.places import ChainagePlace, LineTowerPlace, PartPlace, SpanPlace, TowerPlace
from contracts.turbine import TurbineGeometry
from contracts.vocabulary import DefectKind, FindingStatus
from tests import platform
from tests.clean_database import empty
from tests.factories import World
from tests.sightings import detection
from tests.stand_ins import MemoryChannel

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ADDRESS = "https://kestrel.example.org"
PLAN: dict[str, Any] = {
    "version": "test-1",
    "people": {"ada": {"email": "ada@example.org", "webhook": "https://chat.example.org/a"}, "ben": {}},
    "steps": [{"after_min": 0, "to": "everyone", "channels": ["email"]}],
}


@dataclass
class Desk:
    """A final report of two findings that ada has fetched, and what reaches her."""

    services: Services
    flight: str
    findings: list[str]
    mail: MemoryChannel = field(default_factory=MemoryChannel)
    hook: MemoryChannel = field(default_factory=MemoryChannel)

    def fetched(self, by: str = "ada", language: str = "en") -> None:
        with self.services.database.session() as session:
            signed.keep(session, facts.gather(session, self.flight), by, language)

    def change(self, number: int = 0, **changes: object) -> None:
        with self.services.database.session() as session:
            for name, value in changes.items():
                setattr(session.get_one(Finding, self.findings[number]), name, value)

    def since(self) -> dict[str, tuple[str, ...]]:
        with self.services.database.session() as session:
            found = signed.since(session, [self.flight]).get(self.flight, [])
        return {one.finding_id: one.what for report in found for one in report.changed}

    def pass_(self, after_min: float = 11, **plan: object) -> int:
        """Write and send what is due so long after the last change; returns of how many flights there was news."""
        rota = rotas.parse(yaml.safe_dump(PLAN | plan), "test")
        now = datetime.now(UTC) + timedelta(minutes=after_min)
        channels = {"email": self.mail, "webhook": self.hook}
        with self.services.database.session() as session:
            news = telling.compose(session, channels, rota, ADDRESS, now)
        with self.services.database.session() as session:
            telling.send_due(session, channels, rota, now)
        return news

    def see(self, cells: range, share: float = 1.0) -> None:
        """Have so much of these metres of a side of a blade be seen."""
        with self.services.database.session() as session:
            for cell in cells:
                session.merge(
                    Coverage(
                        flight_id=self.flight, blade="A", side="LE", cell=cell, seen_share=share,
                        best_gsd_mm_px=1.5, best_incidence_deg=18.0, best_sharpness=380.0,
                    )
                )  # fmt: skip

    def leave_to_a_person(self, name: str) -> None:
        """Have the detector be unsure of a place."""
        with self.services.database.session() as session:
            segment = session.scalars(select(Media.segment_id).where(Media.flight_id == self.flight)).one()
            body = detection(name, segment=segment).model_dump(mode="json")
            held = {"kind": "crack", "confidence": 0.4, "body": body}
            session.add(DetectionRow(detection_id=name, segment_id=segment, **held))

    def beside(self) -> tuple[str, ...]:
        """Return what changed beside findings since."""
        with self.services.database.session() as session:
            return next((one.beside for one in signed.since(session, [self.flight]).get(self.flight, [])), ())

    def messages(self) -> list[ReportMessage]:
        with self.services.database.session() as session:
            return list(session.scalars(select(ReportMessage).order_by(ReportMessage.channel)))


@pytest.fixture(scope="module")
def services(database_url: str) -> Iterator[Services]:
    built = platform.build(database_url)
    yield built
    built.database.close()


@pytest.fixture
def desk(services: Services) -> Desk:
    empty(services.database)
    with services.database.session() as session:
        world = World(session, NOW)
        world.site()
        flight = world.flight(world.asset("T-01", 260.0, 0.0), world.drone(), NOW)
        flight.expected_segments = 1
        world.segment(flight, 0, NOW)
        found = [world.finding(flight, DefectKind.CRACK, rank=rank, at=NOW) for rank in (5, 4)]
        for finding in found:
            finding.reviewed_by, finding.reviewed_at = "ada", NOW
        session.flush()
        made = Desk(services, flight.flight_id, [finding.finding_id for finding in found])
    made.fetched()
    return made


def test_other_words_for_the_same_place_are_no_change(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "where", lambda _: "somewhere else entirely")
    assert desk.since() == {}


def test_a_place_and_a_size_are_compared_as_fine_as_a_report_prints_them(desk: Desk) -> None:
    with desk.services.database.session() as session:
        finding = session.get_one(Finding, desk.findings[0])
        root_m, length_mm = round(finding.distance_to_root_m or 0.0, 1), round(finding.length_mm)
    desk.change(distance_to_root_m=root_m + 0.02, length_mm=length_mm + 0.3)
    assert desk.since() == {}
    desk.change(distance_to_root_m=root_m + 0.2, length_mm=length_mm + 1.3)
    assert desk.since() == {desk.findings[0]: ("place", "size")}


SPAN = SpanPlace(span=2, from_tower="M-3", to_tower="M-4", conductor=1, offset_m=4.0, distance_m=41.0, chainage_m=641.0)
PIPE = ChainagePlace(chainage_m=1200.0, offset_m=0.2, clock_h=3.0)
TOWER = TowerPlace(face=1, faces=4, face_bearing_deg=90.0, bearing_deg=95.0, radius_m=2.0, height_m=30.0)


@pytest.mark.parametrize(
    ("was", "is_", "moved"),
    [
        (SPAN, SPAN.model_copy(update={"from_tower": "T3"}), False),
        (SPAN, SPAN.model_copy(update={"span": 3}), True),
        (SPAN, SPAN.model_copy(update={"distance_m": 43.0}), True),
        (PIPE, PIPE.model_copy(update={"clock_h": 3.2}), False),
        (PIPE, PIPE.model_copy(update={"clock_h": 6.0}), True),
        (TOWER, TOWER.model_copy(update={"bearing_deg": 92.0}), False),
        (TOWER, TOWER.model_copy(update={"face": 2, "face_bearing_deg": 180.0}), True),
        (LineTowerPlace(tower=3, tower_name="M-4", height_m=20.0), SPAN, True),
    ],
)
def test_a_place_on_a_part_is_compared_by_its_fields(desk: Desk, was: PartPlace, is_: PartPlace, moved: bool) -> None:
    desk.change(blade=None, distance_to_root_m=None, place=was.model_dump(mode="json"))
    desk.fetched()
    desk.change(place=is_.model_dump(mode="json"))
    assert desk.since() == ({desk.findings[0]: ("place",)} if moved else {})


def test_records_of_before_are_compared_by_the_words_they_hold(desk: Desk) -> None:
    with desk.services.database.session() as session:
        kept, finding = session.scalars(select(FinalReport)).one(), session.get_one(Finding, desk.findings[0])
        size = f"{finding.length_mm:.0f} × {finding.width_mm:.0f} mm"
        old = kept.told[finding.finding_id] | {"place": places.where(finding), "size": size}
        kept.told = kept.told | {finding.finding_id: old}
    assert desk.since() == {}
    desk.change(length_mm=900.0)
    assert desk.since() == {desk.findings[0]: ("size",)}


def test_who_fetched_it_is_told_once_of_all_that_changed_together(desk: Desk) -> None:
    desk.change(0, severity_rank=2)
    desk.change(1, status=FindingStatus.REJECTED.value)
    assert (desk.pass_(), desk.pass_()) == (1, 0)
    [(address, subject, text)] = desk.mail.mail
    assert (address, subject) == ("ada@example.org", "Report of T-01, 2026-11-20: 2 changes")
    assert "- F-1: severity\n- F-2: stands no more\n" in text
    assert f"{ADDRESS}/flights/{desk.flight}" in text
    assert [address for address, *_ in desk.hook.mail] == ["https://chat.example.org/a"]


def test_a_change_of_what_was_told_is_told_again(desk: Desk) -> None:
    for rank in (2, 3):
        desk.change(severity_rank=rank)
        desk.pass_()
    assert len(desk.mail.mail) == 2


def test_coverage_and_places_left_to_a_person_are_told_in_the_same_message(desk: Desk) -> None:
    desk.see(range(10))
    desk.fetched()
    desk.change(severity_rank=2)
    desk.see(range(10, 16))
    desk.leave_to_a_person("unsure-1")
    assert (desk.pass_(), desk.pass_()) == (1, 0)
    [(_, subject, text)] = desk.mail.mail
    assert subject.endswith(": 3 changes")
    assert re.search(
        r"- F-1: severity\n- Coverage: (\d+) m were not seen, the report says (\d+) m "
        r"\(now seen: blade A leading edge 10–16 m\)\n- Not sure: .* 1 place to a",
        text,
    )


@pytest.mark.parametrize(
    ("was", "is_", "said"),
    [
        (range(10), range(10), None),
        (range(10), range(5, 12), r"Coverage: \d+ m were .*, the report says \d+ m \(now seen: .* edge 10–12 m\)"),
        (range(10), range(5, 10), None),
        (range(0), range(4), r"Coverage: \d+ m were not seen; of that, nothing was known \(now not seen: .* more\)"),
    ],
    ids=["the same", "more", "seen before", "nothing was known"],
)
def test_coverage_is_compared_by_what_was_not_seen(desk: Desk, was: range, is_: range, said: str | None) -> None:
    desk.see(was)
    desk.fetched()
    desk.see(is_)
    assert [bool(re.fullmatch(said or "", one)) for one in desk.beside()] == ([True] if said else [])


def test_other_stretches_of_the_same_length_are_a_change(desk: Desk) -> None:
    desk.see(range(4))
    desk.fetched()
    desk.see(range(2), 0.1)
    desk.see(range(10, 12))
    assert re.fullmatch(
        r"Coverage: other stretches were not seen, \d+ m as before "
        r"\(now not seen: blade A leading edge 0–2 m; now seen: blade A leading edge 10–12 m\)",
        desk.beside()[0],
    )


def test_how_much_it_takes_to_compare_does_not_grow_with_the_reports(desk: Desk) -> None:
    with desk.services.database.session() as session:
        world = World(session, NOW, seed=8)
        first = session.get_one(Flight, desk.flight)
        flights, asset = [desk.flight], session.get_one(Asset, first.asset_id)
        world.geometries[asset.asset_id] = TurbineGeometry.model_validate(asset.geometry)
        for _ in range(3):
            flown = world.flight(asset, session.get_one(Drone, first.drone_id), NOW)
            world.coverage(flown, {})
            signed.keep(session, facts.gather(session, flown.flight_id), "ada", "en")
            flights.append(flown.flight_id)
        asked: list[str] = []
        event.listen(session.get_bind(), "before_cursor_execute", lambda *given: asked.append(given[2]))
        counts = []
        for some in (flights[:1], flights):
            session.expunge_all()
            asked.clear()
            signed.since(session, some)
            counts.append(len(asked))
        assert counts[0] == counts[1] < 10


def test_a_record_of_before_says_nothing_of_coverage(desk: Desk) -> None:
    with desk.services.database.session() as session:
        session.scalars(select(FinalReport)).one().coverage = {}
    desk.see(range(4))
    assert desk.beside() == ()
    assert desk.pass_() == 0


def test_a_report_is_true_again_once_a_person_has_judged_the_place(desk: Desk) -> None:
    desk.leave_to_a_person("unsure-1")
    desk.pass_()
    with desk.services.database.session() as session:
        session.get_one(DetectionRow, "unsure-1").finding_id = desk.findings[0]
    assert desk.pass_() == 1
    assert desk.mail.mail[-1][1].endswith("true again")


def test_another_geometry_is_another_coverage(desk: Desk) -> None:
    desk.see(range(4))
    desk.fetched()
    with desk.services.database.session() as session:
        asset = session.get_one(Asset, session.get_one(Flight, desk.flight).asset_id)
        asset.geometry = asset.geometry | {"blade_length_m": asset.geometry["blade_length_m"] + 5}
    assert desk.pass_() == 1
    assert "- Coverage: " in desk.mail.mail[0][2]


def test_a_message_is_in_the_language_of_the_pages_it_was_fetched_from(desk: Desk) -> None:
    desk.fetched(language="de")
    desk.change(severity_rank=2)
    desk.leave_to_a_person("unsure-1")
    desk.pass_()
    [(_, subject, text)] = desk.mail.mail
    assert subject == "Bericht zu T-01, 2026-11-20: 2 Änderungen"
    assert "stimmt nicht mehr.\n- F-1: Schwere\n- Nicht sicher: " in text


@pytest.mark.parametrize(("age_days", "kept"), [(telling.KEPT_DAYS - 1, 2), (telling.KEPT_DAYS + 1, 1)])
def test_messages_that_went_out_or_never_will_are_forgotten_in_time(desk: Desk, age_days: int, kept: int) -> None:
    desk.change(severity_rank=2)
    desk.mail.down = Unavailable("The relay does not answer.")
    desk.pass_()
    now = datetime.now(UTC)
    with desk.services.database.session() as session:
        for message in session.scalars(select(ReportMessage)):
            message.created_at = now - timedelta(days=age_days)
        session.flush()
        telling.forget(session, now)
    assert len(desk.messages()) == kept, "what is still to be sent stays"


@pytest.mark.parametrize(("after_min", "news"), [(9, 0), (11, 1)])
def test_nobody_is_told_while_changes_may_still_come(desk: Desk, after_min: float, news: int) -> None:
    desk.change(severity_rank=2)
    assert desk.pass_(after_min) == news


def test_what_is_as_it_was_before_anybody_was_told_is_not_told(desk: Desk) -> None:
    desk.change(severity_rank=2)
    desk.change(severity_rank=5)
    assert desk.pass_() == 0


def test_who_was_told_is_told_as_well_that_it_is_true_again(desk: Desk) -> None:
    desk.change(severity_rank=2)
    desk.pass_()
    desk.change(severity_rank=5)
    assert desk.pass_() == 1
    assert desk.mail.mail[-1][1].endswith("true again")


def test_fetching_it_again_takes_back_what_was_not_sent(desk: Desk) -> None:
    desk.change(severity_rank=2)
    desk.mail.down = desk.hook.down = Unavailable("The relay does not answer.")
    desk.pass_()
    desk.fetched()
    assert desk.messages() == []
    assert desk.pass_() == 0


def test_a_message_that_did_not_go_out_goes_out_later_under_the_same_key(desk: Desk) -> None:
    desk.change(severity_rank=2)
    desk.mail.down = Unavailable("The relay does not answer.")
    desk.pass_()
    (waiting, told) = desk.messages()
    assert (waiting.channel, waiting.error, told.error) == ("email", str(desk.mail.down), "")
    desk.mail.down = None
    desk.pass_(30)
    assert desk.mail.keys == [waiting.message_id]
    assert len(desk.hook.mail) == 1, "nor twice by the channel that answered"


def test_an_address_that_refuses_is_on_record_and_not_tried_again(desk: Desk) -> None:
    desk.change(severity_rank=2)
    desk.mail.down = InvalidInput("The relay refuses it.")
    desk.pass_()
    refused = desk.messages()[0]
    assert (refused.next_at, refused.error) == (None, str(desk.mail.down))


def test_it_waits_for_the_end_of_quiet_hours(desk: Desk) -> None:
    desk.change(severity_rank=2)
    now = datetime.now(UTC) + timedelta(minutes=11)
    quiet = {"start": f"{now - timedelta(hours=1):%H:%M}", "end": f"{now + timedelta(hours=1):%H:%M}", "until_rank": 3}
    desk.pass_(quiet_hours=quiet)
    assert desk.mail.mail == []
    desk.pass_()
    assert len(desk.mail.mail) == 1


def test_whom_the_rota_does_not_know_an_event_stands_for(desk: Desk) -> None:
    desk.fetched("key:key-1")
    desk.fetched("ben")
    desk.change(severity_rank=2)
    desk.pass_()
    with desk.services.database.session() as session:
        change = session.scalars(select(Change).where(Change.kind == "report")).one()
        event = events.of_change(session, change)
    assert event is not None
    message = json.loads(event.body)
    assert (event.name, message["object"]["path"]) == ("report.changed", f"/v1/flights/{desk.flight}/report/changes")
    assert {report["fetched_by"] for report in message["data"]["untrue"]} == {"ada", "ben", "key:key-1"}
    assert {one.fetched_by for one in desk.messages()} == {"ada"}


@pytest.mark.parametrize("lock", [{"disabled": True}, {"sites": ["site-south"]}])
def test_who_may_not_see_the_site_any_more_is_told_nothing(desk: Desk, lock: dict[str, Any]) -> None:
    with desk.services.database.session() as session:
        known = {"display_name": "Ada", "password_hash": "", "roles": [], "disabled": False, "sites": None}
        session.add(User(username="ada", **(known | lock)))
    desk.change(severity_rank=2)
    desk.pass_()
    assert desk.messages() == []


@pytest.mark.parametrize(("changes", "noted"), [({"severity_rank": 2}, 1), ({"confidence": 0.5}, 0)])
def test_only_what_a_reader_acts_on_is_noted(desk: Desk, changes: dict[str, Any], noted: int) -> None:
    desk.change(**changes)
    with desk.services.database.session() as session:
        assert len(session.scalars(select(ReportChange)).all()) == noted
