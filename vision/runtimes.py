"""The two engines that can run the detector: OpenVINO and ONNX Runtime, behind one call."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from contracts.errors import InvalidInput

Frames = NDArray[np.uint8]
"""(batch, height, width, 3) BGR; height and width are multiples of 32."""
Raw = NDArray[np.float32]
"""(batch, 4 + kinds, anchors): centre x, centre y, width, height in pixels, then one score per kind."""


_PREPARED = 64
"""Primitives that OpenVINO keeps prepared for shapes it has met. Of its usual 5,000 each strip of a new size took
memory for good: 1.6 GB after six segments of video and rising, where these take 0.9 and no more time."""


class Runtime(Protocol):
    """Runs the network."""

    name: str

    def infer(self, frames: Frames) -> Raw:
        """Return the raw output for a batch."""
        ...


class OnnxRuntime:
    """ONNX Runtime; on CUDA where that provider is installed, else on the CPU."""

    def __init__(self, model: Path, threads: int) -> None:
        ort = importlib.import_module("onnxruntime")
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
        providers = [p for p in wanted if p in ort.get_available_providers()]
        self._session: Any = ort.InferenceSession(str(model), options, providers=providers)
        self._input = self._session.get_inputs()[0].name
        self.name = "onnxruntime/" + self._session.get_providers()[0].removesuffix("ExecutionProvider").lower()

    def infer(self, frames: Frames) -> Raw:
        """Return the raw output for a batch."""
        return np.asarray(self._session.run(None, {self._input: frames})[0], np.float32)


class OpenVino:
    """OpenVINO on the CPU, in bfloat16 where the processor computes in it."""

    def __init__(self, model: Path, threads: int, *, half: bool = True) -> None:
        openvino = importlib.import_module("openvino")
        core = openvino.Core()
        precision = "bf16" if half and "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"
        choices = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": precision,
            "ENABLE_CPU_PINNING": False,
            "CPU_RUNTIME_CACHE_CAPACITY": _PREPARED,
        }
        self._request: Any = core.compile_model(core.read_model(str(model)), "CPU", choices).create_infer_request()
        self.name = f"openvino/{precision}"

    def infer(self, frames: Frames) -> Raw:
        """Return the raw output for a batch."""
        return np.array(self._request.infer({0: frames})[0], np.float32)


def open_runtime(model: Path, threads: int, engine: str = "auto") -> Runtime:
    """Open the engine named, or with ``auto`` the fastest installed: CUDA, OpenVINO, ONNX Runtime on the CPU.

    Raises:
        InvalidInput: Unknown engine, or none is installed.

    """
    if engine not in {"auto", "openvino", "onnxruntime"}:
        raise InvalidInput(f"No engine {engine!r}.", hint="auto, openvino or onnxruntime.", field="engine")
    installed = {name for name in ("openvino", "onnxruntime") if importlib.util.find_spec(name)}
    if engine != "auto":
        installed &= {engine}
    if "onnxruntime" in installed and (installed == {"onnxruntime"} or _cuda()):
        return OnnxRuntime(model, threads)
    if "openvino" in installed:
        return OpenVino(model, threads)
    raise InvalidInput("No inference engine is installed.", hint="pip install 'kestrel[vision]'", field="engine")


def _cuda() -> bool:
    return "CUDAExecutionProvider" in importlib.import_module("onnxruntime").get_available_providers()
