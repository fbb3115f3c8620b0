"""Imports ultralytics for training and export only: no network, no torchvision, no usage reports."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType

_TORCHVISION_ANSWER = "0.28.0"
"""The release that pairs with torch 2.13; ultralytics compares the two at import."""
_QUIET = {"YOLO_OFFLINE": "1", "YOLO_AUTOINSTALL": "0", "ULTRALYTICS_SKIP_REQUIREMENTS_CHECKS": "1"}


@contextmanager
def _torchvision_answered() -> Iterator[None]:
    """Answer the version question where torchvision is absent: its wheels need CUDA beside a CPU torch."""
    asked = importlib.metadata.version

    def version(distribution_name: str) -> str:
        try:
            return asked(distribution_name)
        except importlib.metadata.PackageNotFoundError:
            if distribution_name == "torchvision":
                return _TORCHVISION_ANSWER
            raise

    importlib.metadata.version = version
    try:
        yield
    finally:
        importlib.metadata.version = asked


def load_ultralytics() -> ModuleType:
    """Return the ultralytics package, told to stay on this machine."""
    os.environ.update(_QUIET)
    with _torchvision_answered():
        ultralytics = importlib.import_module("ultralytics")
    ultralytics.settings.update({"sync": False})
    if importlib.util.find_spec("torchvision") is None:
        _stand_in_for_torchvision()
    return ultralytics


def _stand_in_for_torchvision() -> None:
    """Give ultralytics' validator the one operator it takes from torchvision, from its own pure torch version."""
    nms = importlib.import_module("ultralytics.utils.nms").TorchNMS.nms
    package, ops = (ModuleType(name) for name in ("torchvision", "torchvision.ops"))
    package.__spec__ = ModuleSpec("torchvision", None, is_package=True)
    ops.__spec__ = ModuleSpec("torchvision.ops", None)
    package.__dict__.update({"ops": ops, "__version__": _TORCHVISION_ANSWER, "__path__": []})
    ops.__dict__["nms"] = nms
    sys.modules.update({"torchvision": package, "torchvision.ops": ops})
