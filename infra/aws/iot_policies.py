"""AWS IoT policies, written from the table of topics: what a drone, a new drone, and the platform may say and hear.

AWS IoT takes at most 2,048 characters per policy (blanks not counted) and ten policies per certificate, so a drone's
rights are three policies: its messages, its own life (shadow, Defender's metrics, a new certificate), and its updates.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from contracts.topics import PLATFORM_IDENTITY, TOPICS, Direction
from infra.aws.place import PLATFORM_GROUP, PROVISIONING_TEMPLATE, Place

THING = "${iot:Connection.Thing.ThingName}"
MAX_CHARACTERS = 2048
_ATTACHED = {"Bool": {"iot:Connection.Thing.IsAttached": "true"}}
Document = dict[str, Any]


def _document(*statements: Mapping[str, Any]) -> Document:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **said} for said in statements]}


def _topics(place: Place, names: Iterable[str], kind: str = "topic") -> list[str]:
    return [place.arn("iot", f"{kind}/{name}") for name in names]


def drone_messages(place: Place) -> Document:
    """Return what a drone may say and hear: its own rows of the table, under its own name, with its thing attached."""
    up = [topic.of(THING) for topic in TOPICS if topic.direction is Direction.UP]
    down = [topic.of(THING) for topic in TOPICS if topic.direction is Direction.DOWN]
    kept = [topic.of(THING) for topic in TOPICS if topic.direction is Direction.UP and topic.retain]
    allowed = {"ForAllValues:StringEquals": {"iot:ConnectAttributes": ["PersistentConnect", "LastWill"]}}
    return _document(
        {
            "Action": "iot:Connect",
            "Resource": place.arn("iot", f"client/{THING}"),
            "Condition": {**_ATTACHED, **allowed},
        },
        {"Action": "iot:Publish", "Resource": _topics(place, up)},
        {"Action": "iot:RetainPublish", "Resource": _topics(place, kept)},
        {"Action": "iot:Subscribe", "Resource": _topics(place, down, "topicfilter")},
        {"Action": "iot:Receive", "Resource": _topics(place, down)},
    )


def drone_life(place: Place) -> Document:
    """Return what a drone needs for itself: its shadow, its metrics, its next certificate made and tried."""
    own = f"$aws/things/{THING}"
    certificates = "$aws/certificates/create-from-csr/json"
    template = f"$aws/provisioning-templates/{PROVISIONING_TEMPLATE}/provision/json"
    said = [f"{own}/shadow/get", f"{own}/shadow/update", f"{own}/defender/metrics/json", certificates, template]
    heard = [f"{own}/shadow/*", f"{certificates}/*", f"{template}/*"]
    return _document(
        {"Action": "iot:Connect", "Resource": place.arn("iot", f"client/{THING}-papers"), "Condition": _ATTACHED},
        {"Action": "iot:Publish", "Resource": _topics(place, said)},
        {"Action": "iot:Subscribe", "Resource": _topics(place, heard, "topicfilter")},
        {"Action": "iot:Receive", "Resource": _topics(place, heard)},
        {"Action": "iot:AssumeRoleWithCertificate", "Resource": place.arn("iot", "rolealias/kestrel-drone")},
    )


def drone_updates(place: Place) -> Document:
    """Return what a drone needs to take releases as jobs and to tell how they ended."""
    jobs = f"$aws/things/{THING}/jobs"
    heard = [f"{jobs}/notify-next", f"{jobs}/start-next/*", f"{jobs}/*/update/*"]
    return _document(
        {"Action": "iot:Publish", "Resource": _topics(place, [f"{jobs}/start-next", f"{jobs}/*/update"])},
        {"Action": "iot:Subscribe", "Resource": _topics(place, heard, "topicfilter")},
        {"Action": "iot:Receive", "Resource": _topics(place, heard)},
    )


def claim(place: Place) -> Document:
    """Return what a claim certificate may do: ask for a certificate of its own, nothing else."""
    asked = ["$aws/certificates/create-from-csr/json",
             f"$aws/provisioning-templates/{PROVISIONING_TEMPLATE}/provision/json"]  # fmt: skip
    answers = [f"{topic}/*" for topic in asked]
    return _document(
        {"Action": "iot:Connect", "Resource": place.arn("iot", "client/kestrel-*")},
        {"Action": "iot:Publish", "Resource": _topics(place, asked)},
        {"Action": "iot:Subscribe", "Resource": _topics(place, answers, "topicfilter")},
        {"Action": "iot:Receive", "Resource": _topics(place, answers)},
    )


def platform(place: Place) -> Document:
    """Return what the ingest tasks may do: hear every drone's messages in one shared group, and speak to each drone."""
    heard = [topic.any_drone() for topic in TOPICS if topic.direction is Direction.UP]
    said = [topic.of("*") for topic in TOPICS if topic.direction is Direction.DOWN]
    shared = [f"$share/{PLATFORM_GROUP}/{topic}" for topic in heard]
    received = [topic.of("*") for topic in TOPICS if topic.direction is Direction.UP]
    return _document(
        {"Action": "iot:Connect", "Resource": place.arn("iot", f"client/{PLATFORM_IDENTITY}-ingest-*")},
        {"Action": "iot:Subscribe", "Resource": _topics(place, shared, "topicfilter")},
        {"Action": "iot:Receive", "Resource": _topics(place, received)},
        {"Action": "iot:Publish", "Resource": _topics(place, said)},
    )


def policies(place: Place) -> dict[str, Document]:
    """Return every IoT policy by name."""
    return {
        "kestrel-drone-messages": drone_messages(place),
        "kestrel-drone-life": drone_life(place),
        "kestrel-drone-updates": drone_updates(place),
        "kestrel-claim": claim(place),
        "kestrel-platform": platform(place),
    }
