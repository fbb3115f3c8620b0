"""People on call: told until somebody answers, not in the night, not in a storm; over a real SMTP server too."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest
import yaml
from aiosmtpd.controller import Controller
from sqlalchemy import func, select

from cloud.alerts import book, rota, rounds
from cloud.backends.hooks import HookChannel, HttpPost
from cloud.backends.mail import SmtpMail
from cloud.services import Services
from cloud.tables import Alert, AlertMessage, Finding, Notification
from contracts.errors import InvalidInput, Unavailable
from contracts.events import WorkflowTask
from contracts.vocabulary import DefectKind, Role
from infra.local.instance import free_port
from tests import platform
from tests.clean_database import empty
from tests.factories import World
from tests.platform import Server
from tests.stand_ins import MemoryChannel
from tests.unit.cloud.test_rota import PLAN
from workflows.worker import HANDLERS

NOON = datetime(2026, 11, 5, 11, tzinfo=UTC)
NIGHT = datetime(2026, 11, 5, 23, tzinfo=UTC)


class Crew:
    """Findings that need people, a rota, and what reached whom."""

    def __init__(self, services: Services, **changes: Any) -> None:
        empty(services.database)
        self.services = services
        self.mail, self.hook, self.topic = MemoryChannel(), MemoryChannel(), MemoryChannel()
        self.channels = {"email": self.mail, "webhook": self.hook, "topic": self.topic}
        self.rota = rota.parse(yaml.safe_dump(PLAN | changes), "test")

    def alert(self, rank: int = 5, count: int = 1, at: datetime = NOON) -> list[str]:
        """Raise alerts for new findings and return their ids."""
        with self.services.database.session() as session:
            world = World(session, at)
            if session.scalar(select(func.count()).select_from(Finding)) == 0:
                world.site()
                self.flight = world.flight(world.asset("T-01", 260.0, 0.0), world.drone(), at)
            world.geometries.setdefault(self.flight.asset_id, platform.TURBINE)
            made = []
            for number in range(count):
                finding = world.finding(self.flight, DefectKind.CRACK, rank=rank, at=at)
                finding.finding_id = f"fnd-{at.timestamp():.0f}-{rank}-{number}"
                session.flush()
                made.append(book.raise_alert(session, finding.finding_id, rank, f"crack {number}", "text", at).alert_id)
            return made

    def tick(self, now: datetime) -> dict[str, int]:
        with self.services.database.session() as session:
            return dict(rounds.send_due(session, self.channels, self.rota, now))

    def state(self, alert_id: str) -> Alert:
        with self.services.database.session() as session:
            return session.get_one(Alert, alert_id)

    def mailed(self) -> list[str]:
        return [address.partition("@")[0] for address, _, _ in self.mail.mail]


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def test_nobody_answering_wakes_the_next_and_then_everyone_again_and_again(built: Services) -> None:
    crew = Crew(built)
    crew.alert()
    told = []
    for after in (0, 14, 15, 39, 40, 69, 70):
        crew.tick(NOON + minutes(after))
        told.append(len(crew.mail.mail))
    assert told == [1, 1, 2, 2, 4, 4, 6]
    assert crew.mailed() == ["ada", "ben", "ada", "ben", "ada", "ben"]
    assert len(set(crew.mail.keys)) == 4


def test_an_answer_ends_it_and_the_first_one_stands(built: Services, server: Server) -> None:
    crew = Crew(built)
    (alert_id,) = crew.alert()
    crew.tick(NOON)
    with server.client(Role.OPERATOR) as operator, server.client(Role.ANALYST) as analyst:
        path = f"/v1/alerts/{alert_id}/acknowledge"
        assert [c.post(path).json()["acknowledged_by"] for c in (operator, analyst)] == ["operator", "operator"]
        assert operator.post("/v1/alerts/alt-none/acknowledge").status_code == 404
        (listed,) = operator.get("/v1/alerts", params={"state": "acknowledged"}).json()["data"]
    assert (listed["alert_id"], listed["round"]) == (alert_id, 1)
    assert crew.tick(NOON + timedelta(days=1)) == {}


def test_quiet_hours_hold_back_what_can_wait_and_only_that(built: Services) -> None:
    crew = Crew(built)
    crew.alert(rank=4, at=NIGHT)
    crew.alert(rank=5, at=NIGHT)
    crew.tick(NIGHT)
    assert len(crew.mail.mail) == 1
    crew.tick(datetime(2026, 11, 6, 5, 29, tzinfo=UTC))
    assert [subject for _, subject, _ in crew.mail.mail if subject == "crack 0"] != []
    before = len(crew.mail.mail)
    crew.tick(datetime(2026, 11, 6, 5, 30, tzinfo=UTC))
    assert len(crew.mail.mail) > before


def test_a_storm_is_one_digest_and_a_second_one_waits(built: Services) -> None:
    crew = Crew(built, repeat_min=None, steps=[PLAN["steps"][0]], digest={"more_than": 5, "within_min": 10})
    crew.alert(count=3)
    crew.tick(NOON)
    crew.alert(count=20, rank=4)
    crew.tick(NOON + minutes(1))
    assert [subject for _, subject, _ in crew.mail.mail] == ["crack 0", "crack 1", "crack 2", "20 critical findings"]
    assert crew.mail.mail[-1][2].count("- crack") == 20
    crew.alert(count=4, at=NOON + minutes(2))
    for after in (2, 5, 10.9):
        crew.tick(NOON + minutes(after))
    assert len(crew.mail.mail) == 4
    crew.tick(NOON + minutes(11))
    assert len(crew.mail.mail) == 8


def test_one_channel_down_does_not_stop_the_other_and_nobody_is_told_twice(built: Services) -> None:
    crew = Crew(built, steps=[{"after_min": 0, "to": "on_call", "channels": ["email", "webhook"]}], repeat_min=None)
    (alert_id,) = crew.alert()
    crew.mail.down = Unavailable("The relay is down.")
    crew.tick(NOON)
    assert (len(crew.mail.mail), len(crew.hook.mail)) == (0, 1)
    assert "relay is down" in crew.state(alert_id).error
    crew.mail.down = None
    crew.tick(NOON + minutes(0.5))
    crew.tick(NOON + minutes(1))
    crew.tick(NOON + minutes(5))
    assert (len(crew.mail.mail), len(crew.hook.mail), crew.state(alert_id).error) == (1, 1, "")


def test_an_address_that_refuses_is_on_record_and_the_next_is_told(built: Services) -> None:
    crew = Crew(built)
    (alert_id,) = crew.alert()
    crew.mail.down = InvalidInput("No such mailbox.")
    crew.tick(NOON)
    crew.mail.down = None
    crew.tick(NOON + minutes(15))
    assert crew.mailed() == ["ben"]
    with built.database.session() as session:
        rows = session.scalars(select(AlertMessage).order_by(AlertMessage.round)).all()
    assert [(m.person, m.error) for m in rows] == [("ada", "No such mailbox."), ("ben", "")]
    assert crew.state(alert_id).round == 2


@pytest.mark.parametrize("status", ["rejected", "repaired", None])
def test_what_is_over_wakes_nobody(built: Services, status: str | None) -> None:
    crew = Crew(built)
    (alert_id,) = crew.alert()
    with built.database.session() as session:
        finding = session.scalars(select(Finding)).one()
        if status is None:
            session.delete(finding)
        else:
            finding.status = status
    assert crew.tick(NOON) == {"alerts_closed": 1}
    assert (crew.state(alert_id).state, crew.mail.mail) == ("closed", [])


def test_nobody_answering_for_a_day_is_said(built: Services) -> None:
    crew = Crew(built)
    (alert_id,) = crew.alert()
    assert crew.tick(NOON + timedelta(hours=25)) == {"alerts_unanswered": 1}
    assert crew.state(alert_id).state == "unanswered"


def test_the_workflow_raises_one_alert_however_often_it_asks(built: Services) -> None:
    crew = Crew(built)
    crew.alert()
    with built.database.session() as session:
        finding = session.scalars(select(Finding)).one()
        for alert in session.scalars(select(Alert)):
            session.delete(alert)
    services = replace(built, channels={"topic": crew.topic})
    body = {"finding_id": finding.finding_id, "asset_id": "t-01", "flight_id": "f", "detected_at": NOON.isoformat()}
    task = WorkflowTask(task="notify", token="t", execution="e", input={"finding": body})
    first, again = (HANDLERS["notify"](services, task) for _ in range(2))
    assert first == again
    with built.database.session() as session:
        assert session.scalars(select(Notification)).one().message_id == session.scalars(select(Alert)).one().alert_id
    ((address, subject, text),) = crew.topic.mail
    assert (address, "crack on T-01" in subject, finding.finding_id in text) == ("engineers", True, True)


class Mailbox:
    """What the SMTP server took; refuses recipients as told."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.answer = "250 OK"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd calls it so
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        if self.answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.answer

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd calls it so
        self.taken.append(envelope.content)
        return "250 Message accepted"


@pytest.fixture
def relay() -> Iterator[tuple[Mailbox, SmtpMail]]:
    box = Mailbox()
    controller = Controller(box, hostname="127.0.0.1", port=free_port(set()))
    controller.start()
    yield box, SmtpMail("127.0.0.1", controller.port, "kestrel@example.org", security="none")
    controller.stop()


def test_mail_goes_out_over_smtp_with_a_key_that_stays(relay: tuple[Mailbox, SmtpMail]) -> None:
    box, mail = relay
    ids = {
        mail.send("ada@example.org", "GWO 5: crack\r\nBcc: eve@example.org", "Größe 600 mm\n", "alt-1-0") for _ in "ab"
    }
    assert ids == {"<alt-1-0@example.org>"}
    first = message_from_bytes(box.taken[0])
    assert (first["To"], first["Bcc"], first["Message-ID"]) == ("ada@example.org", None, "<alt-1-0@example.org>")
    body = first.get_payload(decode=True)
    assert isinstance(body, bytes)
    assert "Größe 600 mm" in body.decode()


@pytest.mark.parametrize(
    ("answer", "error"), [("550 No such user", InvalidInput), ("451 Try later", Unavailable), ("421 Bye", Unavailable)]
)
def test_a_relays_answer_says_whether_to_try_again(
    relay: tuple[Mailbox, SmtpMail], answer: str, error: type[Exception]
) -> None:
    box, mail = relay
    box.answer = answer
    with pytest.raises(error):
        mail.send("ada@example.org", "s", "t", "k")


def test_a_relay_that_is_gone_or_has_no_tls_is_unavailable(relay: tuple[Mailbox, SmtpMail]) -> None:
    _, plain = relay
    for mail in (
        SmtpMail("127.0.0.1", free_port(set()), "k@example.org", security="none"),
        SmtpMail("127.0.0.1", plain._port, "k@example.org"),
    ):
        with pytest.raises(Unavailable):
            mail.send("ada@example.org", "s", "t", "k")


class Hook(BaseHTTPRequestHandler):
    """A chat program's webhook."""

    got: list[dict[str, Any]] = []  # noqa: RUF012 - one server, one list
    status = 200

    def do_POST(self) -> None:
        self.got.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize(
    ("status", "error"), [(200, None), (503, Unavailable), (429, Unavailable), (404, InvalidInput)]
)
def test_a_webhook_gets_text_and_its_answer_decides(status: int, error: type[Exception] | None) -> None:
    Hook.got, Hook.status = [], status
    chat = HTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=chat.handle_request)
    thread.start()
    channel = HookChannel(HttpPost(private=True))
    url = f"http://127.0.0.1:{chat.server_port}/hook"
    if error is None:
        assert channel.send(url, "GWO 5: crack", "on T-01", "alt-1-0") == "alt-1-0"
    else:
        with pytest.raises(error):
            channel.send(url, "GWO 5: crack", "on T-01", "alt-1-0")
    thread.join()
    chat.server_close()
    assert Hook.got == [{"text": "GWO 5: crack\non T-01", "title": "GWO 5: crack", "key": "alt-1-0"}]


def test_a_webhook_into_our_own_network_is_refused() -> None:
    channel = HookChannel(HttpPost())
    with pytest.raises(InvalidInput):
        channel.send("https://127.0.0.1/hook", "s", "t", "k")


def test_acknowledging_takes_a_role(built: Services, server: Server) -> None:
    (alert_id,) = Crew(built).alert()
    with server.client(Role.VIEWER) as viewer:
        answer: httpx.Response = viewer.post(f"/v1/alerts/{alert_id}/acknowledge")
    assert answer.status_code == 403
