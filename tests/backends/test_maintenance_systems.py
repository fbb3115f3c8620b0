"""What every adapter to a customer's maintenance system must do, whatever it speaks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import httpx
import pytest

from cloud.backends.jira import JiraTracker
from cloud.backends.maximo import MaximoOslc
from cloud.backends.sap import LONG_TEXT_MAX, SapOData, with_note
from cloud.maintenance import CatalogueCode, FieldReport, MaintenanceSystem, NotificationDraft, OrderDraft, Picture
from contracts.errors import MaintenanceRejected, Unavailable
from infra.local.instance import free_port
from tests.drafts import AT, CRACK
from tests.jira_server import PROJECT, TOKEN, JiraServer
from tests.maximo_server import KEY, SITE, MaximoServer
from tests.sap_server import PASSWORD, USER, SapServer

CROP = Picture("F-142-evd-1.jpg", "image/jpeg", b"\xff\xd8\xff" + bytes(range(256)) * 40)


@dataclass
class Bench:
    """An adapter, and what goes on behind it."""

    system: MaintenanceSystem
    fail_posts: Callable[[int], None]
    lose_answers: Callable[[int], None]
    close: Callable[[str], None]
    cancel: Callable[[str], None]
    reopen: Callable[[str], None]
    count: Callable[[str], int]
    notes: Callable[[str], list[str]]
    """By number: the texts that hold what crews said."""
    closed_by_report: bool
    """Whether a repair that was reported closes the notification, or only ends the malfunction."""


@pytest.fixture(scope="module")
def sap_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SapServer]:
    with SapServer(tmp_path_factory.mktemp("sap"), free_port(set())) as running:
        yield running


@pytest.fixture(params=["sap", "jira", "maximo"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    if request.param != "sap":
        yield from _jira() if request.param == "jira" else _maximo()
        return
    server: SapServer = request.getfixturevalue("sap_server")
    server.break_it()
    client = SapOData(server.url, USER, PASSWORD)
    yield Bench(
        client,
        fail_posts=lambda n: server.break_it(fail_next_posts=n),
        lose_answers=lambda n: server.break_it(lose_response_after_commit=n),
        close=lambda number: server.move(number, "4"),
        cancel=lambda number: server.move(number, "5"),
        reopen=lambda number: server.move(number, "1"),
        count=lambda reference: len(server.notifications(reference)),
        notes=lambda number: [str(server.notification(number)["MaintNotifLongTextForEdit"])],
        closed_by_report=False,
    )
    client.close()


def _jira() -> Iterator[Bench]:
    server = JiraServer()
    client = JiraTracker("http://jira", TOKEN, project=PROJECT, transport=server)
    yield Bench(
        client,
        fail_posts=lambda n: setattr(server, "fail_next_posts", n),
        lose_answers=lambda n: setattr(server, "lose_next_answers", n),
        close=lambda number: server.move(number, "Done", "done", "Done"),
        cancel=lambda number: server.move(number, "Closed", "done", "Won't Do"),
        reopen=lambda number: server.move(number, "To Do", "new"),
        count=lambda ref: sum(f"kestrel-{ref}" in i["fields"]["labels"] for i in server.issues.values()),
        notes=lambda number: [one["body"] for one in server.comments.get(number, [])],
        closed_by_report=True,
    )
    client.close()


def _maximo() -> Iterator[Bench]:
    server = MaximoServer()
    client = MaximoOslc("http://maximo", KEY, site=SITE, transport=server)

    def logged(number: str) -> list[str]:
        (row,) = (row for row in server.held["mxapisr"] if row["ticketid"] == number)
        return [f"{one['description']} {one['description_longdescription']}" for one in row.get("worklog", [])]

    yield Bench(
        client,
        fail_posts=lambda n: setattr(server, "fail_next_posts", n),
        lose_answers=lambda n: setattr(server, "lose_next_answers", n),
        close=lambda number: server.move(number, "RESOLVED"),
        cancel=lambda number: server.move(number, "CANCELLED"),
        reopen=lambda number: server.move(number, "INPROG"),
        count=lambda ref: sum(row["externalrecid"] == ref for row in server.held["mxapisr"]),
        notes=logged,
        closed_by_report=True,
    )
    client.close()


def crack(reference: str) -> NotificationDraft:
    return CRACK._replace(reference=reference)


def order(number: str) -> OrderDraft:
    steps = ("Inspect blade A PS", "Repair", "Photograph the repair")
    return OrderDraft(number, "PM01", "Crack 240 mm", "1", "KES-T-01", AT, AT + timedelta(days=2), steps)


def test_what_was_created_is_found_by_our_reference_and_read_by_its_number(bench: Bench) -> None:
    assert bench.system.find("fnd-a") is None
    made = bench.system.create(crack("fnd-a"))
    found = bench.system.find("fnd-a")
    assert found is not None
    assert (found.number, found.status, found.url) == (made.number, "open", made.url)
    assert made.number in made.url
    assert bench.system.read(made.number) == found


def test_a_number_nobody_knows_is_none(bench: Bench) -> None:
    assert bench.system.read("99999999") is None


def test_a_reference_never_finds_another_ones(bench: Bench) -> None:
    bench.system.create(crack("fnd-b"))
    for stranger in ("fnd-", "fnd-bb", "x' or 'a' eq 'a", 'x" OR labels = "kestrel-fnd-b'):
        assert bench.system.find(stranger) is None


def test_people_close_cancel_and_reopen(bench: Bench) -> None:
    number = bench.system.create(crack("fnd-c")).number
    seen = []
    for act in (bench.close, bench.reopen, bench.cancel):
        act(number)
        state = bench.system.read(number)
        assert state is not None
        seen.append((state.status, state.completed_at is not None and state.status == "closed"))
    assert seen == [("closed", True), ("open", False), ("cancelled", False)]


def test_a_server_error_is_unavailable_and_creates_nothing(bench: Bench) -> None:
    bench.fail_posts(1)
    with pytest.raises(Unavailable, match="503"):
        bench.system.create(crack("fnd-d"))
    assert bench.system.find("fnd-d") is None


def test_an_answer_lost_after_the_commit_is_unavailable_and_found_later(bench: Bench) -> None:
    bench.lose_answers(1)
    with pytest.raises(Unavailable):
        bench.system.create(crack("fnd-e"))
    assert bench.system.find("fnd-e") is not None
    assert bench.count("fnd-e") == 1


def test_a_refusal_passes_on_the_systems_own_words(bench: Bench) -> None:
    with pytest.raises(MaintenanceRejected, match=r"NotificationText|Summary"):
        bench.system.create(crack("fnd-f")._replace(text="x\n" + "x" * 300))


def test_a_picture_is_attached_and_listed_by_its_name(bench: Bench) -> None:
    number = bench.system.create(crack("fnd-g")).number
    assert list(bench.system.pictures(number)) == []
    bench.system.attach(number, CROP)
    assert list(bench.system.pictures(number)) == [CROP.name]


def test_a_picture_for_a_number_nobody_knows_is_refused(bench: Bench) -> None:
    with pytest.raises(MaintenanceRejected):
        bench.system.attach("99999999", CROP)


def test_attaching_while_it_is_down_is_unavailable(bench: Bench) -> None:
    number = bench.system.create(crack("fnd-h")).number
    bench.fail_posts(1)
    with pytest.raises(Unavailable):
        bench.system.attach(number, CROP)
    assert list(bench.system.pictures(number)) == []


def test_an_order_is_created_once_and_found_by_its_notification(bench: Bench) -> None:
    number = bench.system.create(crack("fnd-i")).number
    assert bench.system.find_order(number) is None
    made = bench.system.create_order(order(number))
    assert bench.system.find_order(number) == made
    assert made != number


def test_what_a_crew_said_is_written_once_beside_what_was_there(bench: Bench) -> None:
    number = bench.system.create(crack("fnd-j")).number
    said = FieldReport("crw-00000001", "The crew found it worse than reported, 340 mm.", priority="1")
    assert bench.system.report(number, said)
    assert not bench.system.report(number, said)
    assert bench.system.report(number, FieldReport("crw-00000002", "The crew found it as reported."))
    told = "\n".join(bench.notes(number))
    assert told.count("crw-00000001") == told.count("340 mm") == 1
    assert "as reported" in told
    state = bench.system.read(number)
    assert state is not None
    assert state.status == "open"


def test_a_repair_that_was_reported_ends_the_malfunction(bench: Bench) -> None:
    number = bench.system.create(crack("fnd-k")).number
    assert bench.system.report(number, FieldReport("crw-00000003", "The crew repaired it.", ended_at=AT))
    state = bench.system.read(number)
    assert state is not None
    assert state.status == ("closed" if bench.closed_by_report else "open")


def test_a_report_on_a_number_nobody_knows_is_refused(bench: Bench) -> None:
    with pytest.raises(MaintenanceRejected):
        bench.system.report("99999999", FieldReport("crw-00000004", "Seen."))


def test_sap_is_told_priority_code_and_when_the_malfunction_ended(sap_server: SapServer) -> None:
    sap_server.break_it()
    system = SapOData(sap_server.url, USER, PASSWORD)
    coded = CatalogueCode("C", "BLADE", "CR01")
    number = system.create(crack("fnd-l")._replace(priority="3", coding=coded)).number
    system.report(number, FieldReport("crw-1", "Worse.", priority="2", ended_at=AT))
    held = sap_server.notification(number)
    assert (held["MaintPriority"], held["MalfunctionEndTime"]) == ("2", "PT16H41M38S")
    assert str(held["MaintNotifLongTextForEdit"]).startswith(CRACK.long_text)
    assert (held["MaintNotificationCodeGroup"], held["MaintNotificationCode"]) == ("BLADE", "CR01")
    system.close()


@pytest.mark.parametrize(("old", "note"), [(1300, 200), (1333, 40), (0, 3000), (100, 100)])
def test_a_full_long_text_keeps_its_head_and_the_notes_key(old: int, note: int) -> None:
    made = with_note("a" * old, f"{'b' * note} [crw-1]")
    assert len(made) <= LONG_TEXT_MAX
    assert made.startswith("a" * min(old, 600))
    assert made.endswith("[crw-1]")


def test_without_an_address_nothing_is_asked() -> None:
    for system in (SapOData("", "", ""), JiraTracker("", "", project="KES"), MaximoOslc("", "", site="N")):
        with pytest.raises(Unavailable, match="is configured"):
            system.find("fnd-1")
        system.close()


def test_a_wrong_password_is_a_refusal(sap_server: SapServer) -> None:
    sap_server.break_it()
    for system in (
        SapOData(sap_server.url, USER, "x"),
        JiraTracker("http://j", "x", project="K", transport=JiraServer()),
        MaximoOslc("http://m", "x", site=SITE, transport=MaximoServer()),
    ):
        with pytest.raises(MaintenanceRejected, match="401"):
            system.find("fnd-1")
        system.close()


def test_sap_puts_the_orders_number_into_the_notification(sap_server: SapServer) -> None:
    sap_server.break_it()
    system = SapOData(sap_server.url, USER, PASSWORD)
    number = system.create(crack("fnd-order")).number
    made = system.create_order(order(number))
    state = system.read(number)
    assert state is not None
    assert (state.order, state.phase) == (made, "In process")
    with pytest.raises(MaintenanceRejected, match="does not exist"):
        system.create_order(order("99999999"))
    with pytest.raises(MaintenanceRejected, match="Order type ZZ99 is not defined"):
        system.create_order(order(number)._replace(kind="ZZ99"))
    with pytest.raises(MaintenanceRejected, match="Basic finish date"):
        system.create_order(order(number)._replace(ends_at=AT - timedelta(days=3)))
    system.close()


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (httpx.Response(200, text="<html>sign in</html>"), Unavailable, "without JSON"),
        (httpx.Response(200, json=[1]), Unavailable, "unexpected"),
        (httpx.Response(429, text=""), Unavailable, "no reason given"),
        (httpx.Response(400, json={"errorMessages": ["Bad JQL."], "errors": {}}), MaintenanceRejected, "Bad JQL"),
    ],
)
def test_every_answer_of_jira_has_its_error(answer: httpx.Response, error: type[Exception], says: str) -> None:
    client = JiraTracker("http://jira", TOKEN, project=PROJECT, transport=httpx.MockTransport(lambda _: answer))
    with pytest.raises(error, match=says):
        client.find("fnd-1")
    client.close()


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (httpx.Response(200, text="<html>sign in</html>"), Unavailable, "without JSON"),
        (httpx.Response(200, json=[1]), Unavailable, "unexpected"),
        (httpx.Response(500, json={"oslc:Error": {"oslc:message": "Down."}}), Unavailable, "Down"),
        (
            httpx.Response(400, json={"Error": {"reasonCode": "BMXAA1E", "message": "BMXAA1E - No."}}),
            MaintenanceRejected,
            r"\(400\): BMXAA1E - No",
        ),
    ],
)
def test_every_answer_of_maximo_has_its_error(answer: httpx.Response, error: type[Exception], says: str) -> None:
    client = MaximoOslc("http://m", KEY, site=SITE, transport=httpx.MockTransport(lambda _: answer))
    with pytest.raises(error, match=says):
        client.find("fnd-1")
    client.close()


def test_maximo_gets_priority_place_and_reference_and_its_order_names_the_request() -> None:
    server = MaximoServer()
    system = MaximoOslc("http://maximo", KEY, site=SITE, reported_by="KESTREL", transport=server)
    number = system.create(crack("fnd-m")).number
    made = system.create_order(order(number))
    (request,), (work,) = server.held["mxapisr"], server.held["mxapiwodetail"]
    wanted = {
        "externalrecid": "fnd-m", "location": "KES-T-01", "reportedpriority": 1, "reportedby": "KESTREL",
        "reportdate": "2026-11-20T16:41:38+00:00", "targetfinish": "2026-11-22T16:41:38+00:00",
    }  # fmt: skip
    assert wanted.items() <= request.items()
    assert (work["wonum"], work["origrecordid"], work["origrecordclass"]) == (made, number, "SR")
    assert [task["taskid"] for task in work["woactivity"]] == [10, 20, 30]
    system.close()
