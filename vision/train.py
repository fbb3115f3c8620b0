"""Trains a detector on rendered tiles and cuttings of real photos, from nothing or from features given (``train``)."""

from __future__ import annotations

import hashlib
import importlib
import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import Field

from contracts.errors import InvalidInput
from contracts.geo import Frozen
from vision.datasets import Assembled, Assembly, RealSet
from vision.gathering import MANIFEST
from vision.offline import load_ultralytics

_FIRST_LAYER, _NEVER_LEARNS = "model.0.", ".dfl"
DEFAULT_SPEC = Path(__file__).with_name("training.yaml")


class Pretrained(Frozen):
    """What was learnt elsewhere, and may be used here; its keys are those of a data set's SOURCE.json."""

    set: str
    repo: str
    commit: str
    license: str
    attribution: str


class TrainingSpec(Frozen):
    """The choices of ``training.yaml``."""

    network: str
    tile_px: int = Field(ge=64, le=1280, multiple_of=32)
    batch: int = Field(ge=1)
    optimizer: str
    lr0: float = Field(gt=0)
    lrf: float = Field(gt=0, le=1)
    bfloat16: bool = False
    warmup_epochs: float = Field(ge=0)
    weight_decay: float = Field(ge=0)
    box: float
    cls: float
    dfl: float
    pretrained: Pretrained | None = Field(default=None, description="where a network brings features, whose they are")
    frozen_epochs: int = Field(default=0, ge=0, description="so long a network's first layer is left as it came")
    held: tuple[str, ...] = Field(default=(), description="parts, by the start of their name, that are never trained")
    validate_epochs: bool = Field(default=True, description="off: measured once at the end, and the last weights count")
    augment: dict[str, float]
    validation_share: float = Field(gt=0, lt=0.5)
    real: tuple[RealSet, ...]


class Run(NamedTuple):
    """One training run, as the command line asks for it."""

    rendered: tuple[Path, ...]
    real: Path | None
    out: Path
    epochs: int
    seed: int
    start_from: Path | None = None
    """A checkpoint of ours to continue from; None starts from what the network brings, or from random weights."""
    threads: int = 2
    hours: float | None = None
    """Ends the run after this long, the schedule fitted to it, whatever ``epochs`` says."""
    resume: bool = False
    """Goes on with the run in ``out`` where it was interrupted; everything else is as it was then."""


def read_spec(path: Path = DEFAULT_SPEC) -> TrainingSpec:
    """Return the training choices of a YAML file, and those of the file beside it that it is ``like`` elsewhere."""
    own = yaml.safe_load(path.read_text())
    like = own.pop("like", None)
    base = yaml.safe_load(path.with_name(like).read_text()) if like else {}
    return TrainingSpec.model_validate(base | own)


def assemble(spec: TrainingSpec, run: Run) -> Assembled:
    """Build the training folder ``<out>/data`` anew."""
    folder = run.out / "data"
    shutil.rmtree(folder, ignore_errors=True)
    assembly = Assembly(folder, tile_px=spec.tile_px, validation_share=spec.validation_share, seed=run.seed)
    for root in run.rendered:
        assembly.add_rendered(root)
    gathered = _manifest_of(run) is not None
    for real_set in spec.real if run.real else ():
        # `kestrel-vision data` has cut a validation split already.
        own = real_set.own_validation and not gathered
        assembly.add_real(Path(run.real or ""), real_set.model_copy(update={"own_validation": own}))
    return assembly.finish()


def _manifest_of(run: Run) -> Path | None:
    """Return the manifest of the real data where `kestrel-vision data` gathered it."""
    manifest = run.real / MANIFEST if run.real else None
    return manifest if manifest and manifest.is_file() else None


def train(spec: TrainingSpec, run: Run) -> Path:
    """Train and return the folder that holds ``best.pt`` and ``run.json``.

    Raises:
        InvalidInput: A dataset or the checkpoint to start from is missing.

    """
    weights = run.out / "weights"
    start = weights / "last.pt" if run.resume else run.start_from
    if start is not None and not start.exists():
        raise InvalidInput(f"No checkpoint at {start}.", hint="Start anew.", field="from")
    arguments = {"resume": True} if run.resume else _prepared(spec, run)
    ultralytics, network = load_ultralytics(), network_of(spec.network)
    model = ultralytics.YOLO(str(start) if start else network)
    model.add_callback("on_train_start", lambda trainer: _settle(trainer, run.threads, half=spec.bfloat16))
    model.add_callback("on_train_epoch_start", lambda trainer: thaw(trainer, spec.frozen_epochs, spec.held))
    model.train(**arguments)
    return weights


def network_of(name: str) -> str:
    """Return what ultralytics builds a network of: a file of ours where there is one, else the name of one of its own.

    Ours stand on a layer that is made known to it here.
    """
    ours = Path(__file__).with_name(f"{name}.yaml")
    if not ours.is_file():
        return f"{name}.yaml"
    importlib.import_module("vision.backbone").register(importlib.import_module("ultralytics.nn.tasks"))
    return str(ours)


def thaw(trainer: Any, after: int, held: tuple[str, ...]) -> None:
    """Let the first layer learn once ``after`` epochs are over, except for the parts that are held.

    ultralytics keeps the running means of what ``freeze_layer_names`` names.
    """
    frozen = (*held, _NEVER_LEARNS) if trainer.epoch >= after else (_FIRST_LAYER, *held, _NEVER_LEARNS)
    trainer.freeze_layer_names = list(frozen)
    for name, weights in trainer.model.named_parameters():
        weights.requires_grad = not any(part in name for part in frozen)


def _prepared(spec: TrainingSpec, run: Run) -> dict[str, Any]:
    """Build the data, write down what is about to be done, return what ultralytics is told."""
    assembled = assemble(spec, run)
    record = run.out / "weights" / "run.json"
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(json.dumps(_record(spec, run, assembled), indent=2))
    return {"data": str(assembled.data_yaml), **_arguments(spec, run)}


def _record(spec: TrainingSpec, run: Run, assembled: Assembled) -> dict[str, Any]:
    """Return what the model card says of a run."""
    manifest = _manifest_of(run)
    return {
        "data_manifest_sha256": hashlib.sha256(manifest.read_bytes()).hexdigest() if manifest else None,
        "spec": spec.model_dump(mode="json"),
        "images": assembled.counts,
        "seed": run.seed,
        "epochs": run.epochs,
        "hours": run.hours,
        "started_from": run.start_from.name if run.start_from else _features(spec),
        "before": _before(run.start_from),
    }


def _features(spec: TrainingSpec) -> str:
    return spec.pretrained.set if spec.pretrained else "random weights"


def _before(start_from: Path | None) -> dict[str, Any] | None:
    """Return the record of the run a checkpoint comes from."""
    record = start_from.with_name("run.json") if start_from else None
    return dict(json.loads(record.read_text())) if record and record.exists() else None


def _arguments(spec: TrainingSpec, run: Run) -> dict[str, Any]:
    """Return what ultralytics is told: small batches, each of them a step; nothing that needs a network."""
    return {
        "imgsz": spec.tile_px,
        "epochs": run.epochs,
        "time": run.hours,
        "seed": run.seed,
        "batch": spec.batch,
        "nbs": spec.batch,
        "optimizer": spec.optimizer,
        "lr0": spec.lr0,
        "lrf": spec.lrf,
        "cos_lr": True,
        "warmup_epochs": spec.warmup_epochs,
        "warmup_bias_lr": 0.0,
        "weight_decay": spec.weight_decay,
        "box": spec.box,
        "cls": spec.cls,
        "dfl": spec.dfl,
        **spec.augment,
        "amp": False,
        "plots": False,
        "workers": max(1, run.threads - 1),
        "cache": "ram",
        "patience": 0,
        "val": spec.validate_epochs,
        "deterministic": False,
        "channels_last": True,
        "project": str(run.out.resolve().parent),
        "name": run.out.name,
        "exist_ok": True,
        "save": True,
    }


def _settle(trainer: Any, threads: int, *, half: bool) -> None:
    """Hold the thread count (ultralytics raises it), and compute forward passes in bfloat16; losses stay float32."""
    import torch  # noqa: PLC0415 - belongs to the training extra

    torch.set_num_threads(threads)
    plain, processor = trainer.model.predict, trainer.device.type

    def predict(x: Any, *args: Any, **kwargs: Any) -> Any:
        with torch.autocast(processor, dtype=torch.bfloat16, enabled=half):
            answer = plain(x, *args, **kwargs)
        return _as_float(answer)

    trainer.model.predict = predict


def _as_float(answer: Any) -> Any:
    """Return nested predictions with every tensor in float32."""
    if isinstance(answer, dict):
        return {key: _as_float(value) for key, value in answer.items()}
    if isinstance(answer, (list, tuple)):
        return type(answer)(_as_float(value) for value in answer)
    return answer.float() if hasattr(answer, "float") else answer
