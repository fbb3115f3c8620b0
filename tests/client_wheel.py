"""The client as whoever installs it has it: a wheel in an empty environment, against the live API.

``python -m tests.client_wheel`` builds ``kestrel-client`` from `client/`, installs it and what it asks for into a fresh
environment, and lets a program there read and plan over HTTP. It fails when anything of the house came along.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from contracts.vocabulary import Role
from infra.local.layout import REPOSITORY
from tests import fuzz
from tests.platform import Server

_PROGRAM = """
import importlib.metadata, importlib.resources, importlib.util, json, sys
from kestrel_client import ApiError, Client, models

house = ["contracts", "cloud", "edge", "fastapi", "sqlalchemy", "numpy"]
came_along = [name for name in house if importlib.util.find_spec(name)]
with Client(sys.argv[1], sys.argv[2]) as kestrel:
    pages = Client.pages(lambda cursor: kestrel.list_flights(limit=1, cursor=cursor))
    flights = [flight.flight_id for page in pages for flight in page.data]
    plan = kestrel.add_plan(models.PlanRequest(asset_id="wt-01"))
    try:
        kestrel.get_flight("flt-none")
    except ApiError as error:
        refused = error.code
print(json.dumps({
    "version": importlib.metadata.version("kestrel-client"),
    "requires": sorted(importlib.metadata.requires("kestrel-client")),
    "typed": (importlib.resources.files("kestrel_client") / "py.typed").is_file(),
    "must_not_be_there": came_along, "flights": len(flights), "planned": type(plan).__name__, "refused": refused,
}))
"""


def build(target: Path) -> Path:
    """Return the wheel, built from a copy: the checkout stays as it is."""
    copy = target / "source"
    shutil.copytree(REPOSITORY / "client", copy, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(target), "."]
    subprocess.run(command, cwd=copy, check=True)
    return next(target.glob("kestrel_client-*.whl"))


def used(wheel: Path, folder: Path) -> dict[str, object]:
    """Return what a program in an empty environment did with the wheel."""
    venv.create(folder, with_pip=True)
    python, lock = str(folder / "bin" / "python"), str(REPOSITORY / "requirements.lock")
    install = [python, "-I", "-m", "pip", "install", "-q", "--disable-pip-version-check", "-c", lock, str(wheel)]
    subprocess.run(install, cwd=folder, check=True)
    with fuzz.world() as services, Server(services) as server:
        assert services.issuer is not None
        token = services.issuer.mint("operator", frozenset({Role.OPERATOR}))
        command = [python, "-I", "-c", _PROGRAM, server.url, token]
        done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=120)
    found: dict[str, object] = json.loads(done.stdout)
    return found


def main() -> int:
    """Build the wheel into a folder and use it; 1 when it brings the house along or does not work."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=REPOSITORY / "build" / "client")
    out = parser.parse_args().out
    with tempfile.TemporaryDirectory() as name:
        wheel = build(Path(name))
        found = used(wheel, Path(name) / "venv")
        out.mkdir(parents=True, exist_ok=True)
        kept = shutil.copy(wheel, out)
    sys.stdout.write(json.dumps({"wheel": str(kept), "bytes": Path(kept).stat().st_size, **found}) + "\n")
    return 1 if found["must_not_be_there"] or not found["typed"] else 0


if __name__ == "__main__":
    sys.exit(main())
