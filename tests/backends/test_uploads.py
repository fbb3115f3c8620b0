"""What a drone recorded against what arrived, and the order to send some of it first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from cloud import consume
from cloud.dispatch import Dispatch
from cloud.services import Services
from cloud.tables import Flight, Media
from contracts.errors import InvalidInput, NotFound
from contracts.ids import segment_id
from contracts.media import FlightInventory, SegmentEntry, UploadOrder, inventory_key
from contracts.topics import UPLOAD_ORDERS, decode
from contracts.vocabulary import FlightState, MediaState, Role
from tests import platform
from tests.factories import MemoryObjects
from tests.platform import Server, Wire
from tests.services import DatabaseServer

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
FLIGHT = "flt-1"


@pytest.fixture
def services(postgres_server: DatabaseServer) -> Iterator[Services]:
    with postgres_server.database(migrated=True) as url:
        built = replace(platform.build(url), objects=MemoryObjects())
        platform.stock(built)
        with built.database.session() as session:
            session.add(_flight())
        yield built
        built.database.close()


@pytest.fixture
def operator(services: Services) -> Iterator[httpx.Client]:
    with Server(services) as server, server.client(Role.OPERATOR) as http:
        yield http


def _flight() -> Flight:
    return Flight(
        flight_id=FLIGHT,
        asset_id="wt-01",
        drone_id="kite-01",
        plan_id="plan-1",
        plan_version=1,
        route_hash="",
        state=FlightState.LANDED.value,
        created_by="olga",
    )


def tell(services: Services, indices: range, **changes: Any) -> None:
    entries = tuple(SegmentEntry(index=i, sha256="0" * 64, size_bytes=100, started_at=NOW) for i in indices)
    told = FlightInventory(flight_id=FLIGHT, drone_id="kite-01", complete=False, segments=entries)
    told = told.model_copy(update=changes)
    key = inventory_key("kite-01", FLIGHT)
    services.objects.put(key, told.model_dump_json().encode(), "application/json")
    consume.on_stored_object(services, key)


def arrive(services: Services, index: int) -> None:
    row = Media(
        segment_id=segment_id(FLIGHT, index),
        flight_id=FLIGHT,
        drone_id="kite-01",
        asset_id="wt-01",
        index=index,
        video_key="v",
        manifest_key="m",
        sha256="0" * 64,
        size_bytes=100,
        frames=1,
        started_at=NOW,
        duration_s=4.0,
        state=MediaState.STORED.value,
    )
    with services.database.session() as session:
        session.add(row)


def test_recorded_and_arrived_are_counted_apart(services: Services, operator: httpx.Client) -> None:
    tell(services, range(5))
    arrive(services, 1)
    body = operator.get(f"/v1/flights/{FLIGHT}/upload").json()
    assert body == {
        "recorded_segments": 5,
        "arrived_segments": 1,
        "recorded_bytes": 500,
        "arrived_bytes": 100,
        "recording": True,
        "missing": [0, 2, 3, 4],
    }
    tell(services, range(6), complete=True)
    tell(services, range(5), complete=True)
    body = operator.get(f"/v1/flights/{FLIGHT}/upload").json()
    assert (body["recorded_segments"], body["recording"]) == (6, False), "the late, older inventory changes nothing"


def test_an_order_reaches_the_drone_without_what_has_arrived(services: Services, operator: httpx.Client) -> None:
    tell(services, range(5))
    arrive(services, 3)
    answer = operator.post(f"/v1/flights/{FLIGHT}/upload-order", json={"segments": [4, 3, 0]})
    assert (answer.status_code, answer.json()) == (202, {"flight_id": FLIGHT, "segments": [4, 0]})
    wire = Wire()
    assert services.signer is not None
    Dispatch(services.database, wire, services.routes, services.signer).step()
    topic, payload = wire.sent[-1]
    assert topic == UPLOAD_ORDERS.of("kite-01")
    assert decode(topic, payload)[1] == UploadOrder(flight_id=FLIGHT, segments=(4, 0))


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        (f"/v1/flights/{FLIGHT}/upload-order", {"segments": [9]}, 422, "segments"),
        (f"/v1/flights/{FLIGHT}/upload-order", {"segments": [-1]}, 422, "segments"),
        ("/v1/flights/flt-9/upload-order", {"segments": [0]}, 404, None),
    ],
)
def test_an_impossible_order_is_refused(
    services: Services, operator: httpx.Client, path: str, body: dict[str, Any], status: int, field: str | None
) -> None:
    tell(services, range(2))
    answer = operator.post(path, json=body)
    assert answer.status_code == status
    assert field is None or field in answer.text


@pytest.mark.parametrize(
    ("changes", "error"), [({"flight_id": "flt-9"}, InvalidInput), ({"drone_id": "kite-02"}, InvalidInput)]
)
def test_an_inventory_under_anothers_key_is_refused(
    services: Services, changes: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        tell(services, range(1), **changes)


def test_an_inventory_of_an_unknown_flight_waits_as_not_found(services: Services) -> None:
    told = FlightInventory(flight_id="flt-9", drone_id="kite-01", complete=False, segments=())
    key = inventory_key("kite-01", "flt-9")
    services.objects.put(key, told.model_dump_json().encode(), "application/json")
    with pytest.raises(NotFound):
        consume.on_stored_object(services, key)
