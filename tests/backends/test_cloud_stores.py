"""Objects, routes and queues on both AWS stand-ins: the same behaviour, the same errors."""

from __future__ import annotations

import hashlib
import urllib.request

import boto3
import pytest

from cloud.backends.objects import S3Objects
from cloud.backends.queues import SqsQueues
from cloud.backends.routes import DynamoRoutes
from cloud.planning import planner
from cloud.planning.pattern import PlanInputs
from contracts.errors import NotFound, Unavailable
from contracts.resources import BUCKET, ROUTES_TABLE, VISION_JOBS_QUEUE
from contracts.routes import Route
from infra.local import resources
from tests import platform
from tests.services import AwsServer


@pytest.fixture(scope="module")
def route() -> Route:
    return planner.plan(PlanInputs(asset_id="wt-01", geometry=platform.TURBINE, home=platform.HOME), "pln-1", 3).route


@pytest.fixture
def objects(aws: AwsServer) -> S3Objects:
    return S3Objects(BUCKET)


def test_objects_come_back_as_they_went(objects: S3Objects) -> None:
    body = bytes(range(256)) * 9_000
    objects.put("crops/a/1.jpg", body, "image/jpeg")
    assert objects.get("crops/a/1.jpg") == body
    assert objects.head("crops/a/1.jpg").size_bytes == len(body)
    assert objects.sha256_stream("crops/a/1.jpg") == hashlib.sha256(body).hexdigest()
    assert objects.read_range("crops/a/1.jpg", 1_000, 1_009) == body[1_000:1_010]
    with urllib.request.urlopen(objects.presign_get("crops/a/1.jpg"), timeout=10) as answer:
        assert answer.read() == body


def test_objects_are_listed_in_order_below_a_prefix(objects: S3Objects) -> None:
    for name in ("b/2", "b/1", "c/1"):
        objects.put(f"frames/{name}", b"x", "text/plain")
    assert [item.key for item in objects.list("frames/b/")] == ["frames/b/1", "frames/b/2"]
    assert list(objects.list("frames/none/")) == []


def test_a_missing_object_is_not_found(objects: S3Objects) -> None:
    for act in (objects.get, objects.head, objects.sha256_stream):
        with pytest.raises(NotFound):
            act("crops/none")


def test_a_route_comes_back_with_its_hash(aws: AwsServer, route: Route) -> None:
    routes = DynamoRoutes()
    assert routes.get("pln-1", 3) is None
    for _ in range(2):
        routes.put(route)
    stored = routes.get("pln-1", 3)
    assert stored == route
    assert stored is not None
    assert stored.content_hash() == route.content_hash()


def test_a_lost_routes_table_means_no_route(aws: AwsServer, route: Route) -> None:
    boto3.client("dynamodb").delete_table(TableName=ROUTES_TABLE)
    routes = DynamoRoutes()
    assert routes.get("pln-1", 3) is None
    with pytest.raises(Unavailable):
        routes.put(route)
    resources.ensure()
    routes.put(route)
    assert routes.get("pln-1", 3) == route


def test_a_message_is_hidden_until_it_is_deleted_or_given_back(aws: AwsServer) -> None:
    queues = SqsQueues()
    queues.send(VISION_JOBS_QUEUE, "one")
    [message] = queues.receive(VISION_JOBS_QUEUE)
    assert (message.body, message.receives) == ("one", 1)
    assert queues.receive(VISION_JOBS_QUEUE) == []
    queues.extend(VISION_JOBS_QUEUE, message.receipt, 0)
    [again] = queues.receive(VISION_JOBS_QUEUE)
    assert (again.id, again.receives) == (message.id, 2)
    queues.delete(VISION_JOBS_QUEUE, again.receipt)
    assert queues.waiting(VISION_JOBS_QUEUE) == 0


def test_a_recreated_queue_is_found_again(aws: AwsServer) -> None:
    queues = SqsQueues()
    queues.send(VISION_JOBS_QUEUE, "lost")
    aws.reset()
    with pytest.raises(Unavailable):
        queues.send(VISION_JOBS_QUEUE, "refused")
    resources.ensure()
    queues.send(VISION_JOBS_QUEUE, "kept")
    assert [message.body for message in queues.receive(VISION_JOBS_QUEUE)] == ["kept"]


def test_an_endpoint_that_is_away_is_unavailable(monkeypatch: pytest.MonkeyPatch, route: Route) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_MAX_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    with pytest.raises(Unavailable):
        S3Objects(BUCKET).get("x")
    with pytest.raises(Unavailable):
        DynamoRoutes().put(route)
    with pytest.raises(Unavailable):
        SqsQueues().receive(VISION_JOBS_QUEUE)
