"""One turbine inspection end to end, as `make demo` flies it, though each process was killed on the way."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.journeys.conftest import KESTREL, Flown, fetch, get

pytestmark = [pytest.mark.journey, pytest.mark.timeout(900)]


def test_the_demo_reaches_its_own_bar(flown: Flown) -> None:
    assert flown.exit_code == 0, flown.said[-4000:]
    assert flown.report["problems"] == []
    assert flown.report["recall"] >= 0.9
    assert flown.report["false_findings"] <= 2
    assert flown.report["measured"]["video_s"] >= 60


def test_every_found_defect_lies_where_it_was_planted(flown: Flown) -> None:
    errors = [row["error_mm"] for row in flown.report["planted"] if row["found"]]
    assert errors
    assert max(errors) <= 300


def test_each_ticket_has_a_sap_number_of_its_own(flown: Flown) -> None:
    numbers = [ticket["number"] for ticket in flown.report["tickets"]]
    assert numbers
    assert all(number.isdigit() for number in numbers)
    assert len(set(numbers)) == len(numbers)


def test_every_sentence_of_the_answer_cites_findings_that_exist(flown: Flown) -> None:
    known = {row["finding_id"] for row in get(flown, "/v1/findings")["data"]}
    cited = set(flown.report["answer"]["citations"])
    assert cited
    assert all(sentence["citations"] for sentence in flown.report["answer"]["sentences"])
    assert cited & known


def test_a_tickets_evidence_holds_up_offline_from_raw_video_to_sap_number(flown: Flown, tmp_path: Path) -> None:
    ticket = flown.report["tickets"][0]
    bundle = tmp_path / "evidence.zip"
    bundle.write_bytes(fetch(flown, f"/v1/findings/{ticket['finding_id']}/bundle"))
    command = [str(KESTREL), "verify", str(bundle), "--json", "--state-dir", str(flown.stack.layout.state_dir)]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout
    assert json.loads(said.stdout)["links"][-1] == f"ticket {ticket['number']}"
    bundle.write_bytes(bundle.read_bytes().replace(ticket["number"].encode(), b"0" * len(ticket["number"])))
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1


def test_what_no_pass_covered_is_named_as_not_seen(flown: Flown) -> None:
    assert any(" 0-" in gap for gap in flown.report["not_seen"]), "passes begin 3 m from the root"


@pytest.mark.parametrize("token", ["", "Bearer nonsense", "Bearer a.b.c"], ids=["none", "nonsense", "forged"])
def test_without_a_valid_token_nothing_is_told(flown: Flown, token: str) -> None:
    request = urllib.request.Request(f"{flown.stack.api_url}/v1/findings", headers={"Authorization": token})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    assert refused.value.code == 401
    with refused.value as answer:
        assert json.loads(answer.read())["code"] == "not_authenticated"
