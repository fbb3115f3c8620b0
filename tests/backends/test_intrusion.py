"""Who misuses the API or a drone's key is noticed, told to those on call and shut out; never an aircraft aloft."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from cloud import fleet, quarantine, sample_rows, samples
from cloud.backends.certificates import QUARANTINE_GROUP, AwsIotCertificates
from cloud.intrusion import findings
from cloud.intrusion.census import Census
from cloud.intrusion.watch import Watch
from cloud.services import Services
from cloud.tables import ApiActivity, CommandRow, Drone, Flight, SecurityEvent
from contracts.errors import Conflict, Unavailable
from contracts.sample_table import of_batch
from contracts.telemetry import TelemetryBatch
from contracts.vocabulary import AircraftState, CommandKind, FlightState, Role
from tests import platform
from tests.platform import Server, sample
from tests.services import DatabaseServer, Moto

pytestmark = pytest.mark.backends
NOW = datetime.now(UTC)


@pytest.fixture
def services(postgres_server: DatabaseServer) -> Iterator[Services]:
    with platform.stocked(postgres_server) as built:
        yield built


def fly(services: Services, boot: str, first_s: int, last_s: int, **changes: Any) -> None:
    """Store a sample a second, ``first_s`` to ``last_s`` before now."""
    taken = [
        sample(10 * (1000 - s), captured_at=NOW - timedelta(seconds=s), **changes) for s in range(first_s, last_s, -1)
    ]
    with services.database.session() as session:
        batch = TelemetryBatch(drone_id="kite-01", boot_id=boot, samples=tuple(taken))
        samples.store(session, [sample_rows.rows(of_batch(batch))])


def events(services: Services) -> list[SecurityEvent]:
    with services.database.session() as session:
        return session.query(SecurityEvent).order_by(SecurityEvent.first_at).all()


def drone(services: Services) -> Drone:
    with services.database.session() as session:
        return session.get_one(Drone, "kite-01")


def test_a_flight_and_a_restart_raise_nothing(services: Services) -> None:
    fly(services, "boot-1", 100, 60)
    fly(services, "boot-2", 55, 0, lat_deg=54.9003)
    assert Watch(services).look(NOW) == 0


def test_a_key_used_by_two_computers_quarantines_its_drone_once(services: Services) -> None:
    fly(services, "boot-1", 100, 0)
    fly(services, "boot-2", 60, 0)
    watch = Watch(services)
    assert [watch.look(NOW), watch.look(NOW)] == [1, 0]
    (event,) = events(services)
    assert (event.rule, event.subject, event.times) == ("certificate_in_two_places", "kite-01", 2)
    assert "Two computers speak as kite-01" in drone(services).quarantine_reason


def test_a_position_that_cannot_be_flown_to_quarantines_too(services: Services) -> None:
    fly(services, "boot-1", 100, 50)
    fly(services, "boot-1", 49, 0, lat_deg=55.4)
    assert Watch(services).look(NOW) == 1
    assert events(services)[0].facts["distance_m"] == pytest.approx(55_660, rel=0.01)


@pytest.mark.parametrize("changes", [{"gps_fix": 1}, {"clock": "free"}], ids=["no fix", "clock not trusted"])
def test_what_a_drone_does_not_know_itself_is_not_held_against_it(services: Services, changes: dict[str, Any]) -> None:
    fly(services, "boot-1", 100, 50)
    fly(services, "boot-1", 49, 0, lat_deg=55.4, **changes)
    assert Watch(services).look(NOW) == 0


class Gatehouse:
    """Remembers who is shut out; may be away."""

    def __init__(self) -> None:
        self.out: set[str] = set()
        self.away = False

    def shut(self, drone_id: str) -> None:
        if self.away:
            raise Unavailable("away")
        self.out.add(drone_id)

    def reopen(self, drone_id: str) -> None:
        self.out.discard(drone_id)


def impose(services: Services) -> None:
    with services.database.session() as session:
        quarantine.impose(session, "kite-01", "ann", "its computer was stolen")


def test_an_aircraft_aloft_keeps_its_link_until_it_is_down(services: Services) -> None:
    gate = Gatehouse()
    impose(services)
    fly(services, "boot-1", 10, 5, state=AircraftState.RETURNING)
    assert quarantine.enforce(services.database, gate) == 0
    fly(services, "boot-1", 5, 0, state=AircraftState.ON_GROUND)
    assert quarantine.enforce(services.database, gate) == 1
    assert gate.out == {"kite-01"}
    assert quarantine.enforce(services.database, gate) == 0, "once"


def test_a_silent_aircraft_on_its_flight_is_not_shut_out(services: Services) -> None:
    with services.database.session() as session:
        session.add(
            Flight(flight_id="flt-1", asset_id="wt-01", drone_id="kite-01", plan_id="p", plan_version=1, route_hash="",
                   state=FlightState.FLYING.value, created_by="ann")
        )  # fmt: skip
    impose(services)
    assert quarantine.enforce(services.database, Gatehouse()) == 0


def test_a_gate_that_is_away_is_asked_again(services: Services) -> None:
    gate = Gatehouse()
    gate.away = True
    impose(services)
    with pytest.raises(Unavailable):
        quarantine.enforce(services.database, gate)
    gate.away = False
    assert quarantine.enforce(services.database, gate) == 1


@pytest.mark.parametrize("kind", CommandKind)
def test_in_quarantine_only_what_makes_a_flight_safer_is_sent(services: Services, kind: CommandKind) -> None:
    impose(services)
    with services.database.session() as session:
        wish: dict[str, Any] = {"flight": None, "drone_id": "kite-01", "kind": kind, "issuer": "ann"}
        if kind in {CommandKind.HOLD, CommandKind.LAND, CommandKind.RETURN_HOME, CommandKind.PAUSE}:
            fleet.issue_command(session, **wish)
        else:
            with pytest.raises(Conflict, match="quarantined since"):
                fleet.issue_command(session, altitude_m=30.0, **wish)


def test_an_operator_quarantines_and_only_an_admin_readmits(services: Services) -> None:
    reason = {"reason": "copied from a lost laptop"}
    gate = Gatehouse()
    fly(services, "boot-1", 100, 0, state=AircraftState.ON_GROUND)
    fly(services, "boot-2", 60, 0, state=AircraftState.ON_GROUND)
    Watch(services).look(NOW)
    with Server(services) as server, server.client(Role.OPERATOR) as operator, server.client(Role.ADMIN) as admin:
        assert operator.post("/v1/drones/kite-01/quarantine", json=reason).json()["quarantined_at"] is not None
        quarantine.enforce(services.database, gate)
        assert operator.get("/v1/drones/kite-01").json()["shut_out_at"] is not None
        assert operator.post("/v1/drones/kite-01/readmit", json=reason).status_code == 403
        assert operator.get("/v1/security/events").status_code == 403
        assert admin.post("/v1/drones/kite-01/readmit", json=reason).json()["quarantined_at"] is None
        assert admin.get("/v1/security/events?state=open").json()["data"] == [], "closed with it"
        assert admin.get("/v1/security/events").json()["data"][0]["note"] == reason["reason"]
        assert admin.post("/v1/drones/no-such/quarantine", json=reason).status_code == 404
        assert admin.post("/v1/security/events/sec-0/close", json={"note": "none"}).status_code == 404
    quarantine.enforce(services.database, gate)
    assert gate.out == set()


def activity(services: Services) -> Counter[tuple[str, str]]:
    """Requests by asker and outcome; a row is one minute's, and a test may run across the turn of one."""
    found: Counter[tuple[str, str]] = Counter()
    with services.database.session() as session:
        for row in session.query(ApiActivity):
            found[row.asker, row.outcome] += row.requests
    return found


def test_requests_are_counted_by_asker_and_outcome(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud.intrusion.census.FLUSH_S", 0.0)
    with Server(services) as server, server.client(Role.VIEWER, name="vera") as vera, server.client() as nobody:
        for _ in range(3):
            vera.get("/v1/drones/none")
        vera.get("/v1/dead-letters")
        vera.get("/v1/security/events")
        nobody.get("/v1/drones")
        for _ in range(20):
            nobody.post("/oidc/token", data={"grant_type": "password", "username": "x", "password": "y"})
        vera.get("/v1/me")
    address = "address 127.0.0.1"
    found = activity(services)
    assert found["vera", "not_found"] == 3
    assert found["vera", "forbidden"] == 1
    assert found["vera", "answered"] == 2
    assert found[address, "unauthenticated"] + found.get((address, "limited"), 0) == 20, "no token at all is no guess"


def test_counts_wait_in_memory_while_the_database_is_away(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    census = Census(None, services.database)  # type: ignore[arg-type]
    census._count({"state": {"asker": "ann"}, "path": "/v1/me", "headers": []}, 200)
    taken, census._counts = census._counts, Counter()
    monkeypatch.setattr(services.database, "session", _away)
    census._store(taken)
    assert census._counts == taken


def _away() -> Any:
    raise Unavailable("away")


class Postbox:
    """A channel that keeps what it was given."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []

    def send(self, address: str, subject: str, text: str, key: str) -> str:
        self.sent.append((subject, key))
        return key


def test_a_burst_of_commands_is_told_to_those_on_call_once(services: Services) -> None:
    now = datetime.now(UTC)
    with services.database.session() as session:
        session.add_all(
            CommandRow(command_id=f"cmd-{n}", drone_id="kite-01", kind=CommandKind.TAKE_OFF.value, seq=n, params={},
                       issuer="key:lost", state="sent", issued_at=now, not_after=now)
            for n in range(1, 18)
        )  # fmt: skip
    post = Postbox()
    watch = Watch(dataclasses.replace(services, channels={"topic": post}), every_s=0.0)
    watch.step()
    watch.step()
    assert [subject for subject, _ in post.sent] == ["Security: command burst, key:lost"]
    assert drone(services).quarantined_at is None, "a person's doing is no drone's"


def test_on_aws_the_certificates_are_inactive_and_the_thing_is_grouped(
    moto: Moto, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in moto.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    moto.reset()
    iot = boto3.client("iot")
    iot.create_thing(thingName="kite-01")
    iot.create_thing_group(thingGroupName=QUARANTINE_GROUP)
    old, new = (iot.create_keys_and_certificate(setAsActive=True) for _ in range(2))
    for made in (old, new):
        iot.attach_thing_principal(thingName="kite-01", principal=made["certificateArn"])
    iot.update_certificate(certificateId=old["certificateId"], newStatus="REVOKED")

    def states() -> list[str]:
        ids = (made["certificateId"] for made in (old, new))
        return [iot.describe_certificate(certificateId=i)["certificateDescription"]["status"] for i in ids]

    gate = AwsIotCertificates()
    gate.shut("kite-01")
    gate.shut("kite-01")
    assert states() == ["REVOKED", "INACTIVE"]
    assert iot.list_things_in_thing_group(thingGroupName=QUARANTINE_GROUP)["things"] == ["kite-01"]
    gate.reopen("kite-01")
    assert states() == ["REVOKED", "ACTIVE"]
    assert iot.list_things_in_thing_group(thingGroupName=QUARANTINE_GROUP)["things"] == []


class TestFindingsOfAws:
    """What EventBridge puts into the queue; the formats are a unit test's."""

    @staticmethod
    def told(services: Services, check: str, thing: str) -> None:
        found: dict[str, Any] = {"Id": check, "GeneratorId": check, "Title": check}
        found |= {"Resources": [{"Id": f"arn:aws:iot:eu-west-1:111111111111:thing/{thing}"}]}
        findings.on_finding(services, json.dumps({"source": "aws.securityhub", "detail": {"findings": [found]}}))

    def test_a_key_that_two_clients_use_quarantines_its_drone_however_often_it_is_told(
        self, services: Services
    ) -> None:
        for _ in range(2):
            self.told(services, "CONFLICTING_CLIENT_IDS_CHECK", "kite-01")
        [event] = events(services)
        assert (event.rule, event.subject_kind, event.times) == ("certificate_in_two_places", "drone", 2)
        assert drone(services).quarantined_at is not None

    def test_a_flood_is_judged_by_a_person(self, services: Services) -> None:
        self.told(services, "too-many-messages", "kite-01")
        assert [event.rule for event in events(services)] == ["device_defender"]
        assert drone(services).quarantined_at is None

    def test_a_thing_that_is_no_drone_of_ours_is_an_event_too(self, services: Services) -> None:
        self.told(services, "CONFLICTING_CLIENT_IDS_CHECK", "stranger")
        assert [(event.subject_kind, event.subject) for event in events(services)] == [("asker", "stranger")]
