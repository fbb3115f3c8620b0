"""The bundle for whoever helps: it shows what is wrong, and no secret, whatever stands in logs and settings."""

from __future__ import annotations

import json
import stat
import zipfile
from pathlib import Path

import pytest

from contracts.errors import Conflict, NotFound
from infra.local import certificates, support
from infra.local.doctor import Check, Verdict
from infra.local.redaction import Redactor
from infra.local.stack import Stack

# Written in pieces: none of them is a secret of anybody, and scanners need not think so.
JWT = "eyJhbGciOiJFUzI1NiJ9" + ".eyJzdWIiOiJvcGVyYXRvciJ9" + ".c2lnbmF0dXJlLW9mLWE"
AKIA = "AKIA" + "IOSFODNN7EXAMPLE"
PEM = "-----BEGIN " + "EC PRIVATE KEY-----\nMHcCAQEEIIGYK0plantedplanted\n-----END " + "EC PRIVATE KEY-----"
PLANTED: dict[str, str] = {
    "a bearer token": f'{{"event": "asked", "headers": "authorization: Bearer {JWT}"}}',
    "a token alone": f"token was {JWT} there",
    "an API key": '{"event": "key_used", "key": "ksk_plantedplantedplanted"}',
    "a webhook's secret": "signed with whs_plantedplantedplanted",
    "a private key": PEM,
    "a private key in JSON": json.dumps({"event": "loaded", "text": PEM}),
    "a private key cut off": PEM[:60],
    "an AWS key": f"using {AKIA}",
    "an AWS secret": "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/plantedplanted",
    "a presigned link": "GET /o?X-Amz-Credential=planted%2F20261126&X-Amz-Signature=plantedplanted0123",
    "a session token": "X-Amz-Security-Token=plantedplantedplanted&x=1",
    "a password in a URL": "cannot connect to postgresql+psycopg2://kestrel:planted@127.0.0.1:5432/kestrel",
    "a password in JSON": '{"event": "sign_in", "password": "plan ted \\" planted"}',
    "a password as a setting": "CLOUD_SMTP_PASSWORD=planted-planted",
    "a basic header": "Authorization: Basic b3BlcmF0b3I6cGxhbnRlZA==",
    "a cookie": "Cookie: kestrel_session=planted.planted; other=planted",
    "a crew's link": "GET /crew/plantedplanted.0123456789 200",
}
MARKS = ("planted", "b3BlcmF0b3I6cGxhbnRlZA", JWT.split(".")[1], AKIA, "wJalrXUtnFEMI")


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    made = Stack(tmp_path / "state")
    made.layout.create()
    certificates.create(made.keys)
    made.issue_drone("kite-01")
    assert made.instance.name
    return made


@pytest.mark.parametrize("text", PLANTED.values(), ids=PLANTED)
def test_the_shape_of_a_secret_gives_it_away(text: str) -> None:
    clean = Redactor(()).clean(text)
    assert [mark for mark in MARKS if mark in clean] == []


def test_ordinary_lines_stay_as_they_are() -> None:
    line = '{"at": "2026-11-26T09:00:00Z", "event": "segment_stored", "segment_id": "flt-1.00003", "tokens_used": 12}'
    assert '"segment_id": "flt-1.00003"' in Redactor(("short",)).clean(line)
    assert Redactor(()).clean("key_file=/x/y.key: the broker refused (code 135)") == (
        "key_file=/x/y.key: the broker refused (code 135)"
    )


def test_no_secret_of_the_instance_or_of_a_log_is_in_the_bundle(stack: Stack, tmp_path: Path) -> None:
    chosen = stack.instance
    own = {chosen.database_password, chosen.aws_secret, chosen.sap_password, stack.keys.session_key_file.read_text()}
    for path in stack.keys.folder.rglob("*.key"):
        own |= {line for line in path.read_text().splitlines() if not line.startswith("-----")}
    lines = [
        *PLANTED.values(),
        *(f'{{"event": "oops", "level": "error", "text": "{secret}"}}' for secret in sorted(own)),
    ]
    stack.layout.log("api").write_text("\n".join(lines) + "\n")
    found = [Check(name="database", verdict=Verdict.FAIL, found=f"no answer: password={chosen.database_password}")]
    target = tmp_path / "bundle.zip"
    support.write(stack, target, found)
    with zipfile.ZipFile(target) as bundle:
        texts = {name: bundle.read(name).decode() for name in bundle.namelist()}
    leaks = [(name, secret) for name, text in texts.items() for secret in (*own, *MARKS) if secret in text]
    assert leaks == []
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert "segment" not in texts["errors/api.txt"]
    assert texts["errors/api.txt"].count('"event": "oops"') >= 3
    configuration = json.loads(texts["configuration.json"])["cloud"]
    assert configuration["CLOUD_SAP_PASSWORD"] == "(not shown)"
    assert configuration["CLOUD_BUCKET"] == "kestrel-media"
    assert configuration["CLOUD_ISSUER_KEY_FILE"].endswith("issuer.key"), "where a key lies is no secret"
    about = json.loads(texts["about.json"])
    assert about["packages"]["fastapi"]
    assert json.loads(texts["doctor.json"])[0]["verdict"] == "fail"


def test_only_the_end_of_a_long_log_is_taken_from_a_whole_line_on(stack: Stack, tmp_path: Path) -> None:
    with stack.layout.log("ingest").open("w") as log:
        log.writelines(f"line {number:09d}\n" for number in range(50_000))
    support.write(stack, tmp_path / "bundle.zip", [])
    with zipfile.ZipFile(tmp_path / "bundle.zip") as bundle:
        taken = bundle.read("logs/ingest.log").decode().splitlines()
    assert taken[0].startswith("line 00002")
    assert len(taken[0]) == len("line 000000000")
    assert taken[-1] == "line 000049999"


def test_it_is_written_nowhere_else(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "there.zip").touch()
    with pytest.raises(Conflict, match="exists"):
        support.write(stack, tmp_path / "there.zip", [])
    with pytest.raises(NotFound, match="no instance"):
        support.write(Stack(tmp_path / "none"), tmp_path / "new.zip", [])
    assert not (tmp_path / "new.zip").exists()
