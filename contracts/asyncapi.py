"""The AsyncAPI 3 document of the MQTT side, made from the table of topics."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from contracts.topics import MAX_PAYLOAD_BYTES, TOPICS, Direction, Topic

JSON = dict[str, Any]
_ID = r"^[a-z0-9][a-z0-9-]{0,62}$"


def document() -> JSON:
    """Return the document: a channel per topic, an operation per direction, the contracts' schemas."""
    models = list(dict.fromkeys(topic.schema for topic in TOPICS))
    _, schemas = models_json_schema([(m, "validation") for m in models], ref_template="#/components/schemas/{model}")
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Kestrel, drones and platform over MQTT 5",
            "version": "1.0.0",
            "description": "From the platform's side: it receives what drones send and sends what they receive. Mutual "
            f"TLS; a certificate's common name is the drone id. A payload has at most {MAX_PAYLOAD_BYTES} bytes.",
            "license": {"name": "AGPL-3.0-or-later"},
        },
        "defaultContentType": "application/json",
        "servers": {"broker": {"host": "broker:8883", "protocol": "secure-mqtt", "protocolVersion": "5"}},
        "channels": {topic.name: _channel(topic) for topic in TOPICS},
        "operations": {_operation_id(topic): _operation(topic) for topic in TOPICS},
        "components": {
            "messages": {
                model.__name__: {
                    "name": model.__name__,
                    "summary": (model.__doc__ or "").strip().split("\n")[0],
                    "payload": {"$ref": f"#/components/schemas/{model.__name__}"},
                }
                for model in models
            },
            "schemas": schemas["$defs"],
        },
    }


def _channel(topic: Topic) -> JSON:
    name = topic.schema.__name__
    return {
        "address": topic.template,
        "description": f"{topic.purpose} ({topic.rate})",
        "parameters": {"drone_id": {"description": f"The drone's id: {_ID}"}},
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
    }


def _operation(topic: Topic) -> JSON:
    name = topic.schema.__name__
    return {
        "action": "receive" if topic.direction is Direction.UP else "send",
        "channel": {"$ref": f"#/channels/{topic.name}"},
        "messages": [{"$ref": f"#/channels/{topic.name}/messages/{name}"}],
        "bindings": {"mqtt": {"qos": topic.qos, "retain": topic.retain}},
    }


def _operation_id(topic: Topic) -> str:
    return f"{'receive' if topic.direction is Direction.UP else 'send'}_{topic.name.replace('/', '_')}"
