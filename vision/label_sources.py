"""Labels from wherever they come: a version's labels.json, or a file or folder of another program."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from contracts.errors import InvalidInput
from contracts.training import LabelSet, Split
from vision.coco_files import from_coco
from vision.label_files import Labelled, from_cvat, read_yolo_labels

_COCO = {"images", "annotations"}


def read_labels(source: Path, split: Split = Split.TRAIN) -> list[Labelled]:
    """Return the pictures of a version's labels.json, a CVAT XML file, a COCO set or a folder of YOLO labels.

    ``split`` is for pictures of a COCO set that do not say theirs.

    Raises:
        InvalidInput: It is none of these, or something in it is no label.

    """
    if source.is_dir():
        return read_yolo_labels(source)
    try:
        text = source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{source} cannot be read: {error}.", field="source") from error
    if text.lstrip().startswith("<"):
        return from_cvat(text)
    return from_coco(text, split) if _is_coco(text) else _of_version(source, text)


def _is_coco(text: str) -> bool:
    """Tell whether a text is JSON that holds what only COCO sets do."""
    try:
        read = json.loads(text)
    except ValueError:
        return False
    return isinstance(read, dict) and read.keys() >= _COCO


def _of_version(source: Path, text: str) -> list[Labelled]:
    try:
        known = LabelSet.model_validate_json(text)
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"])) or "source"
        raise InvalidInput(f"{source}: {where}: {error.errors()[0]['msg']}.", field=where) from error
    return [Labelled(frame.frame_key, frame.split, frame.boxes) for frame in known.frames]
