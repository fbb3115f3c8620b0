"""The drone carries contracts and edge, and nothing heavy or foreign."""

from __future__ import annotations

import json
import subprocess
import sys

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
}


def test_the_agent_imports_nothing_foreign() -> None:
    done = subprocess.run([sys.executable, "-c", _ASK], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert {name: why for name, why in FOREIGN.items() if name in loaded} == {}
    assert {"edge", "contracts", "awscrt", "pymavlink", "av"} <= loaded
    assert "boto3" not in loaded, "loaded when something is uploaded"


def test_its_start_loads_few_modules() -> None:
    """Its start is a matter of what it imports: 778 modules when this was written. `make edge-size` takes the time."""
    ask = "import sys, edge.__main__; print(len(sys.modules))"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 1000
