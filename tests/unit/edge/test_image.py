"""The drone carries contracts and edge, and nothing heavy or foreign."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from typer.testing import CliRunner

from edge.__main__ import VERBS, app

REPOSITORY = Path(__file__).resolve().parents[3]
_ASK = """
import json, sys
import edge.__main__, edge.verbs.{verb}
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
    "cryptography": "signatures by libsodium, keys by awscrt",
    "boto3": "uploads are a handful of signed requests",
    "botocore": "the same",
    "pymavlink": "one dialect is enough",
    "lxml": "the same",
}


def loaded_by(verb: str) -> set[str]:
    """Return the packages that a process loads which runs one verb."""
    code = _ASK.replace("{verb}", verb)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_the_agent_imports_nothing_foreign() -> None:
    loaded = loaded_by("run")
    assert {name: why for name, why in FOREIGN.items() if name in loaded} == {}
    assert {"edge", "contracts", "awscrt", "av"} <= loaded


def test_its_start_loads_few_modules() -> None:
    """Its start is a matter of what it imports: 778 modules when this was written. `make edge-size` takes the time."""
    ask = "import sys, edge.__main__, edge.verbs.run; print(len(sys.modules))"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 1000


def test_asking_how_the_agent_is_loads_none_of_it() -> None:
    """A container asks every half minute, on a computer that has better to do."""
    assert loaded_by("status") & {"av", "awscrt", "nacl", "pydantic", "pydantic_settings", "rich"} == set()


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_says_of_each_verb_what_it_says_of_itself(verb: str) -> None:
    shown = CliRunner().invoke(app, [verb, "--help"], terminal_width=300)
    assert shown.exit_code == 0, shown.output
    assert VERBS[verb] in " ".join(shown.output.split())


def test_the_help_lists_every_verb_without_loading_one() -> None:
    code = "import sys, edge.__main__ as e; e.app(['--help'], standalone_mode=False); assert 'av' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert [verb for verb in VERBS if f"  {verb} " not in done.stdout] == []


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
    """`make edge-size` weighs a fresh environment; 141 MB, 106 of them FFmpeg with its binding."""
    weights = brought_along()
    assert {"av", "awscrt", "pynacl", "pydantic"} <= weights.keys()
    assert {
        "pymavlink",
        "lxml",
        "pillow",
        "numpy",
        "awsiotsdk",
        "boto3",
        "botocore",
        "cryptography",
    } & weights.keys() == set()
    assert sum(weights.values()) < 143e6, weights
