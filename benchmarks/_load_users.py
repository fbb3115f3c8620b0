"""What people and programs ask of the API, for Locust: it runs in an environment of its own, with Kestrel's outside.

``KESTREL_LOAD`` is JSON: the token, ids to ask for, the file to make when asking begins, and how long it settles before
it counts.
"""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import gevent  # type: ignore[import-not-found]
from locust import HttpUser, between, events, task  # type: ignore[import-not-found]

_TOLD: dict[str, Any] = json.loads(os.environ["KESTREL_LOAD"])  # noqa: TID251 - Locust passes nothing else on
_RNG = random.Random(7)
_KINDS = ("crack", "leading_edge_erosion", "corrosion")


@events.test_start.add_listener  # type: ignore[untyped-decorator]
def settle(environment: Any, **_: Any) -> None:
    """Forget the first seconds: the API reads its statements for the first time."""
    if _TOLD["settle_s"]:
        gevent.spawn_later(_TOLD["settle_s"], environment.stats.reset_all)


class Analyst(HttpUser):  # type: ignore[misc]
    """Somebody who looks, lists and opens, about once a second."""

    wait_time = between(0.5, 1.5)  # a constant pace brings all of them into step

    def on_start(self) -> None:
        """Sign in, and say that asking begins."""
        self.client.headers["Authorization"] = f"Bearer {_TOLD['token']}"
        Path(_TOLD["begun"]).touch()

    def _get(self, route: str, **parts: str) -> None:
        self.client.get(route.format(**parts), name=route)

    @task(4)
    def findings(self) -> None:
        """List the newest findings."""
        self._get("/v1/findings?limit=50")

    @task(2)
    def findings_of_a_kind(self) -> None:
        """List findings of a kind."""
        self.client.get(f"/v1/findings?limit=50&kind={_RNG.choice(_KINDS)}", name="/v1/findings?kind=")

    @task(4)
    def finding(self) -> None:
        """Open a finding."""
        self._get("/v1/findings/{finding}", finding=f"big-{_RNG.randint(1, _TOLD['findings'])}")

    @task(2)
    def findings_of_an_asset(self) -> None:
        """List an asset's findings."""
        asset = f"big-{_RNG.randint(1, _TOLD['assets'])}"
        self.client.get(f"/v1/findings?limit=50&asset_id={asset}", name="/v1/findings?asset_id=")

    @task(2)
    def defects(self) -> None:
        """List the defects."""
        self._get("/v1/defects?limit=50")

    @task(2)
    def flights(self) -> None:
        """List flights."""
        self._get("/v1/flights?limit=50")

    @task(2)
    def flight(self) -> None:
        """Open a flight."""
        self._get("/v1/flights/{flight}", flight=f"big-{_RNG.randint(1, _TOLD['flights'])}")

    @task(2)
    def track(self) -> None:
        """Draw a flight's track: 1,000 of its samples."""
        self._get("/v1/flights/{flight}/track", flight=f"big-{_RNG.randint(1, _TOLD['flights'])}")

    @task(2)
    def newest_sample(self) -> None:
        """Ask where a drone is."""
        self._get("/v1/drones/{drone}/telemetry/latest", drone=f"live-{_RNG.randint(1, _TOLD['drones'])}")

    @task(1)
    def last_minutes(self) -> None:
        """Ask for a drone's last ten minutes."""
        self._get("/v1/drones/{drone}/telemetry", drone=f"live-{_RNG.randint(1, _TOLD['drones'])}")

    @task(1)
    def assets(self) -> None:
        """List assets."""
        self._get("/v1/assets?limit=50")

    @task(1)
    def drones(self) -> None:
        """List drones."""
        self._get("/v1/drones?limit=50")

    @task(1)
    def tickets(self) -> None:
        """List tickets."""
        self._get("/v1/tickets?limit=50")
