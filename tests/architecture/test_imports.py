"""What a drone carries and a program of the cloud loads; import-linter (`make check`) says who may import whom."""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

NOT_ON_A_DRONE = {
    "instruments": "a drone is watched by what it says, and carries no server",
    "interchange": "foreign plans are read in the cloud and on the operator's machine",
    "cloud": "another part",
    "vision": "another part",
    "workflows": "another part",
    "infra": "another part",
    "simulators": "another part",
    "torch": "gigabytes",
    "ultralytics": "gigabytes",
    "onnxruntime": "vision works in the cloud; a first look is an extra, in a process of its own",
    "cv2": "video is stored as the camera encodes it",
    "numpy": "nothing on the drone needs it",
    "sqlalchemy": "the outbox is plain SQLite",
    "fastapi": "the drone serves nothing",
    "psycopg2": "the drone knows no database server",
    "cryptography": "signatures by libsodium, keys by awscrt",
    "boto3": "uploads are a handful of signed requests",
    "botocore": "the same",
    "pymavlink": "one dialect is enough",
    "lxml": "pymavlink's generator wants it",
}

# Of the extra `edge-vision`: loaded by no process but the one that looks at pictures.
OF_THE_DETECTOR = ("edge.first_look.boxes", "edge.backends.detector")

_IMPORT_ALL = """
import importlib, pkgutil, sys

class Guard:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked!r}:
            raise ImportError(f"{{name}} must not be on a drone")
        return None

sys.meta_path.insert(0, Guard())
import contracts, edge
names = [m.name for part in (contracts, edge) for m in pkgutil.walk_packages(part.__path__, part.__name__ + ".")]
for name in names:
    if name not in {of_the_detector!r}:
        importlib.import_module(name)
print(len(names))
"""


def test_the_agent_runs_with_contracts_and_edge_only(tmp_path: Path) -> None:
    for part in ("contracts", "edge"):
        shutil.copytree(REPOSITORY / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    done = _import_all(tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) > 10


@pytest.mark.parametrize("intruder", ["numpy", "cloud.tables"])
def test_the_footprint_test_can_fail(tmp_path: Path, intruder: str) -> None:
    for part in ("contracts", "edge"):
        (tmp_path / part).mkdir()
        (tmp_path / part / "__init__.py").touch()
    (tmp_path / "edge" / "sneaky.py").write_text(f"import {intruder}\n")
    assert "must not be on a drone" in _import_all(tmp_path).stderr


def _import_all(folder: Path) -> subprocess.CompletedProcess[str]:
    # -S would hide site-packages altogether; -P and PYTHONPATH put the copy before the editable install.
    return subprocess.run(
        [sys.executable, "-P", "-c", _IMPORT_ALL.format(blocked=set(NOT_ON_A_DRONE), of_the_detector=OF_THE_DETECTOR)],
        cwd=folder,
        env={"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


_DAEMONS = ("consume", "ingest", "reconcile")
_SLOW = ("scipy.optimize", "rasterio", "statsmodels", "polars", "typst")


@pytest.mark.parametrize(
    ("verb", "heavy"),
    [
        *(("serve", name) for name in _SLOW),
        *((verb, name) for verb in _DAEMONS for name in (*_SLOW, "mcp", "fastapi", "alembic")),
    ],
)
def test_a_program_of_the_cloud_starts_without_what_it_seldom_or_never_needs(verb: str, heavy: str) -> None:
    """Six programs start at once on one machine: each second of import is six."""
    assert heavy not in _loaded_by(verb)


@cache
def _loaded_by(verb: str) -> frozenset[str]:
    asked = [sys.executable, "-c", f"import sys, cloud.__main__, cloud.verbs.{verb}; print(*sys.modules)"]
    done = subprocess.run(asked, capture_output=True, text=True, check=True, cwd=REPOSITORY)
    return frozenset(done.stdout.split())
