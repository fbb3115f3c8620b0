"""A small fleet against a real broker, a real ingest and a real database: whatever happens, all arrives."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from cloud.backends.link import Credentials, MqttLink
from cloud.db import Database
from cloud.ingest import Ingest
from contracts.topics import PLATFORM_IDENTITY
from simulators import fleet_database
from simulators.fleet import Fleet, Platform, Wishes
from simulators.fleet_drone import Broker as Where
from tests.services import Broker, DatabaseServer

pytestmark = pytest.mark.backends


@pytest.fixture
def platform(broker: Broker, postgres_server: DatabaseServer) -> Iterator[Platform]:
    with postgres_server.database(migrated=True) as url:
        database = Database(url)
        link = MqttLink(broker.url, f"{PLATFORM_IDENTITY}-ingest", Credentials(*broker.platform))
        link.start()
        assert link.wait_connected(10)
        ingest, stop = Ingest(database, link), threading.Event()

        def run() -> None:
            while not stop.is_set():
                ingest.step()

        worker = threading.Thread(target=run)
        worker.start()
        plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        yield Platform(Where("127.0.0.1", broker.port, broker.keys.ca_file), broker.keys.ca_key_file, plain, "")
        stop.set()
        worker.join()
        link.stop()
        database.close()


def test_after_storms_lost_links_and_restarts_every_sample_is_there_once(platform: Platform, tmp_path: Path) -> None:
    for number, scenario in enumerate(("storm", "upgrade")):
        folder = tmp_path / scenario
        folder.mkdir()
        told = Fleet(platform, Wishes(4, 10.0, scenario, 0.5, number), folder, "").run()
        assert told["ok"], told
        assert told["samples_made"] > 20
        assert told["samples_missing"] == 0
        assert told["first_online_s"]["count"] == 4


def test_the_oracle_sees_a_sample_that_is_missing(platform: Platform, tmp_path: Path) -> None:
    fleet = Fleet(platform, Wishes(2, 10.0, "clock", 0.4, 1), tmp_path, "")
    assert fleet.run()["ok"]
    made = {(drone.drone_id, boot_id): count for drone in fleet.drones for boot_id, count in drone.boots.items()}
    with Database(platform.database_url.replace("postgresql:", "postgresql+psycopg2:")).session() as session:
        session.execute(text("DELETE FROM telemetry WHERE seq = 2"))
    assert fleet_database.count(platform.database_url, made) == (2, 0)
