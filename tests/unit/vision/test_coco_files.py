"""Labels leave as COCO sets and come back; those of other programs are read, what is no label of ours is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from cloud.datasets.formats import as_coco as exported
from contracts.errors import InvalidInput
from contracts.geo import BoxNorm
from contracts.training import Judgement, LabelledBox, Split
from contracts.vocabulary import DefectKind
from vision.__main__ import app
from vision.coco_files import as_coco, from_coco
from vision.label_files import Labelled

ENDS = st.tuples(st.integers(0, 9999), st.integers(0, 9999)).filter(lambda e: e[0] != e[1]).map(sorted)


def box(across: list[int], down: list[int], kind: DefectKind, judged: Judgement, finding: str) -> LabelledBox:
    (x0, x1), (y0, y1) = across, down
    norm = BoxNorm(x0=x0 / 9999, y0=y0 / 9999, x1=x1 / 9999, y1=y1 / 9999)
    return LabelledBox(box=norm, kind=kind, judgement=judged, finding_id=finding)


BOXES = st.builds(box, ENDS, ENDS, st.sampled_from(DefectKind), st.sampled_from(Judgement), st.text(max_size=4))
PICTURES = st.lists(
    st.builds(Labelled, st.text(min_size=1), st.sampled_from(Split), st.lists(BOXES, max_size=2).map(tuple)), max_size=3
)


@given(PICTURES, st.integers(1, 8192), st.integers(1, 8192))
@settings(max_examples=20, deadline=None)
def test_coco_keeps_everything(pictures: list[Labelled], width: int, height: int) -> None:
    back = from_coco(as_coco(pictures, width, height))
    assert [(p.frame_key, p.split) for p in back] == [(p.frame_key, p.split) for p in pictures]
    for new, old in zip(back, pictures, strict=True):
        said = [[(b.kind, b.judgement, b.finding_id) for b in p.boxes] for p in (new, old)]
        assert said[0] == said[1]
        ends = [[end for b in p.boxes for end in b.box.model_dump().values()] for p in (new, old)]
        assert ends[0] == pytest.approx(ends[1], abs=1e-9)


def coco(**changes: Any) -> str:
    """Return a set of one crack in a picture of 100 x 50, with parts of it changed."""
    image = {"id": 7, "file_name": "a.jpg", "width": 100, "height": 50, "license": 3} | changes.get("image", {})
    drawn = {"id": 1, "image_id": 7, "category_id": 4, "bbox": [10, 5, 20, 10]} | changes.get("annotation", {})
    category = {"id": 4, "name": "crack"} | changes.get("category", {})
    twice = changes.get("twice", "")
    parts = {"images": [image], "annotations": [drawn], "categories": [category]}
    return json.dumps(parts | {name: [*part, *part] for name, part in parts.items() if name == twice})


@pytest.mark.parametrize(
    ("annotation", "judgement"),
    [
        ({}, Judgement.DEFECT),
        ({"iscrowd": 1}, Judgement.OPEN),
        ({"attributes": {"occluded": False}}, Judgement.DEFECT),
        ({"attributes": {"status": "open"}}, Judgement.OPEN),
        ({"attributes": {"status": "confirmed"}}, Judgement.DEFECT),
        ({"attributes": {"status": "repaired"}}, Judgement.DEFECT),
        ({"attributes": {"status": "rejected"}}, Judgement.NOTHING),
        ({"attributes": {"status": "rejected", "judgement": "open"}}, Judgement.OPEN),
    ],
)
def test_what_people_said_of_a_box_is_read(annotation: dict[str, Any], judgement: Judgement) -> None:
    ((_, split, (known,)),) = from_coco(coco(annotation=annotation), Split.VAL)
    assert (known.judgement, split) == (judgement, Split.VAL)
    assert known.box == BoxNorm(x0=0.1, y0=0.1, x1=0.3, y1=0.3)


def test_borders_that_were_rounded_outwards_are_the_pictures() -> None:
    ((_, _, (known,)),) = from_coco(coco(annotation={"bbox": [-0.4, 0, 100.8, 50.5]}))
    assert known.box == BoxNorm(x0=0, y0=0, x1=1, y1=1)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("{", "file"),
        ('{"images": [], "annotations": []}', "categories"),
        (coco(image={"width": 0}), "images.0.width"),
        (coco(image={"subset": "exam"}), "images.0.subset"),
        (coco(annotation={"bbox": [1, 2, 3]}), "annotations.0.bbox.3"),
        (coco(annotation={"attributes": {"judgement": "perhaps"}}), "annotations.0.attributes.judgement"),
        (coco(annotation={"image_id": 8}), "annotations.image_id"),
        (coco(annotation={"category_id": 5}), "annotations.category_id"),
        (coco(category={"name": "bird"}), "annotations.category_id"),
        (coco(annotation={"bbox": [10, 5, 0, 10]}), "box"),
        (coco(annotation={"bbox": [10, 5, 91, 10]}), "box"),
        (coco(twice="images"), "images"),
        (coco(twice="annotations"), "annotations"),
        (coco(twice="categories"), "categories"),
    ],
)
def test_a_set_that_is_no_label_is_refused_with_its_field(text: str, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        from_coco(text)
    assert refused.value.field == field


def test_what_the_platform_exports_comes_back_with_its_verdicts(tmp_path: Path) -> None:
    shared = {"segment_id": "seg-1", "width_px": 3840, "height_px": 2160, "captured_at": None, "severity_rank": 3}
    place = {"x0": 0.4, "y0": 0.4, "x1": 0.5, "y1": 0.5}
    rows = [
        shared | {"frame": n, "box": place, "kind": "crack", "finding_id": f"fnd-{n}", "status": status}
        for n, status in enumerate(("confirmed", "rejected", "open"))
    ]
    (tmp_path / "export.json").write_text(exported(rows))

    def turned(source: str, form: str, out: str) -> list[str]:
        paths = [str(tmp_path / source), "--as", form, "--out", str(tmp_path / out)]
        done = CliRunner().invoke(app, ["labels", *paths, "--split", "val", "--json"])
        assert done.exit_code == 0, done.stderr
        return list(json.loads(done.stdout)["left_out_unjudged"])

    assert turned("export.json", "yolo", "yolo") == ["frames/seg-1/000002.jpg"]
    sizes = {path.name: path.stat().st_size > 0 for path in (tmp_path / "yolo/labels/val").iterdir()}
    assert sizes == {"frames%2Fseg-1%2F000000.jpg.txt": True, "frames%2Fseg-1%2F000001.jpg.txt": False}
    assert turned("yolo", "coco", "back.json") == []
    assert len(from_coco((tmp_path / "back.json").read_text())) == 2
