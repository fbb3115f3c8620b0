"""Each process was killed with SIGKILL while the demo flew: what it found is there, with its tickets, none twice."""

from __future__ import annotations

import itertools

import httpx
import pytest

from infra.local.stack import Stack
from tests.journeys.conftest import Flown, get
from tests.journeys.killing import VICTIMS

pytestmark = [pytest.mark.journey, pytest.mark.timeout(900)]

_CRITICAL = 4
_APART_M = 0.3
"""Planted defects of one kind lie further apart; what is told of one frame and of the next lies closer."""


def test_every_process_was_killed_on_the_way(flown: Flown) -> None:
    assert flown.killed == list(VICTIMS), flown.said[-4000:]


def test_no_defect_is_found_twice(flown: Flown) -> None:
    findings = get(flown, "/v1/findings?limit=200")["data"]
    assert findings
    for one, other in itertools.combinations(findings, 2):
        same = all(one[name] == other[name] for name in ("flight_id", "blade", "side", "kind"))
        assert not same or abs(one["distance_to_root_m"] - other["distance_to_root_m"]) > _APART_M, (one, other)


def test_whatever_is_critical_has_its_ticket(flown: Flown) -> None:
    critical = [row for row in flown.report["planted"] if row["found"] and _rank(row["severity"]) >= _CRITICAL]
    assert critical
    assert all(row["ticket"] for row in critical)


def test_sap_holds_one_notification_for_each_and_no_other(flown: Flown) -> None:
    tickets = get(flown, "/v1/tickets?limit=200")["data"]
    assert sorted(_in_sap(flown.stack)) == sorted(ticket["finding_id"] for ticket in tickets)


def _rank(severity: str) -> int:
    """Return the number in a policy's words for it, ``"GWO 4"``."""
    return int(severity.split()[1])


def _in_sap(stack: Stack) -> list[str]:
    """Return the finding id of every notification that SAP itself holds."""
    env = stack.env("cloud")
    answer = httpx.get(
        f"{env['CLOUD_SAP_URL']}/sap/opu/odata/sap/API_MAINTNOTIFICATION/MaintenanceNotification",
        params={"$format": "json", "$top": "200"},
        auth=(env["CLOUD_SAP_USER"], env["CLOUD_SAP_PASSWORD"]),
    )
    answer.raise_for_status()
    return [row["MaintNotifExtReferenceNumber"] for row in answer.json()["d"]["results"]]
