"""Makes an eight-bit copy of a detector, and keeps it only where it sees as well (needs the ``train`` extra).

Weights and activations of the convolutions become eight-bit integers (ONNX's QDQ form, static, a scale per output
channel); the ranges are taken from pictures it may learn from. Both engines run such a file. The last convolutions stay
as they were: one step of theirs would be a box that moves by pixels.
"""

# ruff: noqa: PLC0415 - onnx belongs to the training extra

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from contracts.errors import InvalidInput, ModelRefused
from vision.card import FullCard, Record, card_text, sha256_of
from vision.datasets import read_yolo
from vision.detector import STRIDE_PX, load_card, open_detector, verifier_file
from vision.evaluate import Progress, judge, measure
from vision.runtimes import Frames

MOST_LOST = 0.01
"""Of mAP50: a copy that loses more is refused."""
_PICTURES = 240
"""At most so many are looked at for the ranges."""


class Side(NamedTuple):
    """One of both detectors on the validation pictures."""

    map50: float
    seconds: float
    """All pictures, the second look included, on this machine."""


class Made(NamedTuple):
    """What became of it."""

    file: Path
    whole: Side
    eight_bit: Side

    @property
    def time_share(self) -> float:
        """Return the time it takes, as a share of what the whole detector took on the same pictures."""
        return self.eight_bit.seconds / self.whole.seconds


def quantize(weights: Path, roots: Sequence[Path], out: Path, threads: int, progress: Progress | None = None) -> Made:
    """Write ``out`` with card and second look; ranges from the split ``train`` of the sets, judged on their ``val``.

    Raises:
        NotFound: The weights or their card are missing.
        InvalidInput: ``out`` exists or would lie beside another detector, or a set lacks a split.
        ModelRefused: The copy finds less than the detector by more than ``MOST_LOST`` of mAP50; nothing is written.

    """
    sha256 = load_card(weights).sha256
    taken = next((file for file in (out, out.with_name("README.md")) if file.exists()), None)
    if taken:
        raise InvalidInput(f"{taken} exists.", hint="Name a file in a folder of its own.", field="out")
    out.parent.mkdir(parents=True, exist_ok=True)
    pictures = _pictures(roots)
    with tempfile.TemporaryDirectory(dir=out.parent) as folder:
        made = Path(folder) / out.name
        _write(weights, pictures, made, Path(folder) / "whole.onnx")
        note = {"of": sha256, "ranges_from": [root.name for root in roots], "pictures": len(pictures)}
        card = _card(weights, made, note)
        made.with_suffix(".json").write_text(card.model_dump_json(indent=2) + "\n")
        made.with_name("README.md").write_text(card_text(card))
        if card.verifier_sha256:
            shutil.copyfile(verifier_file(weights), verifier_file(made))
        whole, eight_bit = (_examined(file, roots, threads, progress) for file in (weights, made))
        if whole.map50 - eight_bit.map50 > MOST_LOST:
            raise ModelRefused(
                f"In eight bits {weights.name} loses {whole.map50 - eight_bit.map50:.3f} of mAP50"
                f" ({whole.map50:.3f} to {eight_bit.map50:.3f}); {MOST_LOST} may be lost.",
                hint="Use the detector as it is, or take ranges from pictures more like those it meets.",
            )
        for file in (made.with_name("README.md"), made.with_suffix(".json"), verifier_file(made), made):
            if file.exists():
                file.replace(out.parent / file.name)
    return Made(out, whole, eight_bit)


def _pictures(roots: Sequence[Path]) -> list[Path]:
    """Return pictures to take ranges from, spread evenly over the sets."""
    found = [sample.image for root in roots for sample in read_yolo(root, "train")]
    if not found:
        raise InvalidInput("The sets hold no images/train.", hint="Ranges are taken from pictures.", field="data")
    return found[:: -(-len(found) // _PICTURES)]


def _examined(weights: Path, roots: Sequence[Path], threads: int, progress: Progress | None) -> Side:
    finder = open_detector(weights, threads=threads)
    began = time.monotonic()
    judged = [one for root in roots for one in judge(finder, root, "val", progress)]
    seconds = time.monotonic() - began
    map50 = measure(judged, "", "val", finder.card.accept)["map50"]
    if not isinstance(map50, float):
        raise InvalidInput("The sets hold no box in val.", hint="Judge it on labelled pictures.", field="data")
    return Side(map50, seconds)


def _card(weights: Path, made: Path, note: Record) -> FullCard:
    """Return the detector's card for its copy: what was measured of the whole one is not said of it."""
    told = json.loads(weights.with_suffix(".json").read_text())
    return FullCard.model_validate(
        {key: told[key] for key in FullCard.model_fields if key in told}
        | {"name": made.stem, "sha256": sha256_of(made), "eight_bit": note, "metrics": (), "planted": None}
    )


def _write(weights: Path, pictures: Sequence[Path], out: Path, whole: Path) -> None:
    import onnx
    from onnxruntime import quantization

    model = onnx.load(str(weights))
    _widen(model.graph)
    onnx.save(model, str(whole))
    quantization.quantize_static(
        str(whole),
        str(out),
        _Reader(pictures, model.graph.input[0].name),
        quant_format=quantization.QuantFormat.QDQ,
        op_types_to_quantize=["Conv"],
        per_channel=True,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
        nodes_to_exclude=last_convolutions(model.graph),
        extra_options={"ActivationSymmetric": False, "WeightSymmetric": True},
    )


def _widen(graph: Any) -> None:
    """Make float32 of the weights that ``export`` stored as float16: ranges are taken of what is computed."""
    from onnx import TensorProto, numpy_helper

    stored = {tensor.name: tensor for tensor in graph.initializer if tensor.data_type == TensorProto.FLOAT16}
    for node in [n for n in graph.node if n.op_type == "Cast" and n.input[0] in stored]:
        tensor = stored[node.input[0]]
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), node.output[0]))
        graph.node.remove(node)


def last_convolutions(graph: Any) -> list[str]:
    """Return the names of the convolutions nearest to the outputs; those with one output channel are passed through.

    Such a one only takes a mean over a box side's distribution (Li et al., Generalized Focal Loss, 2020).
    """
    makers = {name: node for node in graph.node for name in node.output}
    kernels = {tensor.name: tensor for tensor in graph.initializer}
    found, seen, open_ = [], set(), [output.name for output in graph.output]
    while open_:
        node = makers.get(open_.pop())
        if node is None or node.name in seen or node.op_type == "Shape":
            continue  # of a shape no value comes
        seen.add(node.name)
        if node.op_type == "Conv":
            found.append(node.name)
            if kernels[node.input[1]].dims[0] > 1:
                continue
        open_ += node.input
    return sorted(found)


class _Reader:
    """Feeds pictures to the calibration, cut to whole strides."""

    def __init__(self, pictures: Sequence[Path], name: str) -> None:
        self._feeds = self._each(pictures, name)

    def get_next(self) -> dict[str, Frames] | None:
        """Return the next picture, None after the last."""
        return next(self._feeds, None)

    @staticmethod
    def _each(pictures: Sequence[Path], name: str) -> Iterator[dict[str, Frames]]:
        for path in pictures:
            image = cv2.imread(str(path), cv2.IMREAD_COLOR)
            if image is None:
                raise InvalidInput(f"{path} is not a readable image.", hint="Replace it or take it out.", field="data")
            height, width = (side // STRIDE_PX * STRIDE_PX for side in image.shape[:2])
            yield {name: np.ascontiguousarray(image[None, :height, :width], np.uint8)}
