"""`kestrel-sim fleet`: many drones against a running platform: real certificates, real topics, one process.

What it says at the end it has counted in the database, not in its own memory: every sample that a drone made, by
(drone, boot, seq). A sample made is one that a real drone's outbox would have on disk: none may be missing.
"""

from __future__ import annotations

import json
import random
import statistics
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import typer

from contracts.errors import InvalidInput, PlatformError
from simulators import fleet_database, fleet_identities
from simulators.fleet_drone import Broker, FleetDrone

_TICK_S = 0.05
_DRAIN_S = 180.0
_STORM_WITHIN_S = 180.0
_PROBES = ("/v1/drones?limit=50", "/v1/flights?limit=50", "/v1/findings?limit=50", "/v1/drones/{}/telemetry/latest")


class Wishes(NamedTuple):
    """What is asked for."""

    drones: int
    rate_hz: float
    scenario: str
    seconds: float
    seed: int


class Platform(NamedTuple):
    """A running platform, as its state directory tells it."""

    broker: Broker
    ca_key_file: Path
    database_url: str
    api: str

    @classmethod
    def at(cls, state_dir: Path) -> Platform:
        """Read where a platform started by `kestrel up` is.

        Raises:
            InvalidInput: Nothing was started there.

        """
        try:
            told = json.loads((state_dir / "instance.json").read_text())
            ports, password = told["ports"], told["database_password"]
        except (OSError, ValueError, KeyError) as error:
            raise InvalidInput(f"No platform at {state_dir}.", hint="Start one with `kestrel up`.") from error
        keys = state_dir / "certificates"
        url = f"postgresql://kestrel:{password}@127.0.0.1:{ports['postgres']}/kestrel"
        broker = Broker("127.0.0.1", ports["mosquitto"], keys / "ca.pem")
        return cls(broker, keys / "ca.key", url, f"http://127.0.0.1:{ports['api']}")


def fleet_verb(state_dir: Path, wishes: Wishes, token: str, *, as_json: bool) -> None:
    """Fly the fleet; exit 1 when a sample is missing or a drone stayed away."""
    try:
        platform = Platform.at(state_dir)
        with tempfile.TemporaryDirectory(prefix="fleet") as folder:
            report = Fleet(platform, wishes, Path(folder), token).run()
    except PlatformError as error:
        typer.echo(f"{error} {error.hint or ''}", err=True)
        raise typer.Exit(75 if error.retryable else 1) from error
    typer.echo(json.dumps(report, indent=None if as_json else 2))
    raise typer.Exit(0 if report["ok"] else 1)


class Fleet:
    """The drones and what happens to them."""

    def __init__(self, platform: Platform, wishes: Wishes, folder: Path, token: str) -> None:
        self._platform, self._wishes, self._token = platform, wishes, token
        self._random = random.Random(wishes.seed)
        names = [f"sim-{number:04d}" for number in range(1, wishes.drones + 1)]
        fleet_database.register(platform.database_url, names)
        authority = fleet_identities.Authority.read(platform.broker.ca_file, platform.ca_key_file)
        self.drones = [
            FleetDrone(name, platform.broker, authority.issue(name, folder), wishes.rate_hz) for name in names
        ]

    def run(self) -> dict[str, Any]:
        """Connect, fly the scenario, wait until all is committed, and count."""
        began_s = time.monotonic()
        with self._probing() as took_ms:
            connected_s = self._all_online(self.drones)
            told = SCENARIOS[self._wishes.scenario](self)
            for drone in self.drones:
                drone.landed = True
            drained_s = self._until(lambda: not any(drone.waiting for drone in self.drones), _DRAIN_S)
        waiting = sum(drone.waiting for drone in self.drones)
        for drone in self.drones:
            drone.cut()
        made = {(drone.drone_id, boot_id): count for drone in self.drones for boot_id, count in drone.boots.items()}
        counted = fleet_database.count(self._platform.database_url, made)
        away = sum(1 for drone in self.drones if not drone.marks)
        return {
            "ok": counted.missing == 0 and counted.unknown == 0 and away == 0 and drained_s is not None,
            "scenario": self._wishes.scenario,
            "drones": len(self.drones),
            "samples_made": sum(made.values()),
            "samples_missing": counted.missing,
            "samples_waiting": waiting,
            "samples_unknown": counted.unknown,
            "drones_never_heard": away,
            "first_online_s": _figures(connected_s),
            **told,
            "drained_s": None if drained_s is None else round(drained_s, 1),
            "api_ms": _figures(took_ms),
            "took_s": round(time.monotonic() - began_s, 1),
        }

    def fly(self, seconds: float) -> None:
        """Let everyone fly on for a while."""
        ends_s = time.monotonic() + seconds
        self._until(lambda: time.monotonic() >= ends_s, seconds + 1)

    def storm(self) -> dict[str, Any]:
        """Everyone loses the link at once, and everyone comes back at once."""
        self.fly(self._wishes.seconds)
        for drone in self.drones:
            drone.cut()
        self.fly(3.0)
        return {"online_again_s": _figures(self._all_online(self.drones))}

    def link_loss(self) -> dict[str, Any]:
        """Every few seconds a tenth of the fleet loses the link, for 3 to 10 seconds."""
        cuts, ends_s, back = 0, time.monotonic() + self._wishes.seconds, dict[str, float]()
        while time.monotonic() < ends_s:
            for drone in self._random.sample(self.drones, max(1, len(self.drones) // 10)):
                if not drone.is_cut:
                    drone.cut()
                    back[drone.drone_id] = time.monotonic() + self._random.uniform(3, 10)
                    cuts += 1
            self.fly(4.0)
            self._reconnect(back, time.monotonic())
        self._reconnect(back, float("inf"))
        return {"links_lost": cuts}

    def clock(self) -> dict[str, Any]:
        """Clocks jump: an hour back, a day ahead, to 1970, and back."""
        jumps = (timedelta(hours=-1), timedelta(days=1), timedelta(days=-20_000), timedelta())
        for jump in jumps:
            for drone in self.drones:
                drone.clock_off = jump
            self.fly(self._wishes.seconds / len(jumps))
        return {"clock_jumps": len(jumps)}

    def upgrade(self) -> dict[str, Any]:
        """One drone after the other restarts: a new boot, with what the old one had not been told committed."""
        pause_s = self._wishes.seconds / len(self.drones)
        for drone in self.drones:
            drone.cut()
            drone.restart()
            drone.start()
            self.fly(pause_s)
        return {"restarts": len(self.drones)}

    def _reconnect(self, back: dict[str, float], now_s: float) -> None:
        for drone in self.drones:
            if drone.is_cut and back.get(drone.drone_id, now_s) <= now_s:
                drone.start()

    def _all_online(self, drones: list[FleetDrone]) -> list[float]:
        """Start drones at once; return how long each took until the first watermark came back, those that did."""
        began_s = time.monotonic()
        took: dict[str, float] = {}
        for number, drone in enumerate(drones):
            drone.start()
            if number % 50 == 0:
                self._step(drones[: number + 1])

        def all_heard() -> bool:
            for drone in drones:
                if drone.heard and drone.drone_id not in took:
                    took[drone.drone_id] = time.monotonic() - began_s
            return len(took) == len(drones)

        self._until(all_heard, _STORM_WITHIN_S)
        return list(took.values())

    def _until(self, done: Callable[[], bool], within_s: float) -> float | None:
        """Step the fleet until ``done``; return the seconds, None when they were not enough."""
        began_s = time.monotonic()
        while not done():
            if time.monotonic() - began_s > within_s:
                return None
            self._step(self.drones)
            time.sleep(_TICK_S)
        return time.monotonic() - began_s

    @staticmethod
    def _step(drones: list[FleetDrone]) -> None:
        now_s = time.monotonic()
        for drone in drones:
            drone.step(now_s)

    @contextmanager
    def _probing(self) -> Iterator[list[float]]:
        """Ask the API five times a second meanwhile; yield how long each answer took, in milliseconds."""
        took_ms: list[float] = []
        stop = threading.Event()
        asker = threading.Thread(target=self._probe, args=(took_ms, stop), daemon=True)
        if self._token:
            asker.start()
        yield took_ms
        stop.set()
        if self._token:
            asker.join(10)

    def _probe(self, took_ms: list[float], stop: threading.Event) -> None:
        headers = {"Authorization": f"Bearer {self._token}"}
        number = 0
        while not stop.wait(0.2):
            path = _PROBES[number % len(_PROBES)].format(self.drones[0].drone_id)
            number += 1
            request = urllib.request.Request(self._platform.api + path, headers=headers)  # noqa: S310 - our own API
            began_s = time.perf_counter()
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - as above
                    answer.read()
            except urllib.error.HTTPError:
                continue  # no sample yet
            except OSError:
                took_ms.append(30_000.0)
                continue
            took_ms.append(1000 * (time.perf_counter() - began_s))


SCENARIOS: dict[str, Callable[[Fleet], dict[str, Any]]] = {
    "storm": Fleet.storm,
    "link-loss": Fleet.link_loss,
    "clock": Fleet.clock,
    "upgrade": Fleet.upgrade,
}


def _figures(values: list[float]) -> dict[str, float]:
    if len(values) < 2:
        return {"count": len(values)}
    cuts = statistics.quantiles(values, n=100)
    return {"count": len(values), "p50": round(cuts[49], 1), "p99": round(cuts[98], 1), "max": round(max(values), 1)}
