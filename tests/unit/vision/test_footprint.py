"""The worker must not need what only training needs."""

from __future__ import annotations

import subprocess
import sys

import pytest

FORBIDDEN = {
    "torch": "a worker image would grow by a gigabyte",
    "ultralytics": "AGPL code and its calls home have no place in the worker",
    "torchvision": "comes with torch",
    "onnx": "only export reads graphs",
    "matplotlib": "comes with ultralytics",
}


@pytest.mark.parametrize(
    "module", ["vision.worker", "vision.detect", "vision.evaluate", "vision.card", "vision.settings", "vision.__main__"]
)
def test_no_training_dependency_is_imported(module: str) -> None:
    code = f"import sys, {module}; print(' '.join(m for m in {sorted(FORBIDDEN)!r} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    named = done.stdout.split()
    assert not named, "; ".join(f"{module} imports {n}: {FORBIDDEN[n]}" for n in named)


def test_the_worker_imports_no_vendor_sdk() -> None:
    code = "import sys, vision.worker; print('boto3' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
