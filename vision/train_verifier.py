"""Trains the second look on cut-outs of labelled tiles and of what the detector wrongly points at (``train`` extra)."""

# ruff: noqa: PLC0415 - torch belongs to the training extra

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from contracts.vocabulary import DefectKind
from vision.boxes import KINDS, Image
from vision.card import kinds_of, plain_card
from vision.datasets import Sample, read_yolo
from vision.detector import BoxFinder, Detector, verifier_file
from vision.evaluate import names_in
from vision.merge import areas, intersections, iou
from vision.runtimes import open_runtime
from vision.verifier import CONTEXT, CROP_PX, cutout

Told = Callable[[int, int, str], None] | None
"""Called after each tile with (done, of, set)."""
EPOCHS = 14

NOTHING = len(KINDS)
WEAKEST = 0.005
"""Confidence from which on the detector's boxes are learnt from: below what it proposes, to show more that may fool."""
_WRONG_IOU = 0.1
_LIES_ON = 0.3
"""Of the smaller of two boxes."""
_RANDOM_PER_TILE = 0.3
_OWN_PER_DEFECT = 2
_WRONG_PER_TILE = 8
"""Boxes of the detector at most, the surest: a photo in which it finds one crack in many pieces counts no more."""
_BATCH = 64


class Spot(NamedTuple):
    """A box in a tile and what it is: a kind's index, or ``NOTHING``."""

    tile: int
    box: NDArray[np.float64]
    kind: int


class Spots(NamedTuple):
    """Tiles and the spots in them."""

    tiles: list[Image]
    spots: list[Spot]


def mine(finder: BoxFinder, root: Path, split: str, seed: int, told: Told = None) -> Spots:
    """Gather every labelled box, whatever the detector points at, and a few random places.

    The detector's own box of a defect counts as that defect: such boxes are what it will be shown.
    """
    rng = np.random.default_rng(seed)
    tiles: list[Image] = []
    spots: list[Spot] = []
    kinds, samples = names_in(root)[0], read_yolo(root, split)
    for number, sample in enumerate(samples):
        tile = np.asarray(cv2.imread(str(sample.image), cv2.IMREAD_COLOR), np.uint8)
        tiles.append(tile)
        labelled = [Spot(number, box, kind) for box, kind in _labelled(tile, sample, kinds)]
        others = [np.asarray(box, np.float64) for box in finder.find([tile])[0].by_confidence().xyxy]
        if rng.random() < _RANDOM_PER_TILE:
            corner, size = rng.uniform(0, 0.8, 2) * tile.shape[1::-1], rng.uniform(20, 140, 2)
            others.append(np.concatenate([corner, corner + size]))
        shown = [Spot(number, box, kind) for box in others if (kind := _shown(box, labelled)) is not None]
        wrong = [spot for spot in shown if spot.kind == NOTHING]
        own = [spot for spot in shown if spot.kind != NOTHING]
        spots += [*labelled, *own[: _OWN_PER_DEFECT * len(labelled)], *wrong[:_WRONG_PER_TILE]]
        if told:
            told(number + 1, len(samples), root.name)
    return Spots(tiles, spots)


def joined(parts: Sequence[Spots]) -> Spots:
    """Return the spots of several sets as one."""
    tiles, spots = list[Image](), list[Spot]()
    for part in parts:
        spots += [spot._replace(tile=spot.tile + len(tiles)) for spot in part.spots]
        tiles += part.tiles
    return Spots(tiles, spots)


def _labelled(
    tile: Image, sample: Sample, kinds: Mapping[int, DefectKind]
) -> Iterator[tuple[NDArray[np.float64], int]]:
    """Yield the labelled boxes of a tile in pixels with their kind's index; what is no defect of ours is left out."""
    scale = np.tile(tile.shape[1::-1], 2)
    for number, x, y, w, h in sample.rows:
        if int(number) in kinds:
            yield np.array([x - w / 2, y - h / 2, x + w / 2, y + h / 2]) * scale, KINDS.index(kinds[int(number)])


def _shown(box: NDArray[np.float64], labelled: Sequence[Spot]) -> int | None:
    """Return what a box of the detector shows: the kind of the defect it lies on, ``NOTHING``, or None for neither."""
    if not labelled:
        return NOTHING
    one, all_ = np.asarray(box, np.float32), np.asarray([spot.box for spot in labelled], np.float32)
    lies_on = intersections(one, all_) / np.maximum(np.minimum(areas(one[None]), areas(all_)), 1e-9)
    if lies_on.max() >= _LIES_ON:
        return labelled[int(lies_on.argmax())].kind
    return NOTHING if iou(one, all_).max() < _WRONG_IOU else None


class Taught(NamedTuple):
    """A second look that was trained, and how well it judges cut-outs that it never learnt."""

    file: Path
    cutouts: dict[Path, int]
    """How many of each set it learnt from."""
    confusion: NDArray[np.int64]
    """(kinds + 1, kinds + 1), truth in rows."""

    @property
    def right(self) -> float:
        """Return the share of the cut-outs of the validation splits that it judges right."""
        return round(float(self.confusion.trace() / max(self.confusion.sum(), 1)), 4)


def teach(weights: Path, roots: Sequence[Path], epochs: int, seed: int, threads: int, told: Told = None) -> Taught:
    """Train a second look for a detector on the train splits of some sets, and write it beside the weights.

    Raises:
        InvalidInput: A set is not in YOLO layout.

    """
    finder = Detector(open_runtime(weights, threads), plain_card(weights, kinds_of(weights), WEAKEST, 0.5))
    mined = {root: mine(finder, root, "train", seed, told) for root in roots}
    net = train_verifier(joined(list(mined.values())), epochs, seed, threads)
    exam = joined([mine(finder, root, "val", seed, told) for root in roots])
    cutouts = {root: len(part.spots) for root, part in mined.items()}
    return Taught(export_verifier(net, verifier_file(weights)), cutouts, agreement(net, exam))


def varied(tile: Image, box: NDArray[np.float64], rng: np.random.Generator) -> Image:
    """Return a cut-out of a box, jittered, turned, mirrored, lit differently."""
    size = box[2:] - box[:2]
    shift = np.tile(rng.uniform(-0.15, 0.15, 2) * size, 2)
    crop = cutout(tile, box + shift, CONTEXT * float(rng.uniform(0.75, 1.3)))
    crop = np.rot90(crop, int(rng.integers(4)))
    crop = crop[:, ::-1] if rng.random() < 0.5 else crop
    lit = crop.astype(np.float32) * rng.uniform(0.7, 1.3) + rng.uniform(-25, 25) + rng.normal(0, 3, 3)
    return np.asarray(np.clip(lit, 0, 255), np.uint8)


def network() -> Any:
    """Return the untrained classifier: uint8 cut-outs in, logits out."""
    from torch import nn

    def stage(before: int, after: int) -> list[Any]:
        made: list[Any] = []
        for number, (inner, stride) in enumerate(((before, 2), (after, 1))):
            made += [nn.Conv2d(inner, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
            del number
        return made

    layers = [*stage(3, 24), *stage(24, 48), *stage(48, 96), *stage(96, 128)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(128, NOTHING + 1))


def train_verifier(spots: Spots, epochs: int, seed: int, threads: int) -> Any:
    """Return a trained classifier; kinds and nothing weigh alike, however often they come."""
    import torch

    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    rng = np.random.default_rng(seed)
    processor = "cuda" if torch.cuda.is_available() else "cpu"
    net = network().train().to(processor)
    kinds = np.array([s.kind for s in spots.spots])
    counts = np.bincount(kinds, minlength=NOTHING + 1)
    weight = torch.tensor(np.where(counts > 0, (len(kinds) / np.maximum(counts, 1)) ** 0.5, 0.0), dtype=torch.float32)
    steps = epochs * -(-len(kinds) // _BATCH)
    optimizer = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    loss_of = torch.nn.CrossEntropyLoss(weight=weight / weight.mean(), label_smoothing=0.05).to(processor)
    for epoch in range(epochs):
        total = 0.0
        for crops, wanted in _batches(spots, rng):
            loss = loss_of(net(_tensor(crops).to(processor)), torch.from_numpy(wanted).to(processor))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss.detach()) * len(wanted)
        print(f"second look: epoch {epoch + 1}/{epochs}, loss {total / len(kinds):.3f}", flush=True)  # noqa: T201
    return net.eval().cpu()


def _batches(spots: Spots, rng: np.random.Generator) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int64]]]:
    order = rng.permutation(len(spots.spots))
    for start in range(0, len(order), _BATCH):
        part = [spots.spots[i] for i in order[start : start + _BATCH]]
        if len(part) > 1:
            crops = np.stack([varied(spots.tiles[s.tile], s.box, rng) for s in part])
            yield crops, np.array([s.kind for s in part], np.int64)


def _tensor(crops: NDArray[np.uint8]) -> Any:
    import torch

    return torch.from_numpy(np.ascontiguousarray(crops.transpose(0, 3, 1, 2))).float() / 127.5 - 1.0


def agreement(net: Any, spots: Spots) -> NDArray[np.int64]:
    """Return the confusion matrix (kinds + 1, kinds + 1) on unvaried cut-outs: truth in rows."""
    import torch

    matrix = np.zeros((NOTHING + 1, NOTHING + 1), np.int64)
    for start in range(0, len(spots.spots), _BATCH):
        part = spots.spots[start : start + _BATCH]
        crops = np.stack([cutout(spots.tiles[s.tile], s.box) for s in part])
        with torch.no_grad():
            said = net(_tensor(crops)).argmax(1).numpy()
        for spot, kind in zip(part, said, strict=True):
            matrix[spot.kind, kind] += 1
    return matrix


def export_verifier(net: Any, out: Path) -> Path:
    """Write the classifier as ONNX: input ``crops`` (n, 96, 96, 3) uint8 BGR, output probabilities (n, kinds + 1)."""
    import torch

    class Whole(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, crops: Any) -> Any:
            return self.net(crops.permute(0, 3, 1, 2).float() / 127.5 - 1.0).softmax(1)

    example = torch.zeros((2, CROP_PX, CROP_PX, 3), dtype=torch.uint8)
    axes = {"crops": {0: "n"}, "kinds": {0: "n"}}
    out.parent.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        Whole().eval(),
        (example,),
        str(out),
        input_names=["crops"],
        output_names=["kinds"],
        dynamic_axes=axes,
        opset_version=17,
        dynamo=False,
    )
    return out
