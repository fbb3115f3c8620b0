"""Webhooks: told of changes, signed, sent until they arrive, switched off where nothing ever does."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from cloud.backends.hooks import HttpPost
from cloud.db import notify
from cloud.services import Services
from cloud.tables import Change, Delivery
from cloud.webhooks.courier import Answer, Courier
from contracts.errors import InvalidInput, PlatformError, Unavailable
from contracts.vocabulary import Role
from infra.local.layout import REPOSITORY
from tests import clean_database, platform
from tests.platform import Server
from tests.services import DatabaseServer

NOW = datetime.now(UTC) + timedelta(hours=2)
"""After whatever the tests do, however long the run before them took."""


@dataclass
class Target:
    """An address that answers what it is told to and keeps what it gets."""

    answers: list[int | PlatformError] = field(default_factory=list)
    otherwise: int = 204
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def __call__(self, url: str, headers: dict[str, str], body: bytes) -> Answer:
        self.got.append((headers, body))
        answer = self.answers.pop(0) if self.answers else self.otherwise
        if isinstance(answer, PlatformError):
            raise answer
        return Answer(answer, 3)


@pytest.fixture(scope="module")
def platform_services(postgres_server: DatabaseServer) -> Iterator[Services]:
    with postgres_server.database(migrated=True) as url:
        built = platform.build(url)
        yield built
        built.database.close()


@pytest.fixture
def services(platform_services: Services) -> Services:
    clean_database.empty(platform_services.database)
    platform.stock(platform_services)
    return platform_services


@pytest.fixture(scope="module")
def server(platform_services: Services) -> Iterator[Server]:
    with Server(platform_services) as running:
        yield running


@pytest.fixture
def http(services: Services, server: Server) -> Iterator[httpx.Client]:
    with server.client(Role.INTEGRATION) as client:
        yield client


def hook(http: httpx.Client, **changes: Any) -> dict[str, Any]:
    body = {"name": "Orders", "url": "https://hooks.example.com/k", "events": ["drone.changed"]} | changes
    answer = http.post("/v1/webhooks", json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def change(services: Services, kind: Any = "drone", object_id: str = "kite-01") -> None:
    with services.database.session() as session:
        notify(session, kind, object_id)


def log(http: httpx.Client, made: dict[str, Any]) -> list[dict[str, Any]]:
    return list(http.get(f"/v1/webhooks/{made['webhook_id']}/deliveries").json()["data"])


def test_a_change_is_told_with_the_thing_as_it_is(services: Services, http: httpx.Client) -> None:
    made, target = hook(http), Target()
    change(services)
    change(services, "flight", "flt-none")
    assert Courier(services.database, target).step(NOW) is True
    [(headers, body)] = target.got
    message = json.loads(body)
    assert (message["type"], message["data"]["drone_id"]) == ("drone.changed", "kite-01")
    assert headers["Kestrel-Event"] == "drone.changed"
    [entry] = log(http, made)
    assert (entry["state"], entry["status"], entry["attempts"]) == ("delivered", 204, 1)
    assert Courier(services.database, target).step(NOW) is None


def snippet() -> dict[str, Any]:
    """Return what docs/api.md tells receivers to write, run."""
    text = (REPOSITORY / "docs" / "api.md").read_text()
    code = text.split("```python\n# verify.py", 1)[1].split("```", 1)[0]
    names: dict[str, Any] = {}
    exec(compile(code, "docs/api.md", "exec"), names)  # noqa: S102 - our own page
    return names


def test_what_the_page_tells_receivers_to_write_verifies(services: Services, http: httpx.Client) -> None:
    made, target = hook(http), Target()
    change(services)
    Courier(services.database, target).step()
    [(headers, body)] = target.got
    verify = snippet()["verify"]
    assert verify(made["secret"], headers["Kestrel-Signature"], body)
    assert not verify(made["secret"], headers["Kestrel-Signature"], body + b" ")
    assert not verify("whs_other", headers["Kestrel-Signature"], body)
    old = headers["Kestrel-Signature"].replace("t=", "t=1", 1)
    assert not verify(made["secret"], old, body), "neither another time"


def test_a_message_of_long_ago_is_no_message(services: Services, http: httpx.Client) -> None:
    made, target = hook(http), Target()
    change(services)
    Courier(services.database, target).step()
    _, body = target.got[0]
    at_s = int((datetime.now(UTC) - timedelta(minutes=10)).timestamp())
    mac = hmac.new(made["secret"].encode(), f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
    assert not snippet()["verify"](made["secret"], f"t={at_s},v1={mac}", body)


def test_after_a_rotation_both_secrets_sign_for_a_day(services: Services, http: httpx.Client) -> None:
    made, target = hook(http), Target()
    new = http.post(f"/v1/webhooks/{made['webhook_id']}/rotate").json()
    assert new["secret"] != made["secret"]
    change(services)
    Courier(services.database, target).step()
    verify = snippet()["verify"]
    headers, body = target.got[0]
    assert verify(made["secret"], headers["Kestrel-Signature"], body)
    assert verify(new["secret"], headers["Kestrel-Signature"], body)
    change(services)
    Courier(services.database, target).step(NOW + timedelta(hours=25))
    assert target.got[1][0]["Kestrel-Signature"].count("v1=") == 1


def test_what_does_not_arrive_is_sent_again_the_same(services: Services, http: httpx.Client) -> None:
    made, target = hook(http), Target([500, Unavailable("away")])
    change(services)
    courier = Courier(services.database, target)
    courier.step(NOW)
    assert courier.step(NOW + timedelta(seconds=4)) is None, "not at once"
    courier.step(NOW + timedelta(seconds=5))
    courier.step(NOW + timedelta(seconds=15))
    bodies = [body for _, body in target.got]
    assert len(bodies) == 3
    assert len(set(bodies)) == 1
    [entry] = log(http, made)
    assert (entry["state"], entry["attempts"], entry["error"]) == ("delivered", 3, "")


def test_a_courier_killed_while_sending_sends_again(services: Services, http: httpx.Client) -> None:
    made = hook(http)
    change(services)

    def killed(url: str, headers: dict[str, str], body: bytes) -> Answer:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Courier(services.database, killed).step(NOW)
    target = Target()
    assert Courier(services.database, target).step(NOW) is None, "claimed for a minute"
    Courier(services.database, target).step(NOW + timedelta(seconds=61))
    assert len(target.got) == 1
    assert [entry["state"] for entry in log(http, made)] == ["delivered"]


def test_where_nothing_ever_arrives_it_is_switched_off_and_says_why(services: Services, http: httpx.Client) -> None:
    made = hook(http)
    change(services)
    courier, now = Courier(services.database, Target(otherwise=503)), NOW
    for _ in range(14):
        courier.step(now)
        now += timedelta(hours=6)
    shown = http.get(f"/v1/webhooks/{made['webhook_id']}").json()
    assert "503" in shown["disabled_reason"]
    assert courier.step(now) is not False
    on = http.patch(f"/v1/webhooks/{made['webhook_id']}", json={"enabled": True}).json()
    assert (on["enabled"], on["disabled_reason"]) == (True, "")


def test_an_address_that_is_gone_is_not_asked_again(services: Services, http: httpx.Client) -> None:
    made = hook(http)
    change(services)
    Courier(services.database, Target([410])).step(NOW)
    assert "410" in http.get(f"/v1/webhooks/{made['webhook_id']}").json()["disabled_reason"]


def test_a_test_message_and_a_replay(services: Services, http: httpx.Client) -> None:
    made, target = hook(http), Target()
    path = f"/v1/webhooks/{made['webhook_id']}"
    assert http.post(f"{path}/ping").status_code == 202
    Courier(services.database, target).step(NOW)
    [entry] = log(http, made)
    assert entry["event"] == "ping"
    again = http.post(f"{path}/deliveries/{entry['delivery_id']}/replay").json()
    assert again["delivery_id"] != entry["delivery_id"]
    Courier(services.database, target).step(NOW)
    assert target.got[0][1] == target.got[1][1]


def test_nothing_is_lost_that_was_committed_and_nothing_told_that_was_not(
    services: Services, http: httpx.Client
) -> None:
    hook(http)
    target = Target()

    def broken() -> None:
        with services.database.session() as session:
            notify(session, "drone", "kite-01")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        broken()
    assert Courier(services.database, target).step(NOW) is None
    change(services)
    with services.database.session() as session:
        assert session.query(Change).filter(Change.told.is_(False)).count() == 1
    Courier(services.database, target).step(NOW)
    assert len(target.got) == 1


def test_secrets_are_shown_once(services: Services, http: httpx.Client) -> None:
    made = hook(http)
    assert made["secret"] not in http.get("/v1/webhooks").text
    assert "secret" not in http.get(f"/v1/webhooks/{made['webhook_id']}").json()


def test_an_inner_address_is_refused_at_the_door_and_at_sending(services: Services, http: httpx.Client) -> None:
    body = {"name": "x", "url": "https://169.254.169.254/", "events": ["drone.changed"]}
    assert http.post("/v1/webhooks", json=body).json()["field"] == "url"
    inside = HttpPost(resolve=lambda *_: ["127.0.0.1"])
    with pytest.raises(InvalidInput):
        inside("https://hooks.example.com/", {}, b"{}")


def test_the_connection_goes_to_the_address_that_was_looked_at() -> None:
    heard: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(f"{self.headers['Host']} {self.rfile.read(int(self.headers['Content-Length'])).decode()}")
            self.send_response(302)
            self.send_header("Location", "http://127.0.0.1:1/")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        threading.Thread(target=listener.serve_forever, daemon=True).start()
        post = HttpPost(private=True, resolve=lambda *_: ["127.0.0.1"])
        answer = post(f"http://hooks.example.com:{listener.server_port}/k", {}, b"hello")
        listener.shutdown()
    assert heard == [f"hooks.example.com:{listener.server_port} hello"]
    assert answer.status == 302, "and a redirect is not followed"


def test_deliveries_go_with_their_webhook(services: Services, http: httpx.Client) -> None:
    made = hook(http)
    http.post(f"/v1/webhooks/{made['webhook_id']}/ping")
    assert http.delete(f"/v1/webhooks/{made['webhook_id']}").status_code == 204
    with services.database.session() as session:
        assert session.query(Delivery).count() == 0


def test_the_page_exists() -> None:
    assert Path(REPOSITORY / "docs" / "api.md").is_file()
