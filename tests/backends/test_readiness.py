"""Each program says that it cannot work when a dependency is taken from it, and that it can when it is back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import boto3
import pytest
from fastapi.testclient import TestClient

from cloud import consume, readiness
from cloud.app import create_app
from cloud.composition import build_link, build_services
from cloud.dispatch import Dispatch
from cloud.ingest import Ingest
from cloud.services import Services
from cloud.settings import Settings
from contracts.topics import TELEMETRY
from infra.local import certificates
from instruments import metrics
from instruments.readiness import Pulse, Readiness, pulses
from tests import platform
from tests.bad_link import BadLink
from tests.services import Broker, MiniStack
from vision.backends.jobs import SqsJobs
from vision.backends.objects import S3Objects

PATIENCE_S = 15.0


class Ground(NamedTuple):
    """Services whose every dependency is behind a link that can be cut."""

    services: Services
    links: dict[str, BadLink]


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2].partition("/")[0])


@pytest.fixture(scope="module")
def ground(
    database_url: str, broker: Broker, aws_ministack: MiniStack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ground]:
    ports = {"database": port_of(database_url), "broker": broker.port, "object store": port_of(aws_ministack.url)}
    keys = certificates.Keys(tmp_path_factory.mktemp("keys") / "certificates")
    certificates.create(keys)
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        links = {name: stack.enter_context(BadLink(port)) for name, port in ports.items()}
        patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{links['object store'].port}")
        patch.setattr(boto3, "DEFAULT_SESSION", None)
        # A refused connection is tried three times; the pauses between are botocore's own affair.
        patch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _s: None))
        me = broker.platform
        settings = Settings(
            database_url=database_url.replace(str(ports["database"]), str(links["database"].port)),
            mqtt_url=f"mqtts://127.0.0.1:{links['broker'].port}",
            ca_file=me.ca_file,
            cert_file=me.cert_file,
            key_file=me.key_file,
            command_signing_key_file=keys.command_signing_key_file,
        )
        services = build_services(settings)
        yield Ground(services, links)
        services.database.close()


def missing(look: Callable[[], dict[str, str]], names: set[str], maybe: set[str]) -> None:
    """Wait until exactly these are missing, ``maybe`` some of those too."""
    deadline = time.monotonic() + PATIENCE_S
    while set(found := look()) - maybe != names:
        assert time.monotonic() < deadline, found
        time.sleep(0.02)


def fresh(of: Readiness) -> Readiness:
    """Let every look be a new one."""
    of._clock = iter(range(1_000_000)).__next__
    return of


def taken_away_and_given_back(
    look: Callable[[], dict[str, str]], link: BadLink, *names: str, maybe: frozenset[str] = frozenset()
) -> None:
    missing(look, set(), set())
    link.down()
    try:
        missing(look, set(names), set(maybe))
    finally:
        link.up()
    missing(look, set(), set())


@pytest.mark.parametrize("name", ["database", "broker", "object store"])
def test_the_api(ground: Ground, name: str) -> None:
    web = create_app(ground.services.settings, ground.services)
    fresh(web.state.readiness)
    with TestClient(web) as http:

        def look() -> dict[str, str]:
            answer = http.get("/readyz")
            assert answer.status_code == (503 if answer.json()["reasons"] else 200)
            return dict(answer.json()["reasons"])

        taken_away_and_given_back(look, ground.links[name], name)
        assert http.get("/healthz").status_code == 200


@pytest.mark.parametrize("name", ["database", "broker"])
def test_the_ingest(ground: Ground, name: str) -> None:
    services = ground.services
    assert services.signer is not None
    link = build_link(services.settings)
    inbound = Pulse("ingest", Ingest(services.database, link).step)
    outbound = Pulse("dispatch", Dispatch(services.database, link, services.routes, services.signer).step)
    looks = fresh(readiness.of_daemon(services, watched=(inbound, outbound), link=link))

    def look() -> dict[str, str]:
        inbound()
        outbound()
        return looks.look()

    link.start()
    try:
        also = ("dispatch",) if name == "database" else ()
        # The ingest fails too where another test's messages wait.
        taken_away_and_given_back(look, ground.links[name], name, *also, maybe=frozenset({"ingest"}))
    finally:
        link.stop()


@pytest.mark.parametrize(
    ("name", "lost"), [("object store", {"object store", "kestrel-media-events"}), ("database", {"database"})]
)
def test_a_worker_of_a_queue(ground: Ground, name: str, lost: set[str]) -> None:
    queue = consume.Consumer(ground.services, "kestrel-media-events", consume.on_media_event, wait_s=0)
    pulse = Pulse(queue.queue, queue.step)
    looks = fresh(readiness.of_daemon(ground.services, readiness.OBJECT_STORE, watched=(pulse,)))
    taken_away_and_given_back(lambda: _stepped(pulse, looks), ground.links[name], *lost)


def test_the_vision_worker(ground: Ground) -> None:
    jobs = SqsJobs(wait_s=0)
    pulse = Pulse("kestrel-vision-jobs", lambda: None if jobs.receive() is None else True)
    looks = fresh(Readiness({"object store": S3Objects("kestrel-media").reach} | pulses(pulse)))
    both = ("object store", "kestrel-vision-jobs")
    taken_away_and_given_back(lambda: _stepped(pulse, looks), ground.links["object store"], *both)


def _stepped(pulse: Pulse, looks: Readiness) -> dict[str, str]:
    try:
        pulse()
    except Exception:  # noqa: BLE001 - what the step's failure is called is what is looked at
        return looks.look()
    return looks.look()


def test_a_broker_that_knows_another_authority_is_not_there(ground: Ground, broker: Broker, tmp_path: Path) -> None:
    others = certificates.Keys(tmp_path / "certificates")
    certificates.create(others)
    # Straight to the broker: one look counts here, and a link that ends early would be named instead.
    settings = ground.services.settings.model_copy(update={"ca_file": others.ca_file, "mqtt_url": broker.url})
    web = create_app(settings, replace(ground.services, reach=build_services(settings).reach))
    with TestClient(web) as http:
        assert "certificate verify failed" in http.get("/readyz").json()["reasons"]["broker"]


def test_requests_and_samples_are_counted(ground: Ground) -> None:
    value = metrics.REGISTRY.get_sample_value
    labels = {"method": "GET", "route": "/v1/assets/{asset_id}", "status": "4xx"}
    before = value("kestrel_api_requests_total", labels) or 0
    stored = value("kestrel_ingest_samples_total") or 0
    with TestClient(create_app(ground.services.settings, ground.services)) as http:
        assert http.get("/v1/assets/wt-01").status_code == 401
    assert value("kestrel_api_requests_total", labels) == before + 1
    wire = platform.Wire()
    ingest = Ingest(ground.services.database, wire)
    platform.stock(ground.services)
    wire.offer(TELEMETRY.of("kite-01"), platform.telemetry(1, 5))
    ingest.step()
    assert value("kestrel_ingest_samples_total") == stored + 5
    assert "kite-01" not in metrics.exposed().decode(), "a drone is no label"
