"""Labels as files of other programs: CVAT's "CVAT for images 1.1" XML, which keeps all of them, and YOLO text.

CVAT (https://docs.cvat.ai/docs/manual/advanced/formats/format-cvat/): pixels; a box's attributes hold its judgement and
finding, an image's ``subset`` its split. YOLO (one ``class cx cy w h`` per line, shares of the picture) knows defects
only: a picture whose every box was rejected is an empty file, a hard negative; one with a box nobody has judged is left
out, as an empty place there would teach a miss.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, TypeVar
from urllib.parse import quote, unquote
from xml.etree.ElementTree import Element, SubElement, tostring

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring
from pydantic import ValidationError

from contracts.errors import InvalidInput
from contracts.geo import BoxNorm
from contracts.training import Judgement, LabelledBox, Split
from contracts.vocabulary import DefectKind
from vision.boxes import KINDS

_Word = TypeVar("_Word", bound=StrEnum)
FROM_FILE = "imported"
"""Finding of a box that another program drew."""
MOST_CHARACTERS = 64 << 20
_ROUNDING = 1e-5
_CLASSES = frozenset(str(number) for number in range(len(KINDS)))


class Labelled(NamedTuple):
    """One picture and what is known in it; no box at all: there is nothing."""

    frame_key: str
    split: Split
    boxes: tuple[LabelledBox, ...]


def as_cvat(pictures: Iterable[Labelled], width_px: int, height_px: int) -> str:
    """Return pictures as CVAT XML, boxes in pixels of that size."""
    root = Element("annotations")
    SubElement(root, "version").text = "1.1"
    for number, picture in enumerate(pictures):
        size = {"width": str(width_px), "height": str(height_px)}
        about = {"id": str(number), "name": picture.frame_key, "subset": picture.split.value}
        image = SubElement(root, "image", about | size)
        for known in picture.boxes:
            ends = _pixels(known.box, width_px, height_px)
            box = SubElement(image, "box", {"label": known.kind.value, "occluded": "0", "z_order": "0"} | ends)
            for name, value in (("judgement", known.judgement.value), ("finding_id", known.finding_id)):
                SubElement(box, "attribute", name=name).text = value
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode")


def _pixels(box: BoxNorm, width_px: int, height_px: int) -> dict[str, str]:
    ends = {"xtl": box.x0 * width_px, "ytl": box.y0 * height_px, "xbr": box.x1 * width_px, "ybr": box.y1 * height_px}
    return {name: repr(value) for name, value in ends.items()}


def from_cvat(text: str) -> list[Labelled]:
    """Return the pictures of CVAT XML; a box without a judgement was drawn by a person and is a defect.

    Raises:
        InvalidInput: It is no such XML, or a picture, label or number in it is none of ours; the field is named.

    """
    if len(text) > MOST_CHARACTERS:
        raise InvalidInput(f"{len(text)} characters are too many.", hint="Export in parts.", field="file")
    try:
        root = fromstring(text)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise InvalidInput(f"This is no CVAT XML: {error}.", field="file") from error
    if root.tag != "annotations":
        raise InvalidInput(f"The root is <{root.tag}>, not <annotations>.", field="annotations")
    return [_cvat_image(image) for image in root.iter("image")]


def _cvat_image(image: Element) -> Labelled:
    name = image.get("name") or ""
    if not name:
        raise InvalidInput("A picture has no name.", field="image.name")
    where = f"image {name}"
    width, height = (_number(image.get(side), f"image.{side}", where) for side in ("width", "height"))
    if min(width, height) < 1:
        raise InvalidInput(f"{where}: it is {width:g} x {height:g} pixels.", field="image.width")
    split = _one_of(Split, image.get("subset") or Split.TRAIN.value, "image.subset", where)
    return Labelled(name, split, tuple(_cvat_box(box, width, height, where) for box in image.iter("box")))


def _cvat_box(box: Element, width: float, height: float, where: str) -> LabelledBox:
    x0, y0, x1, y1 = (_number(box.get(end), f"box.{end}", where) for end in ("xtl", "ytl", "xbr", "ybr"))
    said = {a.get("name"): a.text or "" for a in box.iter("attribute")}
    judged = _one_of(Judgement, said.get("judgement") or Judgement.DEFECT.value, "box.judgement", where)
    kind = _one_of(DefectKind, box.get("label") or "", "box.label", where)
    ends = x0 / width, y0 / height, x1 / width, y1 / height
    return box_between(ends, kind, judged, said.get("finding_id") or FROM_FILE, where)


def box_between(
    ends: tuple[float, float, float, float], kind: DefectKind, judged: Judgement, finding_id: str, where: str
) -> LabelledBox:
    """Return a box between two corners (x0, y0, x1, y1), shares of the picture.

    Raises:
        InvalidInput: It has no area, or lies outside the picture.

    """
    if not (ends[0] < ends[2] and ends[1] < ends[3]):
        raise InvalidInput(f"{where}: the box {ends} has no area.", field="box")
    try:
        box = BoxNorm(x0=ends[0], y0=ends[1], x1=ends[2], y1=ends[3])
    except ValidationError as error:
        raise InvalidInput(f"{where}: the box {ends} is none: {error.errors()[0]['msg']}.", field="box") from error
    return LabelledBox(box=box, kind=kind, judgement=judged, finding_id=finding_id)


def _number(text: str | None, field: str, where: str) -> float:
    try:
        return float(text or "")
    except ValueError as error:
        raise InvalidInput(f"{where}: {field} is {text!r}, no number.", field=field) from error


def _one_of(words: type[_Word], word: str, field: str, where: str) -> _Word:
    try:
        return words(word)
    except ValueError as error:
        hint = f"Choose from {', '.join(w.value for w in words)}."
        raise InvalidInput(f"{where}: {field} is {word!r}.", hint=hint, field=field) from error


def write_yolo(pictures: Iterable[Labelled], root: Path) -> list[str]:
    """Write ``data.yaml`` and ``labels/<split>/<key>.txt``, the key as in a URL; return what was left out as unjudged.

    Raises:
        InvalidInput: A label file of such a name is there already.

    """
    left_out = []
    for picture in pictures:
        if any(box.judgement is Judgement.OPEN for box in picture.boxes):
            left_out.append(picture.frame_key)
            continue
        path = root / "labels" / picture.split.value / f"{quote(picture.frame_key, safe='')}.txt"
        if path.exists():
            raise InvalidInput(f"{path} is there already.", hint="Name an empty folder.", field="out")
        path.parent.mkdir(parents=True, exist_ok=True)
        defects = (box for box in picture.boxes if box.judgement is Judgement.DEFECT)
        path.write_text("".join(_yolo_line(box) for box in defects), encoding="utf-8")
    names = "".join(f"  {number}: {kind.value}\n" for number, kind in enumerate(KINDS))
    root.mkdir(parents=True, exist_ok=True)
    (root / "data.yaml").write_text(f"path: .\nnames:\n{names}", encoding="utf-8")
    return left_out


def _yolo_line(known: LabelledBox) -> str:
    box = known.box
    row = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2, box.x1 - box.x0, box.y1 - box.y0
    return f"{KINDS.index(known.kind)} {' '.join(f'{value:.9f}' for value in row)}\n"


def read_yolo_labels(root: Path) -> list[Labelled]:
    """Return what ``write_yolo`` or another program wrote, classes as :data:`vision.boxes.KINDS` counts them.

    Raises:
        InvalidInput: A line is no box of ours; file and line are named.

    """
    paths = [(split, path) for split in Split for path in sorted((root / "labels" / split.value).glob("*.txt"))]
    if not paths:
        raise InvalidInput(f"{root} holds no labels/train, val or test.", field="labels")
    return [Labelled(unquote(path.stem), split, tuple(_yolo_boxes(path))) for split, path in paths]


def _yolo_boxes(path: Path) -> Iterable[LabelledBox]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is no text.", field="labels") from error
    for number, line in enumerate(lines, start=1):
        where, parts = f"{path.name}, line {number}", line.split()
        if not parts:
            continue
        if len(parts) != 5:
            raise InvalidInput(f"{where}: {len(parts)} numbers, not 5.", hint="class cx cy w h", field="labels")
        if parts[0] not in _CLASSES:
            raise InvalidInput(f"{where}: class {parts[0]} is none of {len(KINDS)}.", field="class")
        cx, cy, w, h = (_number(part, "labels", where) for part in parts[1:])
        ends = _inside(cx - w / 2), _inside(cy - h / 2), _inside(cx + w / 2), _inside(cy + h / 2)
        yield box_between(ends, KINDS[int(parts[0])], Judgement.DEFECT, FROM_FILE, where)


def _inside(share: float) -> float:
    """Return a border that only rounding has moved out of the picture at the picture's."""
    return min(max(share, 0.0), 1.0) if -_ROUNDING <= share <= 1 + _ROUNDING else share
