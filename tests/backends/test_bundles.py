"""A finding's evidence leaves the platform as one file that holds up without the platform."""

from __future__ import annotations

import dataclasses
import io
import json
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import boto3
import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select
from typer.testing import CliRunner

from cloud import grading
from cloud.backends.keys import KmsSigner
from cloud.services import Services
from cloud.tables import Audit
from contracts.errors import Unavailable
from contracts.vocabulary import DefectKind, Role
from evidence.bundle import MANIFEST
from evidence.chain import Step
from evidence.signatures import LocalSigner
from evidence.verification import Verdict, verify
from infra.local import certificates
from infra.local.__main__ import app
from infra.local.certificates import Keys
from infra.local.layout import layout_of
from tests import platform
from tests.clean_database import empty
from tests.factories import MemoryObjects, World
from tests.platform import Server
from tests.services import AwsServer
from tests.stand_ins import MemoryWorkflows

NOW = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)
KEY = LocalSigner(Ed25519PrivateKey.generate(), "evidence-1")


class Case(NamedTuple):
    """A graded, reviewed, ticketed finding and one without any evidence."""

    http: httpx.Client
    objects: MemoryObjects
    services: Services
    crack: str
    bare: str
    crop_key: str

    def bundle(self) -> httpx.Response:
        return self.http.get(f"/v1/findings/{self.crack}/bundle")

    def verdict(self) -> Verdict:
        return verify(self.bundle().content)


@pytest.fixture(scope="module")
def server(database_url: str) -> Iterator[Server]:
    built = platform.build(database_url)
    services = dataclasses.replace(built, objects=MemoryObjects(), workflows=MemoryWorkflows(), evidence_signer=KEY)
    with Server(services) as running:
        yield running
    built.database.close()


@pytest.fixture
def case(server: Server) -> Iterator[Case]:
    services, objects = server.services, server.services.objects
    assert isinstance(objects, MemoryObjects)
    empty(services.database)
    with services.database.session() as session:
        world = World(session, NOW, objects=objects)
        world.site()
        flight = world.flight(world.asset("T-01", 260.0, 0.0), world.drone(), NOW)
        segment = world.segment(flight, 0, NOW)
        segment.object_version = "v-0007"
        objects.put(segment.manifest_key, b'{"frames": 240}', "application/json")
        crack, bare = (
            world.finding(flight, DefectKind.CRACK, rank=4, at=NOW),
            world.finding(flight, DefectKind.LIGHTNING_BURN, rank=2, at=NOW),
        )
        crack.policy_version = grading.shipped_policy().version
        rows = [world.evidence(crack, segment, position=position) for position in range(2)]
        for row in rows:
            row.crop_sha256, row.frame_sha256 = (objects.sha256_stream(k) for k in (row.crop_key, row.frame_key))
        world.ticket(crack, number="10000001")
        world.summary(crack, "F-1 is a crack.")
        world.coverage(flight, {("A", "LE"): range(40)})
        session.flush()
        ids = crack.finding_id, bare.finding_id, rows[0].crop_key
    with server.client(Role.ANALYST) as http:
        review = {"verdict": "confirm", "reason": "Seen on the frame."}
        assert http.post(f"/v1/findings/{ids[0]}/reviews", json=review).status_code == 201
        yield Case(http, objects, services, *ids)


def test_the_chain_runs_from_the_raw_object_version_to_the_number_in_sap(case: Case) -> None:
    verdict = case.verdict()
    assert verdict.intact, verdict.breaks
    steps = [link.step for link in verdict.links]
    assert steps[0] is Step.SEGMENT
    assert steps[-1] is Step.TICKET
    assert set(steps) == set(Step)
    first, last = verdict.links[0], verdict.links[-1]
    assert first.facts["object_version"] == "v-0007"
    assert last.id == last.facts["number"] == "10000001"


def test_facts_are_the_rows_own_and_pictures_come_along(case: Case) -> None:
    answer = case.bundle()
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        names = archive.namelist()
        told = json.loads(archive.read(MANIFEST))
    assert sum(n.startswith("crops/") for n in names) == sum(n.startswith("frames/") for n in names) == 2
    finding = case.http.get(f"/v1/findings/{case.crack}").json()
    by_step = {link["step"]: link["facts"] for link in told["links"]}
    assert by_step["finding"]["length_mm"] == finding["length_mm"]
    assert by_step["grade"]["severity_code"] == finding["severity_code"]
    assert by_step["review"]["actor"] == finding["reviewed_by"]
    assert by_step["detection"]["box"] == finding["evidence"][0]["box"]


def test_the_same_truth_gives_the_same_bytes_and_every_copy_taken_is_recorded(case: Case) -> None:
    assert case.bundle().content == case.bundle().content
    with case.services.database.session() as session:
        taken = session.scalars(select(Audit).where(Audit.action == "finding.bundle", Audit.object == case.crack)).all()
        assert [row.after is not None and len(row.after["sha256"]) for row in taken] == [64, 64]


def test_a_picture_that_was_replaced_in_the_store_is_refused_by_name(case: Case) -> None:
    case.objects.put(case.crop_key, b"another picture", "image/jpeg")
    answer = case.bundle()
    assert answer.status_code == 422
    assert case.crop_key in answer.json()["detail"]


def test_a_finding_without_evidence_and_an_unknown_one_are_refused(case: Case) -> None:
    assert case.http.get(f"/v1/findings/{case.bare}/bundle").status_code == 409
    assert case.http.get("/v1/findings/fnd-none/bundle").status_code == 404


def test_without_a_key_nothing_is_signed(case: Case, database_url: str) -> None:
    with (
        Server(dataclasses.replace(case.services, evidence_signer=None)) as keyless,
        keyless.client(Role.VIEWER) as http,
    ):
        answer = http.get(f"/v1/findings/{case.crack}/bundle")
    assert answer.status_code == 422
    assert "CLOUD_EVIDENCE_SIGNING_KEY_FILE" in answer.json()["hint"]


def test_kestrel_verify_tells_whole_from_broken_and_known_from_unknown(case: Case, tmp_path: Path) -> None:
    keys = Keys(layout_of(tmp_path / "state").certificates)
    certificates.create(keys)
    own = LocalSigner.from_file(keys.evidence_signing_key_file)
    files = {"theirs.zip": case.bundle().content}
    with Server(dataclasses.replace(case.services, evidence_signer=own)) as signed, signed.client(Role.VIEWER) as http:
        files["ours.zip"] = http.get(f"/v1/findings/{case.crack}/bundle").content
    files["broken.zip"] = files["ours.zip"].replace(b"10000001", b"10000002", 1)
    codes = {}
    for name, body in files.items():
        (tmp_path / name).write_bytes(body)
        ran = CliRunner().invoke(
            app, ["verify", str(tmp_path / name), "--state-dir", str(tmp_path / "state"), "--json"]
        )
        codes[name] = ran.exit_code, json.loads(ran.stdout)["trusted"]
    assert codes == {"theirs.zip": (2, False), "ours.zip": (0, True), "broken.zip": (1, None)}


def test_kestrel_verify_names_a_file_it_cannot_read(tmp_path: Path) -> None:
    ran = CliRunner().invoke(app, ["verify", str(tmp_path / "none.zip"), "--state-dir", str(tmp_path)])
    assert ran.exit_code == 1
    assert "none.zip cannot be read" in ran.stderr


def test_a_key_service_signs_what_its_public_key_verifies(aws_ministack: AwsServer, case: Case) -> None:
    # moto hashes a message that is a digest already; MiniStack does as KMS does.
    key = boto3.client("kms").create_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_NIST_P256")["KeyMetadata"]["KeyId"]
    services = dataclasses.replace(case.services, evidence_signer=KmsSigner(key))
    with Server(services) as signed, signed.client(Role.VIEWER) as http:
        verdict = verify(http.get(f"/v1/findings/{case.crack}/bundle").content)
    assert verdict.intact, verdict.breaks


def test_a_key_service_without_the_key_is_unavailable(aws_ministack: AwsServer) -> None:
    with pytest.raises(Unavailable, match="did not sign"):
        KmsSigner("alias/none").sign(b"{}")
