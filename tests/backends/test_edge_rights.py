"""Rights to the store, lent to a drone's certificate: the AWS protocol against the one-machine lender and real TLS."""

from __future__ import annotations

import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import pytest

from contracts.errors import Unavailable
from contracts.resources import BUCKET
from edge.backends.credentials import Files, RoleAlias
from edge.backends.objects import S3Objects
from edge.backends.signed_http import Answer
from infra.local import certificates
from infra.local.certificates import Identity, Keys
from infra.local.lender import Lender, Rights, lend_from_sts
from tests.services import AwsServer

pytestmark = pytest.mark.backends
DRONE = "drone-7"


class Counter:
    """Lends rights of a chosen life and counts how often."""

    def __init__(self, life_s: float) -> None:
        self.life_s = life_s
        self.things: list[str] = []

    def __call__(self, thing: str) -> Rights:
        self.things.append(thing)
        until = datetime.now(UTC) + timedelta(seconds=self.life_s)
        return Rights(f"ASIA{len(self.things):016d}", "secret", "token", until)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    made = Keys(tmp_path_factory.mktemp("lender") / "certificates")
    made.folder.mkdir()
    certificates.create(made)
    return made


@pytest.fixture
def counter(request: pytest.FixtureRequest) -> Counter:
    return Counter(getattr(request, "param", 3600.0))


@pytest.fixture
def lender(keys: Keys, counter: Counter) -> Iterator[Lender]:
    yield from serving(Lender(0, keys.identity("broker"), counter))


def serving(server: Lender) -> Iterator[Lender]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(5)


def files(identity: Identity) -> Files:
    return Files(identity.ca_file, identity.cert_file, identity.key_file)


def alias(lender: Lender, keys: Keys, thing: str = DRONE) -> RoleAlias:
    return RoleAlias(lender.url, thing, files(certificates.issue_drone(keys, DRONE)))


def test_one_loan_serves_many_calls(lender: Lender, keys: Keys, counter: Counter, aws_ministack: AwsServer) -> None:
    store = S3Objects(BUCKET, rights=alias(lender, keys))
    for number in range(3):
        store.put(f"flights/{DRONE}/f/{number}.json", b"{}")
    assert counter.things == [DRONE]


def test_a_drone_in_quarantine_is_lent_nothing(keys: Keys, counter: Counter) -> None:
    for lender in serving(Lender(0, keys.identity("broker"), counter, shut_out=lambda: [DRONE])):
        with pytest.raises(Unavailable, match="403"):
            S3Objects(BUCKET, rights=alias(lender, keys)).put("x", b"")
    assert counter.things == []


@pytest.mark.parametrize("counter", [1.0], indirect=True)
def test_at_half_their_life_rights_are_fetched_again(
    lender: Lender, keys: Keys, counter: Counter, aws_ministack: AwsServer
) -> None:
    store = S3Objects(BUCKET, rights=alias(lender, keys))
    deadline = time.monotonic() + 10
    while len(counter.things) < 3:
        store.put(f"flights/{DRONE}/f/again.json", b"{}")
        assert time.monotonic() < deadline


def test_rights_refused_as_expired_are_fetched_again_whatever_they_say(
    lender: Lender, keys: Keys, counter: Counter, aws_ministack: AwsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = S3Objects(BUCKET, rights=alias(lender, keys))
    store.put("flights/a.json", b"{}")
    plain, refusals = store._http.send, iter([Answer(400, {}, b"<Error><Code>ExpiredToken</Code></Error>")])
    monkeypatch.setattr(store._http, "send", lambda request, pace: next(refusals, None) or plain(request, pace))
    with pytest.raises(Unavailable, match="ExpiredToken"):
        store.put("flights/a.json", b"{}")
    store.put("flights/a.json", b"{}")
    assert len(counter.things) == 2


def test_another_things_name_is_refused(lender: Lender, keys: Keys, counter: Counter, aws_ministack: AwsServer) -> None:
    store = S3Objects(BUCKET, rights=alias(lender, keys, thing="drone-8"))
    with pytest.raises(Unavailable, match="403"):
        store.put("flights/a.json", b"{}")
    assert counter.things == []


def test_a_certificate_of_another_authority_gets_nothing(
    lender: Lender, keys: Keys, counter: Counter, tmp_path: Path
) -> None:
    other = Keys(tmp_path / "certificates")
    other.folder.mkdir()
    certificates.create(other)
    stranger = certificates.issue_drone(other, DRONE)
    tls = ssl.create_default_context(cafile=str(keys.ca_file))
    tls.load_cert_chain(stranger.cert_file, stranger.key_file)
    request = urllib.request.Request(lender.url, headers={"x-amzn-iot-thingname": DRONE})
    with pytest.raises((urllib.error.URLError, ConnectionError, ssl.SSLError)):
        urllib.request.urlopen(request, context=tls, timeout=5).read()
    assert counter.things == []


def test_a_lender_that_is_away_is_a_store_that_is_away(keys: Keys, aws_ministack: AwsServer) -> None:
    away = RoleAlias("https://127.0.0.1:1/role-aliases/x/credentials", DRONE, files(keys.identity("broker")))
    with pytest.raises(Unavailable):
        S3Objects(BUCKET, rights=away).put("flights/a.json", b"{}")


def test_the_emulators_own_rights_open_the_bucket(
    keys: Keys, aws_ministack: AwsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for server in serving(Lender(0, keys.identity("broker"), lend_from_sts)):
        store = S3Objects(BUCKET, rights=alias(server, keys))
        store.put("flights/sts.json", b"[]")
        assert boto3.client("s3").get_object(Bucket=BUCKET, Key="flights/sts.json")["Body"].read() == b"[]"
