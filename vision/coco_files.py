"""Labels as COCO detection sets (https://cocodataset.org/#format-data), written and read: boxes (x, y, w, h) in pixels.

A box's ``attributes`` say what people said of it: ours hold ``judgement``; those of `kestrel export coco` the finding's
``status``. A box with neither was drawn by a person elsewhere and is a defect; a crowd (``iscrowd``) outlines many
things together, so nobody has judged the single one. An image's ``subset`` is its split; COCO itself has none.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Annotated, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contracts.errors import InvalidInput
from contracts.training import JUDGEMENTS, Judgement, LabelledBox, Split
from contracts.vocabulary import DefectKind, FindingStatus
from vision.label_files import FROM_FILE, MOST_CHARACTERS, Labelled, box_between

_ROUNDING_PX = 0.5
"""Others round boxes to whole pixels: a border so far outside the picture is the picture's."""
_T = TypeVar("_T", bound="_Numbered")


class _Read(BaseModel):
    """A part of the file; what others keep beside it is left alone."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class _Numbered(_Read):
    id: int


class _Image(_Numbered):
    file_name: str = Field(min_length=1)
    width: int = Field(ge=1)
    height: int = Field(ge=1)
    subset: Split | None = None


class _Attributes(_Read):
    judgement: Judgement | None = None
    status: FindingStatus | None = None
    finding_id: str = FROM_FILE


class _Annotation(_Numbered):
    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    iscrowd: Annotated[int, Field(ge=0, le=1)] = 0
    attributes: _Attributes = _Attributes()

    @property
    def judgement(self) -> Judgement:
        """Return what people said of it."""
        said = self.attributes
        if said.judgement:
            return said.judgement
        if said.status:
            return JUDGEMENTS.get(said.status, Judgement.OPEN)
        return Judgement.OPEN if self.iscrowd else Judgement.DEFECT


class _Category(_Numbered):
    name: str


class _Coco(_Read):
    images: tuple[_Image, ...]
    annotations: tuple[_Annotation, ...]
    categories: tuple[_Category, ...]


class _Known(NamedTuple):
    images: Mapping[int, _Image]
    kinds: Mapping[int, str]


def as_coco(pictures: Iterable[Labelled], width_px: int, height_px: int) -> str:
    """Return pictures as a COCO set, boxes in pixels of that size; judgement and finding ride along as attributes."""
    numbers = {kind: number for number, kind in enumerate(DefectKind)}
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for image_id, picture in enumerate(pictures, start=1):
        size = {"width": width_px, "height": height_px}
        images.append({"id": image_id, "file_name": picture.frame_key, "subset": picture.split.value} | size)
        for known in picture.boxes:
            about = {"id": len(annotations) + 1, "image_id": image_id, "category_id": numbers[known.kind]}
            annotations.append(about | _box(known, width_px, height_px))
    categories = [{"id": number, "name": kind.value, "supercategory": "defect"} for kind, number in numbers.items()]
    return json.dumps({"images": images, "annotations": annotations, "categories": categories})


def _box(known: LabelledBox, width_px: int, height_px: int) -> dict[str, object]:
    box = known.box
    x, y, w, h = box.x0 * width_px, box.y0 * height_px, (box.x1 - box.x0) * width_px, (box.y1 - box.y0) * height_px
    said = {"judgement": known.judgement.value, "finding_id": known.finding_id}
    return {"bbox": [x, y, w, h], "area": w * h, "iscrowd": 0, "segmentation": [], "attributes": said}


def from_coco(text: str, split: Split = Split.TRAIN) -> list[Labelled]:
    """Return the pictures of a COCO set, in its order; ``split`` is for those that do not say theirs.

    An image without any annotation is kept as one where there is nothing.

    Raises:
        InvalidInput: It is no such set, or an image, category or box in it is none of ours; the field is named.

    """
    if len(text) > MOST_CHARACTERS:
        raise InvalidInput(f"{len(text)} characters are too many.", hint="Export in parts.", field="file")
    try:
        read = _Coco.model_validate_json(text)
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"])) or "file"
        hint = "Export the labels as COCO, object detection."
        raise InvalidInput(
            f"This is no COCO set: {where}: {error.errors()[0]['msg']}.", hint=hint, field=where
        ) from error
    known = _Known(_by_id(read.images, "images"), {i: c.name for i, c in _by_id(read.categories, "categories").items()})
    boxes: dict[int, list[LabelledBox]] = defaultdict(list)
    for annotation in _by_id(read.annotations, "annotations").values():
        boxes[annotation.image_id].append(_labelled(annotation, known))
    return [Labelled(image.file_name, image.subset or split, tuple(boxes[image.id])) for image in read.images]


def _by_id(parts: Iterable[_T], field: str) -> dict[int, _T]:
    made: dict[int, _T] = {}
    for part in parts:
        if made.setdefault(part.id, part) is not part:
            raise InvalidInput(f"Two of {field} have the id {part.id}.", hint="Number them anew.", field=field)
    return made


def _labelled(annotation: _Annotation, known: _Known) -> LabelledBox:
    where = f"annotation {annotation.id}"
    image = known.images.get(annotation.image_id)
    if image is None:
        hint = "Export the images together with their annotations."
        raise InvalidInput(
            f"{where}: there is no image {annotation.image_id}.", hint=hint, field="annotations.image_id"
        )
    name = known.kinds.get(annotation.category_id)
    if name not in set(DefectKind):
        hint = f"Name the categories as ours: {', '.join(DefectKind)}."
        told = f"{where}: category {annotation.category_id} is {name!r}, no kind of defect."
        raise InvalidInput(told, hint=hint, field="annotations.category_id")
    x, y, w, h = annotation.bbox
    across, down = _ends(x, w, image.width), _ends(y, h, image.height)
    ends = across[0], down[0], across[1], down[1]
    return box_between(ends, DefectKind(name), annotation.judgement, annotation.attributes.finding_id, where)


def _ends(start: float, length: float, side: int) -> tuple[float, float]:
    """Return both borders as shares of the picture, those moved back that only rounding has put outside."""
    first, last = start, start + length
    first = 0.0 if -_ROUNDING_PX <= first < 0 else first
    last = float(side) if side < last <= side + _ROUNDING_PX else last
    return first / side, last / side
