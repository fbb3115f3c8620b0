"""How long the agent takes from its command line to work, and what it weighs then, beside an S3 client alone.

Usage: python -m benchmarks.edge_start [--runs 5] [--json]

The agent is started as on a drone, with nobody at the other ends: no broker, no autopilot, no camera. It has started
when it says ``agent_started``: its databases are open and its loops begin to turn. Run by run, in turn with the named
alternative: a Python that loads boto3 and makes one S3 client, which the agent does without.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from infra.local.instance import free_port

_CLIENT = "import boto3; boto3.client('s3', region_name='eu-west-1'); print('made', flush=True)"


def agent_s(folder: Path) -> dict[str, float]:
    """Start the agent once; return seconds by the clock, of the processor, and megabytes."""
    keys = folder / "keys"
    keys.mkdir(parents=True)
    env = {
        "EDGE_DRONE_ID": "kite-01",
        "EDGE_STATE_DIR": str(folder / "state"),
        "EDGE_MQTT_URL": f"mqtt://127.0.0.1:{free_port(set())}",
        "EDGE_AUTOPILOT_URL": f"tcp:127.0.0.1:{free_port(set())}",
        "EDGE_CAMERA_URL": f"http://127.0.0.1:{free_port(set())}",
        "EDGE_CAMERA_FOCAL_PX": "2900",
        "EDGE_COMMAND_KEYS_DIR": str(keys),
    }
    return _until([sys.executable, "-u", "-m", "edge", "run"], env, lambda line: "agent_started" in line)


def client_s() -> dict[str, float]:
    """Start the alternative once."""
    return _until([sys.executable, "-u", "-c", _CLIENT], None, lambda line: "made" in line)


def _until(command: list[str], env: dict[str, str] | None, told: Callable[[str], bool]) -> dict[str, float]:
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    program = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert program.stdout is not None
    if not any(told(line) for line in program.stdout):
        raise RuntimeError(f"{command} ended without a word.")
    took_s = time.perf_counter() - began
    fields = Path(f"/proc/{program.pid}/status").read_text(encoding="ascii").split("VmRSS:")[1]
    program.kill()
    program.communicate()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"clock_s": took_s, "processor_s": spent_s, "rss_mb": int(fields.split()[0]) / 1024}


def measure(runs: int) -> dict[str, Any]:
    """Return the median and the best of each."""
    agents, clients = [], []
    for _ in range(runs):
        with tempfile.TemporaryDirectory(prefix="kb") as folder:
            agents.append(agent_s(Path(folder)))
        clients.append(client_s())
    ours, theirs = _middle(agents), _middle(clients)
    ratio = round(theirs["processor_s_best"] / ours["processor_s_best"], 2)
    return {"agent": ours, "s3_client_alone": theirs, "client_to_agent_processor": ratio}


def _middle(found: list[dict[str, float]]) -> dict[str, float]:
    values = {name: [row[name] for row in found] for name in found[0]}
    return {f"{name}_median": round(statistics.median(v), 2) for name, v in values.items()} | {
        f"{name}_best": round(min(v), 2) for name, v in values.items()
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    found = measure(asked.runs)
    print(json.dumps(found) if asked.json else json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
