"""The simulated SAP service as a client on the network sees it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import pytest

ROOT = "/sap/opu/odata/sap/API_MAINTNOTIFICATION"
SET = f"{ROOT}/MaintenanceNotification"
GOOD: dict[str, object] = {
    "NotificationType": "M2",
    "NotificationText": "Crack, blade A leading edge, 23.4 m",
    "MaintNotifLongTextForEdit": "Length 310 mm. <b>See evidence.</b>",
    "MaintPriority": "1",
    "TechnicalObject": "WF-HILL-T03-BL-A",
    "TechObjIsEquipOrFuncnlLoc": "EAMS_FL",
    "MalfunctionStartDate": "/Date(1763654553000)/",
    "MalfunctionStartTime": "PT16H2M33S",
    "MaintNotifExtReferenceNumber": "fnd-0199e0c3b5d7-9f3a2c1e",
}


class Server:
    """A simulator process and a client that has logged on."""

    def __init__(self, folder: Path) -> None:
        self.faults = folder / "faults.json"
        program = [sys.executable, "-m", "simulators", "sap", "--listen", "127.0.0.1:0", "--json"]
        files = ["--state", str(folder / "sap.sqlite"), "--fault-file", str(self.faults)]
        self.process = subprocess.Popen([*program, *files], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert self.process.stdout is not None
        self.url = json.loads(self.process.stdout.readline())["url"]
        self.client = self.stranger(("KESTREL", "kestrel"))

    def stranger(self, auth: tuple[str, str] | None) -> httpx.Client:
        return httpx.Client(base_url=self.url, auth=auth, headers={"accept": "application/json"}, timeout=5)

    def token(self) -> str:
        return self.client.get(f"{ROOT}/", headers={"x-csrf-token": "Fetch"}).headers["x-csrf-token"]

    def post(self, **fields: object) -> httpx.Response:
        given = {name: value for name, value in (GOOD | fields).items() if value is not ...}
        return self.client.post(SET, json=given, headers={"x-csrf-token": self.token()})

    def find(self, reference: str) -> list[dict[str, Any]]:
        query = {"$filter": f"MaintNotifExtReferenceNumber eq '{reference}' and NotificationType eq 'M2'", "$top": "5"}
        answer = self.client.get(SET, params=query)
        assert answer.status_code == 200
        return list(answer.json()["d"]["results"])

    def end(self, number: int) -> None:
        os.kill(self.process.pid, number)
        self.process.communicate(timeout=10)
        self.client.close()


@contextmanager
def served(folder: Path) -> Iterator[Server]:
    server = Server(folder)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.end(signal.SIGTERM)


@pytest.fixture(scope="module")
def sap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with served(tmp_path_factory.mktemp("sap")) as server:
        yield server


def said(answer: httpx.Response) -> tuple[str, list[str]]:
    error = answer.json()["error"]
    return error["message"]["value"], [detail["propertyref"] for detail in error["innererror"]["errordetails"]]


def test_it_asks_who_is_there(sap: Server) -> None:
    for auth in (None, ("KESTREL", "wrong"), ("someone", "kestrel")):
        with sap.stranger(auth) as client:
            answer = client.get(f"{ROOT}/")
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Basic realm=")


def test_a_change_needs_the_token_of_its_own_session(sap: Server) -> None:
    token = sap.token()
    with sap.stranger(("KESTREL", "kestrel")) as other:
        for headers in ({}, {"x-csrf-token": "made-up"}, {"x-csrf-token": token}):
            refused = other.post(SET, json=GOOD, headers=headers)
            assert (refused.status_code, refused.headers["x-csrf-token"]) == (403, "Required")
    assert sap.client.post(SET, json=GOOD, headers={"x-csrf-token": token}).status_code == 201


def test_what_is_created_reads_back(sap: Server) -> None:
    answer = sap.post(MaintNotifExtReferenceNumber="fnd-reads-back")
    assert answer.status_code == 201
    made = answer.json()["d"]
    assert re.fullmatch(r"00001\d{7}", made["MaintenanceNotification"])
    assert answer.headers["location"] == made["__metadata"]["uri"]
    assert (made["NotifProcessingPhase"], made["NotifProcessingPhaseDesc"]) == ("1", "Outstanding")
    assert made["MalfunctionStartDate"] == "/Date(1763596800000)/"
    assert made["MalfunctionStartTime"] == "PT16H02M33S"
    assert made["RequiredEndDate"] is None
    assert made["TechnicalObjectLabel"] == "WF-HILL-T03-BL-A"
    assert re.fullmatch(r"/Date\(\d{13}\+0000\)/", made["LastChangeDateTime"])
    read = sap.client.get(f"{SET}('{made['MaintenanceNotification']}')")
    assert read.json()["d"] == made
    assert read.headers["etag"] == made["__metadata"]["etag"]
    assert sap.client.get(f"{SET}('{made['MaintenanceNotification'].lstrip('0')}')").json()["d"] == made


def test_equipment_is_padded(sap: Server) -> None:
    made = sap.post(TechnicalObject="210100094", TechObjIsEquipOrFuncnlLoc="EAMS_EQUI").json()["d"]
    assert (made["TechnicalObject"], made["TechnicalObjectLabel"]) == ("000000000210100094", "210100094")


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("NotificationText", "x" * 41, "longer than 40"),
        ("NotificationText", ..., "required property"),
        ("NotificationText", "", "required property"),
        ("NotificationType", ..., "required property"),
        ("NotificationType", "M23", "longer than 2"),
        ("NotificationType", "ZZ", "not defined"),
        ("MaintPriority", "12", "longer than 1"),
        ("MaintPriority", "9", "not defined"),
        ("MaintPriority", 1, "invalid value"),
        ("ReportedByUser", "u" * 13, "longer than 12"),
        ("LocationDescription", "l" * 51, "longer than 50"),
        ("MaintNotifLongTextForEdit", "t" * 1334, "longer than 1333"),
        ("MalfunctionStartDate", "20.11.2026", "invalid value"),
        ("MalfunctionStartTime", "16:02:33", "invalid value"),
        ("MalfunctionStartTime", "PT25H00M00S", "invalid value"),
        ("MaintenanceObjectIsDown", "X", "invalid value"),
        ("TechnicalObject", "turbine three", "does not exist"),
        ("TechObjIsEquipOrFuncnlLoc", ..., "EAMS_EQUI or EAMS_FL"),
        ("MaintenanceNotification", "000010000001", "read-only"),
        ("MaintNotifBrfTxt", "a sample's mistake", "is invalid"),
    ],
)
def test_limits(sap: Server, field: str, value: object, words: str) -> None:
    answer = sap.post(**{field: value})
    assert answer.status_code == 400
    message, fields = said(answer)
    assert words in message
    assert fields == [field]


@pytest.mark.parametrize(("field", "length"), [("NotificationText", 40), ("LocationDescription", 50)])
def test_the_longest_value_fits(sap: Server, field: str, length: int) -> None:
    assert sap.post(**{field: "x" * length}).status_code == 201


def test_metadata_states_the_limits(sap: Server) -> None:
    answer = sap.client.get(f"{ROOT}/$metadata", headers={"accept": "*/*"})
    edm = "{http://schemas.microsoft.com/ado/2008/09/edm}"
    lengths = {p.get("Name"): p.get("MaxLength") for p in ET.fromstring(answer.text).iter(f"{edm}Property")}  # noqa: S314
    assert (lengths["NotificationText"], lengths["MaintPriority"], lengths["MaintenanceNotification"]) == (
        "40",
        "1",
        "12",
    )


def test_lookup_by_reference_finds_both_of_two(sap: Server) -> None:
    numbers = [sap.post(MaintNotifExtReferenceNumber="it's twice").json()["d"]["MaintenanceNotification"] for _ in "12"]
    assert [row["MaintenanceNotification"] for row in sap.find("it''s twice")] == numbers
    assert sap.find("never-sent") == []


@pytest.mark.parametrize(
    "query",
    [
        {"$filter": "Nothing eq 'x'"},
        {"$filter": "NotificationType ne 'M2'"},
        {"$filter": "NotificationType eq 'M2' or NotificationType eq 'M1'"},
        {"$filter": "NotificationText eq 'x') UNION SELECT 1--'"},
        {"$filter": ""},
        {"$orderby": "NotificationType"},
        {"$top": "-1"},
        {"$format": "xml"},
        {"$select": "Nothing"},
    ],
)
def test_what_it_does_not_understand_it_refuses(sap: Server, query: dict[str, str]) -> None:
    answer = sap.client.get(SET, params=query)
    assert answer.status_code == 400
    assert said(answer)[0]


def test_selected_and_counted(sap: Server) -> None:
    sap.post()
    query = {"$select": "MaintenanceNotification", "$inlinecount": "allpages", "$top": "1", "$format": "json"}
    content = sap.client.get(SET, params=query).json()["d"]
    assert int(content["__count"]) >= 1
    assert [set(row) for row in content["results"]] == [{"__metadata", "MaintenanceNotification"}]


def test_a_change_needs_the_version_that_was_seen(sap: Server) -> None:
    made = sap.post().json()["d"]
    path, headers = f"{SET}('{made['MaintenanceNotification']}')", {"x-csrf-token": sap.token()}
    change = {"MaintPriority": "2"}
    assert sap.client.patch(path, json=change, headers=headers).status_code == 428
    seen = headers | {"if-match": made["__metadata"]["etag"]}
    assert sap.client.patch(path, json=change, headers=seen).status_code == 204
    assert sap.client.patch(path, json=change, headers=seen).status_code == 412
    now = sap.client.get(path)
    assert now.json()["d"]["MaintPriority"] == "2"
    merge = headers | {"if-match": now.headers["etag"], "x-http-method": "MERGE"}
    assert sap.client.post(path, json={"LocationDescription": "Tower foot"}, headers=merge).status_code == 204
    assert sap.client.request("MERGE", path, json={"NotificationType": "M1"}, headers=seen).status_code == 400


def test_bad_requests(sap: Server) -> None:
    headers = {"x-csrf-token": sap.token()}
    assert sap.client.post(SET, content=b"{", headers=headers | {"content-type": "application/json"}).status_code == 400
    assert sap.client.post(SET, content=b"<entry/>", headers=headers).status_code == 415
    assert sap.client.get(f"{SET}('000099999999')").status_code == 404
    assert sap.client.get(SET, headers={"accept": "application/atom+xml"}).status_code == 406


def test_people_get_a_page(sap: Server) -> None:
    number = sap.post().json()["d"]["MaintenanceNotification"]
    with sap.stranger(None) as client:
        answer = client.get(f"/sap/ui/notification/{number}")
        missing = client.get("/sap/ui/notification/123")
    assert "Crack, blade A leading edge, 23.4 m" in answer.text
    assert "&lt;b&gt;See evidence" in answer.text
    assert missing.status_code == 404


def test_faults_come_when_asked_for(sap: Server) -> None:
    sap.faults.write_text('{"fail_next_posts": 2, "status": 503}')
    assert [sap.post().status_code for _ in range(3)] == [503, 503, 201]
    sap.faults.write_text('{"lose_response_after_commit": 1}')
    with pytest.raises(httpx.RemoteProtocolError):
        sap.post(MaintNotifExtReferenceNumber="lost-answer")
    assert len(sap.find("lost-answer")) == 1
    assert sap.post().status_code == 201
    sap.faults.write_text('{"delay_s": 30}')
    with pytest.raises(httpx.ReadTimeout):
        sap.client.get(f"{ROOT}/", timeout=0.2)
    sap.faults.unlink()


def test_killed_it_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    with served(tmp_path) as first:
        made = first.post().json()["d"]
        first.end(signal.SIGKILL)
    with served(tmp_path) as second:
        assert second.find(str(GOOD["MaintNotifExtReferenceNumber"]))[0]["NotificationText"] == made["NotificationText"]
        following = second.post().json()["d"]["MaintenanceNotification"]
        assert int(following) == int(made["MaintenanceNotification"]) + 1 == 10_000_002
        second.end(signal.SIGTERM)
        assert second.process.returncode == 0
