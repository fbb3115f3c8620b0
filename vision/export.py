"""Turns a checkpoint into the shipped ONNX file: uint8 BGR frames in, raw boxes out (needs the ``train`` extra)."""

# ruff: noqa: PLC0415 - onnx belongs to the training extra

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.errors import InvalidInput
from vision.offline import load_ultralytics
from vision.runtimes import OnnxRuntime

_OPSET = 17
_MOST_APART_PX = 0.5
_MOST_APART_SHARE = 0.03
"""Of a box's longer side: rounding to float16 moves large boxes by more pixels than small ones."""
_MOST_APART_SCORE = 0.01
_SMALL = 256
"""Tensors of fewer numbers are kept as they are."""


def export(checkpoint: Path, out: Path) -> Path:
    """Write ``out``: input ``frames`` (batch, height, width, 3) uint8 BGR, output (batch, 4 + kinds, anchors).

    Height and width are free multiples of 32. Scaling to 0..1 and the change to RGB are folded into the first
    convolution, so that no time is spent on them at run time.

    Raises:
        InvalidInput: No checkpoint there, its first layer is not a convolution, or the file does not answer alike.

    """
    if not checkpoint.exists():
        raise InvalidInput(f"No checkpoint at {checkpoint}.", hint="kestrel-vision train writes one.", field="weights")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "model.pt"
        shutil.copyfile(checkpoint, copy)
        ultralytics = load_ultralytics()
        plain = ultralytics.YOLO(str(copy)).export(
            format="onnx", dynamic=True, simplify=True, opset=_OPSET, device="cpu", verbose=False
        )
        fold_preparation(Path(plain), out)
        _compare(ultralytics.YOLO(str(copy)).model, out)
    return out


def _compare(network: Any, exported: Path) -> None:
    """Refuse an exported file that does not answer as its checkpoint does: silent breakage has been seen."""
    import torch

    coarse = np.random.default_rng(0).integers(0, 255, (2, 12, 16, 3), np.uint8)
    frames = np.ascontiguousarray(coarse.repeat(16, axis=1).repeat(16, axis=2))
    rgb = np.ascontiguousarray(frames[..., ::-1].transpose(0, 3, 1, 2))
    with torch.no_grad():
        answer = network.eval().float()(torch.from_numpy(rgb).float() / 255.0)
    wanted = (answer[0] if isinstance(answer, (list, tuple)) else answer).numpy()
    problem = difference(OnnxRuntime(exported, 1).infer(frames), wanted)
    if problem:
        exported.unlink()
        raise InvalidInput(
            f"The exported model differs from its checkpoint: {problem}.",
            hint="Export with other versions of torch and onnx.",
        )


def difference(answer: NDArray[np.float32], wanted: NDArray[np.float32]) -> str | None:
    """Return in words what sets two answers (batch, 4 + kinds, anchors) apart by more than rounding does, or None."""
    apart = np.abs(answer - wanted)
    allowed_px = np.maximum(_MOST_APART_PX, _MOST_APART_SHARE * wanted[:, 2:4].max(axis=1, keepdims=True))
    if (apart[:, :4] <= allowed_px).all() and (apart[:, 4:] <= _MOST_APART_SCORE).all():
        return None
    return f"boxes by {apart[:, :4].max():.2f} px, scores by {apart[:, 4:].max():.4f}"


def fold_preparation(plain: Path, out: Path) -> None:
    """Rewrite an ONNX graph of RGB 0..1 NCHW floats into one of BGR uint8 NHWC frames."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load(str(plain))
    graph = model.graph
    old = graph.input[0].name
    first = next((node for node in graph.node if old in node.input), None)
    if first is None or first.op_type != "Conv":
        raise InvalidInput(f"{plain}: the first layer is not a convolution.", field="weights")
    kernel = next(t for t in graph.initializer if t.name == first.input[1])
    weights = numpy_helper.to_array(kernel)[:, ::-1] / 255.0
    kernel.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(weights, np.float32), kernel.name))
    frames = helper.make_tensor_value_info("frames", TensorProto.UINT8, ["batch", "height", "width", 3])
    steps: list[Any] = [
        helper.make_node("Cast", ["frames"], ["frames_float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["frames_float"], [old], perm=[0, 3, 1, 2]),
    ]
    graph.input.remove(graph.input[0])
    graph.input.append(frames)
    for position, node in enumerate([*steps, *_halved(graph)]):
        graph.node.insert(position, node)
    del model.metadata_props[:]
    onnx.checker.check_model(model)
    out.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(out))


def _halved(graph: Any) -> list[Any]:
    """Store large weights as float16 and return the casts back, which engines fold away when they load the file."""
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < _SMALL:
            continue
        full, name = numpy_helper.to_array(tensor), tensor.name
        tensor.CopyFrom(numpy_helper.from_array(full.astype(np.float16), f"{name}_half"))
        casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    return casts
