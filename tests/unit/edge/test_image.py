"""The drone carries contracts and edge, and nothing heavy or foreign."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).resolve().parents[3]
_ASK = """
import json, sys
import edge.__main__
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""
FOREIGN = {
    "numpy": "a drone has no use for it",
    "cv2": "frames are not decoded on board",
    "torch": "detection runs elsewhere",
    "fastapi": "no listening ports",
    "sqlalchemy": "no database server",
    "cloud": "the drone knows contracts only",
    "vision": "the drone knows contracts only",
    "simulators": "the real agent flies the real thing",
    "infra": "the drone knows contracts only",
    "pymavlink": "one dialect is enough",
    "lxml": "the same",
}


def test_the_agent_imports_nothing_foreign() -> None:
    done = subprocess.run([sys.executable, "-c", _ASK], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert {name: why for name, why in FOREIGN.items() if name in loaded} == {}
    assert {"edge", "contracts", "awscrt", "av"} <= loaded
    assert "boto3" not in loaded, "loaded when something is uploaded"


def test_its_start_loads_few_modules() -> None:
    """Its start is a matter of what it imports: 778 modules when this was written. `make edge-size` takes the time."""
    ask = "import sys, edge.__main__; print(len(sys.modules))"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 1000


def brought_along() -> dict[str, int]:
    """Return what `pip install .[edge]` brings with it, each with its bytes on disk without compiled caches."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    waiting = [*project["dependencies"], *project["optional-dependencies"]["edge"]]
    weights: dict[str, int] = {}
    while waiting:
        wanted = Requirement(waiting.pop())
        name = canonicalize_name(wanted.name)
        if name in weights or (wanted.marker and not wanted.marker.evaluate({"extra": ""})):
            continue
        found = distribution(name)
        files = [Path(str(file.locate())) for file in found.files or () if file.suffix != ".pyc"]
        weights[name] = sum(path.stat().st_size for path in files if path.exists())
        waiting += found.requires or []
    return weights


def test_what_it_brings_along_does_not_grow() -> None:
    """`make edge-size` weighs a fresh environment; 174 MB at first, 106 of them FFmpeg with its binding."""
    weights = brought_along()
    assert {"av", "awscrt", "cryptography", "pydantic"} <= weights.keys()
    assert {"pymavlink", "lxml", "pillow", "numpy", "awsiotsdk"} & weights.keys() == set()
    assert sum(weights.values()) < 176e6, weights
