"""The drone's settings that may change in service, by AWS IoT's device shadow: asked for, checked, applied, reported.

A shadow is configuration, never telemetry, and never a limit of safety: nothing here lets an aircraft fly otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Protocol

from pydantic import Field, ValidationError

from contracts.errors import InvalidInput, PlatformError, TooLarge
from contracts.geo import Frozen
from edge import logbook
from edge.files import write_durably

MAX_BYTES = 8 * 1024
"""AWS IoT's limit on a shadow document."""


class Tunables(Frozen):
    """What the cloud may ask for. Outside these bounds it is refused, field by field."""

    upload_ceiling_bytes_per_s: int | None = Field(default=None, ge=16 * 1024, le=1_000_000_000)
    storage_budget_bytes: int | None = Field(default=None, ge=1024**2, le=16 * 1024**4)
    first_look: bool | None = Field(default=None, description="look at key frames on board, where there is a detector")
    replace_certificate: str | None = Field(default=None, max_length=128, description="id of the one to replace now")


def topics(thing: str) -> dict[str, str]:
    """Return the shadow's topics by what they are for."""
    root = f"$aws/things/{thing}/shadow"
    return {"get": f"{root}/get", "got": f"{root}/get/accepted", "delta": f"{root}/update/delta",
            "update": f"{root}/update"}  # fmt: skip


class Shadow:
    """Keeps what was applied last, and applies what is asked. Older versions that arrive late change nothing."""

    def __init__(self, path: Path, apply: Callable[[Tunables], None]) -> None:
        self._path = path
        self._apply = apply
        self._version = 0
        self.tunables = Tunables()
        if path.exists():
            try:
                kept = json.loads(path.read_text(encoding="utf-8"))
                self.tunables, self._version = Tunables.model_validate(kept["tunables"]), int(kept["version"])
            except (ValueError, KeyError, TypeError) as error:
                path.replace(path.with_name(path.name + ".corrupt"))
                logbook.warn("shadow_set_aside", path=str(path), error=str(error)[:300])
        apply(self.tunables)

    def on_delta(self, payload: bytes) -> bytes | None:
        """Take a delta (``{"version", "state"}``); return the update to publish, None for one that is old."""
        return self._on(payload, lambda document: document["state"])

    def on_document(self, payload: bytes) -> bytes | None:
        """Take the whole shadow, as asked for at each connection: what was missed meanwhile is in it."""
        return self._on(payload, lambda document: document["state"].get("desired", {}))

    def _on(self, payload: bytes, desired_of: Callable[[Any], Any]) -> bytes | None:
        if len(payload) > MAX_BYTES:
            raise TooLarge(f"A shadow of {len(payload)} bytes is over {MAX_BYTES}.")
        try:
            document = json.loads(payload)
            version, desired = int(document["version"]), dict(desired_of(document))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidInput(f"Not a shadow document: {error}.", field="shadow") from error
        if version < self._version:
            return None
        refused = self._take(desired)
        self._version = version
        kept = {"version": version, "tunables": self.tunables.model_dump(exclude_none=True)}
        write_durably(self._path, json.dumps(kept).encode())
        return self.reported(refused)

    def _take(self, desired: dict[str, Any]) -> dict[str, str]:
        """Apply what is valid of what is asked; return why the rest is not. Null takes a setting back."""
        refused: dict[str, str] = {}
        taken = self.tunables.model_dump()
        for name, value in desired.items():
            try:
                Tunables.model_validate({name: value})
                taken[name] = value
            except ValidationError as error:
                refused[str(name)[:80]] = error.errors(include_url=False)[0]["msg"][:200]
        self.tunables = Tunables.model_validate(taken)
        self._apply(self.tunables)
        if refused:
            logbook.warn("shadow_refused", fields=sorted(refused))
        return refused

    def reported(self, refused: dict[str, str]) -> bytes:
        """Return the update that says what is in force, and what was refused and why."""
        state: dict[str, Any] = {**self.tunables.model_dump(), "refused": dict(list(refused.items())[:10]) or None}
        return json.dumps({"state": {"reported": state}}).encode()


class _Link(Protocol):
    @property
    def generation(self) -> int: ...

    def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool) -> Future[None]: ...


class ShadowPost:
    """Asks the broker for the shadow and takes what it answers."""

    def __init__(self, shadow: Shadow, link: _Link, thing: str) -> None:
        self._shadow, self._link = shadow, link
        self._topics = topics(thing)
        self._asked = 0

    def ask(self) -> bool | None:
        """Ask for the whole shadow once for each connection: deltas that came meanwhile are not repeated."""
        generation = self._link.generation
        if not generation or generation == self._asked:
            return None
        self._link.publish(self._topics["get"], b"{}", qos=1, retain=False).result(timeout=10.0)
        self._asked = generation
        return True

    def take(self, topic: str, payload: bytes) -> bool:
        """Apply a message and report; False when the topic is none of the shadow's."""
        takers = {self._topics["got"]: self._shadow.on_document, self._topics["delta"]: self._shadow.on_delta}
        if topic not in takers:
            return False
        try:
            answer = takers[topic](payload)
        except PlatformError as error:
            logbook.warn("shadow_unreadable", code=error.code, error=error.message)
            return True
        if answer is not None:
            self._link.publish(self._topics["update"], answer, qos=1, retain=False)
        return True
