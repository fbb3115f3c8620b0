"""What a drone says of itself: its computer's health is kept and shown, replaced certificates are revoked."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from cloud import drone_life, reports
from cloud.backends.certificates import AwsIotCertificates
from cloud.reconcile import Reconciler
from cloud.services import Services
from cloud.tables import Audit, CertificateRevocation, Drone
from contracts.errors import Unavailable
from contracts.events import DroneEvent, DroneEventKind, EventBatch
from contracts.health import Health
from contracts.vocabulary import Role
from tests import platform
from tests.platform import Server
from tests.services import DatabaseServer, Moto

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
pytestmark = pytest.mark.backends


@pytest.fixture
def services(postgres_server: DatabaseServer) -> Iterator[Services]:
    with platform.stocked(postgres_server) as built:
        yield built


def reading(at: datetime, **changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "at": at,
        "agent_version": "0.1.0",
        "python_version": "3.11.7",
        "kernel": "6.1",
        "load_per_core": 0.4,
        "temperature_c": 51.0,
        "storage_free_bytes": 10**10,
        "storage_free_percent": 40.0,
    }
    return {"kind": DroneEventKind.HEALTH, "at": at, "health": Health(**(fields | changes))}


def tell(services: Services, seq: int, **fields: Any) -> None:
    event = DroneEvent.model_validate({"seq": seq, **fields})
    with services.database.session() as session:
        reports.store_events(session, EventBatch(drone_id="kite-01", boot_id="boot-1", events=(event,)))


def seen(services: Services) -> Drone:
    with services.database.session() as session:
        return session.get_one(Drone, "kite-01")


def test_the_last_health_report_is_shown_with_its_drone(services: Services) -> None:
    tell(services, 2, **reading(NOW + timedelta(minutes=1), temperature_c=91.0))
    tell(services, 1, **reading(NOW))
    with Server(services) as server, server.client(Role.VIEWER) as http:
        shown = http.get("/v1/drones/kite-01").json()
    assert shown["health"]["temperature_c"] == 91.0, "the newer one, though it came first"
    assert shown["health_complaints"] == ["91 °C: shade it or give it air."]
    assert shown["certificates_to_revoke"] == []


def test_a_clock_that_ran_ahead_hides_no_later_report(services: Services) -> None:
    tell(services, 1, **reading(datetime.now(UTC) + timedelta(days=400), temperature_c=20.0))
    tell(services, 2, **reading(datetime.now(UTC) + timedelta(seconds=1), temperature_c=30.0))
    health = seen(services).health
    assert health is not None
    assert health["temperature_c"] == 30.0


def replaced(services: Services, certificate_id: str, seq: int = 1) -> None:
    tell(services, seq, kind=DroneEventKind.SAFETY, at=NOW, code=drone_life.REPLACED, detail=certificate_id)


class Issuer:
    """AWS IoT in moto: certificates of things."""

    def __init__(self) -> None:
        self.iot = boto3.client("iot")

    def certificate(self, thing: str) -> str:
        if thing not in {one["thingName"] for one in self.iot.list_things()["things"]}:
            self.iot.create_thing(thingName=thing)
        made = self.iot.create_keys_and_certificate(setAsActive=True)
        self.iot.attach_thing_principal(thingName=thing, principal=made["certificateArn"])
        return str(made["certificateId"])

    def status(self, certificate_id: str) -> str:
        found = self.iot.describe_certificate(certificateId=certificate_id)
        return str(found["certificateDescription"]["status"])


@pytest.fixture
def issuer(moto: Moto, monkeypatch: pytest.MonkeyPatch) -> Issuer:
    for name, value in moto.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    moto.reset()
    return Issuer()


def row(services: Services, certificate_id: str) -> CertificateRevocation:
    with services.database.session() as session:
        return session.get_one(CertificateRevocation, certificate_id)


def test_a_replaced_certificate_is_revoked_once_and_the_new_one_is_not(services: Services, issuer: Issuer) -> None:
    old, new = issuer.certificate("kite-01"), issuer.certificate("kite-01")
    replaced(services, old)
    replaced(services, old, seq=2)
    made = dataclasses.replace(services, certificates=AwsIotCertificates())
    assert Reconciler(made, every_s=1.0)._revocations()["certificates_revoked"] == 1
    assert (issuer.status(old), issuer.status(new)) == ("REVOKED", "ACTIVE")
    assert drone_life.revoke(services.database, AwsIotCertificates()) == 0
    assert row(services, old).revoked_at is not None
    with services.database.session() as session:
        assert session.query(Audit).filter_by(action="certificate.revoke", object=old).count() == 1


def test_no_drone_revokes_the_certificate_of_another(services: Services, issuer: Issuer) -> None:
    issuer.certificate("kite-01")
    others = issuer.certificate("kite-02")
    replaced(services, others)
    assert drone_life.revoke(services.database, AwsIotCertificates()) == 0
    assert issuer.status(others) == "ACTIVE"
    assert "not one of kite-01" in row(services, others).refused


def test_no_drone_is_locked_out(services: Services, issuer: Issuer) -> None:
    only = issuer.certificate("kite-01")
    replaced(services, only)
    assert drone_life.revoke(services.database, AwsIotCertificates()) == 0
    assert issuer.status(only) == "ACTIVE"
    assert "only certificate" in row(services, only).refused


def test_a_certificate_that_is_gone_counts_as_revoked(services: Services, issuer: Issuer) -> None:
    replaced(services, "0" * 64)
    assert drone_life.revoke(services.database, AwsIotCertificates()) == 1


class Away:
    """An issuer that does not answer."""

    def revoke(self, drone_id: str, certificate_id: str) -> None:
        raise Unavailable("away")


def test_what_cannot_be_revoked_now_waits_and_is_shown(services: Services) -> None:
    replaced(services, "a" * 64)
    assert drone_life.revoke(services.database, None) == 0
    with pytest.raises(Unavailable):
        drone_life.revoke(services.database, Away())
    with Server(services) as server, server.client(Role.VIEWER) as http:
        assert http.get("/v1/drones/kite-01").json()["certificates_to_revoke"] == ["a" * 64]


def test_an_id_that_is_none_is_not_believed(services: Services) -> None:
    replaced(services, "../../etc/passwd")
    with services.database.session() as session:
        assert session.query(CertificateRevocation).count() == 0
