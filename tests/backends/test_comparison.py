"""A defect's sightings beside the newest over HTTP: pictures on its pixels, what differs, growth with its error."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import cv2
import httpx
import numpy as np
import pytest

from cloud.history import pictures
from cloud.history.pictures import Image
from cloud.services import Services
from cloud.tables import DefectLink, EvidenceRow, Finding
from contracts.vocabulary import DefectKind, Role
from tests.factories import World
from tests.platform import Server

GROUP = "lnk-one"


def surface(crack_px: int, shift_px: int = 0, light: float = 1.0) -> Image:
    """Return a textured surface with a crack, moved and lit."""
    grey = cv2.GaussianBlur(np.random.default_rng(5).normal(150, 60, (240, 320)).astype(np.float32), (0, 0), 2.5)
    image = cv2.cvtColor(np.clip(150 + 3 * (grey - 150), 0, 255).astype(np.uint8), cv2.COLOR_GRAY2BGR)
    cv2.line(image, (160 - crack_px // 2, 120), (160 + crack_px // 2, 126), (15, 15, 15), 4)
    return np.asarray(np.clip(np.roll(image, shift_px, axis=1) * light, 0, 255), np.uint8)


@dataclasses.dataclass
class Years:
    """Three sightings, oldest first; the middle one's picture is not a picture."""

    http: httpx.Client
    findings: list[Finding]
    evidence: list[EvidenceRow]


@pytest.fixture
def years(services: Services) -> Iterator[Years]:
    now = datetime.now(UTC)
    shown = [surface(60, shift_px=6, light=0.8), None, surface(140)]
    findings, evidence = list[Finding](), list[EvidenceRow]()
    with services.database.session() as session:
        world = World(session, now)
        world.site()
        asset, drone = world.asset("WT 1", 100.0, 0.0), world.drone()
        for age, length_mm in ((2, 90.0), (1, 150.0), (0, 210.0)):
            flight = world.flight(asset, drone, now - timedelta(days=365 * age, minutes=30))
            finding = world.finding(flight, DefectKind.CRACK, length_mm=length_mm, width_mm=6.0)
            finding.link_group = GROUP
            link = DefectLink(finding_id=finding.finding_id, link_group=GROUP, flight_id=flight.flight_id, state="same",
                              probability=1.0)  # fmt: skip
            world.add(link)
            row = world.evidence(finding, world.segment(flight, 0, finding.detected_at))
            image = shown[len(findings)]
            world.objects.put(row.crop_key, pictures.encode(image) if image is not None else b"torn", "image/jpeg")
            findings.append(finding)
            evidence.append(row)
        session.expunge_all()
    with Server(dataclasses.replace(services, objects=world.objects)) as server, server.client(Role.VIEWER) as http:
        yield Years(http, findings, evidence)


def test_every_sighting_stands_beside_the_newest_with_its_growth_and_error(years: Years) -> None:
    told = years.http.get(f"/v1/defects/{GROUP}/comparison").json()
    newest, torn, oldest = told["views"]
    assert [v["finding_id"] for v in told["views"]] == [f.finding_id for f in reversed(years.findings)]
    assert (newest["aligned"], newest["changed_share"], newest["grown_mm"]["value"]) == (True, 0.0, 0.0)
    assert oldest["aligned"]
    assert 0.0 < oldest["changed_share"] < 0.2
    grown, area = oldest["grown_mm"], oldest["grown_mm2"]
    assert (grown["value"], area["value"]) == (120.0, 720.0)
    assert grown["low"] < 120.0 < grown["high"]
    assert area["low"] < 720.0 < area["high"]
    assert (torn["evidence_id"], torn["aligned"], torn["grown_mm"]["value"]) == (None, False, 60.0)


def test_a_picture_lies_on_the_newest_ones_pixels(years: Years) -> None:
    answers = {
        layer: years.http.get(f"/v1/defects/{GROUP}/comparison/{years.evidence[0].evidence_id}/{layer}.jpg")
        for layer in ("crop", "difference", "overlay")
    }
    assert {a.status_code for a in answers.values()} == {200}
    assert answers["crop"].headers["x-kestrel-alignment"].startswith("aligned")
    difference = pictures.decode(answers["difference"].content)
    assert difference.shape == (240, 320, 3)
    grown, same = difference[110:136, 95:125].mean(), difference[20:80, 60:260].mean()
    assert grown > 2 * same, "what differs is where the crack grew, not what was moved and lit otherwise"


def test_what_is_not_there_is_refused_and_what_cannot_be_read_is_said(years: Years) -> None:
    first, torn = years.evidence[0].evidence_id, years.evidence[1].evidence_id
    assert years.http.get("/v1/defects/none/comparison").status_code == 404
    assert years.http.get(f"/v1/defects/none/comparison/{first}/crop.jpg").status_code == 404
    assert years.http.get(f"/v1/defects/{GROUP}/comparison/evd-none/crop.jpg").status_code == 404
    assert years.http.get(f"/v1/defects/{GROUP}/comparison/{first}/heat.jpg").status_code == 422
    unread = years.http.get(f"/v1/defects/{GROUP}/comparison/{torn}/crop.jpg")
    assert "cannot be decoded" in unread.json()["detail"]
