"""Turns a checkpoint into the shipped ONNX file: uint8 BGR frames in, raw boxes out (needs the ``train`` extra)."""

# ruff: noqa: PLC0415 - onnx belongs to the training extra

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from contracts.errors import InvalidInput
from vision.offline import load_ultralytics

_OPSET = 17
_SMALL = 256
"""Tensors of fewer numbers are kept as they are."""


def export(checkpoint: Path, out: Path) -> Path:
    """Write ``out``: input ``frames`` (batch, height, width, 3) uint8 BGR, output (batch, 4 + kinds, anchors).

    Height and width are free multiples of 32. Scaling to 0..1 and the change to RGB are folded into the first
    convolution, so that no time is spent on them at run time.

    Raises:
        InvalidInput: No checkpoint there, or its first layer is not a convolution.

    """
    if not checkpoint.exists():
        raise InvalidInput(f"No checkpoint at {checkpoint}.", hint="kestrel-vision train writes one.", field="weights")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "model.pt"
        shutil.copyfile(checkpoint, copy)
        model = load_ultralytics().YOLO(str(copy))
        plain = model.export(format="onnx", dynamic=True, simplify=True, opset=_OPSET, device="cpu", verbose=False)
        fold_preparation(Path(plain), out)
    return out


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
