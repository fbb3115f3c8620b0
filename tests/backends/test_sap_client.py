"""The SAP client against the simulated service, and against answers no well-behaved service gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest

from cloud.backends.sap import SapOData
from contracts.errors import SapRejected, SapUnavailable
from infra.local.instance import free_port
from tests.drafts import CRACK
from tests.sap_server import PASSWORD, USER, SapServer

DRAFT = CRACK._replace(reference="fnd-1")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SapServer]:
    with SapServer(tmp_path_factory.mktemp("sap"), free_port(set())) as running:
        yield running


@pytest.fixture
def sap(server: SapServer) -> Iterator[SapOData]:
    server.break_it()
    client = SapOData(server.url, USER, PASSWORD, timeout_s=2.0)
    yield client
    client.close()


def test_a_notification_is_created_and_found_again(sap: SapOData, server: SapServer) -> None:
    assert sap.find("fnd-new") is None
    made = sap.create(DRAFT._replace(reference="fnd-new"))
    assert made.number
    assert made.phase
    found = sap.find("fnd-new")
    assert found == made
    (held,) = server.notifications("fnd-new")
    assert held["NotificationText"] == DRAFT.text
    assert held["MaintPriority"] == "1"
    assert held["TechnicalObject"].strip() == "KES-T-01"
    assert held["MalfunctionStartTime"] == "PT16H41M38S"
    assert made.url.endswith(f"MaintenanceNotification('{made.number}')")


def test_a_reference_with_a_quote_asks_for_itself_only(sap: SapOData) -> None:
    assert sap.find("x' or MaintNotifExtReferenceNumber ne '") is None


def test_the_session_lasts_for_several_notifications(sap: SapOData) -> None:
    numbers = {sap.create(DRAFT._replace(reference=f"fnd-many-{i}")).number for i in range(3)}
    assert len(numbers) == 3


def test_a_server_error_is_unavailable_and_passes(sap: SapOData, server: SapServer) -> None:
    server.break_it(fail_next_posts=1, status=503)
    with pytest.raises(SapUnavailable, match="503"):
        sap.create(DRAFT._replace(reference="fnd-503"))
    assert sap.find("fnd-503") is None
    assert sap.create(DRAFT._replace(reference="fnd-503")).number


def test_an_answer_lost_after_the_commit_is_unavailable_and_found_later(sap: SapOData, server: SapServer) -> None:
    server.break_it(lose_response_after_commit=1)
    with pytest.raises(SapUnavailable):
        sap.create(DRAFT._replace(reference="fnd-lost"))
    found = sap.find("fnd-lost")
    assert found is not None
    assert len(server.notifications("fnd-lost")) == 1


def test_a_slow_answer_is_unavailable(server: SapServer) -> None:
    server.break_it(delay_s=2.0)
    client = SapOData(server.url, USER, PASSWORD, timeout_s=0.2)
    with pytest.raises(SapUnavailable, match="Timeout"):
        client.find("fnd-slow")
    client.close()


def test_saps_own_words_are_passed_on(sap: SapOData) -> None:
    with pytest.raises(SapRejected) as caught:
        sap.create(DRAFT._replace(reference="fnd-long", text="x" * 41))
    assert "NotificationText" in str(caught.value)


def test_a_wrong_password_is_a_refusal(server: SapServer) -> None:
    server.break_it()
    client = SapOData(server.url, USER, "wrong")
    with pytest.raises(SapRejected, match="401"):
        client.find("fnd-1")
    client.close()


def test_a_session_that_ended_gets_a_new_token_once(server: SapServer) -> None:
    server.break_it()
    client = SapOData(server.url, USER, PASSWORD)
    client.create(DRAFT._replace(reference="fnd-before"))
    client._wire.http.cookies.clear()
    assert client.create(DRAFT._replace(reference="fnd-after")).number
    client.close()


def test_without_a_service_nothing_is_asked() -> None:
    client = SapOData("", "", "")
    with pytest.raises(SapUnavailable, match="No SAP is configured"):
        client.find("fnd-1")
    client.close()


def test_a_service_that_is_gone_is_unavailable() -> None:
    client = SapOData(f"http://127.0.0.1:{free_port(set())}", USER, PASSWORD)
    with pytest.raises(SapUnavailable, match="did not answer"):
        client.find("fnd-1")
    client.close()


def answering(*answers: httpx.Response) -> tuple[SapOData, list[httpx.Request]]:
    """Return a client whose service gives these answers in turn, and what it was asked."""
    asked: list[httpx.Request] = []
    left = iter(answers)

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return next(left)

    return SapOData("http://sap", USER, PASSWORD, transport=httpx.MockTransport(handle)), asked


TOKEN = httpx.Response(200, headers={"x-csrf-token": "t1"})
MADE = httpx.Response(201, json={"d": {"MaintenanceNotification": "10000001", "NotifProcessingPhase": "1"}})
EXPIRED = httpx.Response(403, headers={"x-csrf-token": "Required"}, text="CSRF token validation failed")


def fresh(answer: httpx.Response) -> httpx.Response:
    return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


def test_an_expired_token_is_fetched_again() -> None:
    client, asked = answering(fresh(TOKEN), fresh(EXPIRED), fresh(TOKEN), fresh(MADE))
    assert client.create(DRAFT).number == "10000001"
    assert [r.method for r in asked] == ["GET", "POST", "GET", "POST"]
    assert asked[0].headers["x-csrf-token"] == "Fetch"
    assert asked[3].headers["x-csrf-token"] == "t1"
    client.close()


def test_a_token_that_never_holds_is_a_refusal_not_a_loop() -> None:
    client, asked = answering(fresh(TOKEN), fresh(EXPIRED), fresh(TOKEN), fresh(EXPIRED))
    with pytest.raises(SapRejected, match="403"):
        client.create(DRAFT)
    assert len(asked) == 4
    client.close()


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (lambda: httpx.Response(500, text="<html>dump</html>"), SapUnavailable, "500"),
        (lambda: httpx.Response(429, text="slow down"), SapUnavailable, "429"),
        (lambda: httpx.Response(200, text="<html>a proxy's page</html>"), SapUnavailable, "without OData"),
        (lambda: httpx.Response(200, json={"d": [1]}), SapUnavailable, "unexpected"),
        (lambda: httpx.Response(404, text=""), SapRejected, "no reason given"),
        (
            lambda: httpx.Response(400, json={"error": {"message": {"lang": "en", "value": "Plant 1 is locked."}}}),
            SapRejected,
            r"\(400\): Plant 1 is locked\.",
        ),
    ],
)
def test_every_answer_has_its_error(answer: Callable[[], httpx.Response], error: type[Exception], says: str) -> None:
    client, _ = answering(answer())
    with pytest.raises(error, match=says):
        client.find("fnd-1")
    client.close()


def test_people_are_sent_to_the_page_the_customer_names() -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"d": {"results": [{"MaintenanceNotification": "000010000001"}]}})

    page = "https://launchpad.example/#notification-{number}"
    client = SapOData("http://sap", USER, PASSWORD, page=page, transport=httpx.MockTransport(handle))
    found = client.find("fnd-1")
    assert found is not None
    assert found.url == "https://launchpad.example/#notification-000010000001"
